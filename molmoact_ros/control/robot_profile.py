# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A robot profile: everything the executor has to know about one robot, in one YAML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from molmoact_ros.share import share
from molmoact_ros.yaml_config import (
    ProfileError,
    below,
    build,
    read_yaml,
    require,
    require_choice,
    require_positive,
    require_range,
)

from .limits import Limits
from .mapping import ActionMapping
from .output_settings import Outputs

# s; anything longer is no timeout, and positions are remembered for that long.
_LONGEST = {
    "control_period": 10.0,
    "max_step_period": 10.0,
    "max_duration": 600.0,
    "max_chunk_age": 300.0,
    "max_future": 5.0,
    "state_timeout": 5.0,
    "clock_timeout": 5.0,
    "approval_timeout": 600.0,
}


@dataclass(frozen=True)
class Execution:
    """Timing and acceptance of chunks.

    Attributes:
        rate: Hz, commands per second.
        execute_steps: Rows of each chunk that are executed at most.
        control_period: s per row; None: the chunk's own `step_period`.
        blend_steps: Rows over which a new chunk fades in over the one that it replaces.
        at_end: When a chunk is done and no other came: `ramp` slows down at once, `hold`
            finishes at the last row's target (outputs that command positions) and rests there.
        max_horizon: Rows; a longer chunk is refused.
        max_step_period: s; a chunk with more between two rows is refused.
        max_duration: s; a chunk whose executed rows last longer is refused: so long, and the ramp,
            an arm goes on at most after its policy has died.
        max_chunk_age: s between a chunk's stamp and its arrival at most.
        max_future: s that a stamp may be ahead of the clock.
        state_timeout: s that the measured pose or joint state may be old.
        clock_timeout: s that the clock may stand still while moving.
        following_window: s that the robot may lag behind its commands; see `Following`.
        require_approval: Each chunk waits for an approval.
        approval_timeout: s that a chunk waits for its approval.
        min_confidence: 0..1; chunks with less, or without any, are refused. 0: not checked.
        execute_invalid: Also execute chunks that the policy marked as invalid.
    """

    rate: float = 100.0
    execute_steps: int = 8
    control_period: float | None = None
    blend_steps: float = 1.0
    at_end: str = "ramp"
    max_horizon: int = 64
    max_step_period: float = 1.0
    max_duration: float = 10.0
    max_chunk_age: float = 5.0
    max_future: float = 0.1
    state_timeout: float = 0.2
    clock_timeout: float = 0.2
    following_window: float = 1.0
    require_approval: bool = False
    approval_timeout: float = 30.0
    min_confidence: float = 0.0
    execute_invalid: bool = False

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        require_range("rate", self.rate, 10.0, 1000.0, "Hz")
        require_range("execute_steps", self.execute_steps, 1, 1000)
        require_range("blend_steps", self.blend_steps, 0.0, 1000.0)
        require_range("max_horizon", self.max_horizon, 1, 1000)
        require_choice(self, "at_end", ("ramp", "hold"))
        require_positive(self, *_LONGEST)
        for key, most in _LONGEST.items():
            if getattr(self, key) is not None:
                require_range(key, getattr(self, key), 0.0, most, "s")
        require_range("following_window", self.following_window, 0.1, 5.0, "s")
        fits = (self.control_period or 0.0) <= self.max_step_period
        longest = f"must not be above max_step_period = {self.max_step_period}"
        require(fits, "control_period", longest)
        require_range("min_confidence", self.min_confidence, 0.0, 1.0)

    @property
    def dt(self) -> float:
        """Time between two commands, s."""
        return 1.0 / self.rate

    @property
    def memory(self) -> float:
        """How long a chunk's stamp may have to be looked up, s."""
        wait = self.approval_timeout if self.require_approval else 0.0
        return self.max_chunk_age + wait + 1.0


@dataclass(frozen=True)
class RobotProfile:
    """One robot.

    Attributes:
        robot: Its name, for messages.
        frame: Frame of poses, boxes and commands, e.g. `base_link`.
        action: Meaning of the chunks' columns.
        limits: What no command exceeds.
        outputs: What is published.
        execution: Timing and acceptance of chunks.
        topics: Names of the driver's topics by those of the node, e.g. `twist:
            servo_node/delta_twist_cmds` for `~/twist`. Without a leading slash they lie in the
            node's namespace. A topic that is not given keeps its private name; a remapping of that
            name takes the place of what is given.
    """

    robot: str
    frame: str
    action: ActionMapping
    limits: Limits
    outputs: Outputs
    execution: Execution = field(default_factory=Execution)
    topics: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse parts that do not fit each other."""
        require(bool(self.frame), "frame", "must not be empty")
        action = self.action
        with below("limits"):
            self.limits.require_for(action.used_axes, action.cartesian)
        with below("outputs"):
            self.outputs.require_for(action.cartesian)
        if self.outputs.gripper is not None:
            require(action.gripper is not None, "action.gripper", "is missing: outputs.gripper")
        if self.execution.at_end == "hold":
            follows = self.outputs.commands_positions or not action.is_delta
            require(follows, "execution.at_end", "hold needs targets, twists of deltas have none")
        known = (self.state_input, *self.outputs.arm)
        for name, topic in self.topics.items():
            unknown = f"is not a topic of this robot: {', '.join(known)}"
            require(name in known, f"topics.{name}", unknown)
            require(bool(topic), f"topics.{name}", "must not be empty")

    @property
    def state_input(self) -> str:
        """Name of the input with the measured state."""
        return "ee_pose" if self.action.cartesian else "joint_states"


def load_profile(path: str | Path) -> RobotProfile:
    """Read and check a profile.

    Raises:
        ProfileError: Names the file and the path of the key that is wrong.
    """
    data = read_yaml(path)
    try:
        return build(RobotProfile, data)
    except ProfileError as error:
        raise ProfileError(Path(path).name, str(error)) from None


def robot_path(robot: str) -> Path:
    """Return the file of a robot profile.

    Args:
        robot: A name in config/robots, or a YAML file.

    Raises:
        ProfileError: There is no profile of that name; the text lists those that there are.
    """
    if robot.endswith((".yaml", ".yml")):
        return Path(robot).expanduser()
    folder = share() / "config" / "robots"
    path = folder / f"{robot}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in folder.glob("*.yaml")))
        raise ProfileError("", f"no profile '{robot}'; there are: {known}")
    return path
