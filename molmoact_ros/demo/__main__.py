# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Run the demonstration: `python -m molmoact_ros.demo --help`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import rclpy
from rclpy.signals import SignalHandlerOptions

from .graph import default_checkpoint, demo_graph
from .processes import NodeProcesses, ProcessError, private_environment
from .show import Show
from .watcher import GraphError, Watcher

_INTERRUPTED = 130  # exit code after Ctrl-C, as shells have it


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration and return the exit code: 0 when the graph ran as it should."""
    options = _parse(arguments)
    os.environ.update(_environment())
    options.out.mkdir(parents=True, exist_ok=True)
    domain = os.environ["ROS_DOMAIN_ID"]
    print(f"starting simulator, policy and executor (ROS_DOMAIN_ID={domain}) ...", flush=True)
    logs = options.out / "logs"
    graph = demo_graph(str(options.checkpoint), options.seed)
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    try:
        with NodeProcesses(graph, logs) as nodes:
            watcher = Watcher(nodes.check)
            show = Show(watcher, options.instruction, options.seed, options.steps, options.out)
            try:
                outcome = show.run()
            finally:
                show.finish()
                watcher.close()
    except (ProcessError, GraphError) as error:
        print(f"error: {error}\nlogs:    {logs}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped by Ctrl-C")
        return _INTERRUPTED
    finally:
        rclpy.try_shutdown()
    print(f"logs:    {logs}\noutcome: {outcome}")
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="demo.sh",
        description="Drive a simulated arm by an instruction: simulator, policy and executor are "
        "real ROS 2 nodes. Ends when the named block is reached or after --steps inferences.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--instruction", default="reach the red block", help="what to do")
    parser.add_argument("--seed", type=int, default=1, help="places of blocks and gripper")
    parser.add_argument("--steps", type=int, default=60, help="inferences at most")
    parser.add_argument("--out", type=Path, default=Path("demo_out"), help="folder for results")
    parser.add_argument(
        "--checkpoint", type=Path, default=default_checkpoint(), help="checkpoint directory"
    )
    return parser.parse_args(arguments)


def _environment() -> dict[str, str]:
    """Return the DDS settings: a graph of its own, unless the user has set a domain."""
    domain = os.environ.get("ROS_DOMAIN_ID", "")
    return private_environment(int(domain) if domain else 1 + os.getpid() % 100)


if __name__ == "__main__":
    sys.exit(main())
