# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The tabletop: a Fetch arm that follows twists, and three coloured blocks. No ROS in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .arm import HOME, ArmKinematics, rotation_matrix
from .camera import CameraModel, OffscreenRenderer, camera_model, mujoco
from .scene import (
    ARM_JOINTS,
    BLOCK_HALF_SIZE,
    COLORS,
    EXTERNAL_CAMERA,
    FINGER_JOINTS,
    GRIP_SITE,
    PREFIX,
    TABLE_HEIGHT,
    build_model,
)
from .variation import VARIATIONS, Appearance

CONTROL_PERIOD = 0.01  # s between two updates of the joint targets
GRIPPER_OPEN = 0.05  # m that each finger is away from the middle when open
DOWN = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])  # fingers point down

BLOCK_AREA = ((1.17, 1.40), (0.57, 0.93))  # m, x and y of the blocks' centres
START_AREA = ((1.20, 1.38), (0.62, 0.88), (0.50, 0.60))  # m, grip point after a reset
_BLOCK_GAP = 0.09  # m between two blocks' centres at least
_MAX_LEAD = 0.04  # m that the commanded grip point may be ahead of the measured one


@dataclass(frozen=True)
class JointState:
    """Positions (rad; fingers m) and velocities (rad/s; fingers m/s) `[9]` of the joints."""

    names: tuple[str, ...]
    positions: np.ndarray
    velocities: np.ndarray


class Tabletop:
    """Simulated robot cell.

    All poses are in the base frame (the world), quaternions are (x, y, z, w), SI units. The arm
    rests until a twist is given and keeps the last twist until another one comes.
    """

    cameras = (EXTERNAL_CAMERA, "gripper_camera")
    colors = COLORS

    def __init__(self, seed: int = 0, variation: str = "easy", camera_turn: float = 0.0) -> None:
        """Build the scene with its camera turned on its orbit, deg, and reset it; see `reset`."""
        self.model = build_model()
        self.data = mujoco.MjData(self.model)
        self._appearance = Appearance(self.model, camera_turn)
        self._arm = ArmKinematics(self.model)
        self._renderer: OffscreenRenderer | None = None
        self._joints = [self.model.joint(PREFIX + n) for n in ARM_JOINTS + FINGER_JOINTS]
        self._qpos = np.array([joint.qposadr[0] for joint in self._joints])
        self._dofs = np.array([joint.dofadr[0] for joint in self._joints])
        self._servos = np.array([self.model.actuator(PREFIX + n).id for n in ARM_JOINTS])
        self._fingers = np.array([self.model.actuator(PREFIX + n).id for n in FINGER_JOINTS])
        self._site = self.model.site(GRIP_SITE).id
        self._substeps = round(CONTROL_PERIOD / self.model.opt.timestep)
        self.reset(seed, variation)

    def reset(self, seed: int, variation: str = "easy") -> None:
        """Put blocks and gripper at places drawn from `seed`; the same seed, the same state.

        Args:
            seed: Any number that is not negative.
            variation: "easy": one light, one camera pose, nothing but the blocks; "varied": all of
                that differs, and up to two things lie about. Blocks and gripper are the same.

        Raises:
            ValueError: There is no such variation.
        """
        if variation not in VARIATIONS:
            raise ValueError(f"variation {variation!r}: must be one of {', '.join(VARIATIONS)}")
        rng = np.random.default_rng(seed)
        mujoco.mj_resetData(self.model, self.data)
        blocks = draw_blocks(rng)
        for color, (x, y, yaw) in zip(COLORS, blocks, strict=True):
            self.place_block(color, x, y, yaw)
        if variation == "varied":
            places = np.array(blocks)[:, :2]
            self._appearance.vary(self.data, places, np.random.default_rng([seed, 1]))
        else:
            self._appearance.restore()
        self.gripper = 0.0
        self.place_gripper(draw_in(rng, START_AREA))

    @property
    def time(self) -> float:
        """Simulated seconds since the reset."""
        return float(self.data.time)

    def place_block(self, color: str, x: float, y: float, yaw: float) -> None:
        """Put a block on the table at (x, y), m, turned by `yaw`, rad."""
        address = self.model.joint(color).qposadr[0]
        height = TABLE_HEIGHT + BLOCK_HALF_SIZE
        self.data.qpos[address : address + 7] = (
            *(x, y, height),
            *(np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)),
        )

    def place_gripper(self, position: np.ndarray) -> float:
        """Put the grip point `[3]`, m, at rest somewhere at once, fingers down.

        Returns:
            The distance to the requested place, m: more than 0 where the arm cannot reach it.
        """
        self._arm.joints = HOME
        self._target = np.asarray(position, dtype=np.float64).copy()
        self._target_rotation = DOWN.copy()
        left = self._arm.solve(self._target, DOWN, iterations=40)
        self.data.qpos[self._qpos] = (*self._arm.joints, *(self._finger_target,) * 2)
        self.data.qvel[:] = 0.0
        self.data.ctrl[self._servos] = self._arm.joints
        self.data.ctrl[self._fingers] = self._finger_target
        self.command_twist(np.zeros(3), np.zeros(3))
        mujoco.mj_forward(self.model, self.data)
        return left

    def command_twist(self, linear: ArrayLike, angular: ArrayLike) -> None:
        """Set the velocity of the grip point.

        Args:
            linear: `[3]` m/s, base frame.
            angular: `[3]` rad/s, base frame.

        Raises:
            ValueError: Wrong shape, NaN or infinity; the last twist stays.
        """
        values = np.concatenate([np.asarray(linear, float), np.asarray(angular, float)])
        if values.shape != (6,) or not np.all(np.isfinite(values)):
            raise ValueError("twist: linear and angular must each be three finite numbers")
        self._twist = values

    def command_gripper(self, closed: float) -> None:
        """Set the gripper: 0 open .. 1 closed; values outside are clipped."""
        if not np.isfinite(closed):
            raise ValueError("gripper: must be a finite number between 0 (open) and 1 (closed)")
        self.gripper = float(np.clip(closed, 0.0, 1.0))
        self.data.ctrl[self._fingers] = self._finger_target

    def step(self, seconds: float = CONTROL_PERIOD) -> None:
        """Advance the physics; `seconds` is rounded to control periods of 0.01 s, at least 1."""
        for _ in range(max(1, round(seconds / CONTROL_PERIOD))):
            self._advance_target()
            self.data.ctrl[self._servos] = self._arm.joints
            mujoco.mj_step(self.model, self.data, nstep=self._substeps)
        # mj_step leaves positions one substep behind the joints.
        mujoco.mj_forward(self.model, self.data)

    def joint_state(self) -> JointState:
        """Return the arm's and the fingers' joints."""
        return JointState(
            ARM_JOINTS + FINGER_JOINTS,
            self.data.qpos[self._qpos].copy(),
            self.data.qvel[self._dofs].copy(),
        )

    def ee_pose(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the grip point `[3]`, m, and the gripper's quaternion `[4]` (x, y, z, w)."""
        quat = np.zeros(4)
        mujoco.mju_mat2Quat(quat, self.data.site_xmat[self._site])
        return self.data.site_xpos[self._site].copy(), np.roll(quat, -1)

    def block_pose(self, color: str) -> tuple[np.ndarray, np.ndarray]:
        """Return a block's centre `[3]`, m, and quaternion `[4]` (x, y, z, w)."""
        body = self.data.body(color)
        return body.xpos.copy(), np.roll(body.xquat, -1)

    def block_places(self) -> np.ndarray:
        """Return the blocks' centres `[3, 3]`, m, in the order of `colors`."""
        return np.stack([self.block_pose(color)[0] for color in self.colors])

    def finger_opening(self) -> float:
        """Return how far each finger is from the middle, m."""
        return float(self.joint_state().positions[-len(FINGER_JOINTS) :].mean())

    def distance(self, color: str) -> float:
        """Return the distance from the grip point to a block's centre, m."""
        return float(np.linalg.norm(self.ee_pose()[0] - self.block_pose(color)[0]))

    def render(
        self, camera: str = EXTERNAL_CAMERA, width: int = 252, height: int = 252
    ) -> tuple[np.ndarray, np.ndarray]:
        """Render a camera; always from the same thread (OpenGL).

        Returns:
            RGB uint8 `[height, width, 3]` and depth along the optical axis, float32
            `[height, width]`, m.
        """
        if self._renderer is None:
            self._renderer = OffscreenRenderer(self.model)
        return self._renderer.render(self.model, self.data, camera, width, height)

    def camera(
        self, camera: str = EXTERNAL_CAMERA, width: int = 252, height: int = 252
    ) -> CameraModel:
        """Return intrinsics and present pose of a camera."""
        return camera_model(self.model, self.data, camera, width, height)

    def close(self) -> None:
        """Free the renderer; from the thread that rendered."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    @property
    def _finger_target(self) -> float:
        return GRIPPER_OPEN * (1.0 - self.gripper)

    def _advance_target(self) -> None:
        if not self._twist.any():
            return
        target = self._target + self._twist[:3] * CONTROL_PERIOD
        lead = np.linalg.norm(target - self.data.site_xpos[self._site])
        if lead > _MAX_LEAD and lead > np.linalg.norm(
            self._target - self.data.site_xpos[self._site]
        ):
            return  # something holds the arm: do not push the target further away
        turn = rotation_matrix(self._twist[3:] * CONTROL_PERIOD)
        self._target, self._target_rotation = target, turn @ self._target_rotation
        if self._arm.solve(self._target, self._target_rotation, iterations=2) > 0.01:
            self._target, self._target_rotation = self._arm.pose()  # out of reach: stay there


def draw_in(rng: np.random.Generator, area: tuple[tuple[float, float], ...]) -> np.ndarray:
    """Draw a uniform point of a box given as (low, high) per axis."""
    low, high = np.array(area).T
    return rng.uniform(low, high)


def draw_blocks(rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """Draw (x, y, yaw) of the three blocks, at least 9 cm apart, in the order of `COLORS`."""
    while True:
        places = np.stack([draw_in(rng, BLOCK_AREA) for _ in COLORS])
        gaps = np.linalg.norm(places[:, None] - places[None], axis=-1)[np.triu_indices(3, 1)]
        if gaps.min() >= _BLOCK_GAP:
            yaws = rng.uniform(-np.pi / 4, np.pi / 4, size=3)
            return [(float(x), float(y), float(w)) for (x, y), w in zip(places, yaws, strict=True)]
