# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The recorder as a ROS node: topics into episodes, by services."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import String
from std_srvs.srv import Trigger

from molmoact_ros.control.robot_profile import load_profile, robot_path
from molmoact_ros.output_files import WriteError
from molmoact_ros.policy_node.cameras import GapCounter
from molmoact_ros.replay.types import message_types
from molmoact_ros.ros import qos
from molmoact_ros.ros.diagnostics import Diagnosis, Diagnostics, Level
from molmoact_ros.ros.node_thread import CallbackThread
from molmoact_ros.ros.parameters import declare_parameters, parameter
from molmoact_ros.ros.running import ClosableNode, StartError, StartFault
from molmoact_ros.yaml_config import ProfileError, read_yaml

from .episodes import RECORDING, EpisodeError, Episodes
from .notes import BeginNote
from .settings import settings_from

TF, TF_STATIC = "/tf", "/tf_static"
_LOOK_PERIOD = 0.5  # s between two looks for topics that are not there yet
_KEPT = 200  # messages of a topic that may wait
_VOLATILE = DurabilityPolicy.VOLATILE


@dataclass(frozen=True)
class RecorderParameters:
    """Parameters of the node."""

    recording: str = parameter(
        "", "YAML file with what is recorded; config/recording has examples.", max_length=4096
    )
    output: str = parameter(
        "episodes", "Folder of the episodes; made where it does not exist.", max_length=4096
    )
    instruction: str = parameter(
        "", "Instruction until one arrives on the topic that the file names.", max_length=1000
    )
    min_free_space: int = parameter(
        500,
        "No episode begins with less space left on the disk.",
        unit="MB",
        limits=(0, 10_000_000),
    )


@dataclass
class _Channel:
    """One topic.

    Attributes:
        kind: Message type; empty: nobody publishes it yet.
        gaps: Messages that were lost.
        before: Lost before the present episode.
        first: Kept for the begin of each episode: the last messages of latched topics.
    """

    kind: str = ""
    gaps: GapCounter = field(default_factory=GapCounter)
    before: int = 0
    first: list[bytes] = field(default_factory=list)


class RecorderNode(ClosableNode):
    """Records episodes; ``~/begin``, ``~/end``, ``~/keep`` and ``~/discard`` are Triggers."""

    def __init__(self) -> None:
        """Read the settings and subscribe."""
        super().__init__("molmoact_recorder")
        parameters = declare_parameters(self, RecorderParameters)
        self._read_files(parameters)
        try:
            folder = Path(parameters.output).expanduser()
            self.episodes = Episodes(folder, message_types(), parameters.min_free_space)
            aside = self.episodes.set_aside()
        except (WriteError, FileNotFoundError) as error:
            raise StartFault(f"parameter 'output': {error}") from error
        for path in aside:
            self.get_logger().warning(
                f"an earlier recorder ended in the middle of an episode: what is left is in {path}"
            )
        self.instruction = parameters.instruction
        self._lock = threading.RLock()
        names = [*self.settings.topics, *((TF, TF_STATIC) if self.settings.uses_tf else ())]
        self._channels = {name: _Channel() for name in names}
        self._latched = {TF_STATIC, *(c.info for c in self.settings.cameras.values() if c.info)}
        self._receiver = CallbackThread(self, "recorder")
        qos.subscribe_latched(self, String, self.settings.instruction, self._on_instruction)
        for name, act in (
            ("begin", self.begin),
            ("end", self.end),
            ("keep", self.keep),
            ("discard", self.discard),
        ):
            self.create_service(Trigger, f"~/{name}", _answering(act))
        Diagnostics(self, {"recorder": self._status})
        self.create_timer(_LOOK_PERIOD, self._look)
        self._look()
        self._receiver.start()

    def _read_files(self, parameters: RecorderParameters) -> None:
        if not parameters.recording:
            raise StartError("parameter 'recording' is empty: give the file with what is recorded")
        path = Path(parameters.recording).expanduser()
        try:
            self._content = read_yaml(path)
            self.settings = settings_from(self._content, path.name)
            profile_file = robot_path(self.settings.robot)
            load_profile(profile_file)
            self._profile = read_yaml(profile_file)
        except ProfileError as error:
            raise StartError(f"parameter 'recording': {error}") from error

    def begin(self) -> str:
        """Begin an episode.

        Raises:
            EpisodeError: It is not possible now.
            WriteError: It cannot be written.
        """
        with self._lock:
            missing = [n for n, c in self._channels.items() if not c.kind and self._is_needed(n)]
            if missing:
                raise EpisodeError(f"nobody publishes {', '.join(missing)}")
            note = BeginNote(self.instruction, self._content, self._profile)
            name = self.episodes.begin(note, self._now())
            for topic, channel in self._channels.items():
                channel.before = channel.gaps.missing
                for data in channel.first:
                    self.episodes.write(topic, channel.kind, self._now(), data)
            return f"{name} began: {self.instruction}"

    def end(self) -> str:
        """End the episode; it waits for a decision. Raises as `begin`."""
        with self._lock:
            self.episodes.end(self.lost(), self._now())
            lost = sum(self.lost().values())
            return f"{self.episodes.name} ended: {self.episodes.seconds:.1f} s, {lost} lost"

    def keep(self) -> str:
        """Keep the episode; one that is being recorded is ended first. Raises as `begin`."""
        with self._lock:
            if self.episodes.state == RECORDING:
                self.end()
            return f"kept: {self.episodes.keep()}"

    def discard(self) -> str:
        """Throw the episode away; one that is being recorded is ended first. Raises as `begin`."""
        with self._lock:
            if self.episodes.state == RECORDING:
                self.end()
            self.episodes.discard()
            return f"{self.episodes.name} was thrown away"

    def lost(self) -> dict[str, int]:
        """Return the messages that DDS lost in the present episode, by topic."""
        return {
            topic: channel.gaps.missing - channel.before
            for topic, channel in self._channels.items()
            if channel.gaps.missing > channel.before
        }

    def line(self) -> str:
        """Return the state as one line."""
        with self._lock:
            episodes, seconds = self.episodes, max(self.episodes.seconds, 0.1)
            if episodes.state != RECORDING:
                text = f"{episodes.state} | {episodes.kept} kept | next: {self.instruction!r}"
                return text if episodes.name == "" else f"{text} | last: {episodes.name}"
            rates = [
                f"{topic.rsplit('/', 1)[-1]} {episodes.counts.get(topic, 0) / seconds:.0f} Hz"
                for topic in self.settings.topics
            ]
            lost = sum(self.lost().values())
            return (
                f"{episodes.name} {seconds:5.1f} s | {', '.join(rates)} | lost {lost} | "
                f"{episodes.bytes / 1e6:.1f} MB"
            )

    def close(self) -> None:
        """Set an episode aside that nobody has kept."""
        self._receiver.stop()
        with self._lock:
            path = self.episodes.close()
        if path is not None:
            self.get_logger().warning(f"nobody kept {self.episodes.name}: it is in {path}")

    def _look(self) -> None:
        """Subscribe to topics that somebody has begun to publish."""
        waiting = [name for name, channel in self._channels.items() if not channel.kind]
        if not waiting:
            return
        known = dict(self.get_topic_names_and_types())
        for name in waiting:
            topic = self.resolve_topic_name(name)
            if known.get(topic):
                self._subscribe(name, known[topic][0])

    def _subscribe(self, name: str, kind: str) -> None:
        try:
            package, _, message_name = kind.split("/")
            message = getattr(importlib.import_module(f"{package}.msg"), message_name)
        except (ImportError, AttributeError, ValueError) as error:
            self.get_logger().error(
                f"{name}: its type {kind} is not installed: {error}", throttle_duration_sec=10.0
            )
            return
        self._channels[name].kind = kind
        is_latched = name == TF_STATIC
        profile = QoSProfile(
            depth=_KEPT,
            reliability=ReliabilityPolicy.RELIABLE if is_latched else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if is_latched else _VOLATILE,
        )

        def take(data: bytes, info: Any) -> None:
            self._take(name, data, info)

        def take_only(data: bytes) -> None:
            self._take(name, data, {})

        Node.create_subscription(
            self, message, name, take if qos.HAS_MESSAGE_INFO else take_only, profile,
            raw=True, callback_group=self._receiver.group,
        )  # fmt: skip

    def _take(self, name: str, data: bytes, info: Any) -> None:
        channel = self._channels[name]
        publisher = info["publisher_gid"]["data"] if "publisher_gid" in info else None
        with self._lock:
            channel.gaps.add(publisher, info.get("publication_sequence_number"))
            if name in self._latched:
                kept = channel.first if name == TF_STATIC else []
                channel.first = [*kept[-100:], data]
            try:
                self.episodes.write(name, channel.kind, self._now(), data)
            except (WriteError, LookupError) as error:
                self.get_logger().error(f"{self.episodes.name} is lost: {error}")

    def _is_needed(self, name: str) -> bool:
        optional = {*self.settings.also, *self.settings.commands, TF, TF_STATIC}
        if self.settings.gripper is not None:
            optional.add(self.settings.gripper.command)
        return name not in optional

    def _on_instruction(self, message: String) -> None:
        with self._lock:
            self.instruction = message.data
            if self.episodes.state == RECORDING and message.data != self.episodes.instruction:
                self.get_logger().warning("a new instruction: it is that of the next episode")

    def _now(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _status(self) -> Diagnosis:
        with self._lock:
            missing = [name for name, channel in self._channels.items() if not channel.kind]
            values = {
                "state": self.episodes.state,
                "kept": self.episodes.kept,
                **{f"lost {topic}": count for topic, count in self.lost().items()},
            }
            if any(map(self._is_needed, missing)):
                return Diagnosis(Level.WARN, f"nobody publishes {', '.join(missing)}", values)
            return Diagnosis(Level.OK, self.line(), values)


def _answering(act: Callable[[], str]) -> Callable[[Any, Any], Any]:
    def answer(_: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        try:
            response.message, response.success = act(), True
        except (EpisodeError, WriteError) as error:
            response.message, response.success = str(error), False
        return response

    return answer
