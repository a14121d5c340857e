# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Measured motion as states and as actions of the robot's action space."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from molmoact_ros.control import RobotProfile
from molmoact_ros.control.limits import MotionLimit
from molmoact_ros.control.mapping import AxisSource
from molmoact_ros.control.rotation import (
    between,
    inverse,
    multiply,
    normalised,
    rotate,
    slerp,
    to_rotation_vector,
)
from molmoact_ros.yaml_config import ProfileError

from .bag.recorded import Recorded
from .bag.track import Track
from .faults import DataError

_GIMBAL = 1.0 - 1e-9
_NO_WAY, _NO_TURN, _NO_JOINT_TURN = 0.002, 0.02, 0.01  # m, rad, rad: what counts as at rest


def check_profile(profile: RobotProfile) -> None:
    """Refuse a profile whose actions an answer cannot hold.

    Raises:
        ProfileError: Names the key.
    """
    gripper = profile.action.gripper
    if gripper is None:
        raise ProfileError("action.gripper", "is missing: the last column of an answer is one")
    if profile.action.columns[-1] != gripper.column:
        raise ProfileError("action.columns", f"'{gripper.column}' must be the last one")
    if not {gripper.open, gripper.closed} <= {0.0, 1.0}:
        raise ProfileError(
            "action.gripper", "open and closed must be 0 and 1: an answer does not scale the "
            "gripper; copy the profile, change them there, and train and run with the copy"
        )  # fmt: skip


def at(track: Track, times: np.ndarray, columns: slice) -> np.ndarray:
    """Return values ``[T, D]`` of a track, interpolated linearly at times ``[T]``, s."""
    values = track.values[:, columns]
    return np.stack([np.interp(times, track.stamps, column) for column in values.T], axis=1)


def last_before(track: Track, times: np.ndarray) -> np.ndarray:
    """Return the values ``[T, D]`` that held at times ``[T]``: those of the last message."""
    places = np.searchsorted(track.stamps, times, side="right") - 1
    return track.values[np.maximum(places, 0)]


def poses_at(track: Track, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return positions ``[T, 3]``, m, and quaternions ``[T, 4]`` at times ``[T]``, s."""
    positions = at(track, times, slice(0, 3))
    places = np.clip(np.searchsorted(track.stamps, times), 1, len(track.stamps) - 1)
    before, after = track.stamps[places - 1], track.stamps[places]
    shares = np.clip((times - before) / np.maximum(after - before, 1e-9), 0.0, 1.0)
    turns = [
        slerp(normalised(track.values[i - 1, 3:7]), normalised(track.values[i, 3:7]), share)
        for i, share in zip(places, shares, strict=True)
    ]
    return positions, np.array(turns).reshape(-1, 4)


def joint_track(recorded: Recorded, joints: tuple[str, ...]) -> Track:
    """Return the positions of some joints.

    Raises:
        DataError: There is no such joint.
    """
    if recorded.joints is None:
        raise DataError(recorded.path, "the action has joints: recording.joint_states is missing")
    missing = [name for name in joints if name not in recorded.joint_names]
    if missing:
        known = ", ".join(recorded.joint_names)
        raise DataError(
            recorded.path, f"{recorded.joints.topic} has no joint {missing[0]}; it has: {known}"
        )
    columns = [recorded.joint_names.index(name) for name in joints]
    return Track(recorded.joints.stamps, recorded.joints.values[:, columns], recorded.joints.topic)


@dataclass(frozen=True)
class Motion:
    """What a robot did in T steps, in its own axes.

    Attributes:
        state: ``[T, A]`` at the begin of each step.
        actions: ``[T, A]`` in the action space: the change in a step, or where it ended.
        change: ``[T, A]`` in a step, in every action space: joints, or position, m, and rotation
            vector, rad, in the base frame.
    """

    state: np.ndarray
    actions: np.ndarray
    change: np.ndarray


def motion_rows(profile: RobotProfile, track: Track, times: np.ndarray, period: float) -> Motion:
    """Return what a robot did, in its own axes.

    Args:
        profile: Of the robot.
        track: Poses ``[N, 7]``, or positions of the profile's joints.
        times: ``[T]``, s.
        period: From one row to the next, s.
    """
    action = profile.action
    if not action.cartesian:
        now, then = at(track, times, slice(None)), at(track, times + period, slice(None))
        return Motion(now, then - now if action.is_delta else then, then - now)
    (p0, q0), (p1, q1) = poses_at(track, times), poses_at(track, times + period)
    as_numbers = rpy if action.rotation == "rpy" else to_rotation_vector
    state = np.column_stack([p0, [as_numbers(q) for q in q0]])
    change = np.column_stack([p1 - p0, [between(a, b) for a, b in zip(q0, q1, strict=True)]])
    if not action.is_delta:
        return Motion(state, np.column_stack([p1, [as_numbers(q) for q in q1]]), change)
    rows = []
    for a, b, turn, later in zip(p0, p1, q0, q1, strict=True):
        back = inverse(turn)
        if action.frame == "tool":
            rows.append(np.append(rotate(back, b - a), as_numbers(multiply(back, later))))
        else:
            rows.append(np.append(b - a, as_numbers(multiply(later, back))))
    return Motion(state, np.array(rows), change)


def columns_from_motion(
    profile: RobotProfile, actions: np.ndarray, closed: np.ndarray
) -> np.ndarray:
    """Return actions ``[T, D]`` whose execution is the motion; the inverse of the mapping.

    Args:
        profile: Of the robot. Its `action.scale`, with which a first run is slowed down, is no part
            of the data: a policy trained on them moves as the person did where it is 1.
        actions: ``[T, A]`` of `Motion`.
        closed: ``[T]`` gripper, 0 open .. 1 closed.
    """
    action = profile.action
    rows = np.zeros((len(actions), len(action.columns)))
    for i, axis in enumerate(action.all_axes):
        if axis in action.used_axes:
            source = action.axes.get(axis) or AxisSource(axis)
            column = action.columns.index(source.column)
            rows[:, column] = (actions[:, i] - source.offset) / source.scale
    assert action.gripper is not None  # check_profile
    gripper = action.gripper
    rows[:, -1] = gripper.open + closed * (gripper.closed - gripper.open)
    return rows


def step_too_large(profile: RobotProfile, change: np.ndarray) -> tuple[int, str]:
    """Return the first row beyond what the robot's profile lets an action ask for.

    Args:
        profile: Of the robot.
        change: ``[T, A]`` of `Motion`.

    Returns:
        Its number and what it is; (-1, "") where there is none.
    """
    for values, limit, key, unit in _by_limit(profile, change):
        beyond = np.flatnonzero(values > limit.max_step)
        if beyond.size:
            row, most = int(beyond[0]), limit.max_step
            text = f"a step of {values[row]:.3f} {unit} is beyond {key}.max_step = {most:g} {unit}"
            return row, text
    return -1, ""


def does_not_follow(profile: RobotProfile, away: np.ndarray) -> str:
    """Return what is wrong where a robot is mostly elsewhere than commanded; else nothing.

    Args:
        profile: Of the robot.
        away: ``[T, A]`` from the measured to the commanded places, as `Motion.change`.
    """
    for values, limit, key, unit in _by_limit(profile, away):
        usual, most = float(np.median(values)), limit.max_following_error
        if usual > most:
            return f"{usual:.3f} {unit}, {key}.max_following_error is {most:g} {unit}"
    return ""


def _by_limit(
    profile: RobotProfile, change: np.ndarray
) -> list[tuple[np.ndarray, MotionLimit, str, str]]:
    """Return for each limit of a profile: sizes ``[T]``, the limit, its key and its unit."""
    limits = profile.limits
    if not profile.action.cartesian:
        joints = enumerate(profile.action.joints)
        return [
            (np.abs(change[:, i]), limits.joints[name], f"limits.joints.{name}", "rad")
            for i, name in joints
        ]
    parts = zip(np.split(change, [3], axis=1), (limits.linear, limits.angular), strict=True)
    return [
        (np.linalg.norm(part, axis=1), limit, key, unit)
        for (part, limit), key, unit in zip(
            parts, ("limits.linear", "limits.angular"), ("m", "rad"), strict=True
        )
        if limit is not None
    ]


def ways(profile: RobotProfile, change: np.ndarray) -> np.ndarray:
    """Return ``[T, A]`` how far the robot has come at the end of each step.

    Differences below 1 are no motion: 2 mm, 0.02 rad of the end effector, 0.01 rad of a joint.
    """
    cartesian = np.repeat([_NO_WAY, _NO_TURN], 3)
    unit = cartesian if profile.action.cartesian else np.full(change.shape[1], _NO_JOINT_TURN)
    return np.cumsum(change / unit, axis=0)


def rpy(q: np.ndarray) -> np.ndarray:
    """Return roll, pitch, yaw, rad, of a quaternion about the fixed axes x, y, z in turn."""
    x, y, z, w = q.tolist()
    sine = 2.0 * (w * y - z * x)
    if abs(sine) > _GIMBAL:
        return np.array([2.0 * math.atan2(x, w), math.copysign(math.pi / 2, sine), 0.0])
    return np.array(
        [
            math.atan2(2.0 * (w * x + y * z), 1.0 - 2.0 * (x * x + y * y)),
            math.asin(sine),
            math.atan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z)),
        ]
    )
