# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Makes a data set of bags; nothing is left behind unless all of it is there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from molmoact_ros.control import RobotProfile
from molmoact_ros.markers_node.metric_depth import metres_from_image
from molmoact_ros.output_files import writing
from molmoact_ros.policy.pixels import ImageError, rgb_from_compressed, rgb_from_image
from molmoact_ros.replay.bag import COMPRESSED_IMAGE
from molmoact_ros.replay.types import message_types

from .bag.recorded import picture_messages
from .collect import BuildSettings, Built, Collector
from .depth_codes import DepthCodes
from .description import description, readme
from .episode import Stretch
from .faults import DataError
from .lerobot_files import Feature, LeRobotFiles, write_json
from .report import Report
from .trace import POINTS, MotionCheck, depth_agrees

_PARTIAL = ".partial"
_DEPTH_DISAGREES = 0.5  # share of the steps from which on the camera's pose is refused
_FEW_CHECKED = 5  # depth pictures, below which nothing is concluded


class Builder:
    """Makes one data set.

    Attributes:
        motion_seen: After `write`: for each step in which the end effector moved, whether the
            picture changed where it should be.
    """

    def __init__(self, settings: BuildSettings, depth: DepthCodes | None) -> None:
        """Prepare.

        Args:
            settings: What is made.
            depth: None: without depth codes.

        Raises:
            FileExistsError: The folder exists.
        """
        if settings.out.exists():
            raise FileExistsError(f"{settings.out} exists; choose another folder by -o")
        self._settings = settings
        self._depth = depth
        self._types = message_types()
        self.motion_seen: list[bool] = []

    def read(self, bags: Sequence[Path], done: Callable[[Path], None]) -> Built:
        """Read all bags, without their pictures; see `Collector.read`."""
        needs_depth = self._depth is not None and self._depth.needs_camera
        return Collector(self._settings, self._types, needs_depth).read(bags, done)

    def write(self, built: Built, step: Callable[[], None]) -> None:
        """Write the data set beside its place, then move it there.

        Args:
            built: What `read` returned.
            step: Called after each step.

        Raises:
            DataError: A picture cannot be read, or the depth camera disagrees with the calibration.
            WriteError: The disk is full, or the folder cannot be written.
        """
        out = self._settings.out
        partial = out.with_name(out.name + _PARTIAL)
        with writing(partial):
            if partial.exists():
                shutil.rmtree(partial)
            partial.mkdir(parents=True)
        try:
            self._write_into(partial, built, step)
            with writing(out):
                os.rename(partial, out)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise

    def _write_into(self, folder: Path, built: Built, step: Callable[[], None]) -> None:
        cameras = tuple(built.stretches[0].recorded.settings.cameras)
        keys = {name: f"observation.images.{name}" for name in cameras}
        files = LeRobotFiles(
            folder,
            1.0 / self._settings.choices.period,
            built.profile.robot,
            _features(built.profile, self._depth is not None),
            list(keys.values()),
        )
        report = Report(folder, built.profile)
        try:
            for stretch in built.stretches:
                files.begin_episode()
                codes = self._pictures(stretch, files, keys, report, step)
                columns = _columns(stretch, codes)
                files.end_episode(stretch.segment.instruction, columns)
        except BaseException:
            files.abandon()
            raise
        files.close(built.training)
        facts = description(self._settings, cameras, built, self._depth)
        write_json(folder / "meta" / "molmoact.json", facts)
        readme(folder / "README.md", self._settings, facts)
        report.write(built, facts)
        self.motion_seen = report.motion_seen

    def _pictures(
        self,
        stretch: Stretch,
        files: LeRobotFiles,
        keys: dict[str, str],
        report: Report,
        step: Callable[[], None],
    ) -> np.ndarray | None:
        """Write the pictures of all cameras; return the depth codes ``[T, 100]``."""
        codes = []
        agrees: list[bool] = []
        motion = MotionCheck()
        for name, camera in stretch.recorded.settings.cameras.items():
            is_lead = name == next(iter(keys))
            depths = self._depths(stretch) if is_lead and camera.depth else None
            for i, rgb in enumerate(self._frames(stretch, name, camera.image)):
                try:
                    files.add_picture(keys[name], rgb)
                except ValueError as error:
                    raise DataError(
                        stretch.recorded.path, f"camera '{name}': {error}", stretch.stamps[i]
                    ) from None
                if not is_lead:
                    continue
                metres = None if depths is None else next(depths)
                if metres is not None:
                    seen = depth_agrees(stretch.traces.gripper[i], metres)
                    agrees += [] if seen is None else [seen]
                if self._depth is not None:
                    codes.append(self._encode(stretch, i, rgb, metres))
                motion.add(rgb, stretch.traces.gripper[i])
                report.see(stretch, i, rgb)
                step()
        self._check_depth(stretch, agrees)
        report.checked(agrees, motion.seen)
        return np.array(codes) if codes else None

    def _encode(
        self, stretch: Stretch, i: int, rgb: np.ndarray, metres: np.ndarray | None
    ) -> np.ndarray:
        assert self._depth is not None
        try:
            return self._depth.encode(rgb, metres)
        except ValueError as error:
            raise DataError(stretch.recorded.path, f"depth: {error}", stretch.stamps[i]) from None

    def _check_depth(self, stretch: Stretch, agrees: list[bool]) -> None:
        if len(agrees) >= _FEW_CHECKED and np.mean(agrees) < 1.0 - _DEPTH_DISAGREES:
            raise DataError(
                stretch.recorded.path,
                f"the depth camera sees nothing where the end effector should be in "
                f"{1.0 - np.mean(agrees):.0%} of the steps: pose or calibration of the camera is "
                "wrong, or the depth is not registered to its pictures",
                stretch.stamps[0],
            )

    def _frames(self, stretch: Stretch, camera: str, topic: str) -> Iterator[np.ndarray]:
        recorded = stretch.recorded
        read: Any = rgb_from_image
        if recorded.pictures[topic].kind == COMPRESSED_IMAGE:
            read = rgb_from_compressed
        numbers = [moment.numbers[camera] for moment in stretch.moments]
        yield from self._decoded(stretch, topic, numbers, read)

    def _depths(self, stretch: Stretch) -> Iterator[np.ndarray]:
        recorded = stretch.recorded
        topic = next(iter(recorded.settings.cameras.values())).depth
        stamps = recorded.pictures[topic].stamps
        longest = max(self._settings.choices.max_skew, self._settings.choices.period)
        numbers = []
        for stamp in stretch.stamps:
            nearest = int(np.abs(stamps - stamp).argmin())
            if abs(stamps[nearest] - stamp) > longest:
                raise DataError(recorded.path, f"{topic} has no depth image near this", stamp)
            numbers.append(nearest)
        yield from self._decoded(stretch, topic, numbers, metres_from_image)

    def _decoded(
        self, stretch: Stretch, topic: str, numbers: list[int], read: Any
    ) -> Iterator[np.ndarray]:
        path, stamps = stretch.recorded.path, stretch.recorded.pictures[topic].stamps
        picture: np.ndarray | None = None
        wanted = iter(numbers)
        due = next(wanted, None)
        for number, message in picture_messages(path, self._types, topic, numbers):
            try:
                picture = read(message, topic)
            except ImageError as error:
                raise DataError(path, str(error), float(stamps[number])) from None
            while due == number:
                yield picture
                due = next(wanted, None)


def _features(profile: RobotProfile, has_depth: bool) -> dict[str, Feature]:
    axes = (*profile.action.all_axes, "gripper")
    found = {
        "observation.state": Feature("float32", (len(axes),), axes),
        "action": Feature("float32", (len(profile.action.columns),), profile.action.columns),
        "annotation.trajectory": Feature("float32", (2 * POINTS,)),
        "annotation.trajectory_points": Feature("int64", (1,)),
        "annotation.human": Feature("bool", (1,)),
        "annotation.stamp_ns": Feature("int64", (1,)),
    }
    if has_depth:
        found["annotation.depth_codes"] = Feature("uint8", (100,))
    return found


def _columns(stretch: Stretch, codes: np.ndarray | None) -> dict[str, np.ndarray]:
    found = {
        "observation.state": stretch.state,
        "action": stretch.actions,
        "annotation.trajectory": stretch.traces.points.reshape(len(stretch.moments), -1),
        "annotation.trajectory_points": stretch.traces.counts,
        "annotation.human": stretch.human,
        "annotation.stamp_ns": np.rint(stretch.stamps * 1e9).astype(np.int64),
    }
    return found if codes is None else {**found, "annotation.depth_codes": codes}
