# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Tasks at the tabletop: their instructions, and when they are done.

Left and right are those of the external camera's picture: it looks at the robot, so left is -y
and right is +y of the base frame.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from .scene import COLORS

KINDS = ("reach", "pick", "push")
SIDES = {"left": -1.0, "right": 1.0}  # direction along y of the base frame

NEAR = 0.05  # m from the grip point to the centre of a reached block
LIFTED = 0.05  # m that a picked block is above where it lay
PUSHED = 0.05  # m that a pushed block has moved to the named side
_TIPPED = 0.02  # m of height that a pushed block may change by
_HOLD = 1.0  # s that it must stay so
_STILL = 0.01  # m that the gripper may move meanwhile, after a reach

_PATTERNS = {
    "reach": re.compile(r"reach the (?P<color>\w+) block"),
    "pick": re.compile(r"pick up the (?P<color>\w+) block"),
    "push": re.compile(r"push the (?P<color>\w+) block to the (?P<side>\w+)"),
}


@dataclass(frozen=True)
class Task:
    """One thing to do.

    Attributes:
        kind: One of `KINDS`.
        color: One of `COLORS`.
        side: "left" or "right" of a push, else empty.
    """

    kind: str
    color: str
    side: str = ""

    def __post_init__(self) -> None:
        """Check the fields.

        Raises:
            ValueError: A field has none of its values.
        """
        if self.kind not in KINDS:
            raise ValueError(f"task kind {self.kind!r}: must be one of {', '.join(KINDS)}")
        if self.color not in COLORS:
            raise ValueError(f"block colour {self.color!r}: must be one of {', '.join(COLORS)}")
        sides = tuple(SIDES) if self.kind == "push" else ("",)
        if self.side not in sides:
            raise ValueError(f"side {self.side!r} of a {self.kind}: must be one of {sides}")

    @property
    def instruction(self) -> str:
        """The words of the instruction."""
        if self.kind == "pick":
            return f"pick up the {self.color} block"
        if self.kind == "push":
            return f"push the {self.color} block to the {self.side}"
        return f"reach the {self.color} block"

    def about_next_block(self) -> Task:
        """Return the same task about the block of the next colour."""
        return replace(self, color=COLORS[(COLORS.index(self.color) + 1) % len(COLORS)])

    @staticmethod
    def parse(instruction: str) -> Task:
        """Read an instruction.

        Raises:
            ValueError: It is none of the tabletop's; the text lists them.
        """
        for kind, pattern in _PATTERNS.items():
            if found := pattern.fullmatch(instruction.strip()):
                return Task(kind, **found.groupdict())
        raise ValueError(
            f"instruction {instruction!r}: the tabletop's are 'reach the C block', 'pick up the C "
            f"block' and 'push the C block to the left|right', C one of {', '.join(COLORS)}"
        )


def draw_task(kind: str, seed: int) -> Task:
    """Return the task of a seed: colours and sides take turns."""
    side = tuple(SIDES)[seed // len(COLORS) % 2] if kind == "push" else ""
    return Task(kind, COLORS[seed % len(COLORS)], side)


class Hold:
    """Detects whether something has been so for a second without a break."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._good: deque[tuple[float, np.ndarray]] = deque()

    def update(self, time: float, holds: bool, gripper: np.ndarray) -> bool:
        """Take a moment.

        Args:
            time: s, from any clock that does not go back.
            holds: Whether it is so now.
            gripper: Grip point `[3]`, m.

        Returns:
            Whether it has been so for a second.
        """
        if not holds:
            self._good.clear()
            return False
        self._good.append((time, np.array(gripper, dtype=np.float64)))
        # One moment that is older than the time to hold proves that it was so all along.
        while len(self._good) > 1 and self._good[1][0] <= time - _HOLD:
            self._good.popleft()
        return time - self._good[0][0] >= _HOLD

    @property
    def is_still(self) -> bool:
        """Whether the gripper has stayed where it is now all that time."""
        now = self._good[-1][1]
        return all(np.linalg.norm(now - place) < _STILL for _, place in self._good)


class Judge:
    """Detects when a task is done, from the positions over time, whoever moves the arm."""

    def __init__(self, task: Task, blocks: np.ndarray) -> None:
        """Remember the beginning: `blocks` `[3, 3]`, centres in the order of `COLORS`, m."""
        self._task = task
        self._block = COLORS.index(task.color)
        self._start = np.array(blocks[self._block], dtype=np.float64)
        self._hold = Hold()

    def update(self, time: float, gripper: np.ndarray, blocks: np.ndarray) -> bool:
        """Take the positions at a time.

        Args:
            time: s, from any clock that does not go back.
            gripper: Grip point `[3]`, m, base frame.
            blocks: `[3, 3]`, centres in the order of `COLORS`, m, base frame.

        Returns:
            Whether the task has been fulfilled for a second without a break, and the gripper has
            stood still at a block that it was to reach.
        """
        held = self._hold.update(time, self.fulfilled(gripper, blocks), gripper)
        return held and (self._task.kind != "reach" or self._hold.is_still)

    def fulfilled(self, gripper: np.ndarray, blocks: np.ndarray) -> bool:
        """Return whether the positions fulfil the task at this moment."""
        block = blocks[self._block]
        moved = block - self._start
        if self._task.kind == "reach":
            return bool(np.linalg.norm(gripper - block) < NEAR)
        if self._task.kind == "pick":
            return bool(moved[2] > LIFTED)
        along = moved[1] * SIDES[self._task.side]
        return bool(along > PUSHED and abs(moved[0]) < along and abs(moved[2]) < _TIPPED)
