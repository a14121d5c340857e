# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Off-screen pictures of a MuJoCo scene, and the pinhole camera that made them."""

from __future__ import annotations

import os
from dataclasses import dataclass

if not os.environ.get("DISPLAY"):
    os.environ.setdefault("MUJOCO_GL", "egl")

import mujoco
import numpy as np

# MuJoCo cameras look along -z with y up; REP-103 optical frames look along +z with y down.
_OPTICAL_FROM_MUJOCO = np.diag([1.0, -1.0, -1.0])


@dataclass(frozen=True)
class CameraModel:
    """A pinhole camera without distortion.

    Attributes:
        width: Image width, px.
        height: Image height, px.
        matrix: `[3, 3]` intrinsic matrix; pixel centres have integer coordinates.
        position: `[3]` optical centre in the base frame, m.
        rotation: `[3, 3]` optical frame (x right, y down, z forward) to base frame.
    """

    width: int
    height: int
    matrix: np.ndarray
    position: np.ndarray
    rotation: np.ndarray

    def project(self, points: np.ndarray) -> np.ndarray:
        """Return the pixels `[..., 2]` (x, y), float, of base-frame points `[..., 3]`, m."""
        local = (np.asarray(points, dtype=np.float64) - self.position) @ self.rotation
        pixels = local @ self.matrix.T
        return pixels[..., :2] / pixels[..., 2:]


def look_at(position: np.ndarray, target: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Return the quaternion (w, x, y, z) of a MuJoCo camera (-z forward, y up) at `position`."""
    z = position - target
    z /= np.linalg.norm(z)
    x = np.cross(up, z)
    x /= np.linalg.norm(x)
    quat = np.zeros(4)
    mujoco.mju_mat2Quat(quat, np.stack([x, np.cross(z, x), z], axis=1).ravel())
    return quat


def camera_model(
    model: mujoco.MjModel, data: mujoco.MjData, name: str, width: int, height: int
) -> CameraModel:
    """Return the named camera at an image size, placed as `data` has it now."""
    index = model.camera(name).id
    focal = 0.5 * height / np.tan(0.5 * np.deg2rad(model.cam_fovy[index]))
    matrix = np.array(
        [[focal, 0.0, (width - 1) / 2], [0.0, focal, (height - 1) / 2], [0.0, 0.0, 1.0]]
    )
    rotation = data.cam_xmat[index].reshape(3, 3) @ _OPTICAL_FROM_MUJOCO
    return CameraModel(width, height, matrix, data.cam_xpos[index].copy(), rotation)


class OffscreenRenderer:
    """Renders colour and depth in one pass; use one instance from one thread only."""

    def __init__(self, model: mujoco.MjModel) -> None:
        """Create the OpenGL context (EGL where there is no display) for scenes like `model`."""
        self._context: mujoco.GLContext | None = mujoco.GLContext(
            model.vis.global_.offwidth, model.vis.global_.offheight
        )
        self._context.make_current()
        self._mjr = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._mjr)
        self._scene = mujoco.MjvScene(model, maxgeom=200)
        self._option = mujoco.MjvOption()
        self._option.sitegroup[:] = 0
        self._view = mujoco.MjvCamera()
        self._view.type = mujoco.mjtCamera.mjCAMERA_FIXED

    def render(
        self, model: mujoco.MjModel, data: mujoco.MjData, camera: str, width: int, height: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Render the named camera of a scene with the same meshes as the one of the constructor.

        Returns:
            RGB uint8 `[height, width, 3]` and the depth along the optical axis, float32
            `[height, width]`, m.

        Raises:
            ValueError: The image is larger than the off-screen buffer.
        """
        limit = model.vis.global_
        if not (0 < width <= limit.offwidth and 0 < height <= limit.offheight):
            raise ValueError(
                f"image size {width}x{height}: must be within {limit.offwidth}x{limit.offheight} px"
            )
        if self._context is None:
            raise ValueError("the renderer is closed")
        self._context.make_current()
        self._view.fixedcamid = model.camera(camera).id
        mujoco.mjv_updateScene(
            model,
            data,
            self._option,
            None,
            self._view,
            mujoco.mjtCatBit.mjCAT_ALL,
            self._scene,
        )
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = False
        self._scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
        viewport = mujoco.MjrRect(0, 0, width, height)
        mujoco.mjr_render(viewport, self._scene, self._mjr)
        rgb = np.empty((height, width, 3), dtype=np.uint8)
        z_buffer = np.empty((height, width), dtype=np.float32)
        mujoco.mjr_readPixels(rgb, z_buffer, viewport, self._mjr)
        return np.ascontiguousarray(rgb[::-1]), _metres(model, z_buffer[::-1])

    def close(self) -> None:
        """Free the OpenGL context; render() raises afterwards."""
        if self._context is not None:
            self._mjr.free()
            self._context.free()
            self._context = None


def _metres(model: mujoco.MjModel, z_buffer: np.ndarray) -> np.ndarray:
    extent = model.stat.extent
    near, far = model.vis.map.znear * extent, model.vis.map.zfar * extent
    return near / (1.0 - z_buffer * np.float32(1.0 - near / far))
