# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""molmoact-replay: the policy over the images of a recorded rosbag2, without ROS."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from molmoact_ros.output_files import INTERRUPTED, reports_write_errors
from molmoact_ros.small_files import one_line

from .policy_arguments import add_image_limit, add_policy_arguments, duration, fail, load_policy

if TYPE_CHECKING:
    from molmoact_ros.policy import MolmoActPolicy
    from molmoact_ros.policy.preflight import Preflight
    from molmoact_ros.policy.types import ActionFormat
    from molmoact_ros.replay import Bag, Replay, ReplaySettings
    from molmoact_ros.replay.result_folder import ResultFolder

_FALLBACK_PERIOD = 0.1  # s between action rows, where neither profile nor option sets it


@reports_write_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0: done, 1: an error, which is on stderr, 130: interrupted."""
    options = _parse(argv)
    try:
        import rosbags  # noqa: F401
    except ImportError:
        return fail("reading bags needs the package rosbags: pip install 'rosbags>=0.11,<0.12'")
    from molmoact_ros.replay import BagError

    try:
        return _run(options)
    except (BagError, ValueError, RuntimeError, MemoryError) as error:
        return fail(one_line(error))
    except KeyboardInterrupt:
        print(f"stopped; what was done so far is in {options.out}", file=sys.stderr)
        return INTERRUPTED


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="molmoact-replay",
        description="Run the policy over the images of a recorded rosbag2 (sqlite3 or MCAP) and "
        "write a video, tables and a bag with the answers. Needs no ROS.",
    )
    add = parser.add_argument
    add("bag", type=Path, help="folder of the bag, or one .mcap or .db3 file")
    add_policy_arguments(parser)
    add("--out", type=Path, help="new folder for the results (default: <bag>_replay here)")
    add("--control-period", type=duration, metavar="SECONDS",
        help="time between two action rows (default: the profile's, or 0.1)")  # fmt: skip
    add("--action-frame", default="base_link", help="frame of the actions (%(default)s)")
    group = parser.add_argument_group("what to read")
    add = group.add_argument
    add("--image-topic", action="append", default=[], metavar="TOPIC",
        help="Image or CompressedImage topic, once per camera in the order of the checkpoint's "
        "cameras (default: the bag's only camera)")  # fmt: skip
    add("--instruction", default="", help="what to do (default: from the instruction topic)")
    add("--instruction-topic", default="", metavar="TOPIC",
        help="String topic (default: the bag's only one that ends with /instruction)")  # fmt: skip
    add("--period", type=duration, default=0.0, metavar="SECONDS",
        help="least time between two inferences, bag time (default: every frame)")  # fmt: skip
    add("--limit", type=int, default=0, help="inferences at most (default: all)")
    add("--max-camera-skew", type=duration, default=0.05, metavar="SECONDS",
        help="largest difference between the cameras' stamps (%(default)s)")  # fmt: skip
    add("--max-image-age", type=duration, default=0.5, metavar="SECONDS",
        help="largest age of a camera's newest frame (%(default)s)")  # fmt: skip
    add_image_limit(group)
    options = parser.parse_args(argv)
    options.out = options.out or Path(f"{options.bag.resolve().stem}_replay")
    return options


def _run(options: argparse.Namespace) -> int:
    from molmoact_ros.replay import Bag, Replay
    from molmoact_ros.replay.result_folder import ResultFolder, check_folder
    from molmoact_ros.replay.types import message_types

    # Everything that can be wrong with bag and folder is found before the weights are loaded.
    check_folder(options.out)
    types = message_types()
    with Bag(options.bag, types) as bag:
        settings = _settings(options, bag)
        cameras, topic = settings.image_topics, settings.instruction_topic
        print(f"cameras:     {', '.join(cameras)}")
        print(f"instruction: {topic or repr(settings.instruction)}", flush=True)
        policy = load_policy(options, len(cameras), options.instruction or "", _wrong_names)
        print(f"profile:     {policy.profile.name}, unnorm_key {policy.stats.key}", flush=True)
        form = _form(options, policy)
        replay = Replay(bag, policy, settings)
        rate = bag.rate(cameras[0], settings.period)
        with ResultFolder(options.out, types, form, rate, bag.is_mcap) as outputs:
            _write_all(replay, outputs)
    return _report(replay, outputs)


def _settings(options: argparse.Namespace, bag: Bag) -> ReplaySettings:
    from molmoact_ros.replay import ReplaySettings, choose_images, choose_instruction

    topic = ""
    if not options.instruction:
        topic = choose_instruction(bag, options.instruction_topic)
    return ReplaySettings(
        image_topics=choose_images(bag, options.image_topic),
        instruction=options.instruction,
        instruction_topic=topic,
        period=options.period,
        limit=options.limit,
        max_camera_skew=options.max_camera_skew,
        max_image_age=options.max_image_age,
        max_image_pixels=options.max_image_pixels,
    )


def _wrong_names(found: Preflight) -> list[str]:
    """Return why the profile's names cannot be those of the actions."""
    if found.profile is None or found.stats is None:
        return []
    try:
        found.profile.actions.check_dof(found.stats.dof)
    except ValueError as error:
        return [str(error)] if str(error) not in found.problems else []
    return []


def _form(options: argparse.Namespace, policy: MolmoActPolicy) -> ActionFormat:
    """Return what the columns of the actions mean: options before the checkpoint's profile."""
    from molmoact_ros.policy.types import ActionFormat

    actions = policy.profile.actions
    period = options.control_period or actions.control_period or _FALLBACK_PERIOD
    return ActionFormat(actions.action_space, actions.names, period, options.action_frame)


def _write_all(replay: Replay, outputs: ResultFolder) -> None:
    """Run to the end with a progress bar that counts the bag's pictures."""
    with tqdm(total=replay.total_frames, unit="frame", dynamic_ncols=True) as bar:
        for answer in replay:
            outputs.write(answer)
            bar.update(replay.frames - bar.n)
            reasoning = answer.reasoning
            trust = "" if reasoning.valid else ", not trusted"
            seconds = reasoning.timings.get("total", 0.0)
            bar.set_postfix_str(f"#{answer.sequence}: {seconds:.2f} s{trust}")
        bar.update(replay.frames - bar.n)


def _report(replay: Replay, outputs: ResultFolder) -> int:
    """Print what was done and what was not; return the exit code."""
    for unused in replay.unused.values():
        print(f"not used:    {unused.count} frames, the last because: {unused.reason}")
    if not outputs.answers:
        return fail("no frame of the bag could be used")
    video = outputs.video.name if outputs.video else "no video: OpenCV has no encoder"
    print(f"answers:     {outputs.answers}, of which {outputs.untrusted} are not trusted")
    print(f"results:     {outputs.folder}: {video}, answers.csv, actions.csv, bag")
    return 0


if __name__ == "__main__":
    sys.exit(main())
