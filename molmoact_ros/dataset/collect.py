# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Reads bags and decides what goes into a data set: no picture is decoded here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rosbags.typesys.store import Typestore

from molmoact_ros.control import RobotProfile
from molmoact_ros.control.robot_profile import load_profile, robot_path
from molmoact_ros.record.settings import RecordingSettings
from molmoact_ros.replay import BagError
from molmoact_ros.yaml_config import ProfileError, build

from .bag.recorded import Recorded, read_recorded
from .checks import check_clocks
from .cuts import Cut, segments
from .episode import Choices, Stretch, stretches_of
from .faults import DataError, DataErrors
from .motion import check_profile

_BAG_FILES = (".mcap", ".db3")


@dataclass(frozen=True)
class BuildSettings:
    """What is made.

    Attributes:
        out: Folder; must not exist.
        choices: How episodes are made.
        name: Key of norm_stats.
        license: Of the data, an SPDX name or a sentence.
        recording: What the topics mean; None: as the recorder has written into each bag.
        robot: Profile in place of the recorded one; empty: that.
        cuts: Times of the episodes; empty: by notes or instructions.
        drop: Names of stretches that are thrown away.
        held_out: Share of the episodes that is not for training.
        seed: Of the split.
        max_outside: Share of the steps with the end effector outside the picture from which on the
            camera's pose is taken to be wrong.
    """

    out: Path
    choices: Choices
    name: str
    license: str
    recording: RecordingSettings | None = None
    robot: str = ""
    cuts: tuple[Cut, ...] = ()
    drop: tuple[str, ...] = ()
    held_out: float = 0.1
    seed: int = 0
    max_outside: float = 0.05


@dataclass
class Dropped:
    """What is not in the data set, and why.

    Attributes:
        failed: Episodes that failed.
        thrown_away: Stretches that --drop names.
        short_steps: Steps of stretches that were too short.
        idle_steps: Steps of pauses.
    """

    failed: int = 0
    thrown_away: int = 0
    short_steps: int = 0
    idle_steps: int = 0


@dataclass
class Built:
    """What was made.

    Attributes:
        profile: Of the robot.
        training: Episodes for training, which come first.
        stretches: All episodes in their order.
        dropped: What was left out.
        actions: Of all training steps.
        lost: Messages that DDS lost while recording, by topic.
    """

    profile: RobotProfile
    training: int
    stretches: list[Stretch]
    dropped: Dropped
    lost: dict[str, int] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Steps of all episodes."""
        return sum(len(stretch.moments) for stretch in self.stretches)


def find_bags(paths: Sequence[Path]) -> list[Path]:
    """Return the bags: those given, and those in folders that are given.

    Raises:
        DataError: A folder holds none.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir() or (path / "metadata.yaml").is_file():
            found.append(path)
            continue
        inside = sorted(
            child
            for child in path.iterdir()
            if (child / "metadata.yaml").is_file() or child.suffix in _BAG_FILES
        )
        if not inside:
            raise DataError(path, "neither a bag (no metadata.yaml) nor a folder with bags")
        found += inside
    names = [path.resolve() for path in found]
    for path in found:
        if names.count(path.resolve()) > 1:
            raise DataError(path, "is given twice")
        if [other.stem for other in found].count(path.stem) > 1:
            raise DataError(
                path,
                "another bag has the same name, which --drop could not tell apart: rename one, or "
                "give a link of another name",
            )
    return found


class Collector:
    """Reads bags and decides what goes into a data set."""

    def __init__(self, settings: BuildSettings, types: Typestore, needs_depth: bool) -> None:
        """Prepare.

        Args:
            settings: What is made.
            types: Message types.
            needs_depth: Whether there has to be a depth camera.
        """
        self._settings = settings
        self._types = types
        self._needs_depth = needs_depth
        self._profile_used: RobotProfile | None = None
        self._cameras: tuple[str, ...] = ()

    def read(self, bags: Sequence[Path], done: Callable[[Path], None]) -> Built:
        """Read all bags, without their pictures.

        Args:
            bags: The bags.
            done: Called after each.

        Raises:
            DataErrors: Some cannot be used; one line each.
        """
        names = ", ".join(path.stem for path in bags)
        problems = [
            f"--cuts: no bag is named '{cut.bag}'; there are: {names}"
            for cut in self._settings.cuts
            if not any(cut.is_of(path) for path in bags)
        ]
        dropped = Dropped()
        stretches: list[Stretch] = []
        lost: dict[str, int] = {}
        for path in bags:
            try:
                recorded = read_recorded(path, self._types, self._settings.recording)
                stretches += self._stretches(recorded, dropped)
                for topic, count in (recorded.end.lost if recorded.end else {}).items():
                    lost[topic] = lost.get(topic, 0) + int(count)
            except (BagError, DataError, ProfileError) as error:
                problems.append(str(error))
            done(path)
        problems += self._unknown_drops(stretches) if not problems else []
        stretches = [s for s in stretches if s.name not in self._settings.drop]
        dropped.thrown_away = len(self._settings.drop)
        dropped.idle_steps = sum(stretch.idle for stretch in stretches)
        if not problems:
            problems += self._outside(stretches)
        if not problems and not stretches:
            problems.append("no episode is left: all were dropped")
        if problems:
            raise DataErrors("\n".join(problems))
        return self._split(stretches, dropped, lost)

    def _stretches(self, recorded: Recorded, dropped: Dropped) -> list[Stretch]:
        profile = self._profile(recorded)
        cameras = tuple(recorded.settings.cameras)
        if self._cameras not in ((), cameras):
            raise DataError(
                recorded.path, f"its cameras are {', '.join(cameras)}, those of the first bag are "
                f"{', '.join(self._cameras)}: make a data set of each"
            )  # fmt: skip
        self._cameras = cameras
        lead = next(iter(recorded.settings.cameras.values()))
        if self._needs_depth and not lead.depth:
            raise DataError(
                recorded.path, f"cameras.{cameras[0]}.depth names no depth camera: give "
                "--depth-model, or --depth none"
            )  # fmt: skip
        check_clocks(recorded)
        found: list[Stretch] = []
        for segment in segments(recorded, self._settings.cuts):
            if segment.failed:
                dropped.failed += 1
                continue
            made, short = stretches_of(recorded, segment, profile, self._settings.choices)
            dropped.short_steps += short
            found += made
        return found

    def _profile(self, recorded: Recorded) -> RobotProfile:
        if self._settings.robot:
            profile = load_profile(robot_path(self._settings.robot))
        elif recorded.begin is not None:
            profile = build(RobotProfile, recorded.begin.robot_profile, "robot profile")
        else:
            profile = load_profile(robot_path(recorded.settings.robot))
        check_profile(profile)
        first = self._profile_used = self._profile_used or profile
        if profile.action != first.action:
            raise DataError(
                recorded.path,
                f"its actions are {_actions(profile)}, those of the first bag are {_actions(first)}"
                ": make a data set of each, or give --robot",
            )
        return profile

    def _unknown_drops(self, stretches: Sequence[Stretch]) -> list[str]:
        known = [stretch.name for stretch in stretches]
        unknown = [name for name in self._settings.drop if name not in known]
        return [f"--drop {name}: no such episode; there are: {' '.join(known)}" for name in unknown]

    def _outside(self, stretches: Sequence[Stretch]) -> list[str]:
        """Return the signs of a wrong camera pose."""
        problems = []
        for path in dict.fromkeys(s.recorded.path for s in stretches):
            own = [s for s in stretches if s.recorded.path == path]
            outside = np.concatenate([s.traces.outside for s in own])
            if outside.mean() <= self._settings.max_outside:
                continue
            stamps = np.concatenate([s.stamps for s in own])
            camera = next(iter(own[0].recorded.settings.cameras))
            problem = (
                f"the end effector is outside the picture of camera '{camera}' in "
                f"{outside.mean():.0%} of the steps: pose or calibration of the camera is wrong, "
                "or end_effector.offset; if the arm does leave the picture, raise --max-outside"
            )
            problems.append(str(DataError(path, problem, float(stamps[outside][0]))))
        return problems

    def _split(self, stretches: list[Stretch], dropped: Dropped, lost: dict[str, int]) -> Built:
        """Choose the held-out episodes; stretches of one episode stay together."""
        keys = list(dict.fromkeys((s.recorded.path, s.segment.start) for s in stretches))
        count = 0
        if self._settings.held_out > 0.0:
            count = min(max(round(self._settings.held_out * len(keys)), 1), len(keys) - 1)
        order = np.random.default_rng(self._settings.seed).permutation(len(keys))
        held = {keys[i] for i in order[:count]}
        training = [s for s in stretches if (s.recorded.path, s.segment.start) not in held]
        rest = [s for s in stretches if (s.recorded.path, s.segment.start) in held]
        assert self._profile_used is not None  # every bag has one
        return Built(self._profile_used, len(training), [*training, *rest], dropped, lost)


def _actions(profile: RobotProfile) -> str:
    action = profile.action
    return f"{action.space} [{' '.join(action.columns)}] of '{profile.robot}'"
