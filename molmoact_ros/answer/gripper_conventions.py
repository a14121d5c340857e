# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a checkpoint's gripper value means (format.md 12 and 16).

Training data stores 1 - gripper in most data sets, and every benchmark wants its own sign. A
convention turns the model's value g (0..1, sometimes a little below 0) into a command:

    as_is         g, for checkpoints that say 0 open .. 1 closed
    one_minus     1 - g, for checkpoints that say 1 open .. 0 closed (the published ones)
    libero        -1 open, +1 closed, 0 half-way: what the LIBERO simulator takes
    widowx        +1 open, -1 closed: what SimplerEnv's widowx_bridge takes
    google_robot  change of the gripper, latched: what SimplerEnv's google_robot takes
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

STICKY_STEPS = 15  # steps that SimplerEnv's google_robot repeats a gripper command
_STICKY_CHANGE = 0.5  # change of g that starts one


@dataclass(frozen=True)
class StickyState:
    """Memory of the google_robot convention between two steps.

    Attributes:
        previous: g of the step before; None at the start.
        latched: the repeated command.
        remaining: steps for which it is still repeated.
    """

    previous: float | None = None
    latched: float = 0.0
    remaining: int = 0


def as_is(g: ArrayLike) -> NDArray[np.float64]:
    """0 open .. 1 closed already."""
    return np.asarray(g, dtype=np.float64)


def one_minus(g: ArrayLike) -> NDArray[np.float64]:
    """From 1 open .. 0 closed to 0 open .. 1 closed."""
    return 1.0 - np.asarray(g, dtype=np.float64)


def libero(g: ArrayLike) -> NDArray[np.float64]:
    """From 1 open .. 0 closed to -1 open, +1 closed."""
    return -np.sign(2.0 * np.asarray(g, dtype=np.float64) - 1.0)


def widowx(g: ArrayLike) -> NDArray[np.float64]:
    """From 1 open .. 0 closed to +1 open, -1 closed."""
    return 2.0 * binary(g, 0.5) - 1.0


def google_robot(g: float, state: StickyState) -> tuple[float, StickyState]:
    """One step of the sticky convention: previous minus current g, repeated when it is large."""
    change = 0.0 if state.previous is None else state.previous - g
    if state.remaining == 0 and abs(change) > _STICKY_CHANGE:
        state = StickyState(g, change, STICKY_STEPS)
    if state.remaining == 0:
        return change, StickyState(g)
    return state.latched, StickyState(g, state.latched, state.remaining - 1)


def binary(values: ArrayLike, threshold: float) -> NDArray[np.float64]:
    """1 above the threshold, else 0; NaN stays NaN, so that no wrong answer becomes a command."""
    array = np.asarray(values, dtype=np.float64)
    return np.where(np.isnan(array), np.nan, (array > threshold).astype(np.float64))


_STATELESS: dict[str, Callable[[ArrayLike], NDArray[np.float64]]] = {
    "as_is": as_is,
    "one_minus": one_minus,
    "libero": libero,
    "widowx": widowx,
}
CONVENTIONS = (*_STATELESS, "google_robot")


class GripperConverter:
    """Applies one convention to the gripper values of chunk after chunk."""

    def __init__(self, convention: str, threshold: float | None = None) -> None:
        """Choose a convention.

        Args:
            convention: one of `CONVENTIONS`.
            threshold: with "as_is" and "one_minus": snap to 0 or 1 here; None: continuous.

        Raises:
            ValueError: the convention is unknown, or takes no threshold.
        """
        if convention not in CONVENTIONS:
            raise ValueError(f"convention {convention!r} is not one of {', '.join(CONVENTIONS)}")
        if threshold is not None and convention not in ("as_is", "one_minus"):
            raise ValueError(f"convention {convention!r} has fixed thresholds; leave it null")
        self._convention = convention
        self._threshold = threshold
        self.reset()

    def reset(self) -> None:
        """Forget the steps before; call it when an episode starts."""
        self._state = StickyState()

    def convert(self, values: ArrayLike) -> NDArray[np.float64]:
        """Convert the gripper values [T] of consecutive steps.

        "google_robot" remembers them all as executed, so it suits answers of one row.
        """
        g = np.asarray(values, dtype=np.float64)
        if self._convention == "google_robot":
            return np.array([self._sticky_step(float(value)) for value in g])
        command = _STATELESS[self._convention](g)
        return command if self._threshold is None else binary(command, self._threshold)

    def _sticky_step(self, g: float) -> float:
        command, self._state = google_robot(g, self._state)
        return command
