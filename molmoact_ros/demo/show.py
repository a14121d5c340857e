# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One run of the demonstration: what is told, printed, filmed and decided."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from molmoact_ros.msg import ActionReasoning, Trajectory2D
from molmoact_ros.sim import Tabletop
from molmoact_ros.viz import Film, draw_overlay, side_by_side

from .arrival import Arrival
from .watcher import Watcher

_LIMIT = 150.0  # s of motion at most
_FILM_RATE = 10.0  # frames per second, the simulator's camera rate
_FILM_HEIGHT = 480  # px


class Show:
    """Runs an instruction to its end."""

    def __init__(
        self, watcher: Watcher, instruction: str, seed: int, steps: int, folder: Path
    ) -> None:
        """Prepare.

        Args:
            watcher: Client of the running graph.
            instruction: What to do; the colour in it names the block that distances refer to.
            seed: Scene of the simulator.
            steps: Inferences at most.
            folder: For the picture and the film.
        """
        self._watcher = watcher
        self._instruction = instruction
        self._seed = seed
        self._steps = steps
        self._folder = folder
        self._color = next((c for c in Tabletop.colors if c in instruction.split()), None)
        self._film = Film(folder / "demo", _FILM_RATE)
        self._answer: ActionReasoning | None = None
        self._answers = 0
        self._picture: np.ndarray | None = None  # shows the first plan that is trusted
        self._pictured_valid = False

    def run(self) -> str:
        """Run to the end and return the outcome in words."""
        watcher = self._watcher
        watcher.wait_for_nodes()
        watcher.reset(self._seed)
        watcher.pictures.clear()
        watcher.instruct(self._instruction)
        watcher.enable(True)
        print(f"instruction: '{self._instruction}', seed {self._seed}", flush=True)
        arrival, start = Arrival(), time.monotonic()
        while (now := time.monotonic()) < start + _LIMIT and self._answers < self._steps:
            watcher.spin()
            self._take_pictures()
            self._take_answers(now - start)
            gripper, block = watcher.gripper, self._block()
            if gripper is not None and block is not None and arrival.update(now, gripper, block):
                return f"reached, {self._where()}"
        limit = f"{self._answers} inferences" if now < start + _LIMIT else f"{_LIMIT:.0f} s"
        return ", ".join(filter(None, [f"not reached within {limit}", self._where()]))

    def finish(self) -> None:
        """Write the pictures and say where they are."""
        film = self._film.close()
        if self._picture is not None:
            path = self._folder / "overlay.png"
            cv2.imwrite(str(path), cv2.cvtColor(self._picture, cv2.COLOR_RGB2BGR))
            print(f"picture: {path}")
        if film is not None:
            print(f"film:    {film}")

    def _take_answers(self, elapsed: float) -> None:
        for answer in self._watcher.reasonings:
            self._answers += 1
            self._answer = answer
            print(line(self._answers, elapsed, answer, self._where()), flush=True)
        self._watcher.reasonings.clear()

    def _take_pictures(self) -> None:
        for rgb in self._watcher.pictures:
            frame = self._frame(rgb)
            self._film.add(frame)
            valid = self._answer is not None and not self._answer.problems
            complete = self._answer is not None and self._watcher.depth is not None
            if complete and not self._pictured_valid:
                self._picture, self._pictured_valid = frame, valid
        self._watcher.pictures.clear()

    def _frame(self, rgb: np.ndarray) -> np.ndarray:
        """Return the camera's picture with the latest trajectory, and depth beside it."""
        scale = _FILM_HEIGHT / rgb.shape[0]
        large = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        points, label = np.empty((0, 2)), ""
        source: Literal["predicted", "user"] = "predicted"
        if self._answer is not None:
            trajectory = self._answer.trajectory
            points = np.column_stack([trajectory.x, trajectory.y]) * scale
            if trajectory.source == Trajectory2D.SOURCE_USER:
                source = "user"
            label = f"chunk {self._answer.actions.sequence}"
        picture = draw_overlay(large, points, self._instruction, label, source)
        depth = self._watcher.depth
        return side_by_side(picture, np.zeros_like(rgb) if depth is None else depth)

    def _block(self) -> np.ndarray | None:
        """Return the named block's position, None while it is not known."""
        blocks = self._watcher.blocks
        if self._color is None or blocks is None:
            return None
        return np.asarray(blocks[Tabletop.colors.index(self._color)])

    def _where(self) -> str:
        block, gripper = self._block(), self._watcher.gripper
        if block is None or gripper is None:
            return ""
        return f"{100 * np.linalg.norm(gripper - block):.1f} cm from the {self._color} block"


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
