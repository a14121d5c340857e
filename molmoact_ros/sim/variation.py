# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How a scene looks: always the same ("easy"), or light, colours, camera and clutter by chance."""

from __future__ import annotations

import mujoco
import numpy as np

from .camera import look_at
from .cell import turned_about
from .scene import (
    CAMERA_POSITION,
    CAMERA_TARGET,
    DISTRACTORS,
    EXTERNAL_CAMERA,
    TABLE_HEIGHT,
)

VARIATIONS = ("easy", "varied")

_CAMERA_SHIFT = 0.02  # m along each axis, uniform
_TARGET_SHIFT = 0.012  # m along each axis, uniform
_LIGHT_SHIFT = 0.4  # m along each axis, uniform
_TINT = 0.05  # relative, standard deviation per colour channel
_DISTRACTOR_GAP = 0.085  # m from a block's centre at least
_DISTRACTOR_AREA = ((1.12, 1.45), (0.50, 1.00))  # m, x and y
_ATTEMPTS = 30


class Appearance:
    """Changes a compiled model, and can undo it."""

    def __init__(self, model: mujoco.MjModel, camera_turn: float = 0.0) -> None:
        """Remember the model as it was built, with the external camera turned on its orbit, deg."""
        self._model = model
        self._camera = model.camera(EXTERNAL_CAMERA).id
        self._camera_turn = camera_turn
        if camera_turn:
            self._place_camera(np.array(CAMERA_POSITION), np.array(CAMERA_TARGET))
        self._bodies = [model.body(name).id for name in DISTRACTORS]
        self._addresses = [model.joint(name).qposadr[0] for name in DISTRACTORS]
        head = model.vis.headlight
        self._original = [
            (array, array.copy())
            for array in (
                *(model.light_pos, model.light_diffuse, model.mat_rgba, model.geom_rgba),
                *(model.cam_pos, model.cam_quat, model.body_gravcomp, head.ambient, head.diffuse),
            )
        ]

    def restore(self) -> None:
        """Make everything as it was built; distractors are out of sight then."""
        for array, values in self._original:
            array[:] = values

    def vary(self, data: mujoco.MjData, blocks: np.ndarray, rng: np.random.Generator) -> None:
        """Draw light, colours, camera pose and up to two distractors.

        Args:
            data: State that the distractors are put into.
            blocks: `[3, 2]` places that they keep away from, m.
            rng: Source of chance.
        """
        self.restore()
        model = self._model
        model.light_pos += rng.uniform(-_LIGHT_SHIFT, _LIGHT_SHIFT, model.light_pos.shape)
        brightness = rng.uniform(0.75, 1.2)
        for light in (model.light_diffuse, model.vis.headlight.ambient):
            light[:] *= brightness * (1.0 + rng.normal(0.0, _TINT, 3))
        for color in (model.mat_rgba, model.geom_rgba):
            changed = color[:, :3] * (1.0 + rng.normal(0.0, _TINT, (len(color), 3)))
            color[:, :3] = np.clip(changed, 0.0, 1.0)
        position = np.array(CAMERA_POSITION) + rng.uniform(-1, 1, 3) * _CAMERA_SHIFT
        target = np.array(CAMERA_TARGET) + rng.uniform(-1, 1, 3) * _TARGET_SHIFT
        self._place_camera(position, target)
        self._place_distractors(data, blocks, rng)

    def _place_camera(self, position: np.ndarray, target: np.ndarray) -> None:
        if self._camera_turn:
            position = turned_about(position, target, self._camera_turn)
        self._model.cam_pos[self._camera] = position
        up = np.array([0.0, 0.0, 1.0])
        self._model.cam_quat[self._camera] = look_at(position, target, up)

    def _place_distractors(
        self, data: mujoco.MjData, blocks: np.ndarray, rng: np.random.Generator
    ) -> None:
        taken = list(blocks)
        for body, address in zip(self._bodies, self._addresses, strict=True):
            if rng.random() < 0.35:
                continue  # stays out of sight
            for _ in range(_ATTEMPTS):
                place = rng.uniform(*np.array(_DISTRACTOR_AREA).T)
                if min(np.linalg.norm(place - other) for other in taken) > _DISTRACTOR_GAP:
                    taken.append(place)
                    self._model.body_gravcomp[body] = 0.0
                    height = TABLE_HEIGHT + DISTRACTORS[self._model.body(body).name].half_height
                    data.qpos[address : address + 3] = (*place, height)
                    break
