# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the model intends, drawn on the camera image."""

from typing import Literal

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from molmoact_ros.answer import to_pixels
from molmoact_ros.viz.text import put_text

Source = Literal["predicted", "user", "measured"]

HINT_COLOUR = (0, 255, 255)  # the model was trained on exactly this colour (format.md 14)
_HINT_THICKNESS = 2

_DARK = (20, 20, 20)
_WHITE = (255, 255, 255)
# From now to the end of the task. A path drawn by a person keeps to cold colours, a predicted
# or measured one to warm ones, so that nobody takes one for the other.
_COLOURS = {
    "predicted": np.array([(255, 225, 40), (255, 120, 20), (235, 20, 110)], dtype=float),
    "measured": np.array([(255, 225, 40), (255, 120, 20), (235, 20, 110)], dtype=float),
    "user": np.array([(120, 255, 255), (40, 160, 255), (80, 60, 255)], dtype=float),
}
_ORIGINS = {"predicted": "predicted", "user": "user path", "measured": "measured"}
_PIECES = 16  # coloured pieces of a segment
_SUBPIXEL_BITS = 4


def draw_overlay(
    rgb: NDArray[np.uint8],
    trajectory_px: ArrayLike,
    instruction: str,
    label: str,
    source: Source = "predicted",
) -> NDArray[np.uint8]:
    """Draw a trajectory and what it is for.

    Args:
        rgb: RGB uint8 [H, W, 3]; not changed.
        trajectory_px: float [K, 2] (x, y) in pixels, the current point first; K may be 0.
            Points outside the image are drawn as far as they are visible, points that are not
            finite are left out.
        instruction: shown along the top.
        label: shown along the bottom, such as "chunk 12".
        source: "predicted" by the model (warm colours), drawn by a "user" (cold colours), or
            "measured" on the robot (warm colours).

    Returns:
        A new RGB image of the same size.
    """
    picture = np.ascontiguousarray(rgb).copy()
    height, width = picture.shape[:2]
    points = _visible_range(trajectory_px, width, height)
    if len(points):
        _draw_path(picture, points, _COLOURS[source])
    if instruction.strip():
        put_text(picture, instruction, "top")
    origin = _ORIGINS[source] if len(points) else "no path"
    put_text(picture, f"{label} | {origin}", "bottom")
    return picture


def draw_hint(rgb: NDArray[np.uint8], points: ArrayLike) -> NDArray[np.uint8]:
    """Draw a steering trajectory as the model was trained to see it (format.md 14).

    Args:
        rgb: RGB uint8 [H, W, 3]; not changed.
        points: [K, 2] (x, y), 0..255 of this image.

    Returns:
        A new RGB image with a cyan line of two pixels.
    """
    picture = np.ascontiguousarray(rgb).copy()
    pixels = np.rint(to_pixels(points, (picture.shape[1], picture.shape[0])))
    corners = [(int(x), int(y)) for x, y in pixels]
    # Segment by segment: cv2.polylines anti-aliases the joints differently from the reference.
    for start, end in zip(corners, corners[1:], strict=False):
        cv2.line(picture, start, end, HINT_COLOUR, _HINT_THICKNESS, cv2.LINE_AA)
    return picture


def path_colours(source: Source, count: int) -> NDArray[np.uint8]:
    """Return the colours of a path's points, RGB uint8 [count, 3], from now to the end."""
    return np.array(_shades(_COLOURS[source], np.linspace(0, 1, count)), np.uint8).reshape(-1, 3)


def _visible_range(points: ArrayLike, width: int, height: int) -> NDArray[np.float64]:
    """Finite points only, no farther out than one image size: cv2 computes in 32 bits."""
    array = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    finite = array[np.isfinite(array).all(axis=1)]
    return np.clip(finite, (-width, -height), (2 * width, 2 * height))


def _draw_path(
    picture: NDArray[np.uint8], points: NDArray[np.float64], colours: NDArray[np.float64]
) -> None:
    line = max(round(min(picture.shape[:2]) / 110), 1)
    rim = max(round(line / 2.5), 1)
    dot = line * 1.2 + 0.8
    times = np.linspace(0, 1, (len(points) - 1) * _PIECES + 1)
    places = np.linspace(0, len(points) - 1, len(times))
    fine = np.stack([np.interp(places, range(len(points)), axis) for axis in points.T], axis=1)
    shades = _shades(colours, times)
    for start, end in zip(points, points[1:], strict=False):
        _line(picture, start, end, _DARK, line + 2 * rim)
    for point in points[1:]:
        _disc(picture, point, dot + rim, _DARK)
    for start, end, shade in zip(fine, fine[1:], shades[1:], strict=False):
        _line(picture, start, end, shade, line)
    for point, shade in zip(points[1:], shades[_PIECES::_PIECES], strict=True):
        _disc(picture, point, dot, shade)
    _disc(picture, points[0], 2 * dot + rim, _DARK)
    _disc(picture, points[0], 2 * dot, _WHITE)
    _disc(picture, points[0], dot, shades[0])


def _shades(colours: NDArray[np.float64], times: NDArray[np.float64]) -> list[tuple[int, ...]]:
    places = np.linspace(0, 1, len(colours))
    channels = [np.interp(times, places, channel).astype(int).tolist() for channel in colours.T]
    return list(zip(*channels, strict=True))


def _fixed(point: NDArray[np.float64]) -> tuple[int, int]:
    x, y = np.rint(point * 2**_SUBPIXEL_BITS).astype(int)
    return int(x), int(y)


def _line(
    picture: NDArray[np.uint8],
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    colour: tuple[int, ...],
    thickness: int,
) -> None:
    cv2.line(picture, _fixed(start), _fixed(end), colour, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)


def _disc(
    picture: NDArray[np.uint8], centre: NDArray[np.float64], radius: float, colour: tuple[int, ...]
) -> None:
    fixed_radius = round(radius * 2**_SUBPIXEL_BITS)
    cv2.circle(
        picture, _fixed(centre), fixed_radius, colour, cv2.FILLED, cv2.LINE_AA, _SUBPIXEL_BITS
    )
