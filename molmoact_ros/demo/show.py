# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One run of the demonstration: what is sent, printed, recorded and decided."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from molmoact_ros.msg import ActionReasoning, Trajectory2D
from molmoact_ros.output_files import write_picture
from molmoact_ros.ros.conversions import trajectory_from_message
from molmoact_ros.sim import Judge, Tabletop, Task
from molmoact_ros.sim.tasks import SIDES
from molmoact_ros.viz import OverlayVideo

from .watcher import Watcher

_LIMIT = 150.0  # s of motion at most
_VIDEO_RATE = 10.0  # frames per second, the simulator's camera rate
_LAST_PICTURE = 3.0  # s that a picture with depth is waited for at the end
_DONE = {"reach": "reached", "pick": "picked up", "push": "pushed"}


@dataclass(frozen=True)
class Scene:
    """Where it is played.

    Attributes:
        seed: Places of blocks and gripper.
        variation: Look.
    """

    seed: int
    variation: str = "easy"


class Show:
    """Runs an instruction to its end."""

    def __init__(
        self,
        watcher: Watcher,
        instruction: str,
        scene: Scene,
        steps: int,
        folder: Path,
        name: str = "",
    ) -> None:
        """Prepare.

        Args:
            watcher: Client of the running graph.
            instruction: What to do; one that is not a task of the tabletop is followed until
                the steps are over, because nothing can judge when it is done.
            scene: Of the simulator.
            steps: Inferences at most.
            folder: For the picture and the video.
            name: Of the robot, before each line; empty: none.
        """
        self._watcher = watcher
        self._instruction = instruction
        self._scene = scene
        self._steps = steps
        self._folder = folder
        self._head = f"{name}  " if name else ""
        self._task = _task(instruction)
        self._start: np.ndarray | None = None  # where the blocks were
        self._video = OverlayVideo(folder / "demo", _VIDEO_RATE, instruction)
        self._answer: ActionReasoning | None = None
        self._answers = 0
        self._picture: np.ndarray | None = None
        self._shown = (False, False)  # whether the picture's plan is trusted, and its depth there

    def run(self) -> str:
        """Run to the end and return the outcome in words."""
        watcher, scene = self._watcher, self._scene
        watcher.wait_for_nodes()
        watcher.reset(scene.seed, scene.variation)
        self._start = watcher.blocks
        watcher.enable(True)
        watcher.instruct(self._instruction)
        look = "" if scene.variation == "easy" else f", {scene.variation}"
        print(
            f"{self._head}instruction: '{self._instruction}', seed {scene.seed}{look}", flush=True
        )
        outcome = self._play()
        self._await_picture()
        return outcome

    def _play(self) -> str:
        watcher, task = self._watcher, self._task
        judge = None if task is None or self._start is None else Judge(task, self._start)
        start = time.monotonic()
        while (now := time.monotonic()) < start + _LIMIT and self._answers < self._steps:
            watcher.spin()
            self._take_pictures()
            self._take_answers(now - start)
            if judge is None or watcher.gripper is None or watcher.blocks is None:
                continue
            if task is not None and judge.update(now, watcher.gripper, watcher.blocks):
                return f"{_DONE[task.kind]}, {self._where()}"
        limit = f"{self._answers} inferences" if now < start + _LIMIT else f"{_LIMIT:.0f} s"
        if task is None:
            return f"followed for {limit}"
        return ", ".join(filter(None, [f"not {_DONE[task.kind]} within {limit}", self._where()]))

    def _await_picture(self) -> None:
        """Go on until the picture shows depth, which comes after the answer, or never."""
        end = time.monotonic() + _LAST_PICTURE
        while self._answers and not self._shown[1] and time.monotonic() < end:
            self._watcher.spin()
            self._take_pictures()

    def finish(self) -> None:
        """Write the picture and the video and print where they are.

        Raises:
            WriteError: They cannot be written.
        """
        if self._picture is not None:
            path = self._folder / "overlay.png"
            write_picture(path, self._picture)
            print(f"{self._head}picture: {path}")
        video = self._video.close()
        if video is not None:
            print(f"{self._head}video:   {video}")

    def _take_answers(self, elapsed: float) -> None:
        for answer in self._watcher.reasonings[: self._steps - self._answers]:
            self._answers += 1
            self._answer = answer
            show_answer(self._video, answer)
            words = line(self._answers, elapsed, answer, self._where())
            print(f"{self._head}{words}", flush=True)
        self._watcher.reasonings.clear()

    def _take_pictures(self) -> None:
        for rgb in self._watcher.pictures:
            self._video.depth = self._watcher.depth
            frame = self._video.add(rgb)
            if self._answer is None:
                continue
            shows = (not self._answer.problems, self._watcher.depth is not None)
            if self._picture is None or shows > self._shown:
                self._picture, self._shown = frame, shows
        self._watcher.pictures.clear()

    def _where(self) -> str:
        """Return how far the task is, empty while that is not known."""
        task, gripper, blocks = self._task, self._watcher.gripper, self._watcher.blocks
        if task is None or gripper is None or blocks is None or self._start is None:
            return ""
        index = Tabletop.colors.index(task.color)
        moved = 100 * (blocks[index] - self._start[index])
        distance = 100 * np.linalg.norm(gripper - blocks[index])
        parts = [f"{distance:.1f} cm from the {task.color} block"]
        if task.kind == "pick":
            parts.append(f"block {moved[2]:+.1f} cm up")
        if task.kind == "push":
            parts.append(f"block {moved[1] * SIDES[task.side]:+.1f} cm to the {task.side}")
        return ", ".join(parts)


def _task(instruction: str) -> Task | None:
    try:
        return Task.parse(instruction)
    except ValueError:
        return None


def line(number: int, elapsed: float, answer: ActionReasoning, where: str) -> str:
    """Return one readable line about an answer."""
    seconds = dict(zip(answer.stage_names, answer.stage_seconds, strict=True)).get("total", 0.0)
    parts = [
        f"{elapsed:5.1f} s  #{number:<3d} {seconds:5.2f} s {answer.forward_passes:4d} passes",
        f"depth {len(set(answer.depth.codes)):3d} codes",
        f"path {_path(answer.trajectory)}",
        f"move {_motion(answer)}" if not answer.problems else f"not trusted: {answer.problems[0]}",
        where,
    ]
    return "  ".join(filter(None, parts))


def show_answer(video: OverlayVideo, answer: ActionReasoning) -> None:
    """Show an answer's trajectory in a video from now on."""
    path = answer.trajectory
    is_user = path.source == Trajectory2D.SOURCE_USER
    points = trajectory_from_message(path)
    video.plan(points, f"chunk {answer.actions.sequence}", "user" if is_user else "predicted")


def _path(trajectory: Trajectory2D) -> str:
    points = [f"({x:.0f},{y:.0f})" for x, y in zip(trajectory.x, trajectory.y, strict=True)]
    if len(points) > 2:
        points = [points[0], "..", points[-1]]
    return "".join(points) or "none"


def _motion(answer: ActionReasoning) -> str:
    """Return what a chunk does: the sum of its steps, or its last row for absolute actions."""
    chunk = answer.actions
    values = np.asarray(chunk.values).reshape(chunk.horizon, chunk.dof)
    relative = chunk.action_space.endswith("_delta")
    total = values.sum(axis=0) if relative else values[-1]
    shown = [
        f"{name} {100 * value:+.1f} cm"
        for name, value in zip(chunk.names, total, strict=True)
        if name in ("x", "y", "z")
    ]
    return f"{chunk.horizon} rows {' '.join(shown)}"
