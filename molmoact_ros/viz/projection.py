# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From pixels back into space: onto a plane, or onto a measured depth image.

Points are in the camera's optical frame (REP-103: x right, y down, z forward), in m. What cannot
be projected is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

FISHEYE = ("equidistant", "fisheye")  # names of the same distortion model
_PINHOLE = ("", "plumb_bob", "rational_polynomial")
_COEFFICIENTS = {True: (4,), False: (4, 5, 8, 12, 14)}  # by fisheye; also none, or zeros
MAX_COEFFICIENTS = 14
_DEPTH_WINDOW = 2  # px to each side; bridges the holes of depth cameras
_PARALLEL = 1e-9  # below this, a ray never meets the plane


@dataclass(frozen=True)
class PinholeCamera:
    """The camera of a CameraInfo message.

    Attributes:
        width: Of the images that it was calibrated with, px.
        height: Likewise.
        matrix: `[3, 3]` intrinsic matrix, px; pixel centres have whole coordinates.
        distortion: Coefficients; none: no distortion.
        model: Distortion model, as in CameraInfo.
    """

    width: int
    height: int
    matrix: NDArray[np.float64]
    distortion: tuple[float, ...] = ()
    model: str = "plumb_bob"

    def __post_init__(self) -> None:
        """Refuse a camera that is not calibrated.

        Raises:
            ValueError: The matrix or the size is empty, the model is not known, or it has no such
                number of coefficients.
        """
        if self.width < 1 or self.height < 1 or not (self.matrix[[0, 1], [0, 1]] > 0).all():
            raise ValueError("the camera is not calibrated: image size or focal length is 0")
        if self.model not in FISHEYE + _PINHOLE:
            raise ValueError(f"distortion model '{self.model:.64}' is not known")
        if not np.isfinite(self.matrix).all() or tuple(self.matrix[2]) != (0.0, 0.0, 1.0):
            raise ValueError("k is no camera matrix: finite numbers, and 0 0 1 in its last row")
        count = len(self.distortion)
        counts = _COEFFICIENTS[self.model in FISHEYE]
        if count > MAX_COEFFICIENTS or (any(self.distortion) and count not in counts):
            raise ValueError(
                f"d has {count} coefficients; '{self.model}' has "
                f"{', '.join(map(str, counts))} or none"
            )
        if not np.isfinite(self.distortion).all():
            raise ValueError("d holds a number that is not finite")

    def rays(self, pixels: ArrayLike, size: tuple[int, int]) -> NDArray[np.float64]:
        """Return the directions of pixels.

        Args:
            pixels: `[K, 2]` (x, y) of an image that shows the same field of view.
            size: Width and height of that image, px; may differ from the calibrated size.

        Returns:
            `[K, 3]` with z = 1.
        """
        own = rescale(pixels, size, (self.width, self.height))
        if not len(own):
            return np.empty((0, 3))
        coefficients = np.array(self.distortion, dtype=np.float64)
        if not coefficients.any():
            flat = np.linalg.solve(self.matrix, np.column_stack([own, np.ones(len(own))]).T).T
            return np.asarray(flat / flat[:, 2:])
        if self.model in FISHEYE:
            flat = cv2.fisheye.undistortPoints(own[:, None], self.matrix, coefficients)
        else:
            precise = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-10)
            flat = cv2.undistortPointsIter(
                own[:, None], self.matrix, coefficients, None, None, precise
            )
        return np.column_stack([flat.reshape(-1, 2), np.ones(len(own))])

    def pixels(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where points are in an image of the calibrated size, the inverse of `rays`.

        Args:
            points: `[K, 3]` in front of the camera.

        Returns:
            `[K, 2]` (x, y); may be outside the image.
        """
        if not len(points):
            return np.empty((0, 2))
        coefficients = np.array(self.distortion, dtype=np.float64)
        still = np.zeros(3)
        if coefficients.any() and self.model in FISHEYE:
            flat, _ = cv2.fisheye.projectPoints(
                points[:, None], still, still, self.matrix, coefficients
            )
        else:
            given = coefficients if coefficients.any() else None
            flat, _ = cv2.projectPoints(points, still, still, self.matrix, given)
        return np.asarray(flat.reshape(-1, 2))


@dataclass(frozen=True)
class Plane:
    """All points p with normal . p = distance.

    Attributes:
        normal: `[3]`, not zero; need not have length 1.
        distance: m from the origin along the normal, when that has length 1.
    """

    normal: NDArray[np.float64]
    distance: float

    def __post_init__(self) -> None:
        """Refuse a plane without a direction.

        Raises:
            ValueError: The normal is zero.
        """
        if not np.linalg.norm(self.normal) > 0:
            raise ValueError("the normal of the plane is zero")

    def moved(self, rotation: ArrayLike, translation: ArrayLike) -> Plane:
        """Return the same plane in another frame.

        Args:
            rotation: `[3, 3]`, from this plane's frame to the other one.
            translation: `[3]`, origin of this plane's frame in the other one, m.
        """
        normal = np.asarray(rotation, dtype=np.float64) @ self.normal
        return Plane(normal, self.distance + float(normal @ np.asarray(translation)))


def onto_plane(rays: NDArray[np.float64], plane: Plane, max_range: float) -> NDArray[np.float64]:
    """Return where rays `[K, 3]` meet a plane of the optical frame, `[K, 3]`, m.

    Args:
        rays: Directions from the camera.
        plane: In the optical frame.
        max_range: Points farther away are NaN, like those behind the camera, m.
    """
    slope = rays @ plane.normal
    slope = np.where(np.abs(slope) < _PARALLEL, np.nan, slope)
    return _within(rays * (plane.distance / slope)[:, None], max_range)


def onto_depth(
    rays: NDArray[np.float64],
    pixels: ArrayLike,
    size: tuple[int, int],
    depth: NDArray[np.floating],
    max_range: float,
) -> NDArray[np.float64]:
    """Return where rays meet what a depth camera measured, `[K, 3]`, m.

    Args:
        rays: `[K, 3]` with z = 1, of the pixels.
        pixels: `[K, 2]` (x, y) of an image.
        size: Width and height of that image, px.
        depth: `[h, w]` along the optical axis, m, registered to the image; any resolution.
            Values that are not positive and finite are holes.
        max_range: Points farther away are NaN, m.
    """
    height, width = depth.shape
    places = np.rint(rescale(pixels, size, (width, height))).astype(int)
    measured = [_median(depth, x, y) for x, y in places]
    return _within(rays * np.array(measured, dtype=np.float64).reshape(-1, 1), max_range)


def rescale(
    pixels: ArrayLike, size: tuple[int, int], new_size: tuple[int, int]
) -> NDArray[np.float64]:
    """Return pixels `[K, 2]` of an image as pixels of the same image at another size."""
    ratio = np.array(new_size, dtype=np.float64) / size
    return (np.asarray(pixels, dtype=np.float64).reshape(-1, 2) + 0.5) * ratio - 0.5


def measured_around(
    depth: NDArray[np.floating], x: int, y: int, reach: int
) -> NDArray[np.floating]:
    """Return what a depth image `[h, w]`, m, holds around a pixel of it, without holes, `[N]`.

    Args:
        depth: Values that are not positive and finite are holes.
        x: Of the pixel.
        y: Likewise.
        reach: px to each side.
    """
    window = depth[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1]
    return window[np.isfinite(window) & (window > 0)]


def _median(depth: NDArray[np.floating], x: int, y: int) -> float:
    """Return the depth around a pixel, NaN outside the image and in large holes."""
    height, width = depth.shape
    if not (0 <= x < width and 0 <= y < height):
        return np.nan
    valid = measured_around(depth, x, y, _DEPTH_WINDOW)
    return float(np.median(valid)) if valid.size else np.nan


def _within(points: NDArray[np.float64], max_range: float) -> NDArray[np.float64]:
    distance = np.linalg.norm(points, axis=1)
    seen = (points[:, 2] > 0) & (distance <= max_range)  # False where NaN
    return np.where(seen[:, None], points, np.nan)
