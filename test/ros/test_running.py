# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A node whose callback or thread fails is closed, says why, and its process ends with 1."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from molmoact_ros.ros.node_thread import NodeThread
from molmoact_ros.ros.running import ClosableNode, run_node

class Node(ClosableNode):
    def __init__(self):
        super().__init__("failing")
        self.create_timer(0.02, self.{place})
        self.create_timer(0.02, lambda: None)

    def callback(self):
        raise ValueError("broken")

    def thread(self):
        NodeThread(self, "worker", lambda: sys.exit("broken")).start()

    def close(self):
        print("closed", flush=True)
        {close}

sys.exit(run_node(Node, threads={threads}))
"""


@pytest.mark.parametrize(
    ("place", "threads", "close", "said"),
    [
        ("callback", 1, "", "a callback failed:"),
        ("callback", 2, "raise RuntimeError('torn')", "RuntimeError: torn"),
        ("thread", 1, "", "thread 'worker' has ended:"),
    ],
)
def test_the_process_ends(
    ros_environment: dict[str, str], place: str, threads: int, close: str, said: str
) -> None:
    program = PROGRAM.format(place=place, threads=threads, close=close)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout.count("closed") == 1
    assert said in done.stderr and "broken" in done.stderr
