# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""molmoact-evaluate: success rates of a checkpoint in the tabletop simulator."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from molmoact_ros.demo.graph import default_checkpoint
from molmoact_ros.evaluate.episode import SERIES, Episode, EvaluationError, make_episodes
from molmoact_ros.evaluate.results import EpisodeResult, as_json, as_markdown
from molmoact_ros.evaluate.workers import MOST_WORKERS, PolicyServer, Setting, run_episodes
from molmoact_ros.output_files import INTERRUPTED, WriteError, reports_write_errors, write_text
from molmoact_ros.sim import VARIATIONS, load_cell
from molmoact_ros.sim.tasks import KINDS
from molmoact_ros.yaml_config import ProfileError

from .policy_arguments import positive

_DESCRIPTION = """\
Runs episodes in the simulator and counts how often the arm does what it is instructed to do:
  reach  the gripper comes to rest within 5 cm of the named block's centre
  pick   the named block is lifted by 5 cm and held for a second
  push   the named block is moved by 5 cm to the named side and stays there for a second
By default simulator, policy and executor are ROS nodes in processes of their own, in real time;
with --in-process one process runs the same code below the nodes in simulated time."""
_SERIES = """\
series:
  policy             the checkpoint
  swapped            the same scenes; the next colour is named and judged
  wrong-instruction  the next colour is named, the first is judged: chance, if words matter
  steered            a line is drawn to the next block while the words name the first; success: the
                     gripper comes to rest within 25 of 255 units of the line's end in the picture
  expert             the scripted expert, which knows the positions
  random             random chunks in the range of the training data
  none               no motion

examples:
  molmoact-evaluate --task all --episodes 100 --in-process --workers 2
  molmoact-evaluate --server ws://gpu-pc:8750 --in-process --series policy
  molmoact-evaluate --task pick push --variation varied --series policy expert --video videos"""


@reports_write_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0: measured, 1: an error, which is on stderr, 130: interrupted."""
    options = _parse(argv)
    episodes = _episodes(options)
    results: list[EpisodeResult] = []
    started = time.monotonic()
    code = 0
    try:
        with tqdm(total=len(episodes), unit="episode", smoothing=0.1) as progress:
            for result in run_episodes(_setting(options), episodes, options.workers):
                results.append(result)
                progress.set_description(f"{result.task} {result.series}", refresh=False)
                progress.set_postfix(success=sum(r.success for r in results), refresh=False)
                progress.update()
    except (EvaluationError, WriteError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        print("stopped; what was measured so far is kept", file=sys.stderr)
        code = INTERRUPTED
    if results:
        _write(options, _in_order(results, episodes), time.monotonic() - started)
    return code


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="molmoact-evaluate",
        description=_DESCRIPTION,
        epilog=_SERIES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--checkpoint", type=Path, default=default_checkpoint(), help="directory (the shipped one)")
    add("--server", metavar="URL",
        help="ws://host:port of a policy server, which answers in its place")  # fmt: skip
    add("--server-token-file", default="", metavar="FILE",
        help="file with the token for it (variable MOLMOACT_SERVER_TOKEN)")  # fmt: skip
    add("--server-ca", default="", metavar="FILE", help="PEM file to verify its certificate by")
    add("--server-images", choices=("jpeg", "raw"), default="jpeg",
        help="how pictures are sent to it (jpeg)")  # fmt: skip
    add("--task", nargs="+", choices=(*KINDS, "all"), default=["reach"], help="(reach)")
    add("--series", nargs="+", choices=tuple(SERIES), default=["policy"], help="see below (policy)")
    add("--variation", choices=VARIATIONS, default="easy",
        help="varied: light, colours, camera pose and clutter differ (easy)")  # fmt: skip
    add("--cell", type=Path, metavar="FILE",
        help="another cell, e.g. config/cells/camera_turned.yaml (the shipped one's)")  # fmt: skip
    add("--episodes", type=positive, default=50, help="scenes per task and series (50)")
    add("--first-seed", type=int, default=100_000, help="seed of the first scene (100000)")
    add("--seconds", type=float, default=20.0, help="time limit of an episode (20)")
    add("--execute-steps", type=int, default=0, metavar="N",
        help="rows of each chunk that are executed; 0: as in the profiles (0)")  # fmt: skip
    add("--constrained", action="store_true",
        help="keep answers to the form of the first well-formed one (default: no)")  # fmt: skip
    add("--workers", type=positive, default=1,
        help=f"graphs, or processes, side by side, at most {MOST_WORKERS} (1)")  # fmt: skip
    add("--in-process", action="store_true", help="one process, simulated time, no ROS")
    add("--answer-seconds", type=float, default=0.5, metavar="S",
        help="in-process: simulated time of an inference; 0: the world waits (0.5)")  # fmt: skip
    add("--video", type=Path, metavar="DIR", help="write a video of every episode")
    add("--out", type=Path, default=Path("evaluation"),
        help="folder for evaluation.json, evaluation.md and logs (evaluation)")  # fmt: skip
    options = parser.parse_args(argv)
    if options.workers > MOST_WORKERS:
        parser.error(f"argument --workers: at most {MOST_WORKERS}")
    if options.execute_steps < 0 or options.answer_seconds < 0 or options.first_seed < 0:
        parser.error("--execute-steps, --answer-seconds and --first-seed must not be negative")
    try:
        load_cell(options.cell)
    except ProfileError as error:
        parser.error(f"argument --cell: {error}")
    return options


def _episodes(options: argparse.Namespace) -> list[Episode]:
    """Return all episodes, those of one actor after the other: it is set up once."""
    cell = load_cell(options.cell)
    kinds = KINDS if "all" in options.task else tuple(dict.fromkeys(options.task))
    episodes = [
        episode
        for series in dict.fromkeys(options.series)
        for kind in kinds
        for episode in make_episodes(
            series, kind, options.first_seed, options.episodes, options.variation, cell
        )
    ]
    actors = list(dict.fromkeys(episode.actor for episode in episodes))
    return sorted(episodes, key=lambda episode: actors.index(episode.actor))


def _setting(options: argparse.Namespace) -> Setting:
    domain = os.environ.get("ROS_DOMAIN_ID")
    return Setting(
        checkpoint=options.checkpoint,
        in_process=options.in_process,
        seconds=options.seconds,
        execute_steps=options.execute_steps,
        answer_seconds=options.answer_seconds,
        logs=options.out / "logs",
        videos=options.video,
        domain=int(domain) if domain else None,
        cell=options.cell,
        policy={"constrained": True} if options.constrained else {},
        server=_server(options),
    )


def _server(options: argparse.Namespace) -> PolicyServer | None:
    if not options.server:
        return None
    return PolicyServer(
        options.server, options.server_token_file, options.server_ca, options.server_images
    )


def _in_order(results: Sequence[EpisodeResult], episodes: Sequence[Episode]) -> list[EpisodeResult]:
    """Return results in the order of the episodes, whichever worker was first."""
    order = {(e.series, e.instruction, e.seed): i for i, e in enumerate(episodes)}
    return sorted(results, key=lambda r: order[r.series, r.instruction, r.seed])


def _write(options: argparse.Namespace, results: Sequence[EpisodeResult], seconds: float) -> None:
    options.out.mkdir(parents=True, exist_ok=True)
    settings: dict[str, Any] = {
        "mode": "in-process" if options.in_process else "ROS graph",
        "checkpoint": options.checkpoint.name if not options.server else options.server,
        "variation": options.variation,
        **({} if options.cell is None else {"cell": options.cell.name}),
        "first_seed": options.first_seed,
        "seconds": options.seconds,
        "execute_steps": options.execute_steps,
        "constrained": options.constrained,
        "answer_seconds": options.answer_seconds if options.in_process else None,
        "workers": options.workers,
        "wall_seconds_per_episode": seconds / len(results),
    }
    report = json.dumps(as_json(settings, results), indent=1)
    write_text(options.out / "evaluation.json", report + "\n")
    table = as_markdown(results)
    write_text(options.out / "evaluation.md", table + "\n")
    print(f"{table}\nresults: {options.out / 'evaluation.json'}")


if __name__ == "__main__":
    sys.exit(main())
