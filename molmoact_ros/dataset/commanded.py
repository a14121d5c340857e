# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What was commanded as actions, in the place of the measured motion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from molmoact_ros.control import RobotProfile
from molmoact_ros.control.chunk import EE_DELTA, EE_POSE, JOINT_DELTA, JOINT_POSITION
from molmoact_ros.control.mapping import ActionMapping
from molmoact_ros.control.rotation import between, from_rotation_vector

from .bag.commands import FORWARD, JOINTS, POSE, TRAJECTORY, TWIST, Commands
from .bag.recorded import Recorded
from .bag.track import Track
from .faults import DataError
from .motion import at, does_not_follow, last_before, motion_rows, poses_at, rpy

_HOLDS = 0.25  # s without a message; then a robot stops (twists) or stays (positions)
_INSTANT = 1e-6  # s
_JOINT_KINDS = (TRAJECTORY, FORWARD, JOINTS)
_FITTING = {
    EE_DELTA: (TWIST, POSE),
    EE_POSE: (POSE,),
    JOINT_DELTA: _JOINT_KINDS,
    JOINT_POSITION: _JOINT_KINDS,
}


def commanded_rows(
    profile: RobotProfile, recorded: Recorded, measured: Track, times: np.ndarray, period: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return what was commanded in T steps, by the first command that fits the action space.

    Args:
        profile: Of the robot.
        recorded: The bag.
        measured: Poses ``[N, 7]``, or positions of the profile's joints.
        times: ``[T]``, s.
        period: From one row to the next, s.

    Returns:
        `actions` and `change` of `Motion`, both ``[T, A]``.

    Raises:
        DataError: No such command was recorded, or the robot did not follow it.
    """
    found = _chosen(profile, recorded)
    if found.kind == TWIST:
        rows = _integrals(profile, found.track, times, period)
        return rows, rows
    track = _places(found, measured)
    _check_followed(profile, recorded, track, measured, times)
    motion = motion_rows(profile, track, times, period)
    return motion.actions, motion.change


def _chosen(profile: RobotProfile, recorded: Recorded) -> Commands:
    """Return the commands that are used; joints in the order of the profile."""
    action = profile.action
    found = next((c for c in recorded.commands if _fits(c, action)), None)
    if found is None:
        takes = ", ".join(kind.rsplit("/", 1)[1] for kind in _FITTING[action.space])
        joints = f" of {', '.join(action.joints)}" if action.joints else ""
        there = "; ".join(map(_words, recorded.commands))
        raise DataError(
            recorded.path,
            f"--actions commanded: no {takes}{joints} among recording.commands, which "
            f"{action.space} needs; there: {there or 'none'}. Record such a topic, or give "
            "--actions measured",
        )
    topic = found.track.topic
    frame = action.tool_frame if action.frame == "tool" and found.kind == TWIST else profile.frame
    if action.cartesian and found.frame not in ("", frame):
        raise DataError(
            recorded.path,
            f"{topic} is in frame '{found.frame}', the actions of the robot's profile are in "
            f"'{frame}'",
        )
    values = found.track.values
    if found.joints:
        values = values[:, [found.joints.index(name) for name in action.joints]]
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if bad.size:
        problem = f"{topic} holds a value that is not finite, or lacks a position"
        raise DataError(recorded.path, problem, found.track.stamps[bad[0]])
    return replace(found, track=Track(found.track.stamps, values, topic), joints=action.joints)


def _fits(commands: Commands, action: ActionMapping) -> bool:
    if commands.kind not in _FITTING[action.space] or not len(commands.track.stamps):
        return False
    if commands.joints:
        return set(action.joints) <= set(commands.joints)
    return action.cartesian or commands.track.values.shape[1] == len(action.joints)


def _words(commands: Commands) -> str:
    what = ", ".join(commands.joints)
    if commands.kind == FORWARD:
        what = f"{commands.track.values.shape[1]} numbers"
    kind = commands.kind + (f": {what}" if what else "")
    return f"{commands.track.topic} ({kind})"


def _places(found: Commands, measured: Track) -> Track:
    """Return where the robot was to be, at any time.

    Positions that follow each other are joined by lines, so that commands at the rate of the steps
    do not come twice in one step and never in the next. Before the first one the robot stays where
    it was measured then; after a pause one acts at once.
    """
    stamps, values = found.track.stamps, found.track.values
    if found.kind != TRAJECTORY:
        late = np.flatnonzero(np.diff(stamps) > _HOLDS)
        values = np.insert(values, late + 1, values[late], axis=0)
        stamps = np.insert(stamps, late + 1, stamps[late + 1] - _INSTANT)
    begin = last_before(measured, stamps[:1])
    return Track(
        np.append(stamps[0] - _INSTANT, stamps), np.concatenate([begin, values]), found.track.topic
    )


def _check_followed(
    profile: RobotProfile, recorded: Recorded, track: Track, measured: Track, times: np.ndarray
) -> None:
    """Refuse commands that are something else than where the robot goes.

    Numbers without names may be velocities, or in another order; a pose that of another part.
    """
    if profile.action.cartesian:
        (p0, q0), (p1, q1) = poses_at(measured, times), poses_at(track, times)
        away = np.column_stack([p1 - p0, [between(a, b) for a, b in zip(q0, q1, strict=True)]])
    else:
        away = at(track, times, slice(None)) - at(measured, times, slice(None))
    problem = does_not_follow(profile, away)
    if problem:
        raise DataError(
            recorded.path,
            f"the robot is not where {track.topic} commands it, mostly by {problem}: is it of "
            "another arm or part, are its joints in another order, or is it no position? "
            "Give --actions measured",
            times[0],
        )


def _integrals(profile: RobotProfile, track: Track, times: np.ndarray, period: float) -> np.ndarray:
    """Return the integrals of a twist in T steps, ``[T, 6]``."""
    stamps, values = track.stamps, track.values
    held = np.minimum(np.diff(stamps, append=stamps[-1] + _HOLDS), _HOLDS)
    passed = np.concatenate([np.zeros((1, 6)), np.cumsum(values * held[:, None], axis=0)])

    def integral(moments: np.ndarray) -> np.ndarray:
        places = np.searchsorted(stamps, moments, side="right") - 1
        since = np.clip(moments - stamps[places], 0.0, held[places])[:, None]
        return np.where(places[:, None] < 0, 0.0, passed[places] + values[places] * since)

    rows = integral(times + period) - integral(times)
    if profile.action.rotation == "rpy":
        rows[:, 3:] = [rpy(from_rotation_vector(row)) for row in rows[:, 3:]]
    return rows
