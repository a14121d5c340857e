# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the console costs: nobody connected, one page beside the demonstration, five pages.

    python -m benchmarks.console [--seconds 20] [--runs 5]

Needs ROS and Chromium, which runs on the same cores. The executor's figure is the deviation of the
time between two commands from 10 ms by their stamps, as in `benchmarks.executor_jitter`; runs with
and without a page alternate. The age of a picture is the time from its stamp to the browser's
`load` event, by one clock; what a screen needs comes on top.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from geometry_msgs.msg import TwistStamped
from playwright.sync_api import Browser, Page, sync_playwright
from rclpy.executors import SingleThreadedExecutor
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger

from benchmarks.fault_drill.measure import cpu_seconds, memory
from benchmarks.report import write_results
from molmoact_ros.demo.domains import reserve_domain
from molmoact_ros.demo.graph import (
    CONSOLE,
    EXECUTOR,
    POLICY,
    SIMULATOR,
    NodeSpec,
    console_spec,
    default_checkpoint,
    demo_graph,
)
from molmoact_ros.demo.processes import NodeProcesses, private_environment
from molmoact_ros.ros import qos

PERIOD = 0.01  # s between two commands
URL = "http://127.0.0.1:8090/"
AGES = """() => {
  window.ages = [];
  document.querySelector('.picture.first img').addEventListener('load', (event) => {
    const taken = Number(new URL(event.target.src).searchParams.get('taken'));
    window.ages.push(Date.now() / 1000 - taken);
  });
}"""


class Bench:
    """The demonstration with a console, and a node that keeps the arm moving."""

    def __init__(self, nodes: NodeProcesses) -> None:
        self.nodes = nodes
        rclpy.init()
        self._node = rclpy.create_node("bench")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._stamps: list[float] = []
        self._answers = 0
        self._node.create_subscription(
            TwistStamped, f"{SIMULATOR}/twist", self._on_twist, qos.RESULT
        )
        self._instruction = self._node.create_publisher(
            String, f"{POLICY}/instruction", qos.LATCHED
        )
        self._enable = self._node.create_client(SetBool, f"{EXECUTOR}/enable")
        self._clear = self._node.create_client(Trigger, f"{EXECUTOR}/clear")

    def run(self, seconds: float) -> float:
        """Spin with the arm moving; return the 99th percentile of the executor's deviation, ms."""
        self._move()
        self._stamps.clear()
        self.spin(seconds)
        late = np.abs(np.diff(np.array(self._stamps)) - PERIOD)
        return float(np.percentile(1e3 * late, 99))

    def spin(self, seconds: float) -> None:
        """Wait, and take what comes."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.02)

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.shutdown()

    def _move(self) -> None:
        """Have motion on, whatever was before, and commands coming."""
        self._instruction.publish(String(data="reach the green block"))
        end = time.monotonic() + 120.0
        while time.monotonic() < end:
            seen = len(self._stamps)
            for client, request in (
                (self._clear, Trigger.Request()),
                (self._enable, SetBool.Request(data=True)),
            ):
                if client.service_is_ready():
                    client.call_async(request)
            self.spin(1.0)
            if len(self._stamps) > seen + 20:
                return
        raise RuntimeError("the executor publishes no commands")

    def _on_twist(self, message: TwistStamped) -> None:
        self._stamps.append(message.header.stamp.sec + message.header.stamp.nanosec * 1e-9)

    def cpu_seconds(self) -> float:
        """Return what the console has used so far."""
        return cpu_seconds(self.nodes.process(CONSOLE).pid)

    def resident(self) -> float:
        """Return the console's memory, MB."""
        return memory(self.nodes.process(CONSOLE).pid)


def open_page(bench: Bench, browser: Browser) -> Page:
    """Open a page and begin to measure its pictures' ages."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(URL)
    page.wait_for_selector(".picture.first img")
    bench.spin(3.0)
    page.evaluate(AGES)
    return page


def ages(page: Page) -> np.ndarray:
    """Return the ages since the last call, ms."""
    return 1e3 * np.array(page.evaluate("window.ages.splice(0)"))


def picture_figures(found: np.ndarray, seconds: float) -> dict[str, Any]:
    """Return rate and percentiles."""
    p50, p95 = np.percentile(found, [50, 95])
    return {
        "pictures per second": len(found) / seconds,
        "age p50 ms": float(p50),
        "age p95 ms": float(p95),
        "oldest ms": float(found.max()),
    }


def idle(bench: Bench) -> dict[str, Any]:
    """Return what a console without pages uses in a minute."""
    bench.spin(5.0)
    before = bench.cpu_seconds()
    bench.spin(60.0)
    return {"CPU s in 60 s": bench.cpu_seconds() - before, "resident MB": bench.resident()}


def alternating(bench: Bench, browser: Browser, seconds: float, runs: int) -> list[dict[str, Any]]:
    """Measure without and with a page, in turn."""
    rows = []
    for run in range(1, runs + 1):
        without = bench.run(seconds)
        page = open_page(bench, browser)
        ages(page)
        cpu = bench.cpu_seconds()
        with_page = bench.run(seconds)
        used = bench.cpu_seconds() - cpu
        figures = picture_figures(ages(page), seconds)
        page.close()
        rows.append(
            {
                "run": run,
                "executor p99 without page ms": without,
                "executor p99 with page ms": with_page,
                "difference ms": with_page - without,
                **figures,
                "console's CPU share of a core": used / seconds,
            }
        )
        print(rows[-1], flush=True)
    return rows


def many(
    bench: Bench, browser: Browser, seconds: float
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Measure five pages; return their pictures, and what they cost the console."""
    pages = [open_page(bench, browser) for _ in range(5)]
    memory, cpu = bench.resident(), bench.cpu_seconds()
    for page in pages:
        ages(page)
    bench.run(seconds)
    cost = {
        "CPU share of a core": (bench.cpu_seconds() - cpu) / seconds,
        "growth of its memory MB": bench.resident() - memory,
    }
    rows = [
        {"page": number, **picture_figures(ages(page), seconds)}
        for number, page in enumerate(pages, start=1)
    ]
    for page in pages:
        page.close()
    return rows, cost


def main() -> int:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="per run")
    parser.add_argument("--runs", type=int, default=5, help="with and without a page")
    arguments = parser.parse_args()
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    if browser_path is None:
        print("error: no Chromium: apt-get install chromium", file=sys.stderr)
        return 1
    load = os.getloadavg()[0]
    os.environ.update(private_environment(reserve_domain().number))
    graph: tuple[NodeSpec, ...] = (console_spec(), *demo_graph(str(default_checkpoint()), seed=3))
    with (
        tempfile.TemporaryDirectory() as logs,
        NodeProcesses(graph, Path(logs)) as nodes,
        sync_playwright() as library,
    ):
        bench = Bench(nodes)
        nobody = idle(bench)
        print(nobody, flush=True)
        sandbox = ["--no-sandbox"] if os.getuid() == 0 else []
        browser = library.chromium.launch(executable_path=browser_path, args=sandbox)
        rows = alternating(bench, browser, arguments.seconds, arguments.runs)
        five, cost = many(bench, browser, arguments.seconds)
        browser.close()
        bench.close()
    path = write_results(
        "console",
        "Console: what it costs",
        {
            "Nobody connected, beside the demonstration": [nobody],
            "One page at 10 pictures per second, runs in turn": rows,
            "Five pages": five,
            "Five pages, the console": [cost],
        },
        {
            "seconds per run": arguments.seconds,
            "load average of the machine before": round(load, 2),
        },
        "Chromium draws without a GPU on the same cores. A load average above the number of cores "
        "means that other programs have used them as well: the figures are then upper bounds.",
    )
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
