# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which steps of an episode are left out because nothing happens in them."""

from __future__ import annotations

import numpy as np

_GRIPPER_STILL = 0.02  # of its range


def idle_steps(still: np.ndarray, closed: np.ndarray, most: int) -> np.ndarray:
    """Return ``[T]``: whether a step is left out.

    The first steps of a pause stay, so that a policy learns to stop; what follows goes. Motion is
    continuous over the cut, for nothing has moved meanwhile.

    Args:
        still: ``[T]`` whether the arm hardly moves.
        closed: ``[T]`` gripper, 0 open .. 1 closed.
        most: Steps of a pause that stay.
    """
    change = np.abs(np.diff(closed, prepend=closed[:1])) > _GRIPPER_STILL
    # The gripper takes time: what follows its change is no pause yet.
    idle = np.zeros(len(still), dtype=bool)
    length = 0
    for i, (at_rest, moved) in enumerate(zip(still, change, strict=True)):
        length = length + 1 if at_rest and not moved else 0
        idle[i] = length > most
    return idle
