# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What one answer says."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Answer:
    """Content of one answer; T rows of D values, K points.

    Attributes:
        depth: uint8 [10, 10] codes, or None where there is no usable map.
        trajectory: float64 [K, 2] (x, y), 0..255 of the first image, or None. The first of
            `trajectories`: released data writes the same one for both arms.
        actions: float64 [T, D] in robot units. Strict mode writes NaN for a string that is no
            action string, so that nobody can execute a value that the model never said.
        problems: why the answer is not to be trusted, a sentence each; always empty in
            compatible mode, which has no opinion.
        depth_spans: text of each depth map with its tags.
        trajectories: all trajectories, float64 [K, 2] each.
    """

    depth: NDArray[np.uint8] | None
    trajectory: NDArray[np.float64] | None
    actions: NDArray[np.float64]
    problems: tuple[str, ...]
    depth_spans: tuple[str, ...]
    trajectories: tuple[NDArray[np.float64], ...]

    @property
    def valid(self) -> bool:
        """True when nothing was found wrong."""
        return not self.problems
