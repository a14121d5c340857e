# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Bounds on the numbers of a profile: what lies beyond them is a slip of the pen, not a setting."""

from __future__ import annotations

from collections.abc import Callable

from molmoact_ros.yaml_config import ProfileError, require


def require_range(key: str, value: float, low: float, high: float, unit: str = "") -> None:
    """Require ``low <= value <= high``; the error names both.

    Raises:
        ProfileError: The value is outside, or NaN.
    """
    words = f"must be {low:g}..{high:g} {unit}".rstrip()
    shown = f"{value:g}" if isinstance(value, float) else str(value)[:20]
    require(low <= value <= high, key, f"{words}, is {shown}")


def below(parent: str, check: Callable[[], None]) -> None:
    """Run a check of a part of a profile; its errors name the part, too."""
    try:
        check()
    except ProfileError as error:
        raise error.below(parent) from None
