# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a recording must be like before anything is made of it."""

from __future__ import annotations

import numpy as np

from .bag.recorded import Pictures, Recorded
from .bag.track import Track
from .cuts import Segment
from .faults import DataError

MAX_STATE_GAP = 0.5  # s; between two measured states, over which is interpolated
_JUMP = 1.0  # s that stamp and time of recording may part from one message to the next
_OTHER_CLOCK = 10.0  # s of constant difference: recorded by another clock
_SLOWEST = 1.2  # control periods between two states


def check_clocks(recorded: Recorded) -> None:
    """Refuse pictures out of order, and clocks that jump.

    Raises:
        DataError: Names the topic and the moment.
    """
    for pictures in recorded.pictures.values():
        _check_order(recorded, pictures.topic, pictures.stamps)
        _check_offset(recorded, pictures)
    for track in (recorded.pose, recorded.joints):
        if track is not None:
            _check_order(recorded, track.topic, track.stamps)


def check_states(recorded: Recorded, part: Segment, track: Track, period: float) -> None:
    """Refuse states that are no numbers, too few, or missing in between.

    Raises:
        DataError: Names the topic and the moment.
    """
    inside = (track.stamps >= part.start - period) & (track.stamps <= part.end + period)
    stamps, values = track.stamps[inside], track.values[inside]
    if len(stamps) < 2:
        raise DataError(recorded.path, f"{track.topic} has {len(stamps)} states", part.start)
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if bad.size:
        raise DataError(
            recorded.path,
            f"{track.topic} holds a value that is not finite, or a quaternion of zeros",
            stamps[bad[0]],
        )
    gaps = np.diff(stamps)
    spacing = float(np.median(gaps))
    if spacing > _SLOWEST * period:
        raise DataError(
            recorded.path,
            f"{track.topic} has {1 / spacing:.1f} states a second, the control period is "
            f"{period:g} s: record it at {1 / period:.0f} Hz or more, or choose --control-period",
            stamps[0],
        )
    widest = int(gaps.argmax())
    if gaps[widest] > MAX_STATE_GAP:
        raise DataError(
            recorded.path, f"{track.topic} has no state for {gaps[widest]:.2f} s", stamps[widest]
        )


def _check_order(recorded: Recorded, topic: str, stamps: np.ndarray) -> None:
    back = np.flatnonzero(np.diff(stamps) < 0.0)
    if stamps[0] == 0.0:
        raise DataError(recorded.path, f"{topic}: header.stamp is zero")
    if back.size:
        place = int(back[0])
        step = stamps[place] - stamps[place + 1]
        reason = "the clock was set back" if step > _JUMP else "its messages are out of order"
        raise DataError(
            recorded.path,
            f"{topic}: a message is stamped {step:.3f} s before the one that was recorded before "
            f"it: {reason}; cut it out with --cuts, or leave the bag out",
            stamps[place],
        )


def _check_offset(recorded: Recorded, pictures: Pictures) -> None:
    offset = pictures.log_times - pictures.stamps
    jumps = np.flatnonzero(np.abs(np.diff(offset)) > _JUMP)
    if jumps.size:
        place = int(jumps[0]) + 1
        step = offset[place - 1] - offset[place]
        raise DataError(
            recorded.path,
            f"{pictures.topic}: stamps and the times of recording part by {step:+.2f} s from one "
            "message to the next: a clock was set; cut it out with --cuts, or leave the bag out",
            float(pictures.stamps[place]),
        )
    usual = float(np.median(offset))
    if abs(usual) > _OTHER_CLOCK:
        raise DataError(
            recorded.path,
            f"{pictures.topic} is stamped {usual:.0f} s away from when it was recorded, so that "
            "messages without a stamp cannot be placed: record with the robot's use_sim_time",
            float(pictures.stamps[0]),
        )
