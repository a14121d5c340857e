# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a bag holds of a robot, as arrays; pictures are only counted and decoded later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.typesys.store import Typestore

from molmoact_ros.record import notes
from molmoact_ros.record.settings import RecordingSettings, settings_from
from molmoact_ros.replay import Bag
from molmoact_ros.replay.bag import COMPRESSED_IMAGE, IMAGE

from ..faults import DataError
from .commands import (
    FORWARD,
    JOINTS,
    KINDS,
    POSE,
    TRAJECTORY,
    CommandReader,
    Commands,
    pose_of,
)
from .track import Track
from .transform_tree import TransformTree

_TF = ("/tf", "/tf_static")


@dataclass(frozen=True)
class Pictures:
    """The pictures of one topic, in the order of the bag.

    Attributes:
        stamps: ``[N]``, s, of their headers.
        log_times: ``[N]``, s, when they were recorded.
        frame: Frame of the first header.
        topic: Its name.
        kind: Message type.
    """

    stamps: np.ndarray
    log_times: np.ndarray
    frame: str
    topic: str
    kind: str


@dataclass(frozen=True)
class Recorded:
    """One bag.

    Attributes:
        path: The bag.
        settings: What its topics mean.
        begin: The recorder's note at the begin; None: a bag of somebody else.
        end: At the end; None: as before, or the episode was not kept.
        start: When the first message was recorded, s.
        stop: The last one.
        instructions: (time, text) of the instruction topic.
        pictures: By topic, of all cameras and depth cameras.
        infos: First CameraInfo by topic.
        pose: ``[N, 7]`` position and quaternion of the end effector; None: from TF.
        pose_frame: In which it is given; empty: not in the messages.
        joints: Of JointState, by joint name; `joint_names` are its columns.
        joint_names: Likewise.
        gripper: ``[N, 1]`` commands.
        commands: Of the topics among the commands that molmoact-dataset can read.
        human: ``[N, 1]`` whether a person moves the robot.
        transforms: Of TF.
    """

    path: Path
    settings: RecordingSettings
    begin: notes.BeginNote | None
    end: notes.EndNote | None
    start: float
    stop: float
    instructions: tuple[tuple[float, str], ...]
    pictures: Mapping[str, Pictures]
    infos: Mapping[str, Any]
    pose: Track | None
    pose_frame: str
    joints: Track | None
    joint_names: tuple[str, ...]
    gripper: Track | None
    commands: tuple[Commands, ...]
    human: Track | None
    transforms: TransformTree


def read_recorded(path: Path, types: Typestore, settings: RecordingSettings | None) -> Recorded:
    """Read a bag once.

    Args:
        path: The bag.
        types: Message types.
        settings: What its topics mean; None: as the recorder has written into it.

    Raises:
        BagError: It cannot be read.
        DataError: It has not what the settings name.
        ProfileError: The settings in the bag are wrong.
    """
    with Bag(path, types) as bag:
        begin, end = _notes(bag)
        if settings is None:
            if begin is None:
                raise DataError(
                    path, "it was not made by molmoact-record: say with --recording FILE what its "
                    "topics mean (config/recording/tabletop.yaml is an example)"
                )  # fmt: skip
            settings = settings_from(begin.recording, f"{path}: recording")
        reader = _Reader(bag, settings)
        for message in bag.messages(reader.topics):
            reader.take(message.topic, message.log_time * 1e-9, message.content)
        return reader.recorded(begin, end)


def _notes(bag: Bag) -> tuple[notes.BeginNote | None, notes.EndNote | None]:
    found: list[Any] = []
    for topic, kind in ((notes.BEGIN_TOPIC, notes.BeginNote), (notes.END_TOPIC, notes.EndNote)):
        message = bag.first(topic)
        try:
            found.append(None if message is None else notes.read_note(kind, message.data))
        except ValueError as error:
            raise DataError(bag.path, str(error)) from None
    return found[0], found[1]


def stamp_of(content: Any) -> float:
    """Return the stamp of a message with a header, s."""
    stamp = content.header.stamp
    return float(stamp.sec + stamp.nanosec * 1e-9)


@dataclass
class _Reader:
    """Collects; `take` sees the messages in the order in which they were recorded."""

    bag: Bag
    settings: RecordingSettings
    rows: dict[str, list[tuple[float, float, Any]]] = field(default_factory=dict)
    first: dict[str, Any] = field(default_factory=dict)
    tree: TransformTree = field(default_factory=TransformTree)
    span: list[float] = field(default_factory=list)
    joint_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        s = self.settings
        self.kinds = {topic.name: topic.type for topic in self.bag.topics if topic.count}
        self.images = [c.image for c in s.cameras.values()]
        self.depths = [c.depth for c in s.cameras.values() if c.depth]
        self.infos = [c.info for c in s.cameras.values() if c.info]
        self.gripper = s.gripper.command if s.gripper else ""
        own = notes.INSTRUCTION_TOPIC in self.kinds
        self.instruction = notes.INSTRUCTION_TOPIC if own else s.instruction
        wanted = [*self.images, *self.depths, *self.infos, s.end_effector.pose, s.joint_states]
        wanted += [self.gripper, self.instruction]
        for topic in filter(None, wanted):
            optional = topic in (self.gripper, self.instruction, *self.infos)
            if topic not in self.kinds and not optional:
                known = ", ".join(sorted(self.kinds)) or "none"
                raise DataError(self.bag.path, f"no messages on {topic}; it has: {known}")
        self._check_types()
        # A topic with another meaning keeps that; it may be among the commands to be recorded.
        self.commands = {
            topic: CommandReader(topic, self.kinds[topic])
            for topic in s.commands
            if self.kinds.get(topic) in KINDS and topic not in (*wanted, s.human)
        }
        names = [*wanted, s.human, *self.commands, *(_TF if s.uses_tf else ())]
        self.topics = [name for name in dict.fromkeys(names) if name in self.kinds]

    def _check_types(self) -> None:
        s = self.settings
        wanted = [
            *((topic, (IMAGE, COMPRESSED_IMAGE)) for topic in self.images),
            *((topic, (IMAGE,)) for topic in self.depths),
            *((topic, ("sensor_msgs/msg/CameraInfo",)) for topic in self.infos),
            (s.end_effector.pose, (POSE,)),
            (s.joint_states, (JOINTS,)),
            (self.gripper, (FORWARD, "std_msgs/msg/Float64", TRAJECTORY)),
            (self.instruction, (notes.STRING,)),
            (s.human, ("std_msgs/msg/Bool",)),
        ]
        for topic, types in wanted:
            kind = self.kinds.get(topic, types[0])
            if kind not in types:
                raise DataError(
                    self.bag.path,
                    f"{topic} is a {kind}, the recording file uses it as {' or '.join(types)}",
                )

    def take(self, topic: str, log_time: float, content: Any) -> None:
        if topic in _TF:
            self.tree.add(content, is_static=topic == "/tf_static")
            return
        if not self.span:
            self.span = [log_time, log_time]
        self.span = [min(self.span[0], log_time), max(self.span[1], log_time)]
        if topic not in self.first:
            self.first[topic] = content
        if topic in self.infos:
            return
        if topic in self.commands:
            self.commands[topic].take(log_time, content)
            return
        stamp = log_time
        value: Any = None
        if topic in (*self.images, *self.depths):
            stamp = stamp_of(content)
        elif topic == self.settings.end_effector.pose:
            stamp, value = stamp_of(content), pose_of(content.pose)
        elif topic == self.settings.joint_states:
            stamp, value = stamp_of(content), self._joints(content)
        elif topic == self.gripper:
            value = _first_number(content)
        else:  # instruction and human
            value = content.data
        self.rows.setdefault(topic, []).append((stamp, log_time, value))

    def _joints(self, content: Any) -> np.ndarray:
        """Return positions in the order of the first message; NaN where a joint is missing."""
        if not self.joint_names:
            self.joint_names = tuple(content.name)
        if tuple(content.name) == self.joint_names and len(content.position) == len(content.name):
            return np.asarray(content.position, dtype=np.float64)
        found = dict(zip(content.name, content.position, strict=False))
        return np.array([found.get(name, np.nan) for name in self.joint_names])

    def recorded(self, begin: notes.BeginNote | None, end: notes.EndNote | None) -> Recorded:
        s = self.settings
        texts = self.rows.get(self.instruction, [])
        frames = {t: self.first[t].header.frame_id for t in (*self.images, *self.depths)}
        return Recorded(
            path=self.bag.path,
            settings=s,
            begin=begin,
            end=end,
            start=self.span[0],
            stop=self.span[1],
            instructions=tuple((log, str(text)) for _, log, text in texts),
            pictures={t: self._pictures(t, frame) for t, frame in frames.items()},
            infos={topic: self.first[topic] for topic in self.infos if topic in self.first},
            pose=self._track(s.end_effector.pose),
            pose_frame=self._frame(s.end_effector.pose),
            joints=self._track(s.joint_states),
            joint_names=self.joint_names,
            gripper=self._track(self.gripper),
            commands=tuple(reader.commands() for reader in self.commands.values()),
            human=self._track(s.human),
            transforms=self.tree,
        )

    def _pictures(self, topic: str, frame: str) -> Pictures:
        stamps, logs, _ = zip(*self.rows[topic], strict=True)
        return Pictures(np.array(stamps), np.array(logs), frame, topic, self.kinds[topic])

    def _frame(self, topic: str) -> str:
        return str(self.first[topic].header.frame_id).lstrip("/") if topic in self.first else ""

    def _track(self, topic: str) -> Track | None:
        if topic not in self.rows:
            return None
        stamps, _, values = zip(*self.rows[topic], strict=True)
        table = np.array(values, dtype=np.float64).reshape(len(stamps), -1)
        return Track(np.array(stamps), table, topic)


def _first_number(content: Any) -> float:
    """Return the first number of Float64MultiArray, Float64 or JointTrajectory; NaN: none."""
    if hasattr(content, "points"):
        points = content.points
        return float(points[-1].positions[0]) if points and len(points[-1].positions) else np.nan
    data = np.atleast_1d(content.data)
    return float(data[0]) if data.size else np.nan


def picture_messages(
    path: Path, types: Typestore, topic: str, numbers: list[int]
) -> Iterator[tuple[int, Any]]:
    """Read some messages of a topic again.

    Args:
        path: The bag.
        types: Message types.
        topic: Its name.
        numbers: Which ones, ascending, counted from 0.

    Yields:
        Number and message.
    """
    wanted, last = set(numbers), max(numbers)
    with Bag(path, types) as bag:
        for number, message in enumerate(bag.messages([topic])):
            if number in wanted:
                yield number, message.content
            if number == last:
                return
