# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Answers that change from frame to frame by known amounts.

Two kinds of change: `recorded` imitates the statistics measured on a scripted expert (see
docs/performance.md), and `sweep` moves bins, coordinates and depth codes by given amounts, which
shows how far the drafts carry when data are noisier.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from molmoact_ros.answer import ActionTokenizer, DepthTokenizer

ROWS, COLUMNS, POINTS, CODES = 8, 7, 5, 128
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Frame:
    """The values of one answer: depth [10, 10], trajectory [5, 2] and bins [8, 7]."""

    depth: Ints
    trajectory: Ints
    bins: Ints


class Stream(Protocol):
    """A source of frames, one per inference."""

    def next(self) -> Frame:
        """Return the answer to the next image."""


class RecordedStream:
    """Frames with the change statistics of a scripted expert, by executed steps between frames.

    xyz hold still between rows for 3 of 4 rows, else jump a little or far; rotation is constant and
    the gripper rarely toggles. Each frame plans anew: an offset per axis, often small, sometimes
    large. Depth codes are replaced by random ones: no draft can foresee those.
    """

    _STEPS = (1, 4, 8)
    _DEPTH_EQUAL = (0.872, 0.779, 0.745)
    _REPLAN_SMALL = (0.60, 0.75, 0.80)
    _REPLAN_LARGE = (0.05, 0.20, 0.22)
    _TRACE_SIGMA = (0.5, 1.0, 1.4)

    def __init__(self, rng: Generator, executed_steps: int) -> None:
        self._rng, self._executed = rng, executed_steps
        self._depth = rng.integers(0, CODES, 100)
        self._future = np.full((ROWS, COLUMNS), 128, dtype=np.int64)
        self._future[:, :3] = rng.integers(40, 216, 3)
        self._future[:, 6] = 255
        self._start_episode()

    def next(self) -> Frame:
        """See Stream."""
        rng, executed = self._rng, self._executed
        changed = rng.random(100) > self._rate(self._DEPTH_EQUAL)
        self._depth = np.where(changed, _other_codes(rng, self._depth), self._depth)
        self._elapsed += executed
        if self._elapsed >= self._length:
            self._start_episode()
        for _ in range(executed):
            self._future = np.vstack([self._future[1:], self._next_row(self._future[-1])])
        bins = self._future.copy()
        bins[:, :3] += self._replan(3)
        return Frame(self._depth.reshape(10, 10), self._trace(), bins.clip(0, 255))

    def _rate(self, by_steps: tuple[float, ...]) -> float:
        return float(np.interp(self._executed, self._STEPS, by_steps))

    def _start_episode(self) -> None:
        rng = self._rng
        self._start, self._goal = rng.uniform(30, 225, (2, 2))
        self._bend = rng.uniform(-40, 40, 2)
        self._length, self._elapsed = int(rng.integers(40, 80)), 0

    def _next_row(self, row: Ints) -> Ints:
        rng, new = self._rng, row.copy()
        for axis in range(3):
            kind = rng.random()
            if kind > 0.86:
                new[axis] = rng.integers(20, 236)
            elif kind > 0.75:
                new[axis] += rng.choice([-4, -3, -2, -1, 1, 2, 3, 4])
        if rng.random() < 0.01:
            new[6] = 255 - new[6]
        return new.clip(0, 255)

    def _replan(self, axes: int) -> Ints:
        rng = self._rng
        small = rng.integers(-4, 5, axes) * (rng.random(axes) < self._rate(self._REPLAN_SMALL))
        large = rng.integers(-60, 61, axes) * (rng.random(axes) < self._rate(self._REPLAN_LARGE))
        return small + large

    def _trace(self) -> Ints:
        now = self._elapsed / self._length
        t = np.linspace(now, 1.0, POINTS)[:, None]
        points = self._start + (self._goal - self._start) * t + self._bend * t * (1 - t) * 2
        noisy = points + self._rng.normal(0, self._rate(self._TRACE_SIGMA), (POINTS, 2))
        return np.rint(noisy).astype(np.int64).clip(0, 255)


class SweepStream:
    """Frames whose values move by at most `move`, and whose depth codes change with `depth_rate`.

    Six of seven action values walk from row to row by up to `move` bins, and each new frame shifts
    them again by up to `move`; coordinates move by up to `move` as well.
    """

    def __init__(self, rng: Generator, executed_steps: int, move: int, depth_rate: float) -> None:
        self._rng, self._executed, self._move, self._rate = rng, executed_steps, move, depth_rate
        self._depth = rng.integers(0, CODES, 100)
        self._trace = rng.integers(10, 246, (POINTS, 2))
        self._future = np.repeat(rng.integers(30, 226, (1, COLUMNS)), ROWS, axis=0)
        self._future[:, 6] = 255
        for _ in range(ROWS):
            self._advance()

    def next(self) -> Frame:
        """See Stream."""
        rng = self._rng
        changed = rng.random(100) < self._rate
        self._depth = np.where(changed, _other_codes(rng, self._depth), self._depth)
        self._trace = (self._trace + self._steps((POINTS, 2))).clip(0, 255)
        for _ in range(self._executed):
            self._advance()
        bins = self._future.copy()
        bins[:, :6] += self._steps((1, 6))
        return Frame(self._depth.reshape(10, 10), self._trace, bins.clip(0, 255))

    def _advance(self) -> None:
        row = self._future[-1:].copy()
        row[:, :6] = (row[:, :6] + self._steps((1, 6))).clip(0, 255)
        self._future = np.vstack([self._future[1:], row])

    def _steps(self, shape: tuple[int, int]) -> Ints:
        return self._rng.integers(-self._move, self._move + 1, shape)


def answer_text(frame: Frame, actions: ActionTokenizer, style: str = "A1") -> str:
    """Return a frame as a checkpoint writes it: A1 (pre-train) or A3 (fine-tuning, two traces)."""
    depth = DepthTokenizer().encode(frame.depth)
    trace = "[" + ", ".join(f"[{x}, {y}]" for x, y in frame.trajectory) + "]"
    rows = ["[" + ", ".join(actions.strings[b] for b in row) + "]" for row in frame.bins]
    chunk = "[" + ", ".join(rows) + "]"
    if style == "A1":
        return (
            f" The depth map of the image is {depth}. The trajectory of the end effector is"
            f" {trace}. Based on these information, the action that the robot should take is"
            f" {chunk}."
        )
    return (
        f" The depth map of the image is {depth}. The trajectory of the left end effector is"
        f" {trace}. The trajectory of the right end effector is {trace}. Based on this"
        f" information, the action that the robot should take is {chunk}."
    )


def _other_codes(rng: Generator, codes: Ints) -> Ints:
    return (codes + rng.integers(1, CODES, codes.shape)) % CODES
