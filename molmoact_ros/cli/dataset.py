# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""molmoact-dataset: a LeRobotDataset v3 of recorded bags."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from molmoact_ros.output_files import reports_write_errors
from molmoact_ros.small_files import one_line

from .policy_arguments import fail, not_negative, share

if TYPE_CHECKING:
    from molmoact_ros.dataset.collect import BuildSettings, Built
    from molmoact_ros.dataset.depth_codes import DepthCodes

_PACKAGES = "pip install 'molmoact_ros[dataset]', or 'rosbags>=0.11,<0.12' pyarrow av matplotlib"
_FPS_LIMITS = (0.01, 10.0)  # s, of the control period
_MOTION_SEEN = 0.8  # share of the moving steps, below which there is a warning


@reports_write_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0: done, 1: an error, which is on stderr; then nothing is left behind."""
    options = _parse(argv)
    try:
        import av  # noqa: F401
        import matplotlib  # noqa: F401
        import pyarrow  # noqa: F401
        import rosbags  # noqa: F401
    except ImportError as error:
        return fail(f"a package is missing: {error.name}: {_PACKAGES}")
    from molmoact_ros.dataset.faults import DataErrors

    try:
        return _run(options)
    except DataErrors as errors:
        for line in str(errors).splitlines():
            fail(line)
        return 1
    except (ValueError, RuntimeError, MemoryError) as error:
        return fail(one_line(error))
    except KeyboardInterrupt:
        return fail(f"stopped; {options.out} was not made")


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="molmoact-dataset",
        description="Make a LeRobotDataset v3 of bags, with depth codes, projected trajectories "
        "and statistics, as molmoact-finetune reads it. Needs no ROS. See docs/own_robot.md.",
    )
    parser.add_argument(
        "bags",
        type=Path,
        nargs="+",
        metavar="BAG",
        help="folder of a bag, an .mcap or .db3 file, or a folder of such",
    )
    parser.add_argument("-o", "--out", type=Path, required=True, help="new folder of the data set")
    parser.add_argument(
        "--name", default="", help="name of the statistics, unnorm_key (default: the folder's)"
    )
    parser.add_argument(
        "--license", default="", help="licence of the data, e.g. CC-BY-4.0 (default: not given)"
    )
    _add_input_options(parser)
    _add_depth_options(parser)
    options = parser.parse_args(argv)
    options.name = options.name or options.out.resolve().name
    return options


def _add_input_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is made of the bags")
    group.add_argument(
        "--recording",
        type=Path,
        metavar="FILE",
        help="what the topics mean (default: as molmoact-record has written into the bags)",
    )
    group.add_argument(
        "--robot",
        default="",
        help="profile in config/robots, or a file: the action space (default: as recorded)",
    )
    group.add_argument(
        "--cuts",
        type=Path,
        metavar="FILE",
        help="YAML list of {bag, start, end, instruction, failed}, s (default: by the instruction)",
    )
    group.add_argument(
        "--drop",
        action="append",
        default=[],
        metavar="NAME",
        help="throw an episode away, by its name in report.html; may be given several times",
    )
    group.add_argument(
        "--control-period",
        type=_period,
        default=0.1,
        metavar="SECONDS",
        help="from one action to the next (default: 0.1)",
    )
    group.add_argument(
        "--actions",
        choices=("measured", "commanded"),
        default="measured",
        help="measured motion, or what the recorded commands asked for (default: measured)",
    )
    group.add_argument(
        "--max-camera-skew",
        type=_seconds,
        default=0.05,
        metavar="SECONDS",
        help="largest difference between the cameras' stamps (default: 0.05)",
    )
    group.add_argument(
        "--max-pause",
        type=_seconds,
        default=0.5,
        metavar="SECONDS",
        help="how much of a pause stays (default: 0.5)",
    )
    group.add_argument(
        "--max-outside",
        type=share,
        default=0.05,
        metavar="SHARE",
        help="share of steps with the end effector outside the picture (default: 0.05)",
    )
    group.add_argument(
        "--held-out",
        type=share,
        default=0.1,
        metavar="SHARE",
        help="share of the episodes that is not for training (default: 0.1, at least one)",
    )
    group.add_argument("--seed", type=not_negative, default=0, help="of the split (default: 0)")


def _add_depth_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("depth codes")
    group.add_argument(
        "--depth",
        choices=("camera", "model", "none"),
        default="",
        help="from the depth camera, from --depth-model, or none (default: model with "
        "--depth-model, camera with --checkpoint, else none)",
    )
    group.add_argument(
        "--checkpoint",
        type=Path,
        metavar="DIR",
        help="checkpoint whose VQ-VAE makes the codes: the one that is to be tuned",
    )
    group.add_argument(
        "--depth-model",
        default="",
        metavar="PATH_OR_ID",
        help="depth-estimation checkpoint of transformers, e.g. of Depth-Anything-V2",
    )


def _run(options: argparse.Namespace) -> int:
    from molmoact_ros.dataset.build import Builder
    from molmoact_ros.dataset.collect import find_bags

    settings = _settings(options)
    bags = find_bags(options.bags)
    builder = Builder(settings, _depth(options))
    print(f"bags:        {len(bags)}", flush=True)
    with tqdm(total=len(bags), unit="bag", desc="reading", dynamic_ncols=True) as bar:
        built = builder.read(bags, lambda path: bar.update())
    with tqdm(total=built.steps, unit="step", desc="writing", dynamic_ncols=True) as bar:
        builder.write(built, bar.update)
    return _report(options, built, builder.motion_seen)


def _settings(options: argparse.Namespace) -> BuildSettings:
    from molmoact_ros.dataset.collect import BuildSettings
    from molmoact_ros.dataset.cuts import load_cuts
    from molmoact_ros.dataset.episode import Choices
    from molmoact_ros.record.settings import load_settings

    choices = Choices(
        options.control_period,
        options.max_camera_skew,
        options.max_pause,
        options.actions == "commanded",
    )
    return BuildSettings(
        out=options.out,
        choices=choices,
        name=options.name,
        license=options.license,
        recording=None if options.recording is None else load_settings(options.recording),
        robot=options.robot,
        cuts=() if options.cuts is None else load_cuts(options.cuts),
        drop=tuple(options.drop),
        held_out=options.held_out,
        seed=options.seed,
        max_outside=options.max_outside,
    )


def _depth(options: argparse.Namespace) -> DepthCodes | None:
    default = "model" if options.depth_model else "camera" if options.checkpoint else "none"
    kind = options.depth or default
    if kind == "none":
        return None
    if options.checkpoint is None:
        raise ValueError("depth codes need --checkpoint: its VQ-VAE makes them")
    if kind == "model" and not options.depth_model:
        raise ValueError("--depth model needs --depth-model")
    from molmoact_ros.dataset.depth_codes import DepthCodes, TransformersEstimator

    estimator = TransformersEstimator(options.depth_model) if kind == "model" else None
    return DepthCodes(options.checkpoint, estimator, options.depth_model if estimator else kind)


def _report(options: argparse.Namespace, built: Built, motion_seen: Sequence[bool]) -> int:
    dropped = built.dropped
    held = len(built.stretches) - built.training
    print(f"episodes:    {built.training} for training, {held} held out; {built.steps} steps")
    print(
        f"dropped:     {dropped.failed} failed, {dropped.thrown_away} thrown away, "
        f"{dropped.idle_steps} idle steps, {dropped.short_steps} steps of short stretches"
    )
    share = sum(motion_seen) / max(len(motion_seen), 1)
    if motion_seen and share < _MOTION_SEEN:
        print(
            f"warning:     in {1 - share:.0%} of the steps the picture does not change where the "
            "end effector moves: check pose and calibration of the camera with report.html"
        )
    print(f"data set:    {options.out}; look at {options.out / 'report.html'}")
    return 0


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.0 <= value < 100.0:
        raise argparse.ArgumentTypeError(f"{text} is not a time in s, 0..100")
    return value


def _period(text: str) -> float:
    value = float(text)
    if not _FPS_LIMITS[0] <= value <= _FPS_LIMITS[1]:
        raise argparse.ArgumentTypeError(f"{text} is not a period in s, 0.01..10")
    return value


if __name__ == "__main__":
    sys.exit(main())
