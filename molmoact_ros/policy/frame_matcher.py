# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Frames of several cameras, matched by the stamp of their header."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .pixels import ImageError

_HISTORY = 8  # frames per camera; enough for cameras whose rates differ by this factor


@dataclass(frozen=True)
class Frame:
    """One picture of one camera.

    Attributes:
        stamp: Time of the exposure, s.
        header: The message's header, for what is published about this picture.
        pixels: Returns the RGB uint8 `[H, W, 3]` array; decodes it when called.
    """

    stamp: float
    header: Any
    pixels: Callable[[], np.ndarray]


@dataclass(frozen=True)
class NoMatch:
    """Why there is no set of frames to infer from.

    Attributes:
        reason: For a person; names the camera and by how much.
        waiting: Whether the next frame is simply not there yet, which is no fault.
    """

    reason: str
    waiting: bool = False


class FrameMatcher:
    """Collects frames and gives sets of one per camera that belong together; thread-safe.

    Attributes:
        dropped: Frames by camera that could not be read.
    """

    def __init__(self, cameras: Sequence[str], max_skew: float, max_age: float) -> None:
        """Start empty.

        Args:
            cameras: Names in the order in which the model sees them; the others are matched to
                the first.
            max_skew: Largest difference to the first camera's stamp, s.
            max_age: Largest age of a frame by the node's clock, s; as far in the future is
                taken as a difference of clocks.
        """
        self.dropped = dict.fromkeys(cameras, 0)
        self._cameras = tuple(cameras)
        self._max_skew = max_skew
        self._max_age = max_age
        self._frames: dict[str, deque[Frame]] = {c: deque(maxlen=_HISTORY) for c in cameras}
        self._used = -math.inf  # stamp of the leading frame that was given last
        self._arrived = threading.Condition()

    def add(self, camera: str, frame: Frame) -> None:
        """Take a frame; one with an older stamp than the last means that time was reset."""
        with self._arrived:
            frames = self._frames[camera]
            if frames and frame.stamp < frames[-1].stamp:
                frames.clear()
                self._used = -math.inf
            frames.append(frame)
            self._arrived.notify_all()

    def drop(self, camera: str, frame: Frame | None = None) -> None:
        """Count a frame that cannot be read, and forget it where it was added."""
        with self._arrived:
            self.dropped[camera] += 1
            if frame is not None and frame in self._frames[camera]:
                self._frames[camera].remove(frame)

    def wait(self, timeout: float) -> None:
        """Wait until a frame arrives, at most `timeout` s."""
        with self._arrived:
            self._arrived.wait(timeout)

    def wake(self) -> None:
        """End a wait at once."""
        with self._arrived:
            self._arrived.notify_all()

    def read(self, frames: Mapping[str, Frame]) -> dict[str, np.ndarray]:
        """Decode a set of frames.

        Returns:
            RGB uint8 `[H, W, 3]` by camera, a contiguous copy as torch needs it.

        Raises:
            ImageError: One cannot be decoded; it is dropped.
        """
        images = {}
        for camera, frame in frames.items():
            try:
                images[camera] = np.array(frame.pixels(), order="C")
            except ImageError:
                self.drop(camera, frame)
                raise
        return images

    def take(self, now: float) -> Mapping[str, Frame] | NoMatch:
        """Return the newest unused set of matching frames, in the order of the cameras.

        Args:
            now: The node's clock, s.
        """
        with self._arrived:
            problem = self._problem(now)
            if problem is not None:
                return problem
            matched = self._match()
            if not isinstance(matched, NoMatch):
                self._used = matched[self._cameras[0]].stamp
            return matched

    def _problem(self, now: float) -> NoMatch | None:
        for camera in self._cameras:
            frames = self._frames[camera]
            if not frames:
                return NoMatch(f"camera '{camera}': no frame has arrived")
            age = now - frames[-1].stamp
            if age > self._max_age:
                return NoMatch(
                    f"camera '{camera}': the newest frame is {age:.3f} s old, "
                    f"more than max_image_age ({self._max_age} s)"
                )
            if age < -self._max_age:
                return NoMatch(
                    f"camera '{camera}': the newest frame is {-age:.3f} s in the future; "
                    "check that camera and node use the same clock (use_sim_time)"
                )
        return None

    def _match(self) -> Mapping[str, Frame] | NoMatch:
        """Return the newest set within the skew, or how far the best one is off."""
        leads = [f for f in self._frames[self._cameras[0]] if f.stamp > self._used]
        if not leads:
            return NoMatch("waiting for a new frame", waiting=True)
        best = (math.inf, "")
        for lead in reversed(leads):
            chosen = {c: self._nearest(c, lead.stamp) for c in self._cameras}
            chosen[self._cameras[0]] = lead
            skew, camera = max((abs(f.stamp - lead.stamp), c) for c, f in chosen.items())
            if skew <= self._max_skew:
                return chosen
            best = min(best, (skew, camera))
        return NoMatch(
            f"camera '{best[1]}': {best[0]:.3f} s apart from camera '{self._cameras[0]}', "
            f"more than max_camera_skew ({self._max_skew} s)"
        )

    def _nearest(self, camera: str, stamp: float) -> Frame:
        return min(self._frames[camera], key=lambda frame: abs(frame.stamp - stamp))
