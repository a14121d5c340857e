# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One episode of a bag as rows: which pictures, states, actions and trajectories."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from molmoact_ros.control import RobotProfile

from .bag.recorded import Recorded
from .bag.track import Track
from .camera_view import camera_view
from .checks import check_states
from .commanded import commanded_rows
from .cuts import Segment
from .faults import DataError
from .idle import idle_steps
from .motion import (
    columns_from_motion,
    joint_track,
    last_before,
    motion_rows,
    poses_at,
    step_too_large,
    ways,
)
from .sampling import Moment, match, steps
from .trace import Traces, project_traces

_PATH_RATE = 30.0  # Hz of the points that a trajectory is reduced from


@dataclass(frozen=True)
class Choices:
    """How episodes are made.

    Attributes:
        period: Control period, s.
        max_skew: Largest difference between the cameras' stamps, s.
        max_pause: s of a pause that stay.
        commanded: Whether actions are what was commanded, instead of the measured motion.
        min_steps: Shorter stretches are dropped.
    """

    period: float
    max_skew: float = 0.05
    max_pause: float = 0.5
    commanded: bool = False
    min_steps: int = 2


@dataclass(frozen=True)
class Stretch:
    """Steps that follow each other; one episode of the data set.

    Attributes:
        recorded: The bag.
        segment: The episode that it is from.
        part: Number of the stretch in the episode, from 0; several where pictures are missing.
        moments: Pictures of the T steps.
        state: ``[T, A + 1]``: the robot's axes, and the gripper, 0 open .. 1 closed.
        actions: ``[T, D]`` in the columns of the robot's profile.
        traces: Of the T steps.
        human: ``[T]`` whether a person moved the robot.
        idle: Steps that were left out of it.
    """

    recorded: Recorded
    segment: Segment
    part: int
    moments: tuple[Moment, ...]
    state: np.ndarray
    actions: np.ndarray
    traces: Traces
    human: np.ndarray
    idle: int

    @property
    def stamps(self) -> np.ndarray:
        """``[T]``, s."""
        return np.array([moment.stamp for moment in self.moments])

    @property
    def name(self) -> str:
        """Bag, time and part, for a person; what --drop takes."""
        suffix = f".{self.part}" if self.part else ""
        return f"{self.recorded.path.stem}@{self.segment.start - self.recorded.start:.1f}{suffix}"


def stretches_of(
    recorded: Recorded, segment: Segment, profile: RobotProfile, choices: Choices
) -> tuple[list[Stretch], int]:
    """Make the rows of an episode.

    Returns:
        The stretches, and how many steps were in those that were too short.

    Raises:
        DataError: The recording cannot be used.
    """
    lead_name, lead = next(iter(recorded.settings.cameras.items()))
    view = camera_view(recorded, lead_name, lead, profile.frame)
    poses = _pose_track(recorded, segment, profile, choices.period)
    moved = poses
    if not profile.action.cartesian:
        moved = joint_track(recorded, profile.action.joints)
    for track in {id(t): t for t in (poses, moved)}.values():
        check_states(recorded, segment, track, choices.period)
    images = {n: recorded.pictures[c.image] for n, c in recorded.settings.cameras.items()}
    last = min(segment.end, moved.stamps[-1], poses.stamps[-1]) - choices.period
    first = max(segment.start, moved.stamps[0], poses.stamps[0])
    moments = match(images, first, last, choices.max_skew)
    times = np.arange(first, last + choices.period, 1.0 / _PATH_RATE)
    path = _tips(recorded, poses, times)
    found, short = [], 0
    for part, chosen in enumerate(steps(moments, choices.period)):
        if len(chosen) < choices.min_steps:
            short += len(chosen)
            continue
        stamps = np.array([moment.stamp for moment in chosen])
        motion = motion_rows(profile, moved, stamps, choices.period)
        actions, change = motion.actions, motion.change
        if choices.commanded:
            actions, change = commanded_rows(profile, recorded, moved, stamps, choices.period)
        row, problem = step_too_large(profile, change)
        if problem:
            raise DataError(recorded.path, f"{problem} of the robot's profile", stamps[row])
        measured, closed = _gripper(recorded, stamps, choices.period)
        pause = round(choices.max_pause / choices.period)
        kept = ~idle_steps(ways(profile, motion.change), closed, pause)
        if kept.sum() < choices.min_steps:
            short += len(chosen)
            continue
        own = np.searchsorted(times, stamps[kept])
        points, at = np.insert(path, own, _tips(recorded, poses, stamps[kept]), axis=0), times
        at = np.insert(at, own, stamps[kept])
        found.append(
            Stretch(
                recorded,
                segment,
                part,
                tuple(moment for moment, keep in zip(chosen, kept, strict=True) if keep),
                np.column_stack([motion.state, measured])[kept],
                columns_from_motion(profile, actions, closed)[kept],
                project_traces(view, stamps[kept], points, at),
                _human(recorded, stamps)[kept],
                int((~kept).sum()),
            )
        )
    if not found:
        steps_found = len(moments)
        raise DataError(
            recorded.path,
            f"the episode '{segment.instruction}' has {steps_found} picture(s) with states, "
            f"{choices.min_steps} steps are needed; leave it out",
            segment.start,
        )
    return found, short


def _pose_track(
    recorded: Recorded, segment: Segment, profile: RobotProfile, period: float
) -> Track:
    if recorded.pose is not None:
        if recorded.pose_frame not in ("", profile.frame):
            raise DataError(
                recorded.path,
                f"{recorded.pose.topic} is in frame '{recorded.pose_frame}', the robot's profile "
                f"has frame: {profile.frame}; give another --robot, or publish the pose in it",
            )
        return recorded.pose
    frame = recorded.settings.end_effector.frame
    stamps = recorded.transforms.stamps(frame)
    if len(stamps) < 2:
        raise DataError(recorded.path, f"/tf does not move '{frame}'", segment.start)
    rows = []
    for stamp in stamps:
        try:
            position, turn = recorded.transforms.lookup(profile.frame, frame, stamp)
        except LookupError as error:
            raise DataError(recorded.path, f"end effector: {error}", stamp) from None
        rows.append(np.concatenate([position, turn]))
    return Track(stamps, np.array(rows), f"/tf ({frame})")


def _tips(recorded: Recorded, poses: Track, times: np.ndarray) -> np.ndarray:
    """Return the point that the trajectory shows, ``[T, 3]``, m, at times ``[T]``."""
    from molmoact_ros.control.rotation import rotate

    positions, turns = poses_at(poses, times)
    offset = np.array(recorded.settings.end_effector.offset)
    if not offset.any():
        return positions
    return np.array([p + rotate(q, offset) for p, q in zip(positions, turns, strict=True)])


def _gripper(
    recorded: Recorded, stamps: np.ndarray, period: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return ``[T]`` the measured gripper, and the one that actions hold; 0 open .. 1 closed."""
    source = recorded.settings.gripper
    measured = commanded = np.zeros(len(stamps))
    if source is None:
        return measured, commanded
    if source.joint:
        track = joint_track(recorded, (source.joint,))
        share = (track.values - source.open) / (source.closed - source.open)
        now = np.clip(np.interp(stamps, track.stamps, share[:, 0]), 0.0, 1.0)
        measured = now
        commanded = np.clip(np.interp(stamps + period, track.stamps, share[:, 0]), 0.0, 1.0)
    if recorded.gripper is not None:
        # In the middle of the step: a command follows the picture that it answers.
        values = last_before(recorded.gripper, stamps + period / 2)[:, 0]
        span = source.command_closed - source.command_open
        commanded = np.clip((values - source.command_open) / span, 0.0, 1.0)
        measured = measured if source.joint else commanded
    bad = np.flatnonzero(~np.isfinite(commanded + measured))
    if bad.size:
        raise DataError(recorded.path, "the gripper's value is not finite", stamps[bad[0]])
    return measured, commanded


def _human(recorded: Recorded, stamps: np.ndarray) -> np.ndarray:
    if recorded.human is None:
        return np.full(len(stamps), not recorded.settings.human)
    return np.asarray(last_before(recorded.human, stamps)[:, 0] > 0.5)
