# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The tabletop scene: Fetch's arm, a table and three blocks, as a MuJoCo model.

Arm, meshes and table come from the installed gymnasium-robotics package (only its asset files are
read, its environment classes are not imported). The base, torso and head are fixed; the seven arm
joints get position servos instead of the package's mocap weld. World frame = `base_link`:
x forward from the robot, y to its left, z up, metres.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from .camera import look_at

COLORS = ("red", "green", "blue")
BLOCK_RGBA = {
    "red": (0.85, 0.08, 0.08, 1.0),
    "green": (0.10, 0.62, 0.14, 1.0),
    "blue": (0.10, 0.20, 0.85, 1.0),
}
BLOCK_HALF_SIZE = 0.02
TABLE_HEIGHT = 0.4


@dataclass(frozen=True)
class Distractor:
    """A thing that no instruction names: colour, and a cylinder's radius and half height, m."""

    rgba: tuple[float, float, float, float]
    radius: float
    half_height: float


DISTRACTORS = {
    "yellow_disc": Distractor((0.90, 0.78, 0.10, 1.0), 0.024, 0.012),
    "black_can": Distractor((0.06, 0.06, 0.07, 1.0), 0.018, 0.022),
}

ARM_JOINTS = (
    "shoulder_pan_joint",
    "shoulder_lift_joint",
    "upperarm_roll_joint",
    "elbow_flex_joint",
    "forearm_roll_joint",
    "wrist_flex_joint",
    "wrist_roll_joint",
)
FINGER_JOINTS = ("l_gripper_finger_joint", "r_gripper_finger_joint")
PREFIX = "robot0:"
EXTERNAL_CAMERA = "camera"
GRIPPER_CAMERA = "gripper_camera"
GRIP_SITE = "robot0:grip"

CAMERA_POSITION = (2.02, 0.62, 1.02)
CAMERA_TARGET = (1.27, 0.75, 0.50)
_CAMERA_FOVY_DEG = 40.0
_EXTENT, _CENTER = 1.7877344526095573, (1.03593277, 0.75, 0.59923854)  # m
_ROBOT_BASE = (0.6918, 0.7441, 0.0)
_TORSO_LIFT = 0.20
# Critically damped for the joints' armature of 1 kg m^2 (joint damping of 50 included).
_SERVO_KP, _SERVO_KV = 6000.0, 105.0
_FIXED_JOINTS = (
    "slide0",
    "slide1",
    "slide2",
    "torso_lift_joint",
    "head_pan_joint",
    "head_tilt_joint",
)


def find_assets() -> Path:
    """Return the folder of Fetch's MuJoCo files inside the installed gymnasium-robotics package.

    Raises:
        FileNotFoundError: gymnasium-robotics is not installed.
    """
    spec = importlib.util.find_spec("gymnasium_robotics")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(
            "the simulator needs Fetch's meshes from gymnasium-robotics: "
            "pip install --no-deps gymnasium-robotics"
        )
    return Path(next(iter(spec.submodule_search_locations))) / "envs" / "assets" / "fetch"


def build_model() -> mujoco.MjModel:
    """Return the compiled scene; it holds no randomness."""
    spec = mujoco.MjSpec.from_file(str(find_assets() / "pick_and_place.xml"))
    for name in ("object0", "floor0", PREFIX + "mocap"):
        spec.delete(spec.body(name))
    for equality in list(spec.equalities):
        spec.delete(equality)
    _fix_the_base(spec)
    _add_servos(spec)
    _dress(spec)
    for color in COLORS:
        _add_block(spec, color)
    for number, (name, distractor) in enumerate(DISTRACTORS.items()):
        _add_distractor(spec, name, distractor, number)
    _add_cameras(spec)
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.visual.global_.offwidth = spec.visual.global_.offheight = 1024
    spec.visual.quality.offsamples = 0
    spec.visual.map.znear, spec.visual.map.zfar = 0.02, 10.0
    # Of the cell alone: clipping distances and depth resolution follow from it.
    spec.stat.extent, spec.stat.center = _EXTENT, _CENTER
    return spec.compile()


def _fix_the_base(spec: Any) -> None:
    for name in _FIXED_JOINTS:
        spec.delete(spec.joint(PREFIX + name))
    spec.body(PREFIX + "base_link").pos = _ROBOT_BASE
    torso = spec.body(PREFIX + "torso_lift_link")
    torso.pos = torso.pos + np.array([0.0, 0.0, _TORSO_LIFT])
    for body in spec.bodies:
        if body.name.startswith(PREFIX):
            body.gravcomp = 1.0  # as a real arm's controller does


def _add_servos(spec: Any) -> None:
    for name in ARM_JOINTS:
        actuator = spec.add_actuator(name=PREFIX + name, target=PREFIX + name)
        actuator.trntype = mujoco.mjtTrn.mjTRN_JOINT
        actuator.set_to_position(kp=_SERVO_KP, kv=_SERVO_KV)


def _dress(spec: Any) -> None:
    """Give the scene its colours and lights."""
    spec.material("table_mat").rgba = (0.80, 0.70, 0.56, 1.0)
    spec.material("floor_mat").rgba = (0.32, 0.34, 0.37, 1.0)
    for texture in spec.textures:
        if texture.type == mujoco.mjtTexture.mjTEXTURE_SKYBOX:
            texture.rgb1, texture.rgb2 = (0.72, 0.78, 0.84), (0.42, 0.46, 0.52)
    spec.visual.headlight.ambient = (0.32, 0.32, 0.32)
    spec.visual.headlight.diffuse = (0.30, 0.30, 0.30)
    spec.visual.headlight.specular = (0.05, 0.05, 0.05)
    for light in spec.lights:
        light.pos, light.dir = (1.2, 0.2, 2.5), (0.1, 0.3, -1.0)
        light.diffuse, light.ambient = (0.62, 0.62, 0.60), (0.0, 0.0, 0.0)
        light.specular, light.castshadow = (0.1, 0.1, 0.1), False


def _add_block(spec: Any, color: str) -> None:
    body = spec.worldbody.add_body(name=color, pos=(1.3, 0.75, TABLE_HEIGHT + BLOCK_HALF_SIZE))
    body.add_freejoint(name=color)
    body.add_geom(
        name=color,
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=(BLOCK_HALF_SIZE,) * 3,
        rgba=BLOCK_RGBA[color],
        mass=0.2,
        condim=4,
        friction=(1.0, 0.01, 0.001),
    )


def _add_distractor(spec: Any, name: str, distractor: Distractor, number: int) -> None:
    """Add a body that floats behind the camera until a varied scene puts it on the table."""
    body = spec.worldbody.add_body(name=name, pos=(6.0, 0.2 * number, -3.0), gravcomp=1.0)
    body.add_freejoint(name=name)
    body.add_geom(
        name=name,
        type=mujoco.mjtGeom.mjGEOM_CYLINDER,
        size=(distractor.radius, distractor.half_height, 0.0),
        rgba=distractor.rgba,
        mass=0.2,
        friction=(1.0, 0.01, 0.001),
    )


def _add_cameras(spec: Any) -> None:
    position, target = np.array(CAMERA_POSITION), np.array(CAMERA_TARGET)
    spec.worldbody.add_camera(
        name=EXTERNAL_CAMERA,
        pos=position,
        quat=look_at(position, target, np.array([0.0, 0.0, 1.0])),
        fovy=_CAMERA_FOVY_DEG,
    )
    # On the hand, looking along the fingers (the link's x axis) past their tips.
    position, target = np.array([-0.06, 0.0, 0.09]), np.array([0.12, 0.0, 0.0])
    spec.body(PREFIX + "gripper_link").add_camera(
        name=GRIPPER_CAMERA,
        pos=position,
        quat=look_at(position, target, np.array([0.0, 0.0, 1.0])),
        fovy=70.0,
    )
