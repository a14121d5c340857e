# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""molmoact-predict: one inference on image files, without ROS."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from molmoact_ros.answer.trajectory import clipped, from_pixels, to_pixels
from molmoact_ros.cli.table import format_list, format_table
from molmoact_ros.output_files import reports_write_errors, write_picture, write_text
from molmoact_ros.policy.pixels import rgb_from_file
from molmoact_ros.policy.types import Observation
from molmoact_ros.small_files import one_line
from molmoact_ros.viz import depth_picture, draw_overlay, side_by_side

from .policy_arguments import add_image_limit, add_policy_arguments, load_policy

if TYPE_CHECKING:
    from molmoact_ros.policy import MolmoActPolicy
    from molmoact_ros.policy.types import Reasoning

OVERLAY_FILE = "overlay.png"
JSON_FILE = "answer.json"


@reports_write_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0: a sound answer, 1: an error or an answer with problems."""
    arguments = _parser().parse_args(argv)
    logging.getLogger("transformers").setLevel(logging.ERROR)
    try:
        return _run(arguments)
    except (ValueError, RuntimeError, MemoryError) as error:
        print(f"molmoact-predict: {one_line(error)}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="molmoact-predict",
        description="Ask a MolmoAct checkpoint once, without ROS: prints depth, trajectory and "
        f"actions, and writes {OVERLAY_FILE} and {JSON_FILE}.",
        epilog="Exit code: 0 for a sound answer, 1 for an error or an answer with problems. "
        "Example: molmoact-predict --checkpoint allenai/MolmoAct-7B-D-0812 "
        '--image front.png --image wrist.png --instruction "close the box"',
    )
    add = parser.add_argument
    add_policy_arguments(parser)
    add("--image", required=True, action="append", type=Path, metavar="FILE",
        help="camera image, JPEG or PNG; once per camera, in the checkpoint's order")  # fmt: skip
    add_image_limit(parser)
    add("--instruction", required=True, help='what to do, such as "close the box"')
    add("--hint", metavar="POINTS",
        help='steer along these pixels of the first image, such as "40,200 120,80"')  # fmt: skip
    add("--out", type=Path, default=Path("."), metavar="DIR", help="where to write (default: .)")
    return parser


def _run(arguments: argparse.Namespace) -> int:
    limit = arguments.max_image_pixels
    images = {path.as_posix(): _read_image(path, limit) for path in arguments.image}
    if len(images) != len(arguments.image):
        raise ValueError("--image: one file is given twice; each camera needs its own")
    first = next(iter(images.values()))
    hint = None if arguments.hint is None else _read_hint(arguments.hint, first)
    if not arguments.instruction.strip():
        raise ValueError("--instruction is empty: give what the robot should do")
    arguments.out.mkdir(parents=True, exist_ok=True)

    policy = load_policy(arguments, len(images), arguments.instruction)
    print(f"profile: {policy.profile.name}, unnorm_key: {policy.stats.key}")
    reasoning = policy.infer(Observation(images, arguments.instruction, hint))
    print(_report(reasoning, policy.profile.actions.names))
    _write_overlay(arguments.out / OVERLAY_FILE, first, policy, reasoning, arguments.instruction)
    content = _content(reasoning, policy, arguments)
    text = json.dumps(content, indent=1, ensure_ascii=False, default=_plain)
    write_text(arguments.out / JSON_FILE, text)
    print(f"wrote {arguments.out / OVERLAY_FILE} and {arguments.out / JSON_FILE}")
    return 0 if reasoning.valid else 1


def _read_image(path: Path, max_pixels: int) -> NDArray[np.uint8]:
    if not path.is_file():
        raise ValueError(f"--image: there is no file {path}")
    return rgb_from_file(path, f"--image: {path}", max_pixels)


def _read_hint(text: str, image: NDArray[np.uint8]) -> NDArray[np.float64]:
    try:
        points = np.array([[float(v) for v in pair.split(",")] for pair in text.split()])
    except ValueError as error:
        raise ValueError(f"--hint: {text!r} is not like '40,200 120,80'") from error
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2 or not np.isfinite(points).all():
        raise ValueError(f"--hint: {text!r} needs two or more points like '40,200 120,80'")
    return clipped(from_pixels(points, (image.shape[1], image.shape[0])))


def _report(reasoning: Reasoning, names: tuple[str, ...]) -> str:
    depth = "none" if reasoning.depth_codes is None else "10 x 10 codes"
    points = " ".join(f"({x:.0f}, {y:.0f})" for x, y in reasoning.trajectory) or "none"
    confidence = "not computed"
    if reasoning.confidence is not None:
        confidence = f"{reasoning.confidence:.2f}"
    times = ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in reasoning.timings.items())
    facts = [
        ("answer", reasoning.text.strip()),
        ("depth", depth),
        ("trajectory", f"{reasoning.trajectory_source}, 0..255: {points}"),
        ("confidence", confidence),
        ("passes", f"{reasoning.forward_passes} for {len(reasoning.ids)} tokens"),
        ("seconds", times),
    ]
    parts = [format_table(facts, header=False)]
    if len(reasoning.actions):
        width = reasoning.actions.shape[1]
        labels = names if len(names) == width else tuple(map(str, range(width)))
        rows = [("row", *labels)]
        rows += [(str(i), *(f"{v:.4f}" for v in row)) for i, row in enumerate(reasoning.actions)]
        parts.append(f"Actions\n{format_table(rows)}")
    if reasoning.problems:
        parts.append(f"Problems\n{format_list(reasoning.problems, '! ')}")
    return "\n\n".join(parts)


def _write_overlay(
    path: Path,
    image: NDArray[np.uint8],
    policy: MolmoActPolicy,
    reasoning: Reasoning,
    instruction: str,
) -> None:
    height, width = image.shape[:2]
    label = "valid" if reasoning.valid else f"{len(reasoning.problems)} problems"
    points = to_pixels(reasoning.trajectory, (width, height))
    picture = draw_overlay(image, points, instruction, label, reasoning.trajectory_source)
    if reasoning.depth_codes is not None:
        depth = policy.relative_depth(reasoning.depth_codes)
        if depth is not None:
            picture = side_by_side(picture, depth_picture(depth, (height, height)))
    write_picture(path, picture)


def _content(
    reasoning: Reasoning, policy: MolmoActPolicy, arguments: argparse.Namespace
) -> dict[str, Any]:
    actions = policy.profile.actions
    content = {
        "checkpoint": arguments.checkpoint,
        "profile": policy.profile.name,
        "instruction": arguments.instruction,
        "images": [str(path) for path in arguments.image],
        "action_space": actions.action_space,
        "names": list(actions.names),
        **vars(reasoning),
        "tokens": len(reasoning.ids),
        "seconds": dict(reasoning.timings),
    }
    for name in ("ids", "tokens_per_pass", "timings"):
        del content[name]
    return content


def _plain(value: Any) -> Any:
    """Return arrays and mappings as JSON has them: null stands for NaN."""
    if not isinstance(value, np.ndarray):
        return dict(value)
    plain = value.astype(object)
    plain[~np.isfinite(value)] = None
    return plain.tolist()


if __name__ == "__main__":
    sys.exit(main())
