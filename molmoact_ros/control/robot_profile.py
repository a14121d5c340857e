# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A robot profile: everything the executor has to know about one robot, in one YAML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from molmoact_ros.yaml_config import ProfileError, build, read_yaml, require

from .bounds import below
from .execution import Execution
from .limits import Limits
from .mapping import ActionMapping
from .output_settings import Outputs


@dataclass(frozen=True)
class RobotProfile:
    """One robot.

    Attributes:
        robot: Its name, for messages.
        frame: Frame of poses, boxes and commands, e.g. ``base_link``.
        action: Meaning of the chunks' columns.
        limits: What no command exceeds.
        outputs: What is published.
        execution: Timing and acceptance of chunks.
        topics: Names of the driver's topics by those of the node, e.g. ``twist:
            servo_node/delta_twist_cmds`` for ``~/twist``. Without a leading slash they lie in the
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
        below("limits", lambda: self.limits.require_for(action.used_axes, action.cartesian))
        below("outputs", lambda: self.outputs.require_for(action.cartesian))
        if self.outputs.gripper is not None:
            require(action.gripper is not None, "action.gripper", "is missing: outputs.gripper")
        if self.execution.at_end == "hold":
            follows = self.outputs.commands_positions or not action.is_delta
            require(follows, "execution.at_end", "hold needs targets, twists of deltas have none")
        known = ("ee_pose" if action.cartesian else "joint_states", *self.outputs.arm)
        for name, topic in self.topics.items():
            require(
                name in known, f"topics.{name}", f"is not a topic of this robot: {', '.join(known)}"
            )
            require(bool(topic), f"topics.{name}", "must not be empty")


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
