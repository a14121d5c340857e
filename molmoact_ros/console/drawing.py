# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Paths as SVG over a picture. Only numbers go into the text, so nothing in it can be a script."""

from __future__ import annotations

from collections.abc import Sequence

from molmoact_ros.answer import from_pixels, to_pixels

Points = Sequence[tuple[float, float]]

# As in the overlay of the policy: warm is the model's, cold a person's.
MODEL, PERSON, STROKE, WAITING = "#ff7814", "#28a0ff", "#00ffff", "#ffe128"
OLD = "#9aa5b1"  # of an answer that is not of the present


def scaled(
    points: Points, size: tuple[int, int], onto: tuple[int, int]
) -> list[tuple[float, float]]:
    """Return points in pixels of a picture of another size, (width, height)."""
    if min(*size, *onto) < 2:
        return []
    return [(x, y) for x, y in to_pixels(from_pixels(points, size), onto).tolist()]


def path_svg(points: Points, colour: str, width: int, *, dashed: bool = False) -> str:
    """Return a path that begins with a disc.

    Args:
        points: (x, y) in pixels; none: nothing is drawn.
        colour: One of the colours above.
        width: Of the picture, px; the line is a share of it.
        dashed: Whether it is not followed yet.
    """
    if not points:
        return ""
    line = max(width / 110.0, 1.5)
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    common = f'points="{corners}" fill="none" stroke-linecap="round" stroke-linejoin="round"'
    dashes = f' stroke-dasharray="{2.5 * line:.1f} {2 * line:.1f}"' if dashed else ""
    x, y = points[0]
    return (
        f'<polyline {common} stroke="#141414" stroke-width="{1.8 * line:.1f}" opacity="0.8"/>'
        f'<polyline {common} stroke="{colour}" stroke-width="{line:.1f}"{dashes}/>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{1.9 * line:.1f}" fill="#fff" stroke="#141414" '
        f'stroke-width="{0.5 * line:.1f}"/>'
    )
