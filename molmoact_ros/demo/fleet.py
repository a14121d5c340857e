# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Several arms with one policy server: a graph for each in a namespace of its own, and one film."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import rclpy
from ament_index_python.packages import get_package_prefix
from rclpy.signals import SignalHandlerOptions

from molmoact_ros.output_files import INTERRUPTED
from molmoact_ros.viz.video import VideoFile

from .graph import PACKAGE, POLICY, NodeSpec, demo_graph
from .lifetime import die_with_parent
from .processes import NodeProcesses, ProcessError
from .show import Scene, Show
from .watcher import GraphError, Watcher

MAX_ROBOTS = 8
_INSTRUCTIONS = (
    "reach the red block",
    "reach the green block",
    "reach the blue block",
    "pick up the red block",
)
_START = 300.0  # s until the server is ready
_LOOK = 0.1  # s
_RATE = 10.0  # frames per second


def run_fleet(options: argparse.Namespace, domain: int) -> int:
    """Run several arms and return the exit code.

    Args:
        options: Of the demonstration.
        domain: ROS domain of all of them, for a message.
    """
    logs, names = options.out / "logs", [f"arm{number + 1}" for number in range(options.robots)]
    logs.mkdir(parents=True, exist_ok=True)
    print(
        f"starting a policy server and {len(names)} arms (ROS_DOMAIN_ID={domain}) ...", flush=True
    )
    scenes = [Scene(options.seed + number, options.variation) for number in range(len(names))]
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    try:
        with _server(options.checkpoint, len(names), logs / "server.log") as url:
            graph = [
                spec
                for name, scene in zip(names, scenes, strict=True)
                for spec in _arm(name, scene, url)
            ]
            with NodeProcesses(graph, logs) as nodes, ThreadPoolExecutor(len(names)) as pool:
                shows = [
                    pool.submit(_play, nodes, name, number, scene, options)
                    for number, (name, scene) in enumerate(zip(names, scenes, strict=True))
                ]
                outcomes = [show.result() for show in shows]
    except (ProcessError, GraphError) as error:
        print(f"error: {error}\nlogs:    {logs}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped by Ctrl-C")
        return INTERRUPTED
    finally:
        rclpy.try_shutdown()
    film = _tile([options.out / name / "demo.mp4" for name in names], options.out / "demo")
    print(f"film:    {film}\nlogs:    {logs}")
    for name, outcome in zip(names, outcomes, strict=True):
        print(f"outcome: {name} {outcome}")
    return 0


@contextmanager
def _server(checkpoint: Path, robots: int, log: Path) -> Iterator[str]:
    """Run the server; yields its URL when robots can connect."""
    program = Path(get_package_prefix(PACKAGE)) / "lib" / PACKAGE / "molmoact-serve"
    options = ["--address", "127.0.0.1:0", "--max-sessions", str(robots)]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(program), str(checkpoint), *options],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
    try:
        end = time.monotonic() + _START
        while not (ready := re.search(r"^ready.* (ws://\S+)", log.read_text(), re.MULTILINE)):
            if process.poll() is not None or time.monotonic() > end:
                raise ProcessError(f"the policy server is not ready; see {log}")
            time.sleep(_LOOK)
        yield ready[1]
    finally:
        process.terminate()
        process.wait()


def _arm(name: str, scene: Scene, url: str) -> Iterator[NodeSpec]:
    for spec in demo_graph("", scene.seed, variation=scene.variation):
        if spec.name == POLICY:
            spec = replace(spec, parameters={"server": url, "robot_name": name})
        yield replace(spec, namespace=name)


def _play(
    nodes: NodeProcesses, name: str, number: int, scene: Scene, options: argparse.Namespace
) -> str:
    folder = options.out / name
    folder.mkdir(exist_ok=True)
    watcher = Watcher(nodes.check, name)
    instruction = _INSTRUCTIONS[number % len(_INSTRUCTIONS)]
    show = Show(watcher, instruction, scene, options.steps, folder, name)
    try:
        return f"{instruction}: {show.run()}"
    finally:
        watcher.close()
        show.finish()


def _tile(films: Sequence[Path], stem: Path) -> Path | None:
    """Show films side by side, two in a row, to the end of the longest one."""
    sources = [cv2.VideoCapture(str(film)) for film in films]
    video, last = VideoFile(stem, _RATE), [np.zeros((2, 2, 3), np.uint8)] * len(films)
    while True:
        read = [source.read() for source in sources]
        if not any(found for found, _ in read):
            break
        last = [frame if found else old for (found, frame), old in zip(read, last, strict=True)]
        height, width = max(frame.shape[:2] for frame in last)
        cells = [cv2.resize(frame, (width, height))[..., ::-1] for frame in last]
        cells += [np.zeros_like(cells[0])] * (len(cells) % 2)
        rows = [np.hstack(cells[at : at + 2]) for at in range(0, len(cells), 2)]
        video.add(np.ascontiguousarray(np.vstack(rows)))
    return video.close()
