# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Robot profiles and an ideal robot for the tests of the executor core. All time is made up."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from molmoact_ros.control import (
    ActionChunk,
    Command,
    Executor,
    Pose,
    RobotProfile,
    TeleopCommand,
)
from molmoact_ros.control.pose import moved_on
from molmoact_ros.yaml_config import build

EE_COLUMNS = ("x", "y", "z", "roll", "pitch", "yaw", "gripper")
JOINTS = ("shoulder", "elbow", "wrist")
# Fingers along the end effector's x axis, pointing down.
DOWN = np.array([0.0, np.sqrt(0.5), 0.0, np.sqrt(0.5)])

X = (0.2, 0.0, 0.0, 0.0, 0.0, 0.0)  # m/s, of a person

TWIST_ROBOT: dict[str, Any] = {
    "robot": "test arm",
    "frame": "base_link",
    "action": {
        "space": "ee_delta",
        "columns": list(EE_COLUMNS),
        "gripper": {"column": "gripper"},
    },
    "limits": {
        "linear": {
            "speed": 0.3, "acceleration": 1.5, "max_step": 0.1, "max_following_error": 0.2,
        },
        "angular": {
            "speed": 1.0, "acceleration": 5.0, "max_step": 0.5, "max_following_error": 0.8,
        },
        "workspace": {"min": [0.2, -0.5, 0.0], "max": [0.8, 0.5, 0.6]},
        "orientation": {
            "tool_axis": [1.0, 0.0, 0.0], "direction": [0.0, 0.0, -1.0], "max_angle": 0.6,
        },
    },
    "outputs": {"twist": {}, "gripper": {}},
}  # fmt: skip

JOINT_ROBOT: dict[str, Any] = {
    "robot": "test joints",
    "frame": "base_link",
    "action": {
        "space": "joint_delta",
        "columns": [*JOINTS, "gripper"],
        "joints": list(JOINTS),
        "gripper": {"column": "gripper"},
    },
    "limits": {
        "joints": {
            name: {
                "min": -1.0, "max": 1.0, "margin": 0.1, "speed": 0.8, "acceleration": 3.0,
                "max_step": 0.3, "max_following_error": 0.3,
            }
            for name in JOINTS
        },
    },
    "outputs": {"forward": {"interface": "position"}, "gripper": {}},
}  # fmt: skip


def profile_of(base: dict[str, Any], changes: dict[str, Any] | None = None) -> RobotProfile:
    """Build a profile with keys such as `execution.execute_steps` changed; None removes one."""
    data = copy.deepcopy(base)
    for path, value in (changes or {}).items():
        *parents, key = path.split(".")
        place = data
        for parent in parents:
            place = place.setdefault(parent, {})
        if value is None:
            place.pop(key, None)
        else:
            place[key] = value
    return build(RobotProfile, data)


class Rig:
    """An executor with a robot that follows each command at once, on a made-up clock."""

    def __init__(self, profile: RobotProfile, position: Pose | np.ndarray | None = None) -> None:
        self.profile = profile
        self.executor = Executor(profile)
        self.dt = profile.execution.dt
        self.now = 100.0
        self.sequence = 0
        self.robot: Any = position if position is not None else self._home()
        self.commands: list[tuple[float, Command]] = []
        self.reports = True

    def _home(self) -> Pose | np.ndarray:
        if self.profile.action.cartesian:
            return Pose(np.array([0.5, 0.0, 0.3]), DOWN.copy())
        return np.zeros(len(self.profile.action.joints))

    def tick(self, count: int = 1) -> None:
        """Let the clock and the robot move on."""
        for _ in range(count):
            self.now += self.dt
            if self.reports:
                self.executor.observe(self.robot, self.now, self.now)
            command = self.executor.step(self.now)
            if command is None:
                continue
            self.commands.append((self.now, command))
            if self.profile.outputs.commands_positions:
                self.robot = command.position
            else:
                self.robot = moved_on(self.robot, command.velocity * self.dt)

    def seconds(self, seconds: float) -> None:
        """Let that much time pass."""
        self.tick(round(seconds / self.dt))

    def enabled(self) -> Rig:
        """Report the robot's state and enable motion."""
        self.tick()
        outcome = self.executor.enable(self.now)
        assert outcome.success, outcome.message
        return self

    def chunk(self, rows: np.ndarray, **changes: Any) -> ActionChunk:
        """Return a chunk with the image taken now and the next sequence number."""
        self.sequence += 1
        fields: dict[str, Any] = {
            "values": np.asarray(rows, dtype=np.float64),
            "names": self.profile.action.columns,
            "action_space": self.profile.action.space,
            "step_period": 0.1,
            "stamp": self.now,
            "sequence": self.sequence,
        }
        return ActionChunk(**(fields | changes))

    def send(self, rows: np.ndarray, **changes: Any) -> str | None:
        """Submit such a chunk."""
        return self.executor.submit(self.chunk(rows, **changes), self.now)

    @property
    def velocities(self) -> np.ndarray:
        """Commanded velocities so far."""
        return np.array([command.velocity for _, command in self.commands])

    def count(self, name: str) -> int:
        """Return one of the executor's counters."""
        return self.executor.counters[name]


def make_steps(rows: int = 8, **columns: float) -> np.ndarray:
    """Return `[rows, 7]` with the given columns set, e.g. `x=0.02`."""
    values = np.zeros((rows, len(EE_COLUMNS)))
    for name, value in columns.items():
        values[:, EE_COLUMNS.index(name)] = value
    return values


MakeRig = Callable[..., Rig]


class Person:
    """Publishes commands to a rig: `push` one, or `hold` one at 50 Hz for a while."""

    def __init__(self, rig: Any, source: bytes = b"joystick") -> None:
        self.rig, self.source = rig, source

    def push(self, velocity: Any = X, **changes: Any) -> str | None:
        """Publish a command of now; return why it is refused."""
        fields = {"velocity": np.array(velocity, dtype=float), "stamp": self.rig.now}
        command = TeleopCommand(**(fields | {"source": self.source} | changes))
        answer: str | None = self.rig.executor.drive(command, self.rig.now)
        return answer

    def hold(self, velocity: Any = X, seconds: float = 0.5) -> None:
        """Publish a command for a while."""
        for _ in range(round(seconds / 0.02)):
            assert self.push(velocity) is None
            self.rig.tick(2)


def human(rig: Any) -> bool:
    """Return whether a person moves the arm."""
    return bool(rig.executor.status(rig.now).human)


@pytest.fixture
def steps() -> Callable[..., np.ndarray]:
    """Make rows of an end effector's deltas."""
    return make_steps


@pytest.fixture
def twist_rig() -> MakeRig:
    """Make a rig for an arm that follows twists; argument: changed keys of its profile."""
    return lambda changes=None: Rig(profile_of(TWIST_ROBOT, changes))


@pytest.fixture
def pose_rig() -> MakeRig:
    """Make a rig for an arm that follows poses."""
    return lambda changes=None: Rig(
        profile_of(TWIST_ROBOT, {"outputs.twist": None, "outputs.pose": {}} | (changes or {}))
    )


@pytest.fixture
def joint_rig() -> MakeRig:
    """Make a rig for an arm that follows joint positions."""
    return lambda changes=None: Rig(profile_of(JOINT_ROBOT, changes))


@pytest.fixture
def profiles() -> dict[str, Callable[..., RobotProfile]]:
    """Make profiles of the test robots; argument: changed keys."""
    return {
        "twist": lambda changes=None: profile_of(TWIST_ROBOT, changes),
        "joint": lambda changes=None: profile_of(JOINT_ROBOT, changes),
    }
