# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which pictures belong together, and which of them are the steps of an episode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from molmoact_ros.policy.frame_matcher import Frame, FrameMatcher, NoMatch

from .bag.recorded import Pictures

_NEAR = 0.6  # of a control period that a picture may be away from its moment


@dataclass(frozen=True)
class Moment:
    """Pictures of one moment.

    Attributes:
        stamp: Of the first camera's, s.
        numbers: Which message of its topic it is, by camera.
    """

    stamp: float
    numbers: Mapping[str, int]


def match(
    cameras: Mapping[str, Pictures], start: float, end: float, max_skew: float
) -> list[Moment]:
    """Bring the cameras' pictures together by their stamps, as the policy node does.

    Args:
        cameras: Pictures by camera; the first one leads.
        start: Earliest stamp, s.
        end: Latest stamp, s.
        max_skew: Largest difference to the first camera's stamp, s.
    """
    matcher = FrameMatcher(tuple(cameras), max_skew, max_age=np.inf)
    arrivals = sorted(
        (log, name, number, stamp)
        for name, pictures in cameras.items()
        for number, (stamp, log) in enumerate(zip(pictures.stamps, pictures.log_times, strict=True))
        if start - max_skew <= stamp <= end + max_skew
    )
    found = []
    for _, name, number, stamp in arrivals:
        matcher.add(name, Frame(float(stamp), number, _no_pixels))
        chosen = matcher.take(float(stamp))
        if not isinstance(chosen, NoMatch):
            lead = next(iter(chosen.values()))
            if start <= lead.stamp <= end:
                found.append(Moment(lead.stamp, {n: f.header for n, f in chosen.items()}))
    return found


def _no_pixels() -> np.ndarray:
    raise NotImplementedError("pixels are read later")


def steps(moments: Sequence[Moment], period: float) -> list[list[Moment]]:
    """Choose the pictures that are one control period apart.

    Where pictures are missing, the episode is parted: what is before the gap and what is after it
    are stretches of their own, for the rows of one answer must follow each other.

    Args:
        moments: In the order of time.
        period: s.

    Returns:
        Stretches.
    """
    stamps = np.array([moment.stamp for moment in moments])
    stretches: list[list[Moment]] = []
    place, due = 0, -np.inf
    spacing = float(np.median(np.diff(stamps))) if len(stamps) > 1 else 0.0
    while place < len(stamps) and due <= stamps[-1] + spacing / 2:
        if not stretches or stamps[place] > due + _NEAR * period:
            stretches.append([])
            due = stamps[place]
        # The nearest picture to the moment that is due, among those not used yet.
        nearest = place + int(np.abs(stamps[place:] - due).argmin())
        if abs(stamps[nearest] - due) <= _NEAR * period:
            stretches[-1].append(moments[nearest])
            place = nearest + 1
        due += period
    return stretches
