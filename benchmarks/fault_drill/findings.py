# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a rule found: samples beyond a limit, or none, and how near the others came."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Finding:
    """One rule applied to one stream.

    Attributes:
        rule: Its name.
        checked: Samples.
        violations: Samples beyond the limit.
        worst: The largest share of the limit that was used; 1 is the limit.
        detail: Where the worst is, for a person; empty without a violation.
    """

    rule: str
    checked: int
    violations: int
    worst: float
    detail: str = ""

    def __str__(self) -> str:
        text = f"{self.rule}: {self.violations} of {self.checked}"
        if self.worst > 0.0:
            text += f" beyond the limit, worst {self.worst:.4g} of it"
        return text + (self.detail and f", {self.detail}")


def compare(
    rule: str,
    values: np.ndarray,
    limits: np.ndarray | float,
    tolerance: float = 1e-6,
    detail: Callable[[int], str] | None = None,
) -> Finding:
    """Compare samples with limits; NaN is beyond any limit.

    Args:
        rule: Name.
        values: `[N]`, >= 0.
        limits: `[N]` or one for all, >= 0.
        tolerance: Share of the limit that is granted, for arithmetic.
        detail: Describes the sample of an index.
    """
    values, limits = np.broadcast_arrays(np.asarray(values, float), np.asarray(limits, float))
    if not len(values):
        return Finding(rule, 0, 0, 0.0)
    # What is below this counts as nothing, so that 0 of 0 is no violation.
    nothing = 1e-9
    shares = np.where(values <= nothing, 0.0, values / np.maximum(limits, nothing))
    beyond = ~(shares <= 1.0 + tolerance)
    index = int(np.argmax(np.where(np.isnan(shares), np.inf, shares)))
    text = detail(index) if detail is not None and beyond.any() else ""
    return Finding(rule, len(values), int(beyond.sum()), float(shares[index]), text)
