# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Run the demonstration: `python -m molmoact_ros.demo --help`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import rclpy
from rclpy.signals import SignalHandlerOptions

from molmoact_ros.output_files import INTERRUPTED, reports_write_errors
from molmoact_ros.sim import VARIATIONS, draw_task
from molmoact_ros.sim.tasks import KINDS

from .domains import reserve_domain
from .fleet import MAX_ROBOTS, run_fleet
from .graph import console_spec, default_checkpoint, demo_graph
from .processes import NodeProcesses, ProcessError, private_environment
from .show import Scene, Show
from .watcher import GraphError, Watcher

_LOOK = 0.2  # s


@reports_write_errors
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration and return the exit code: 0 when the graph ran as it should."""
    options = _parse(arguments)
    # A graph of its own, unless the user has set a domain.
    domain = int(os.environ.get("ROS_DOMAIN_ID") or reserve_domain().number)
    os.environ.update(private_environment(domain))
    options.out.mkdir(parents=True, exist_ok=True)
    if options.robots > 1:
        return run_fleet(options, domain)
    print(f"starting simulator, policy and executor (ROS_DOMAIN_ID={domain}) ...", flush=True)
    logs = options.out / "logs"
    scene = Scene(options.seed, options.variation)
    graph = demo_graph(str(options.checkpoint), scene.seed, variation=scene.variation)
    if options.console:
        graph = (console_spec(), *graph)  # first: the last one is stopped before the others
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    try:
        with NodeProcesses(graph, logs) as nodes:
            if options.console:
                _leave_to_the_page(nodes)
            watcher = Watcher(nodes.check)
            show = Show(watcher, options.instruction, scene, options.steps, options.out)
            try:
                outcome = show.run()
            finally:
                watcher.close()
                show.finish()
    except (ProcessError, GraphError) as error:
        print(f"error: {error}\nlogs:    {logs}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped by Ctrl-C")
        return INTERRUPTED
    finally:
        rclpy.try_shutdown()
    print(f"logs:    {logs}\noutcome: {outcome}")
    return 0


def _leave_to_the_page(nodes: NodeProcesses) -> NoReturn:
    """Let the page instruct, until Ctrl-C; raises when a node has ended."""
    print("console: http://127.0.0.1:8090/ (type an instruction, press Enable; Ctrl-C ends)")
    while True:
        nodes.check()
        time.sleep(_LOOK)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="demo.sh",
        description="Drive a simulated arm by an instruction: simulator, policy and executor are "
        "real ROS 2 nodes. Ends when the task is done or after --steps inferences.",
        epilog="The tabletop knows 'reach the C block', 'pick up the C block' and 'push the C "
        "block to the left|right' (as the camera sees it), C one of red, green, blue. Other "
        "instructions are followed as well as the checkpoint can, until --steps are over.",
    )
    add = parser.add_argument
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--task", choices=KINDS, help="colour and side are drawn by the seed")
    what.add_argument("--instruction", help="what to do, in words (reach the red block)")
    add("--seed", type=int, default=1, help="places of blocks and gripper (1)")
    add("--variation", choices=VARIATIONS, default="easy",
        help="varied: light, colours, camera pose and clutter differ (easy)")  # fmt: skip
    what.add_argument(
        "--console",
        action="store_true",
        help="instruct, steer and stop it from a web page, until Ctrl-C",
    )
    add("--robots", type=int, default=1, choices=range(1, MAX_ROBOTS + 1), metavar="N",
        help="arms with one policy server, each with an instruction of its own (1)")  # fmt: skip
    add("--steps", type=int, default=60, help="inferences at most (60)")
    add("--out", type=Path, default=Path("demo_out"), help="folder for results (demo_out)")
    add("--checkpoint", type=Path, default=default_checkpoint(), help="directory (the shipped one)")
    options = parser.parse_args(arguments)
    if options.task is not None:
        options.instruction = draw_task(options.task, options.seed).instruction
    elif options.instruction is None:
        options.instruction = "reach the red block"
    return options


if __name__ == "__main__":
    sys.exit(main())
