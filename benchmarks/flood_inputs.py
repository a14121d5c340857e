# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How evenly the executor's loop runs, and what memory it needs, under messages of 10 and 100 MB.

    python -m benchmarks.flood_inputs [--seconds 60] [--runs 5]

The executor runs as a process of its own and follows chunks, as in `benchmarks.executor_jitter`;
another process sends the large messages, twice a second, to one of its inputs. Both have the
settings of Fast DDS that launch files choose, or yours. Needs ROS.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.executor_jitter import NODE, PERIOD, Bench
from molmoact_ros.launching.dds import image_settings

RATE = 2.0  # Hz
CASES = (
    ("none", "", 0),
    ("chunks with many names", "names", 10),
    ("chunks with many values", "values", 10),
    ("chunks with many values", "values", 100),
    ("chunks with a long frame_id", "frame_id", 100),
    ("poses with a long frame_id", "pose", 10),
    ("poses with a long frame_id", "pose", 100),
    ("requests of many strings to ~/set_parameters", "request", 10),
    ("requests of many strings to ~/set_parameters", "request", 100),
)


def flood(field: str, megabytes: int) -> None:
    """Send large messages for ever; runs in a process of its own."""
    import array

    import rclpy
    from geometry_msgs.msg import PoseStamped
    from molmoact_ros.msg import ActionChunk
    from rcl_interfaces.msg import Parameter, ParameterValue
    from rcl_interfaces.srv import SetParameters

    size = megabytes * 1_000_000
    rclpy.init()
    node = rclpy.create_node("flood")
    if field == "request":
        strings = ParameterValue(string_array_value=["name"] * (size // 12))  # 12 bytes each
        request = SetParameters.Request(parameters=[Parameter(name="p", value=strings)])
        client = node.create_client(SetParameters, f"{NODE}/set_parameters")
        client.wait_for_service()
        while True:
            client.call_async(request)
            time.sleep(1.0 / RATE)
    kind, topic = (PoseStamped, "ee_pose") if field == "pose" else (ActionChunk, "action_chunk")
    message = kind()
    if field == "names":
        message.names = ["name"] * (size // 12)  # 12 bytes each, serialized
    elif field == "values":
        message.values = array.array("d", bytes(size))
    else:
        message.header.frame_id = "f" * size
    publisher = node.create_publisher(kind, f"{NODE}/{topic}", 1)
    while True:
        publisher.publish(message)
        time.sleep(1.0 / RATE)


class Memory:
    """Notes the most memory that a process has had, every half second."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self.peaks: list[float] = []  # MB
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(1.0 / RATE):
            words = self._status.read_text().split()
            self.peaks.append(int(words[words.index("VmHWM:") + 1]) / 1024)


def measure(domain: int, field: str, megabytes: int, seconds: float) -> dict[str, float]:
    """Run one case once."""
    environment = os.environ | {"ROS_DOMAIN_ID": str(domain), "OMP_NUM_THREADS": "1"}
    bench = Bench(domain, priority=10)
    before = bench.measure(2.0)["resident MB"]
    command = [sys.executable, "-m", "benchmarks.flood_inputs", "--flood", field, str(megabytes)]
    flooding = subprocess.Popen(command, env=environment) if field else None
    memory = Memory(bench.process.pid)
    try:
        figures = bench.measure(seconds)
    finally:
        memory.close()
        if flooding is not None:
            flooding.kill()
        bench.close()
    early = memory.peaks[min(20, len(memory.peaks) - 1)]  # ten messages, and the start
    return {
        "gap": 1e3 * PERIOD + figures["largest ms"],
        "rate": figures["rate Hz"],
        "memory": memory.peaks[-1] - before,
        "growth": memory.peaks[-1] - early,
    }


def main() -> None:
    """Measure all cases and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="per run")
    parser.add_argument("--runs", type=int, default=5, help="per case")
    parser.add_argument("--flood", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.flood:
        flood(arguments.flood[0], int(arguments.flood[1]))
    load = os.getloadavg()[0]
    os.environ.update(image_settings())
    rows: list[dict[str, Any]] = []
    for number, (case, field, megabytes) in enumerate(CASES):
        runs = [
            measure(71 + number, field, megabytes, arguments.seconds) for _ in range(arguments.runs)
        ]
        gaps = sorted(run["gap"] for run in runs)
        rows.append(
            {
                "large messages": case,
                "MB": megabytes,
                "longest gap ms (median of runs)": float(np.median(gaps)),
                "longest gap ms (worst run)": gaps[-1],
                "rate Hz (worst run)": min(run["rate"] for run in runs),
                "memory gained MB (worst run)": max(run["memory"] for run in runs),
                "of it after 10 messages MB": max(run["growth"] for run in runs),
            }
        )
        print(rows[-1], flush=True)
    from benchmarks.report import write_results  # imports torch

    path = write_results(
        "flood_inputs", "Executor: its loop and memory under large messages",
        {"Time between two commands at 100 Hz, realtime_priority 10": rows},
        {
            "seconds per run": arguments.seconds,
            "runs": arguments.runs,
            "messages per second": RATE,
            "settings of Fast DDS": ", ".join(
                Path(path).name for name, path in os.environ.items() if "_PROFILES_FILE" in name
            )
            or "default",
            "load average of the machine before": round(load, 2),
        },
        "A gap is the time between the stamps of two commands; 10 ms is the period. Memory is the "
        "highest resident size minus that before the large messages.",
    )  # fmt: skip
    print(path)


if __name__ == "__main__":
    main()
