# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Loading, freeing and refusing at full size: the policy node with 16 GB of random weights.

    python -m benchmarks.full_size_drill /tmp/drill [--layers 28]

Needs ROS, space on the disk and free memory for the weights (28 layers: 16 GB each) and some
minutes; `--layers 1` (3.8 GB) tries the drill itself. The node runs on the CPU and is judged from
outside: exit codes, log, memory of its process.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.executors import SingleThreadedExecutor

from benchmarks.full_size import make_checkpoint
from benchmarks.report import markdown_table, write_results
from molmoact_ros.demo.graph import NodeSpec
from molmoact_ros.demo.processes import command, private_environment
from molmoact_ros.model.memory import available_bytes
from molmoact_ros.ros.running import CONFIGURATION_ERROR

_DOMAIN = 83
_LAYERS = 28
_PATIENCE = 1800.0  # s; one core reads and warms up 16 GB in minutes
_CYCLES = 2
_SETTLED = 5.0  # s after cleanup
_SPARE = 2.5e9  # bytes beside the weights: torch, activations, the page cache's own needs


class Node:
    """The policy node in a process of its own, and a supervisor that asks it for transitions."""

    def __init__(self, checkpoint: Path, log: Path, **parameters: Any) -> None:
        chosen = {
            "checkpoint": str(checkpoint),
            "device": "cpu",
            "dtype": "bfloat16",
            "control_period": 0.1,
            "autostart": False,
            **parameters,
        }
        self._log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                command(NodeSpec("policy_node", "molmoact_policy", parameters=chosen)),
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        self._client = rclpy.create_node("drill")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._client)

    def words(self) -> str:
        """Return what the node has logged."""
        return self._log.read_text(errors="replace")

    def change(self, transition: int, meanwhile: Callable[[], None] = lambda: None) -> bool:
        """Ask for a transition and wait for its end."""
        request = ChangeState.Request(transition=Transition(id=transition))
        return bool(self.call(ChangeState, "change_state", request, meanwhile).success)

    def call(
        self, kind: Any, name: str, request: Any, meanwhile: Callable[[], None] = lambda: None
    ) -> Any:
        """Call a service of the node."""
        client = self._client.create_client(kind, f"/molmoact_policy/{name}")
        if not client.wait_for_service(_PATIENCE):
            raise RuntimeError(f"no service {name}:\n{self.words()}")
        time.sleep(0.5)  # until the server has discovered the client, too
        future, end = client.call_async(request), time.monotonic() + _PATIENCE
        while not future.done():
            self._executor.spin_once(timeout_sec=0.1)
            meanwhile()
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError(f"{name} was not answered:\n{self.words()}")
        return future.result()

    def memory(self, key: str) -> float:
        """Memory of the process in GB: VmRSS, RssAnon, or VmHWM, the largest VmRSS so far."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(rf"{key}:\s+(\d+)", text)
        return int(found[1]) * 1024 / 1e9 if found else 0.0

    def close(self) -> int:
        """End the process and return its exit code."""
        self._executor.shutdown()
        self._client.destroy_node()
        self.process.terminate()
        return self.process.wait(60)


@contextmanager
def _node(checkpoint: Path, **parameters: Any) -> Iterator[Node]:
    with tempfile.TemporaryDirectory() as folder:
        node = Node(checkpoint, Path(folder) / "log", **parameters)
        try:
            yield node
        finally:
            if node.process.poll() is None:
                node.close()


def cycles(checkpoint: Path) -> list[dict[str, Any]]:
    """Load and free several times; the memory that is left must be that of before."""
    rows = []
    with _node(checkpoint) as node:
        node.call(GetState, "get_state", GetState.Request())
        before = node.memory("VmRSS")
        for number in range(1, _CYCLES + 1):
            begin = time.monotonic()
            if not node.change(Transition.TRANSITION_CONFIGURE):
                raise RuntimeError(node.words())
            seconds, loaded = time.monotonic() - begin, node.memory("VmRSS")
            node.change(Transition.TRANSITION_CLEANUP)
            time.sleep(_SETTLED)
            rows.append(
                {
                    "cycle": number,
                    "seconds to load and warm up": round(seconds, 1),
                    "GB before": round(before, 2),
                    "GB loaded": round(loaded, 2),
                    "GB peak so far": round(node.memory("VmHWM"), 2),
                    "GB 5 s after cleanup": round(node.memory("VmRSS"), 2),
                    "at most 1 GB above before": node.memory("VmRSS") < before + 1.0,
                }
            )
    return rows


def truncated(checkpoint: Path, folder: Path) -> dict[str, Any]:
    """Cut the last shard off while the first ones are read."""
    folder.mkdir(parents=True, exist_ok=True)
    shards = sorted(checkpoint.glob("model-*.safetensors"))
    for file in checkpoint.iterdir():
        (folder / file.name).unlink(missing_ok=True)
        if file == shards[-1]:
            shutil.copy(file, folder / file.name)
        else:
            (folder / file.name).symlink_to(file)
    last = folder / shards[-1].name
    with _node(folder) as node:

        def cut() -> None:
            if "loading the checkpoint" in node.words() and last.stat().st_size > 10**6:
                os.truncate(last, 10**6)

        configured = node.change(Transition.TRANSITION_CONFIGURE, cut)
        lines = [line for line in node.words().splitlines() if last.name in line]
        return {
            "drill": "a shard is cut off while it is loaded",
            "as it should be": not configured and node.process.poll() is None and bool(lines),
            "log": lines[-1].split("]: ")[-1] if lines else "nothing",
        }


def refused(checkpoint: Path, what: str, words: str, **parameters: Any) -> dict[str, Any]:
    """Start with a wrong parameter: an exit code of its own, soon, and a sentence."""
    begin = time.monotonic()
    with _node(checkpoint, autostart=True, **parameters) as node:
        code, peak = None, 0.0
        while code is None and time.monotonic() < begin + _PATIENCE:
            time.sleep(0.1)
            code = node.process.poll()
            peak = max(peak, node.memory("VmRSS") if code is None else 0.0)
        error = [line for line in node.words().splitlines() if line.startswith("error: ")]
    logged = error[0] if error else "nothing"
    return {
        "drill": f"{what}, {time.monotonic() - begin:.1f} s, {peak:.2f} GB",
        "as it should be": code == CONFIGURATION_ERROR and words in logged,
        "log": logged,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run the drills and write the results; 0: all as it should be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the checkpoints are made, and kept")
    parser.add_argument("--layers", type=int, default=_LAYERS, help="of the language model")
    arguments = parser.parse_args(argv)
    checkpoint = arguments.folder / f"random_{arguments.layers}"
    if not (checkpoint / "model.safetensors.index.json").exists():
        make_checkpoint(checkpoint, "BF16", True, arguments.layers)
    need = sum(file.stat().st_size for file in checkpoint.glob("*.safetensors")) + _SPARE
    free = available_bytes() or 0
    if free < need:
        print(f"needs {need / 1e9:.1f} GB of free memory, {free / 1e9:.1f} are there")
        return 1
    os.environ.update(private_environment(_DOMAIN))
    rclpy.init()
    table = cycles(checkpoint)
    drills = [
        truncated(checkpoint, arguments.folder / "truncated"),
        refused(checkpoint, "no control_period", "'control_period'", control_period=0.0),
        refused(checkpoint, "wrong unnorm_key", "'typo' not in", unnorm_key="typo"),
        refused(checkpoint, "no such token", "reserved token", instruction="say <DEPTH_1>"),
    ]
    rclpy.shutdown()
    print(markdown_table(table), markdown_table(drills), sep="\n\n")
    if arguments.layers == _LAYERS:
        write_results(
            "full_size_drill",
            "Loading and freeing at full size",
            {"Load and free": table, "Faults": drills},
            {"weights [GB]": round((need - _SPARE) / 1e9, 2)},
            "The policy node on the CPU in bfloat16; random weights in the layout of 7B-D.",
        )
    fine = all(row["at most 1 GB above before"] for row in table)
    return 0 if fine and all(row["as it should be"] for row in drills) else 1


if __name__ == "__main__":
    sys.exit(main())
