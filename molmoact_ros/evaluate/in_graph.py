# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Episodes through the real graph: simulator, policy and executor as processes, in real time."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np
import rclpy
from rclpy.signals import SignalHandlerOptions

from molmoact_ros.demo.graph import POLICY, demo_graph
from molmoact_ros.demo.processes import NodeProcesses, ProcessError, private_environment
from molmoact_ros.demo.show import show_answer
from molmoact_ros.demo.watcher import GraphError, Watcher
from molmoact_ros.msg import ActionChunk, ExecutorStatus
from molmoact_ros.ros import qos
from molmoact_ros.ros.conversions import chunk_to_message
from molmoact_ros.sim import Tabletop, load_cell
from molmoact_ros.viz import OverlayVideo

from .actors import Actor, Look, make_baseline
from .episode import Episode, EvaluationError, Moment
from .episode_video import EpisodeVideo
from .in_process import NO_MOTION, PICTURE
from .measurement import Measurement
from .results import EpisodeResult

if TYPE_CHECKING:
    from .workers import Setting

_NO_LINE = np.empty((0, 2))


class Graph:
    """A running graph, in a ROS domain of its own; a context manager."""

    def __init__(self, setting: Setting, actor: str, domain: int) -> None:
        """Prepare.

        Args:
            setting: How episodes are run.
            actor: "policy", or the baseline that publishes chunks in its place.
            domain: ROS domain id, 0..101.
        """
        self._cell = load_cell(setting.cell)
        graph = demo_graph(
            str(setting.checkpoint),
            execute_steps=setting.execute_steps or None,
            cell=setting.cell,
            robot=self._cell.robot if setting.cell else None,
        )
        self._has_policy = actor == "policy"
        given: dict[str, object] = {**setting.policy}
        if setting.server is not None:
            given |= {
                **asdict(setting.server),
                "checkpoint": "",
                "robot_name": setting.server.robot_name(setting),
            }
        graph = tuple(
            replace(spec, parameters={**spec.parameters, **given}) if spec.name == POLICY else spec
            for spec in graph
        )
        if not self._has_policy:
            graph = tuple(spec for spec in graph if spec.name != POLICY)
        self._logs = setting.logs / actor
        self._nodes = NodeProcesses(graph, self._logs)
        self._baseline = make_baseline(actor, setting.checkpoint, self._cell)
        self._environment = private_environment(domain)
        self._seconds = setting.seconds
        self._videos = setting.videos
        self._scene = Tabletop(
            camera_turn=self._cell.camera_turn
        )  # for the pose of the camera only

    def __enter__(self) -> Graph:
        """Start the nodes and wait until they are up.

        Raises:
            EvaluationError: A node ends, or publishes nothing.
        """
        os.environ.update(self._environment)
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        self._nodes.__enter__()
        try:
            with self._named_faults():
                self._watcher = Watcher(self._nodes.check)
                self._watcher.wait_for_nodes(needs_policy=self._has_policy)
        except BaseException:
            self.__exit__()
            raise
        self._publisher = self._watcher.node.create_publisher(
            ActionChunk, f"{POLICY}/action_chunk", qos.RESULT
        )
        self._sequence = 0
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the nodes."""
        self._nodes.__exit__(None, None, None)
        rclpy.try_shutdown()

    def run(self, episode: Episode) -> EpisodeResult:
        """Run one episode to success or to its time limit.

        Raises:
            EvaluationError: A node ends, refuses or does not answer.
        """
        with self._named_faults():
            self._set_up(episode)
            video = None if self._videos is None else EpisodeVideo(self._videos, episode)
            self._to_the_end(episode, video)
            if video is not None:
                video.close()
            return self._measurement.result(self._halt_reason())

    @contextmanager
    def _named_faults(self) -> Iterator[None]:
        """Turn faults of the graph into faults of the evaluation."""
        try:
            yield
        except (ProcessError, GraphError) as error:
            raise EvaluationError(f"{error}\nlogs: {self._logs}") from error

    def _to_the_end(self, episode: Episode, video: OverlayVideo | None) -> None:
        watcher = self._watcher
        moves = self._has_policy or self._baseline is not None
        watcher.instruct(episode.instruction)
        if moves:
            watcher.enable(True)
        due, end = 0.0, time.monotonic() + (self._seconds if moves else NO_MOTION)
        while (now := time.monotonic()) < end:
            if self._baseline is not None and now >= due:
                due = now + self._baseline.chunk_seconds
                self._act(self._baseline, episode)
            watcher.spin()
            self._take_answers(video)
            self._take_pictures(video)
            if self._measurement.update(self._moment()):
                return

    def _set_up(self, episode: Episode) -> None:
        watcher = self._watcher
        watcher.enable(False)
        watcher.clear_halt()
        watcher.instruct("")
        watcher.reset(episode.seed, episode.variation)
        self._scene.reset(episode.seed, episode.variation)
        watcher.reasonings.clear()
        camera = self._scene.camera(width=PICTURE, height=PICTURE)
        self._measurement = Measurement(episode, self._moment(), camera)
        if self._has_policy:
            line = self._measurement.line
            watcher.steer(_NO_LINE if line is None else line, (PICTURE, PICTURE))

    def _act(self, baseline: Actor, episode: Episode) -> None:
        """Publish a baseline's chunk."""
        nothing = np.empty((0, 0, 3), np.uint8)
        reasoning = baseline.answer(Look(episode, self._moment(), nothing))
        self._sequence += 1
        stamp = self._watcher.node.get_clock().now().to_msg()
        self._publisher.publish(chunk_to_message(reasoning, baseline.form, stamp, self._sequence))

    def _take_answers(self, video: OverlayVideo | None) -> None:
        for answer in self._watcher.reasonings:
            seconds = dict(zip(answer.stage_names, answer.stage_seconds, strict=True))
            total = seconds.get("total", float("nan"))
            self._measurement.add_answer(answer.forward_passes, total, not answer.problems)
            if video is not None:
                show_answer(video, answer)
        self._watcher.reasonings.clear()

    def _take_pictures(self, video: OverlayVideo | None) -> None:
        for rgb in self._watcher.pictures:
            if video is not None:
                video.depth = self._watcher.depth
                video.add(rgb)
        self._watcher.pictures.clear()

    def _moment(self) -> Moment:
        watcher = self._watcher
        assert watcher.gripper is not None and watcher.blocks is not None
        assert watcher.fingers is not None
        gripper, blocks = map(self._cell.to_world, (watcher.gripper, watcher.blocks))
        return Moment(time.monotonic(), gripper, watcher.fingers, blocks)

    def _halt_reason(self) -> str:
        status = self._watcher.status
        halted = status is not None and status.state == ExecutorStatus.STATE_HALTED
        return str(status.reason) if status is not None and halted else ""
