# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a checkpoint's gripper value means (format.md 12 and 16).

Training data stores 1 - gripper in most data sets, and every benchmark wants its own sign. A
convention turns the model's value g (0..1, sometimes a little below 0) into a command:

    as_is         g, for checkpoints with 0 open .. 1 closed
    one_minus     1 - g, for checkpoints with 1 open .. 0 closed (the published ones)
    libero        -1 open, +1 closed, 0 half-way: what the LIBERO simulator takes
    widowx        +1 open, -1 closed: what SimplerEnv's widowx_bridge takes
    google_robot  change of the gripper, latched: what SimplerEnv's google_robot takes
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

STICKY_STEPS = 15  # steps that SimplerEnv's google_robot repeats a gripper command
_STICKY_CHANGE = 0.5  # change of g that starts one


def _binary(g: NDArray[np.float64], threshold: float) -> NDArray[np.float64]:
    """1 above the threshold, else 0; NaN stays NaN, so that no wrong answer becomes a command."""
    return np.where(np.isnan(g), np.nan, (g > threshold).astype(np.float64))


_STATELESS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "as_is": lambda g: g,
    "one_minus": lambda g: 1.0 - g,
    "libero": lambda g: -np.sign(2.0 * g - 1.0),
    "widowx": lambda g: 2.0 * _binary(g, 0.5) - 1.0,
}
CONVENTIONS = (*_STATELESS, "google_robot")


class GripperConverter:
    """Applies one convention to the gripper values of chunk after chunk."""

    def __init__(self, convention: str, threshold: float | None = None) -> None:
        """Choose a convention.

        Args:
            convention: One of `CONVENTIONS`.
            threshold: With "as_is" and "one_minus": snap to 0 or 1 here; None: continuous.

        Raises:
            ValueError: The convention is unknown, or takes no threshold.
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
        self._previous: float | None = None  # g of the step before
        self._latched = 0.0
        self._remaining = 0  # steps for which `_latched` is repeated

    def convert(self, values: ArrayLike) -> NDArray[np.float64]:
        """Convert the gripper values [T] of consecutive steps.

        "google_robot" remembers them all as executed, so it suits answers of one row.
        """
        g = np.asarray(values, dtype=np.float64)
        if self._convention == "google_robot":
            return np.array([self._sticky_step(float(value)) for value in g])
        command = _STATELESS[self._convention](g)
        return command if self._threshold is None else _binary(command, self._threshold)

    def _sticky_step(self, g: float) -> float:
        """Return previous minus current g; a large change is repeated."""
        change = 0.0 if self._previous is None else self._previous - g
        self._previous = g
        if self._remaining == 0 and abs(change) > _STICKY_CHANGE:
            self._latched, self._remaining = change, STICKY_STEPS
        if self._remaining == 0:
            return change
        self._remaining -= 1
        return self._latched
