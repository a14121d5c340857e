# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Runs nodes as processes of their own and leaves none behind."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ament_index_python.packages import get_package_prefix

from molmoact_ros.launching.dds import image_settings

from .graph import PACKAGE, NodeSpec
from .lifetime import die_with_parent

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL)
_STOP_WAIT = 5.0  # s between them


class ProcessError(RuntimeError):
    """A node ended although nobody stopped it; the text holds its last words."""


class NodeProcesses:
    """The running nodes; a context manager."""

    def __init__(self, specs: Sequence[NodeSpec], logs: Path) -> None:
        """Prepare.

        Args:
            specs: The nodes, in the order of their start.
            logs: Folder for one log file per node.
        """
        self._specs = specs
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> NodeProcesses:
        """Start all nodes."""
        self._logs.mkdir(parents=True, exist_ok=True)
        for spec in self._specs:
            with self._log(spec.label).open("wb") as log:
                self._running[spec.label] = subprocess.Popen(
                    command(spec),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    # Ctrl-C is for the demo, which then stops the nodes in the right order.
                    start_new_session=True,
                    preexec_fn=die_with_parent,
                )
        return self

    def __exit__(self, *_: object) -> None:
        """Stop all nodes: the last one, which moves the robot, before the others."""
        names = list(self._running)[::-1]
        for name in names[:1]:
            self.stop(name)
        for name in names[1:]:
            self._running[name].terminate()
        for name in names[1:]:
            self.stop(name)

    def check(self) -> None:
        """Raise ProcessError when a node has ended."""
        for name, process in self._running.items():
            code = process.poll()
            if code is not None:
                words = self._log(name).read_text(errors="replace").strip().splitlines()
                raise ProcessError(
                    f"{name} ended with code {code}; see {self._log(name)}\n"
                    + "\n".join(f"  {line}" for line in words[-5:])
                )

    def process(self, name: str) -> subprocess.Popen[bytes]:
        """Return the process of a node."""
        return self._running[name]

    def stop(self, name: str) -> int:
        """Stop one node, harder each time, and return its exit code."""
        process = self._running.pop(name)
        for number in _STOP_SIGNALS:
            if process.poll() is not None:
                break
            process.send_signal(number)
            try:
                process.wait(_STOP_WAIT)
            except subprocess.TimeoutExpired:
                continue
        return process.wait()

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"


def command(spec: NodeSpec) -> list[str]:
    """Return the command line that starts a node."""
    program = Path(get_package_prefix(PACKAGE)) / "lib" / PACKAGE / spec.executable
    arguments = ["-r", f"__node:={spec.name}"]
    if spec.namespace:
        arguments += ["-r", f"__ns:=/{spec.namespace}"]
    for file in spec.parameter_files:
        arguments += ["--params-file", str(file)]
    for name, value in spec.parameters.items():
        # ROS reads values as YAML, of which JSON is a part.
        arguments += ["-p", f"{name}:={json.dumps(value, ensure_ascii=False)}"]
    for source, target in spec.remappings.items():
        arguments += ["-r", f"{source}:={target}"]
    return [str(program), "--ros-args", *arguments]


def private_environment(domain: int) -> dict[str, str]:
    """Return settings for a graph that nobody else on the network sees.

    Args:
        domain: ROS domain id, 0..101.
    """
    return {
        "ROS_DOMAIN_ID": str(domain),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "PYTHONUNBUFFERED": "1",
        **image_settings(),
    }
