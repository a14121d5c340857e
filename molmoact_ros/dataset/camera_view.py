# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where points of the robot's frame are in a camera's picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from molmoact_ros.control.rotation import as_matrix, normalised
from molmoact_ros.record.settings import Camera
from molmoact_ros.viz.projection import PinholeCamera

from .bag.recorded import Recorded
from .bag.transform_tree import Transform
from .faults import DataError

_NEAREST = 0.01  # m in front of the camera


@dataclass(frozen=True)
class CameraView:
    """A calibrated camera and where it is.

    Attributes:
        camera: Intrinsics.
        pose: Returns the optical frame in the robot's frame at a time, s.
    """

    camera: PinholeCamera
    pose: Callable[[float], Transform]

    def project(self, points: np.ndarray, stamp: float) -> np.ndarray:
        """Project points ``[K, 3]``, m, of the robot's frame into the picture of a time.

        Returns:
            ``[K, 3]``: x and y as shares of the picture's width and height, 0..1 from the centre
            of the first to the centre of the last pixel, and z, the distance along the optical
            axis, m. x and y are NaN behind the camera.
        """
        position, turn = self.pose(stamp)
        local = (points - position) @ as_matrix(turn)
        pixels = np.full((len(local), 2), np.nan)
        seen = local[:, 2] > _NEAREST
        pixels[seen] = self.camera.pixels(local[seen])
        size = np.array([self.camera.width, self.camera.height])
        return np.column_stack([pixels / (size - 1), local[:, 2]])


def camera_view(recorded: Recorded, name: str, camera: Camera, frame: str) -> CameraView:
    """Return a camera of a recording.

    Args:
        recorded: The bag.
        name: Of the camera, for messages.
        camera: Its settings.
        frame: The robot's frame.

    Raises:
        DataError: Its calibration or its pose is missing.
    """
    return CameraView(_intrinsics(recorded, name, camera), _pose(recorded, name, camera, frame))


def _intrinsics(recorded: Recorded, name: str, camera: Camera) -> PinholeCamera:
    distortion: tuple[float, ...] = ()
    if camera.intrinsics is not None:
        i = camera.intrinsics
        matrix = np.array([[i.fx, 0.0, i.cx], [0.0, i.fy, i.cy], [0.0, 0.0, 1.0]])
        size, model = (i.width, i.height), ""
    elif camera.info and camera.info in recorded.infos:
        info = recorded.infos[camera.info]
        matrix, size = np.array(info.k, dtype=np.float64).reshape(3, 3), (info.width, info.height)
        distortion, model = tuple(float(d) for d in info.d), info.distortion_model
    else:
        topic = camera.info or f"cameras.{name}.info"
        raise DataError(
            recorded.path, f"camera '{name}' is not calibrated: no CameraInfo on {topic}; record "
            f"it, or give cameras.{name}.intrinsics in the recording file"
        )  # fmt: skip
    try:
        return PinholeCamera(size[0], size[1], matrix, distortion, model)
    except ValueError as error:
        raise DataError(recorded.path, f"camera '{name}': {error}") from None


def _pose(
    recorded: Recorded, name: str, camera: Camera, frame: str
) -> Callable[[float], Transform]:
    if camera.pose is not None:
        fixed = np.array(camera.pose.position), normalised(np.array(camera.pose.quaternion))
        return lambda stamp: fixed
    optical = recorded.pictures[camera.image].frame
    try:
        recorded.transforms.lookup(frame, optical, recorded.start)
    except LookupError as error:
        raise DataError(
            recorded.path, f"the pose of camera '{name}' is unknown: {error}; publish it as a "
            f"transform, or give cameras.{name}.pose in the recording file"
        ) from None  # fmt: skip
    return lambda stamp: recorded.transforms.lookup(frame, optical, stamp)
