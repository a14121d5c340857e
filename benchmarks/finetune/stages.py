# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The stages, each by a command that a user has; what is finished is not repeated."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from molmoact_ros.demo.graph import default_checkpoint
from molmoact_ros.share import share

from .recording import Plan, record
from .take_over import record_take_overs

# Of the first scenes; never the same.
EVALUATED_SEEDS, RECORDED_SEEDS, TAKE_OVER_SEEDS = 700_000, 900_000, 950_000
_UNHURRIED = 0.5  # simulated s per s, while a policy infers in real time on a busy machine
_HELD_OUT = "0.05"
_TIMES = "seconds.json"


class StageError(RuntimeError):
    """A command failed; its own words are on the terminal."""


@dataclass(frozen=True)
class Cell:
    """A changed cell.

    Attributes:
        name: Of its file in config/cells.
        recording: Name of the file in config/recording.
        period: Control period of the data set, s.
    """

    name: str
    recording: str
    period: float

    @property
    def file(self) -> Path:
        """Its file."""
        return share() / "config" / "cells" / f"{self.name}.yaml"


CELLS = {
    cell.name: cell
    for cell in (
        Cell("camera_turned", "tabletop_turned", 0.1),
        Cell("other_robot", "tabletop_other", 0.2),
    )
}


@dataclass(frozen=True)
class Work:
    """Runs stages in a folder.

    Attributes:
        cell: The changed cell.
        folder: Of everything that is made.
        scenes: Of an evaluation.
        finetune: Further options of molmoact-finetune.
    """

    cell: Cell
    folder: Path
    scenes: int
    finetune: tuple[str, ...]

    def record(self, episodes: int) -> None:
        """Have a person show so many episodes, in real time; those that are there count."""
        plan = self._plan("episodes", episodes, RECORDED_SEEDS)
        self._recorded(f"record_{episodes}", plan, record(plan))

    def record_take_overs(self, episodes: int, checkpoint: Path) -> None:
        """Let a checkpoint drive until a person has taken over in so many episodes."""
        plan = replace(self._plan("take_overs", episodes, TAKE_OVER_SEEDS), speed=_UNHURRIED)
        self._recorded(f"take_overs_{episodes}", plan, record_take_overs(plan, checkpoint))

    def dataset(self, episodes: int, take_overs: int = 0) -> Path:
        """Make the data set of the first episodes and take-overs, and return it."""
        out = self.folder / f"data_{size(episodes, take_overs)}"
        bags = self._bags("episodes")[:episodes]
        bags += [self._renamed(bag) for bag in self._bags("take_overs")[:take_overs]]
        if not out.exists():
            self._run(
                "dataset", *map(str, bags), "-o", str(out), "--name", self.cell.name,
                "--checkpoint", str(default_checkpoint()), "--actions", "commanded",
                "--control-period", f"{self.cell.period:g}", "--held-out", _HELD_OUT,
                "--license", "CC0-1.0", threads=1,
            )  # fmt: skip
        return out

    def train(self, episodes: int, take_overs: int = 0) -> Path:
        """Tune the shipped checkpoint on the data set of so many; return the result."""
        name = size(episodes, take_overs)
        out = self.folder / f"checkpoint_{name}"
        if not out.exists():
            self._run(
                "finetune", "--checkpoint", str(default_checkpoint()), "--data",
                str(self.folder / f"data_{name}"), "-o", str(out), *self.finetune,
                threads=1,  # of a small network: two that wait for each other are slower
            )  # fmt: skip
        return out

    def evaluate(
        self, checkpoint: Path, name: str, in_graph: int = 0, constrained: bool = False
    ) -> dict[str, Any]:
        """Measure `reach` of a checkpoint in the cell.

        Args:
            checkpoint: Folder.
            name: Of the result's folder.
            in_graph: Scenes through the ROS graph; 0: `scenes` in process.
            constrained: Whether answers are kept to their form.

        Returns:
            Content of evaluation.json.
        """
        out, scenes = self.folder / name, in_graph or self.scenes
        known = read_evaluation(out)
        if known is not None and known["summary"][0]["episodes"] == scenes:
            return known
        options = (
            [] if in_graph else ["--in-process", "--workers", str(min(2, os.cpu_count() or 1))]
        )
        options += ["--constrained"] if constrained else []
        self._run(
            "evaluate", "--checkpoint", str(checkpoint), "--cell", str(self.cell.file),
            "--episodes", str(scenes), "--first-seed", str(EVALUATED_SEEDS), "--out", str(out),
            *options, threads=1,
        )  # fmt: skip
        found = read_evaluation(out)
        assert found is not None
        return found

    @property
    def seconds(self) -> Mapping[str, float]:
        """What the stages have taken, as far as they were run to their end at once."""
        file = self.folder / _TIMES
        return json.loads(file.read_text()) if file.is_file() else {}

    def _renamed(self, bag: Path) -> Path:
        """Return a link to a take-over, which has the name of an episode."""
        link = self.folder / f"{bag.parent.name}_{bag.name}"
        if not link.is_symlink():
            link.symlink_to(bag.resolve())
        return link

    def _bags(self, folder: str) -> list[Path]:
        return sorted((self.folder / folder).glob("episode_*"))

    def _plan(self, folder: str, episodes: int, first_seed: int) -> Plan:
        recording = share() / "config" / "recording" / f"{self.cell.recording}.yaml"
        return Plan(self.cell.file, recording, self.folder / folder, episodes, first_seed)

    def _recorded(self, name: str, plan: Plan, reports: Iterator[str]) -> None:
        there = len(self._bags(plan.out.name))
        started = time.monotonic()
        total = max(plan.episodes, there)
        for _ in tqdm(reports, total=total, initial=there, unit="episode"):
            self._passed(name, started)

    def _run(self, command: str, *arguments: str, threads: int) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        start = f"import sys; from molmoact_ros.cli.{command} import main; sys.exit(main())"
        program = [sys.executable, "-c", start, *arguments]
        started = time.monotonic()
        code = subprocess.run(program, env=environment, check=False).returncode
        if code:
            raise StageError(f"molmoact-{command} ended with code {code}")
        out = arguments[[*arguments].index("--out" if "--out" in arguments else "-o") + 1]
        self._passed(Path(out).name, started)

    def _passed(self, name: str, started: float) -> None:
        times = {**self.seconds, name: round(time.monotonic() - started, 1)}
        (self.folder / _TIMES).write_text(json.dumps(times, indent=1) + "\n")


def size(episodes: int, take_overs: int = 0) -> str:
    """Return the name of what is made of so many episodes."""
    return f"{episodes}_{take_overs}" if take_overs else str(episodes)


def read_evaluation(folder: Path) -> dict[str, Any] | None:
    """Return the content of an evaluation's folder; None: there is none."""
    file = folder / "evaluation.json"
    return json.loads(file.read_text()) if file.is_file() else None
