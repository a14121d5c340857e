# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a recorder writes about an episode into the episode's own bag. No ROS in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

BEGIN_TOPIC = "/molmoact_recorder/episode"
END_TOPIC = "/molmoact_recorder/result"
INSTRUCTION_TOPIC = "/molmoact_recorder/instruction"
STRING = "std_msgs/msg/String"
_VERSION = 1


@dataclass(frozen=True)
class BeginNote:
    """At the begin.

    Attributes:
        instruction: Of the episode.
        recording: Content of the recording file.
        robot_profile: Content of the robot's profile.
    """

    instruction: str
    recording: Mapping[str, Any]
    robot_profile: Mapping[str, Any]


@dataclass(frozen=True)
class EndNote:
    """At the end; an episode without one was never kept.

    Attributes:
        success: Whether the person kept it as one that shows the task.
        seconds: Length.
        messages: Number of messages by topic.
        lost: Messages that DDS lost, by topic.
    """

    success: bool
    seconds: float
    messages: Mapping[str, int] = field(default_factory=dict)
    lost: Mapping[str, int] = field(default_factory=dict)


def note_text(note: BeginNote | EndNote) -> str:
    """Return a note as it stands in the bag: YAML."""
    return yaml.safe_dump({"version": _VERSION, **vars(note)}, sort_keys=False)


def read_note(kind: type, text: str) -> Any:
    """Read what `note_text` wrote.

    Raises:
        ValueError: It is something else.
    """
    try:
        content = yaml.safe_load(text)
        version = content.pop("version")
        if version != _VERSION:
            raise ValueError(f"it is of version {version}, this package reads {_VERSION}")
        return kind(**content)
    except (yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"the recorder's note cannot be read: {error}") from None
