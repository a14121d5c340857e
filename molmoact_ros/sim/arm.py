# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Resolved-rate control of the seven arm joints: gripper pose in, joint positions out.

Damped least squares; the spare degree of freedom is pulled to a home posture, so that a gripper
pose has one arm posture and not many.
"""

from __future__ import annotations

import mujoco
import numpy as np

from .scene import ARM_JOINTS, GRIP_SITE, PREFIX

HOME = np.array([0.0, -0.35, 0.0, 1.45, 0.0, 0.47, 0.0])
_DAMPING = 1e-3
_HOME_GAIN = 0.1
_MAX_STEP = 0.2  # rad per iteration


class ArmKinematics:
    """Inverse kinematics on a private copy of the arm's joint positions."""

    def __init__(self, model: mujoco.MjModel) -> None:
        """Use `model` with a private state."""
        self._model = model
        self._data = mujoco.MjData(model)
        joints = [model.joint(PREFIX + name) for name in ARM_JOINTS]
        self._qpos = np.array([joint.qposadr[0] for joint in joints])
        self._dofs = np.array([joint.dofadr[0] for joint in joints])
        limited = np.array([bool(model.jnt_limited[joint.id]) for joint in joints])
        limits = np.array([joint.range for joint in joints])
        self._low = np.where(limited, limits[:, 0], -np.inf)
        self._high = np.where(limited, limits[:, 1], np.inf)
        self._site = model.site(GRIP_SITE).id
        self._jacobian = np.zeros((6, model.nv))
        self.joints = HOME.copy()

    @property
    def joints(self) -> np.ndarray:
        """Joint positions `[7]`, rad, in the order of `ARM_JOINTS`."""
        return self._data.qpos[self._qpos].copy()

    @joints.setter
    def joints(self, values: np.ndarray) -> None:
        self._data.qpos[self._qpos] = np.clip(values, self._low, self._high)
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_comPos(self._model, self._data)

    def pose(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the grip point `[3]`, m, and its rotation matrix `[3, 3]`, base frame."""
        matrix = self._data.site_xmat[self._site].reshape(3, 3)
        return self._data.site_xpos[self._site].copy(), matrix.copy()

    def solve(self, position: np.ndarray, rotation: np.ndarray, iterations: int = 1) -> float:
        """Move the joints towards a pose.

        Args:
            position: Grip point `[3]`, m, base frame.
            rotation: Rotation matrix `[3, 3]` of the gripper, base frame.
            iterations: Newton steps; one or two follow a slowly moving target.

        Returns:
            The distance that is left, m.
        """
        for _ in range(iterations):
            self._iterate(position, rotation)
        return float(np.linalg.norm(position - self._data.site_xpos[self._site]))

    def _iterate(self, position: np.ndarray, rotation: np.ndarray) -> None:
        current, matrix = self.pose()
        mujoco.mj_jacSite(
            self._model, self._data, self._jacobian[:3], self._jacobian[3:], self._site
        )
        jacobian = self._jacobian[:, self._dofs]
        error = np.concatenate([position - current, rotation_vector(rotation @ matrix.T)])
        gram = jacobian @ jacobian.T + _DAMPING**2 * np.eye(6)
        home = _HOME_GAIN * (HOME - self.joints)
        step = home + jacobian.T @ np.linalg.solve(gram, error - jacobian @ home)
        self.joints = self.joints + np.clip(step, -_MAX_STEP, _MAX_STEP)


def rotation_vector(matrix: np.ndarray) -> np.ndarray:
    """Return the rotation vector `[3]`, rad, of a rotation matrix `[3, 3]`."""
    quat, vector = np.zeros(4), np.zeros(3)
    mujoco.mju_mat2Quat(quat, matrix.ravel())
    mujoco.mju_quat2Vel(vector, quat, 1.0)
    return vector


def rotation_matrix(vector: np.ndarray) -> np.ndarray:
    """Return the rotation matrix `[3, 3]` of a rotation vector `[3]`, rad."""
    angle = float(np.linalg.norm(vector))
    axis = vector / angle if angle > 1e-12 else np.array([1.0, 0.0, 0.0])
    quat, matrix = np.zeros(4), np.zeros(9)
    mujoco.mju_axisAngle2Quat(quat, axis, angle)
    mujoco.mju_quat2Mat(matrix, quat)
    return matrix.reshape(3, 3)
