# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether frames arrive: often enough, whole, in time. The check that every start needs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rclpy.node import Node

from molmoact_ros.ros.diagnostics import Level, Status

from .inference import GRACE

if TYPE_CHECKING:
    from .session import PolicySession

_RARE = 2.0  # frames per second; a camera that is slower is reported
_SETTLED = 5.0  # s after the start in which nothing is reported
# Of the frames in one period, from which on it is a fault of the set-up.
_SHARE_DROPPED = 0.5
_SHARE_LOST = 0.2
_LOG_PERIOD = 30.0  # s
_REMEDY = "use config/fastdds.xml for all processes, or image_transport compressed"


@dataclass(frozen=True)
class _Counts:
    """Frames of a camera since the node was configured."""

    received: int
    dropped: int
    lost: int

    def __sub__(self, other: _Counts) -> _Counts:
        return _Counts(
            self.received - other.received, self.dropped - other.dropped, self.lost - other.lost
        )


class CameraWatch:
    """Rates, delays and losses of the cameras since the last time that they were asked for."""

    def __init__(self, node: Node, session: PolicySession) -> None:
        """Begin to count."""
        self._node = node
        self._session = session
        self._begin = self._last = time.monotonic()
        self._counts = {camera: self._count(camera) for camera in session.inputs.received}

    def status(self) -> Status:
        """Return the state since the last call, and log what is wrong with the set-up."""
        inputs = self._session.inputs
        elapsed = max(time.monotonic() - self._last, 1e-3)
        self._last += elapsed
        values: dict[str, object] = {}
        problems = []
        delays = inputs.take_delays()
        for camera, before in self._counts.items():
            counts = self._count(camera)
            new = counts - before
            self._counts[camera] = counts
            values |= {
                f"received {camera}": counts.received,
                f"dropped {camera}": counts.dropped,
                f"lost {camera}": counts.lost,
                f"rate {camera} [Hz]": f"{new.received / elapsed:.1f}",
                **self._times(camera),
            }
            if camera in delays:
                values[f"longest delay {camera} [s]"] = f"{delays[camera]:.3f}"
            problems += self._problems(camera, new, elapsed)
        if problems:
            self._node.get_logger().warning(
                "; ".join(problems), throttle_duration_sec=_LOG_PERIOD
            )
        waiting = self._session.inference.waiting_for
        settled = time.monotonic() >= self._begin + GRACE
        if settled and waiting.startswith("camera "):  # the inference logs that itself
            problems.insert(0, waiting)
        level = Level.WARN if problems else Level.OK
        return Status(level, "; ".join(problems) or "ok", values)

    def _count(self, camera: str) -> _Counts:
        inputs = self._session.inputs
        return _Counts(inputs.received[camera], inputs.dropped[camera], inputs.lost(camera))

    def _times(self, camera: str) -> dict[str, str]:
        newest = self._session.inputs.newest
        lead = newest.get(next(iter(self._counts)))
        if camera not in newest or lead is None:
            return {}
        now = self._node.get_clock().now().nanoseconds * 1e-9
        return {
            f"age {camera} [s]": f"{now - newest[camera]:.3f}",
            f"skew {camera} [s]": f"{newest[camera] - lead:.3f}",
        }

    def _problems(self, camera: str, new: _Counts, elapsed: float) -> list[str]:
        if time.monotonic() < self._begin + _SETTLED:
            return []
        topic = self._session.inputs.topic(camera)
        if new.dropped > _SHARE_DROPPED * new.received:
            return [f"camera '{camera}': most frames of {topic} can not be used"]
        sent = new.received + new.lost
        if new.lost > _SHARE_LOST * sent:
            return [
                f"camera '{camera}': {new.lost} of {sent} frames of {topic} got lost on the way; "
                f"raw images need room in shared memory: {_REMEDY}"
            ]
        if new.received >= _RARE * elapsed:
            return []
        if self._node.count_publishers(topic) == 0:
            return [f"camera '{camera}': nobody publishes {topic}"]
        return [
            f"camera '{camera}': {new.received / elapsed:.1f} frames per second arrive on {topic}; "
            f"if it sends more, large images get lost on the way: {_REMEDY}"
        ]
