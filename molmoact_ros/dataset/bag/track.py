# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Numbers over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Track:
    """A measured or commanded quantity over time.

    Attributes:
        stamps: ``[N]``, s.
        values: ``[N, D]``.
        topic: Where it comes from.
    """

    stamps: np.ndarray
    values: np.ndarray
    topic: str
