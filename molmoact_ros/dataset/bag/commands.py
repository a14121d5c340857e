# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Reads what was commanded: twists, poses and joint positions, as drivers receive them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .track import Track

TWIST = "geometry_msgs/msg/TwistStamped"
POSE = "geometry_msgs/msg/PoseStamped"
TRAJECTORY = "trajectory_msgs/msg/JointTrajectory"
FORWARD = "std_msgs/msg/Float64MultiArray"
JOINTS = "sensor_msgs/msg/JointState"
KINDS = (TWIST, POSE, TRAJECTORY, FORWARD, JOINTS)
_NO_QUATERNION = 1e-6  # length


@dataclass(frozen=True)
class Commands:
    """What a topic has commanded.

    Attributes:
        kind: Message type, one of `KINDS`.
        track: By the times of recording, since drivers act when a message arrives. Twists
            ``[N, 6]``, m/s and rad/s; poses ``[N, 7]``; joints ``[N, J]``, rad or m, NaN where a
            message lacks one. Of a JointTrajectory: its points, until another one takes its place.
        frame: Of the first header; empty: not in the messages.
        joints: Names of the columns; empty: not in the messages.
    """

    kind: str
    track: Track
    frame: str
    joints: tuple[str, ...]


class CommandReader:
    """Collects the messages of one topic in the order in which they were recorded."""

    def __init__(self, topic: str, kind: str) -> None:
        """Start without messages; `kind` is one of `KINDS`."""
        self._topic = topic
        self._kind = kind
        self._times: list[float] = []
        self._rows: list[np.ndarray] = []
        self._frame: str | None = None
        self._joints: tuple[str, ...] = ()

    def take(self, time: float, content: Any) -> None:
        """Take a message that was recorded at a time, s."""
        if self._frame is None:
            has_header = self._kind != FORWARD
            self._frame = str(content.header.frame_id).lstrip("/") if has_header else ""
            names = {TRAJECTORY: "joint_names", JOINTS: "name"}.get(self._kind, "")
            self._joints = tuple(getattr(content, names, ()))
        if self._kind == TRAJECTORY:
            self._replan(time, content)
            return
        if self._kind == TWIST:
            row = _twist(content.twist)
        elif self._kind == POSE:
            row = pose_of(content.pose)
        elif self._kind == FORWARD:
            row = np.array(content.data, dtype=np.float64)
        else:
            row = self._ordered(content.name, content.position)
        self._add(time, row)

    def commands(self) -> Commands:
        """Return what was commanded."""
        width = max((len(row) for row in self._rows), default=0)
        rows = [np.append(row, np.full(width - len(row), np.nan)) for row in self._rows]
        track = Track(np.array(self._times), np.array(rows).reshape(-1, width), self._topic)
        return Commands(self._kind, track, self._frame or "", self._joints)

    def _add(self, time: float, row: np.ndarray) -> None:
        self._times.append(time)
        self._rows.append(row)

    def _replan(self, start: float, content: Any) -> None:
        """Put a trajectory in the place of what an earlier one has left from now on.

        The stamp in its header, at which it may begin later, is not used: it is mostly zero or now.
        """
        ahead = None
        while self._times and self._times[-1] >= start:
            ahead = self._times.pop(), self._rows.pop()
        if self._times:
            time, row = self._times[-1], self._rows[-1]
            if ahead is not None:
                row = row + (start - time) / (ahead[0] - time) * (ahead[1] - row)
            self._add(start, row)
        for point in content.points:
            after = point.time_from_start.sec + point.time_from_start.nanosec * 1e-9
            self._add(start + after, self._ordered(content.joint_names, point.positions))

    def _ordered(self, names: list[str], positions: np.ndarray) -> np.ndarray:
        """Return positions in the order of the first message; NaN where one is missing."""
        found = dict(zip(names, positions, strict=False))
        return np.array([found.get(name, np.nan) for name in self._joints], dtype=np.float64)


def pose_of(pose: Any) -> np.ndarray:
    """Return position, m, and quaternion (x, y, z, w) of a Pose, ``[7]``; NaN for zeros."""
    p, q = pose.position, pose.orientation
    turn = np.array([q.x, q.y, q.z, q.w])
    if np.linalg.norm(turn) < _NO_QUATERNION:
        turn[:] = np.nan
    return np.append([p.x, p.y, p.z], turn)


def _twist(twist: Any) -> np.ndarray:
    v, w = twist.linear, twist.angular
    return np.array([v.x, v.y, v.z, w.x, w.y, w.z])
