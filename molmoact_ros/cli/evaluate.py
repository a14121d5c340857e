# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""molmoact-evaluate: does a checkpoint do what it is told? Measured through the real ROS graph."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import rclpy
from rclpy.signals import SignalHandlerOptions
from tqdm import tqdm

from molmoact_ros.answer import ActionStats
from molmoact_ros.demo.graph import POLICY, default_checkpoint, demo_graph
from molmoact_ros.demo.processes import NodeProcesses, ProcessError, private_environment
from molmoact_ros.demo.watcher import GraphError, Watcher
from molmoact_ros.evaluate.episode import Episode, run_episode
from molmoact_ros.evaluate.random_policy import RandomPolicy
from molmoact_ros.evaluate.results import EpisodeResult, as_json, as_markdown
from molmoact_ros.sim import Tabletop

SERIES = ("policy", "swapped", "wrong", "random", "none")
_INTERRUPTED = 130  # exit code after Ctrl-C, as shells have it
_ROWS, _STEP_PERIOD = 8, 0.1  # of the random baseline: as the tabletop profile


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0: measured, 1: an error, which is on stderr, 130: interrupted."""
    options = _parse(argv)
    domain = os.environ.get("ROS_DOMAIN_ID", "")
    os.environ.update(private_environment(int(domain) if domain else 1 + os.getpid() % 100))
    series: dict[str, list[EpisodeResult]] = {}
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    try:
        for name in options.series:
            series[name] = []
            _run_series(name, options, series[name])
    except (ProcessError, GraphError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; what was measured so far is kept", file=sys.stderr)
        return _INTERRUPTED
    finally:
        rclpy.try_shutdown()
        _write(options, {name: runs for name, runs in series.items() if runs})
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="molmoact-evaluate",
        description="Run episodes of 'reach the COLOR block' in the simulator, with simulator, "
        "policy and executor as processes, and count how often the gripper comes to rest within "
        "5 cm of the named block.",
        epilog="Series: policy: the checkpoint; swapped: the same scenes, the next colour is named "
        "and must be reached; wrong: the next colour is named, the first is measured; random: "
        "random chunks; none: no motion.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--checkpoint", type=Path, default=default_checkpoint(), help="checkpoint directory"
    )
    parser.add_argument("--episodes", type=_positive, default=50, help="scenes per series")
    parser.add_argument("--first-seed", type=int, default=100_000, help="seed of the first scene")
    parser.add_argument("--seconds", type=float, default=20.0, help="time limit of an episode")
    parser.add_argument(
        "--series", nargs="+", choices=SERIES, default=["policy"], help="what to measure"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("evaluation"), help="folder for JSON, table and logs"
    )
    return parser.parse_args(argv)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, is {value}")
    return value


def _run_series(name: str, options: argparse.Namespace, results: list[EpisodeResult]) -> None:
    graph = demo_graph(str(options.checkpoint))
    has_policy = name not in ("random", "none")
    if not has_policy:
        graph = tuple(spec for spec in graph if spec.name != POLICY)
    with NodeProcesses(graph, options.out / "logs" / name) as nodes:
        watcher = Watcher(nodes.check)
        try:
            watcher.wait_for_nodes(needs_policy=has_policy)
            act = _random_policy(watcher, options.checkpoint) if name == "random" else None
            progress = tqdm(_episodes(name, options), desc=name, unit="episode")
            for episode in progress:
                seconds = options.seconds if name != "none" else 0.0
                results.append(run_episode(watcher, episode, seconds, name != "none", act))
                progress.set_postfix(reached=sum(run.reached for run in results))
        finally:
            watcher.close()


def _episodes(name: str, options: argparse.Namespace) -> list[Episode]:
    colors = Tabletop.colors
    episodes = []
    for number in range(options.episodes):
        seed = options.first_seed + number
        here, following = colors[number % 3], colors[(number + 1) % 3]
        if name == "swapped":
            episodes.append(Episode(seed, following))
        else:
            episodes.append(Episode(seed, here, following if name == "wrong" else None))
    return episodes


def _random_policy(watcher: Watcher, checkpoint: Path) -> Callable[[], None]:
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    stats = ActionStats.from_norm_stats(config["norm_stats"])
    return RandomPolicy(watcher.node, stats, _ROWS, _STEP_PERIOD)


def _write(options: argparse.Namespace, series: dict[str, list[EpisodeResult]]) -> None:
    if not series:
        return
    options.out.mkdir(parents=True, exist_ok=True)
    settings = {
        "task": "reach the {color} block",
        "first_seed": options.first_seed,
        "seconds": options.seconds,
    }
    report = json.dumps(as_json(settings, series), indent=1)
    (options.out / "evaluation.json").write_text(report + "\n", encoding="utf-8")
    table = as_markdown(series)
    (options.out / "evaluation.md").write_text(table + "\n", encoding="utf-8")
    print(f"{table}\nresults: {options.out / 'evaluation.json'}")


if __name__ == "__main__":
    sys.exit(main())
