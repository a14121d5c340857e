# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Transforms of /tf and /tf_static in a bag."""

from __future__ import annotations

import bisect
from typing import Any

import numpy as np

from molmoact_ros.control.rotation import inverse, multiply, normalised, rotate, slerp

_LONGEST_CHAIN = 100  # frames; more is a loop
_STATIC = -np.inf

Transform = tuple[np.ndarray, np.ndarray]  # position [3], m, and quaternion [4] (x, y, z, w)


class TransformTree:
    """Answers where a frame is in another one; dynamic transforms are interpolated."""

    def __init__(self) -> None:
        """Start empty."""
        self._parents: dict[str, str] = {}
        self._stamps: dict[str, list[float]] = {}
        self._poses: dict[str, list[Transform]] = {}

    def add(self, message: Any, is_static: bool) -> None:
        """Take a TFMessage; a transform that is no rotation is left out."""
        for item in message.transforms:
            t, q = item.transform.translation, item.transform.rotation
            try:
                turn = normalised(np.array([q.x, q.y, q.z, q.w]))
            except ValueError:
                continue
            stamp = item.header.stamp.sec + item.header.stamp.nanosec * 1e-9
            child = item.child_frame_id.lstrip("/")
            stamps = self._stamps.setdefault(child, [])
            place = bisect.bisect(stamps, _STATIC if is_static else stamp)
            stamps.insert(place, _STATIC if is_static else stamp)
            self._poses.setdefault(child, []).insert(place, (np.array([t.x, t.y, t.z]), turn))
            self._parents[child] = item.header.frame_id.lstrip("/")

    def stamps(self, frame: str) -> np.ndarray:
        """Return when the nearest moving frame above ``frame``, or itself, was measured, s."""
        for name in self._chain(frame.lstrip("/")):
            moving = [stamp for stamp in self._stamps.get(name, []) if stamp != _STATIC]
            if moving:
                return np.array(moving)
        return np.empty(0)

    def lookup(self, target: str, source: str, stamp: float) -> Transform:
        """Return the pose of frame ``source`` in ``target`` at a time, s.

        Raises:
            LookupError: They are not connected, or not at that time; the text names the reason.
        """
        to_root = self._from_root(target.lstrip("/"), stamp)
        from_root = self._from_root(source.lstrip("/"), stamp)
        if to_root[0] != from_root[0]:
            known = ", ".join(sorted({*self._parents, *self._parents.values()})) or "none"
            raise LookupError(f"no transform from '{source}' to '{target}'; frames: {known}")
        (_, (p, q)), (_, (ps, qs)) = to_root, from_root
        back = inverse(q)
        return rotate(back, ps - p), multiply(back, qs)

    def _chain(self, frame: str) -> list[str]:
        chain = [frame]
        while chain[-1] in self._parents and len(chain) < _LONGEST_CHAIN:
            chain.append(self._parents[chain[-1]])
        return chain

    def _from_root(self, frame: str, stamp: float) -> tuple[str, Transform]:
        chain = self._chain(frame)
        position, turn = np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0])
        for name in chain[:-1]:
            p, q = self._at(name, stamp)
            position, turn = p + rotate(q, position), multiply(q, turn)
        return chain[-1], (position, turn)

    def _at(self, frame: str, stamp: float) -> Transform:
        stamps, poses = self._stamps[frame], self._poses[frame]
        after = bisect.bisect(stamps, stamp)
        before = max(after - 1, 0)
        if after >= len(stamps) or stamps[before] == _STATIC or after == 0:
            return poses[before]
        share = (stamp - stamps[before]) / max(stamps[after] - stamps[before], 1e-9)
        (p0, q0), (p1, q1) = poses[before], poses[after]
        return p0 + share * (p1 - p0), slerp(q0, q1, share)
