# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Runs the way from a changed cell to a tuned checkpoint; see --help."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.report import markdown_table, write_results
from molmoact_ros.demo.graph import default_checkpoint

from .recording import RecordingError
from .results import TAKE_OVERS, passed, rows
from .stages import (
    CELLS,
    EVALUATED_SEEDS,
    RECORDED_SEEDS,
    TAKE_OVER_SEEDS,
    StageError,
    Work,
    size,
)

_WORK = Path("~/.cache/molmoact_ros/finetune")
_QUICK = {"episodes": [4], "scenes": 1, "steps": 4, "answers": 1, "graph": 0}
_NOTES = """\
`reach`, scenes that were not recorded, at most 20 s each, simulated; in one process unless a row
names the graph. A person, played by the scripted expert, is recorded at the changed cell; the data
set holds what was commanded, with the disturbed arm's pictures; 5 % of the episodes are held out.
Constrained: answers keep their form, in one process without a restart between scenes. Minutes are
wall time of the training alone, on a machine that other work used as well."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stages; 0: done, 1: a stage failed."""
    options = _parse(argv)
    folder = options.work.expanduser() / ("quick" if options.quick else "") / options.cell
    folder.mkdir(parents=True, exist_ok=True)
    training = ["--steps", str(options.steps), "--answers", str(options.answers)]
    training += ["--steering", "0", *options.finetune]  # nothing here draws lines
    work = Work(CELLS[options.cell], folder, options.scenes, tuple(training))
    try:
        _run(work, options.episodes, options.graph)
        if options.take_overs:
            _take_over(work, max(options.episodes), options.take_overs)
    except (StageError, RecordingError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 130
    table = rows(work, options.episodes, options.take_overs or TAKE_OVERS)
    print(f"\n{markdown_table(table)}")
    if options.write:
        _write({cell: options.work.expanduser() / cell for cell in CELLS}, options)
    return 0


def _run(work: Work, sizes: Sequence[int], in_graph: int) -> None:
    _say("the shipped checkpoint in the changed cell")
    before = work.evaluate(default_checkpoint(), "before")
    for episodes in sorted(sizes):
        _say(f"a person shows {episodes} episodes, in real time")
        work.record(episodes)
        _say(f"data set of {episodes} episodes")
        print(f"look at {work.dataset(episodes) / 'report.html'}")
        _say("training")
        checkpoint = work.train(episodes)
        _say("the tuned checkpoint in the changed cell")
        after = work.evaluate(checkpoint, f"after_{episodes}")
        better = "better" if passed(before, after) else "not better"
        print(f"{checkpoint}: {better} than before with 95 % confidence")
    largest = max(sizes)
    _say("the same with answers that keep their form, before and after")
    work.evaluate(default_checkpoint(), "constrained_before", constrained=True)
    work.evaluate(checkpoint, f"constrained_{largest}", constrained=True)
    if in_graph:
        _say("the same with answers that keep their form, through the ROS graph, in real time")
        work.evaluate(checkpoint, f"graph_constrained_{largest}", in_graph, constrained=True)


def _take_over(work: Work, episodes: int, take_overs: int) -> None:
    _say(f"the tuned checkpoint drives, and a person takes over in {take_overs} episodes")
    work.record_take_overs(take_overs, work.train(episodes))
    _say("data set of both, training and evaluation")
    work.dataset(episodes, take_overs)
    checkpoint = work.train(episodes, take_overs)
    work.evaluate(checkpoint, f"after_{size(episodes, take_overs)}")


def _write(folders: dict[str, Path], options: argparse.Namespace) -> None:
    works = {
        name: Work(CELLS[name], folder, options.scenes, ()) for name, folder in folders.items()
    }
    path = write_results(
        "finetune",
        "From a changed cell to a checkpoint",
        {name: rows(work) for name, work in works.items()},
        {
            "seeds evaluated": EVALUATED_SEEDS,
            "seeds recorded": RECORDED_SEEDS,
            "seeds of take-overs": TAKE_OVER_SEEDS,
            "seconds": {name: dict(work.seconds) for name, work in works.items()},
        },
        _NOTES,
    )
    print(f"results: {path}")


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.finetune",
        description="Evaluate the shipped checkpoint in a changed cell, record a person there, "
        "make a data set, train, and evaluate the result. What is finished is not repeated.",
    )
    add = parser.add_argument
    add("--cell", choices=tuple(CELLS), default="camera_turned", help="(camera_turned)")
    add("--episodes", type=int, nargs="+", default=[100], help="sizes of the data sets (100)")
    add("--scenes", type=int, default=100, help="of each evaluation (100)")
    add("--graph", type=int, default=30, help="scenes through the ROS graph; 0: none (30)")
    add("--take-overs", type=int, default=0, metavar="N",
        help="then record N take-overs from the tuned policy and train on both (0)")  # fmt: skip
    add("--steps", type=int, default=1200, help="of the training (1200)")
    add("--answers", type=int, default=48, help="held-out steps that are answered (48)")
    add("--finetune", nargs=argparse.REMAINDER, default=[], help="more for molmoact-finetune")
    add("--work", type=Path, default=_WORK, help=f"folder of what is made ({_WORK})")
    add("--write", action="store_true", help="write benchmarks/results/finetune.*")
    add("--quick", action="store_true",
        help="4 episodes, 4 steps, 1 scene: shows that it runs, measures nothing")  # fmt: skip
    options = parser.parse_args(argv)
    if options.quick:
        vars(options).update(_QUICK)
    return options


def _say(text: str) -> None:
    print(f"\n== {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
