# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Judges what was recorded against the limits of the robot's YAML."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from .findings import Finding
from .limits import Limits
from .record import Preview, Record, Series
from .rules_motion import judge_stamped_positions, judge_unstamped_positions, judge_velocities
from .rules_place import judge_positions, judge_velocity_places
from .rules_preview import judge_previews
from .rules_silence import (
    QUIET,
    judge_finite,
    judge_frames,
    judge_gripper,
    judge_rest,
    judge_silence,
)

VELOCITIES = ("twist", "joint_jog", "forward velocity")
STAMPED = ("twist", "joint_jog", "pose")
_DECIMALS = 4


@dataclass(frozen=True)
class Expectations:
    """What a drill makes impossible to ask for.

    Attributes:
        stamps: Whether stamps can be relied on; not where the drill tampers with the clock.
        places: Whether the measured position is where the robot is; not where the drill
            falsifies it.
        silence: Whether states show when nothing may be published; not where two executors
            publish theirs on one topic.
        rest: Whether the last command must be rest; not where the drill kills or freezes the
            executor.
        zeros: Whether velocities of zero may be published while motion is off; only where
            ~/enable is called faster than states are published.
    """

    stamps: bool = True
    places: bool = True
    silence: bool = True
    rest: bool = True
    zeros: bool = False


@dataclass(frozen=True)
class Verdict:
    """What the judge found.

    Attributes:
        violations: Sentences; empty: every command was within every limit.
        commands: That were judged.
        nearest: Largest share of each limit that was used.
    """

    violations: tuple[str, ...]
    commands: int
    nearest: Mapping[str, float]


def judge(record: Record, limits: Limits, expect: Expectations | None = None) -> Verdict:
    """Judge everything that was recorded."""
    expect = expect or Expectations()
    findings = list(_findings(record, limits, expect))
    nearest: dict[str, float] = {}
    for finding in findings:
        if finding.worst > 0.0:
            nearest[finding.rule] = max(nearest.get(finding.rule, 0.0), finding.worst)
    commands = sum(
        len(samples.received) for (kind, _), samples in record.commands.items() if kind != "gripper"
    ) + sum(len(previews) for previews in record.previews.values())
    violations = tuple(str(finding) for finding in _merged(findings) if finding.violations)
    return Verdict(violations, commands, {k: round(v, _DECIMALS) for k, v in nearest.items()})


def _findings(record: Record, limits: Limits, expect: Expectations) -> Iterator[Finding]:
    measured, silent = record.measured.series(), record.silent_times()
    for (kind, _), samples in record.commands.items():
        stream = samples.series()
        yield judge_finite(stream)
        yield from judge_frames(samples.frames, limits, len(stream))
        if expect.silence:
            granted = expect.zeros and kind in VELOCITIES
            counts = np.asarray((stream.values != 0.0).any(axis=1)) if granted else None
            yield judge_silence(stream, silent, counts)
        stream = _finite(stream)
        if kind == "gripper":
            yield judge_gripper(stream, limits)
            continue
        # Where the executor is frozen its silence is none of its own: the stream goes on after it.
        pieces = stream.pieces(QUIET if expect.rest else np.inf)
        if expect.rest:
            yield judge_rest(pieces, limits, kind in VELOCITIES)
        for piece in pieces:
            yield from _motion(kind, piece, limits, expect.stamps)
            if expect.places and len(measured) > 1:
                by_stamp = kind in STAMPED and expect.stamps
                places = judge_velocity_places if kind in VELOCITIES else judge_positions
                yield from places(piece, _finite(measured), limits, by_stamp)
    for previews in record.previews.values():
        if expect.silence:
            stream = _received(previews)
            yield judge_silence(stream, silent)
        yield from judge_previews(previews, _finite(measured), limits)


def _motion(kind: str, piece: Series, limits: Limits, stamps: bool) -> Iterator[Finding]:
    by_stamp = kind in STAMPED and stamps
    if kind in VELOCITIES:
        yield from judge_velocities(piece, limits, by_stamp)
    elif by_stamp:
        yield from judge_stamped_positions(piece, limits)
    elif not limits.cartesian:
        yield from judge_unstamped_positions(piece, limits)


def _received(previews: Iterable[Preview]) -> Series:
    received = np.array([preview.received for preview in previews])
    return Series(received, np.full(len(received), np.nan), np.zeros((len(received), 1)))


def _finite(stream: Series) -> Series:
    good = np.isfinite(stream.values).all(axis=1)
    return Series(stream.received[good], stream.stamps[good], stream.values[good])


def _merged(findings: Iterable[Finding]) -> Iterable[Finding]:
    """Return one finding per rule: samples added up over pieces, with the worst of them."""
    by_rule: dict[str, Finding] = {}
    for new in findings:
        old = by_rule.get(new.rule)
        if old is None:
            by_rule[new.rule] = new
            continue
        worse = new if new.worst > old.worst else old
        by_rule[new.rule] = Finding(
            new.rule,
            old.checked + new.checked,
            old.violations + new.violations,
            worse.worst,
            worse.detail,
        )
    return by_rule.values()
