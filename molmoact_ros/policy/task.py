# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the policy is asked to do, whoever asks: topic, parameter or action."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

import numpy as np

_BLIND = 10.0  # s without usable frames after which who asked should know


@dataclass(frozen=True)
class PolicyTask:
    """One task; replaced as a whole, so that threads agree on it.

    Attributes:
        instruction: What to do; empty: nothing.
        hint: `[K, 2]` (x, y), 0..255 of the first image: the path to follow; None: none.
        order: Number of the request for this instruction; a new request, a new number.
    """

    instruction: str = ""
    hint: np.ndarray | None = None
    order: int = 0


class TaskDesk:
    """Holds the present task: the last request is followed; thread-safe."""

    def __init__(self, instruction: str = "", hint_steps: int = 0) -> None:
        """Start.

        Args:
            instruction: What to do at first.
            hint_steps: Answers that follow a hint; 0: all until it is cleared.
        """
        self._lock = threading.Lock()
        self._task = PolicyTask(instruction if instruction.strip() else "")
        self._hint_steps = hint_steps
        self._hint_used = 0
        self._blind: tuple[int, float, str] | None = None  # request, since when (s), and why

    @property
    def task(self) -> PolicyTask:
        """The present task."""
        return self._task

    def follow(self, instruction: str) -> int:
        """Begin with an instruction, or with none, and return the request's number.

        Blanks are none: an answer to a prompt without words would move the robot somewhere.
        """
        instruction = instruction if instruction.strip() else ""
        with self._lock:
            order = self._task.order + 1
            self._task = replace(self._task, instruction=instruction, order=order)
            return order

    def leave(self, order: int) -> None:
        """Stop what was asked for by this request, unless another one came after it."""
        with self._lock:
            if self._task.order == order:
                self._task = replace(self._task, instruction="", order=order + 1)

    def steer(self, points: np.ndarray) -> None:
        """Follow a drawn path `[K, 2]`, 0..255 of the first image; no points: no path."""
        with self._lock:
            self._hint_used = 0
            self._task = replace(self._task, hint=points if len(points) else None)

    def limit_hints(self, steps: int) -> None:
        """Set how many answers follow a hint; 0: all until it is cleared."""
        with self._lock:
            self._hint_steps = steps

    def count_answer(self, task: PolicyTask) -> None:
        """Note that a task was answered once; a hint ends after its number of answers."""
        with self._lock:
            if task.hint is None or task.hint is not self._task.hint:
                return
            self._hint_used += 1
            if self._hint_steps and self._hint_used >= self._hint_steps:
                self._task = replace(self._task, hint=None)

    def note_frames(self, task: PolicyTask, now: float, missing: str = "") -> None:
        """Note that a task has usable frames at time `now`, s, or why it has none."""
        blind = self._blind
        if not missing:
            self._blind = None
        elif blind is None or blind[0] != task.order or now < blind[1]:
            self._blind = task.order, now, missing
        else:
            self._blind = task.order, blind[1], missing

    def blindness(self, order: int, now: float) -> str | None:
        """Return why a request has had no usable frames for a while, None where it has had."""
        blind = self._blind
        if blind is None or blind[0] != order or now < blind[1] + _BLIND:
            return None
        return f"no usable images for {_BLIND:.0f} s: {blind[2]}"
