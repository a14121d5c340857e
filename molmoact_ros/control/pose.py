# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where the end effector is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Pose:
    """A pose in the profile's frame.

    Attributes:
        position: ``[3]``, m.
        orientation: ``[4]`` unit quaternion (x, y, z, w).
    """

    position: np.ndarray
    orientation: np.ndarray
