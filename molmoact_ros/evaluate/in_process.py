# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Episodes in one process with simulated time: as fast as the machine, and the same every time.

Below the nodes everything is what the nodes use: the policy with its drafts and detectors, chunks,
the executor with the robot's profile, and the pacing of inferences.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from molmoact_ros.control import ActionChunk, Executor, Pose, RobotProfile, State
from molmoact_ros.policy.pacing import pause_after_answer
from molmoact_ros.policy.types import Reasoning
from molmoact_ros.sim import SHIPPED, Cell, Tabletop

from .actors import Actor, Look, PolicyActor
from .episode import Episode, EvaluationError, Moment
from .episode_video import EpisodeVideo
from .measurement import Measurement
from .results import EpisodeResult

PICTURE = 252  # px, width and height of the simulator node's pictures
NO_MOTION = 1.5  # s; how long an arm that never moves is watched
_FRAME_PERIOD = 0.1  # s between two pictures of the simulator node
_START = 1.0  # s; stamps of zero count as not set
_EARLY = 1e-6  # s; sums of periods are not exact

Observer = Callable[[Look, Reasoning], None]


@dataclass(frozen=True)
class Timing:
    """How simulated time passes.

    Attributes:
        seconds: Time limit of an episode.
        answer_seconds: From a look to its chunk, whatever the real inference takes; 0: the world
            stands still meanwhile, and the next look is when the chunk is over.
    """

    seconds: float = 20.0
    answer_seconds: float = 0.5

    def pause(self, chunk_seconds: float) -> float:
        """Return the time from an answer to the next look, s."""
        if self.answer_seconds == 0.0:
            return chunk_seconds
        return pause_after_answer(chunk_seconds, self.answer_seconds)


class InProcess:
    """Runs episodes, one after the other."""

    def __init__(
        self,
        actor: Actor | None,
        robot: RobotProfile,
        timing: Timing,
        observer: Observer | None = None,
        videos: Path | None = None,
        cell: Cell = SHIPPED,
    ) -> None:
        """Build the cell.

        Args:
            actor: Moves the arm; None: nobody does.
            robot: Profile of the tabletop's arm.
            timing: How time passes.
            observer: Receives every look and its answer.
            videos: Folder for videos; None: none are made.
            cell: What differs in the cell.
        """
        self.table = Tabletop(camera_turn=cell.camera_turn)
        self.cell = cell
        self.actor = actor
        self.robot = robot
        self.timing = timing
        self.observer = observer
        self.videos = videos

    def run(self, episode: Episode) -> EpisodeResult:
        """Run one episode to success or to its time limit."""
        return _Run(self, episode).to_the_end()

    def close(self) -> None:
        """Free the renderer."""
        self.table.close()


class _Run:
    """One episode."""

    def __init__(self, owner: InProcess, episode: Episode) -> None:
        self._owner, self._episode = owner, episode
        self._table, self._actor = owner.table, owner.actor
        self._table.reset(episode.seed, episode.variation)
        self._executor = Executor(owner.robot)
        self._dt = owner.robot.execution.dt
        self._ticks = 0
        self._sequence = 0
        self._pending: ActionChunk | None = None
        self._due = self._look_at = self._now
        camera = self._table.camera(width=PICTURE, height=PICTURE)
        self._measurement = Measurement(episode, self._moment(), camera)
        self._video = None if owner.videos is None else EpisodeVideo(owner.videos, episode)
        self._sense()
        outcome = self._executor.enable(self._now)
        if not outcome.success:
            raise EvaluationError(f"the executor refuses: {outcome.message}")

    def to_the_end(self) -> EpisodeResult:
        timing, every = self._owner.timing, round(_FRAME_PERIOD / self._dt)
        seconds = NO_MOTION if self._actor is None else timing.seconds
        for tick in range(round(seconds / self._dt)):
            self._advance()
            if tick % every:
                continue
            if self._video is not None:
                self._video.add(self._picture())
            if self._measurement.update(self._moment()):
                break
        if self._video is not None:
            self._video.close()
        halted = self._executor.state is State.HALTED
        return self._measurement.result(self._executor.reason if halted else "")

    def _advance(self) -> None:
        """Move on by one control period."""
        now = self._now
        if self._pending is not None and now >= self._due - _EARLY:
            self._executor.submit(self._pending, now)
            self._pending = None
        if self._actor is not None and now >= self._look_at - _EARLY:
            self._look(self._actor, now)
        self._execute(now)
        self._table.step(self._dt)
        self._ticks += 1
        self._sense()

    def _look(self, actor: Actor, now: float) -> None:
        rgb = self._picture() if actor.sees else np.empty((0, 0, 3), np.uint8)
        look = Look(self._episode, self._moment(), rgb, self._measurement.line)
        reasoning = actor.answer(look)
        self._sequence += 1
        chunk = actor.form.chunk(reasoning, now, self._sequence)
        self._note(look, reasoning)
        delay = self._owner.timing.answer_seconds if actor.sees else 0.0
        pause = self._owner.timing.pause(actor.chunk_seconds) if actor.sees else actor.chunk_seconds
        self._due = now + delay
        if delay == 0.0:
            self._executor.submit(chunk, now)
        else:
            self._pending = chunk
        # The node, too, waits only after actions that are executed, and for another picture.
        self._look_at = max(self._due + (pause if reasoning.valid else 0.0), now + _FRAME_PERIOD)

    def _note(self, look: Look, reasoning: Reasoning) -> None:
        if look.rgb.size:
            seconds = reasoning.timings.get("total", float("nan"))
            self._measurement.add_answer(reasoning.forward_passes, seconds, reasoning.valid)
        if self._video is not None:
            depth, codes = None, reasoning.depth_codes
            if codes is not None and isinstance(self._actor, PolicyActor):
                depth = self._actor.policy.relative_depth(codes)
            self._video.show(reasoning, self._sequence, depth)
        if self._owner.observer is not None:
            self._owner.observer(look, reasoning)

    def _execute(self, now: float) -> None:
        command = self._executor.step(now)
        if command is None:
            return
        linear, angular = map(self._owner.cell.to_world, np.split(command.velocity, 2))
        self._table.command_twist(linear, angular)
        gripper = self._owner.robot.outputs.gripper
        if command.gripper is not None and gripper is not None:
            value = gripper.value(command.gripper)
            self._table.command_gripper(self._owner.cell.closed_by(value))

    def _sense(self) -> None:
        pose = Pose(*self._owner.cell.pose_to_base(self._table.ee_pose()))
        self._executor.observe(pose, self._now, self._now)

    def _picture(self) -> np.ndarray:
        return self._table.render(width=PICTURE, height=PICTURE)[0]

    def _moment(self) -> Moment:
        table = self._table
        return Moment(
            time=self._now,
            gripper=table.ee_pose()[0],
            fingers=table.finger_opening(),
            blocks=table.block_places(),
        )

    @property
    def _now(self) -> float:
        return _START + self._ticks * self._dt
