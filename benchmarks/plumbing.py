# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What images cost on their way to the model, while decoding keeps every core busy.

    python -m benchmarks.plumbing [--seconds 30]

Two cameras (640x480, raw, 30 Hz) are published by a process of their own over DDS; the policy node
infers from them as fast as it can with as many threads as there are cores, a viewer takes its
overlay raw and as JPEG, and the executor moves a robot beside it. Needs ROS and some minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from benchmarks.executor_jitter import BURN, Bench
from benchmarks.plumbing_processes import CAMERAS, POLICY, RATE, SIZE
from molmoact_ros.demo.processes import private_environment
from molmoact_ros.ros import qos

CHECKPOINT = Path(__file__).parents[1] / "checkpoints" / "tabletop"
FIRST_DOMAIN = 71
PATIENCE = 180.0  # s
SETTLED = 5  # overlays after which a node that infers is measured
IDLE = 5.0  # s after which one that does not is
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Case:
    """What runs beside the cameras.

    Attributes:
        name: For the tables.
        infers: Whether the policy has an instruction.
        burners: Other processes that compute all the time.
        priority: The executor's realtime_priority; 0: an ordinary process.
    """

    name: str
    infers: bool
    burners: int = 0
    priority: int = 10


@dataclass(frozen=True)
class Recording:
    """What one run gave; all times by the system's clock, s.

    Attributes:
        seconds: Length of the measurement.
        stamps: When each pair of pictures was published.
        frames: (camera, stamp, time at which it was ready for the model).
        answers: Of each answer its stages' seconds, and those of the overlay.
        cpu: CPU seconds of threads of the policy by their id, of "policy", of the "machine" and
            of all processes of this benchmark ("own").
        threads: Names of the policy's threads by their id.
        loop: Figures of the executor.
        overlays: Overlays that the viewer received, by transport.
    """

    seconds: float
    stamps: Sequence[float]
    frames: Sequence[tuple[str, float, float]]
    answers: Sequence[Mapping[str, float]]
    cpu: Mapping[str, float]
    threads: Mapping[str, str]
    loop: Mapping[str, float]
    overlays: Mapping[str, int]


def record(case: Case, domain: int, seconds: float, folder: Path) -> Recording:
    """Run one case."""
    os.environ.update(private_environment(domain))
    bench = Bench(domain, case.priority)
    overlays: Counter[str] = Counter()

    def listen(kind: type, topic: str) -> None:
        bench.listen(kind, f"{POLICY}/{topic}", qos.PICTURE, lambda _: overlays.update([topic]))

    listen(Image, "overlay")
    listen(CompressedImage, "overlay/compressed")
    files = {name: folder / f"{name}.json" for name in ("cameras", "policy")}
    log = folder / "policy.log"
    running = [_start("cameras", files["cameras"], folder / "cameras.log")]
    running.append(policy := _start("policy", files["policy"], log, _arguments(case)))
    try:
        _wait_for(lambda: "ready" in log.read_text(), policy, bench)
        for _ in range(case.burners):
            running.append(subprocess.Popen([sys.executable, "-c", BURN], env=_one_thread()))
        end_of_idle = time.monotonic() + IDLE

        def is_settled() -> bool:
            shown = overlays["overlay"] >= SETTLED
            return shown if case.infers else time.monotonic() >= end_of_idle

        _wait_for(is_settled, policy, bench)
        overlays.clear()
        own = [process.pid for process in (*running, bench.process)]
        begin, before = time.time(), _cpu(policy.pid, own)
        loop = bench.measure(seconds)
        end, after = time.time(), _cpu(policy.pid, own)
    finally:
        for process in running[::-1]:
            process.terminate()
            process.wait(60)
        bench.close()
    noted = json.loads(files["policy"].read_text())
    return Recording(
        seconds=end - begin,
        stamps=[s for s in json.loads(files["cameras"].read_text()) if begin <= s < end],
        frames=[frame for frame in noted["frames"] if begin <= frame[1] < end],
        answers=[answer for answer in noted["answers"] if begin <= answer["time"] < end],
        cpu={key: after[key] - before.get(key, 0.0) for key in after},
        threads=noted["threads"],
        loop=loop,
        overlays=dict(overlays),
    )


def frame_row(case: Case, run: Recording) -> dict[str, Any]:
    """Return what the frames' way was like, and what it cost."""
    delays = [ready - stamp for _, stamp, ready in run.frames]
    ages = [answer["image_age"] for answer in run.answers]
    receiving = sum(s for key, s in run.cpu.items() if run.threads.get(key) == "cameras")
    return {
        "case": case.name,
        "frames published": len(run.stamps) * len(CAMERAS),
        "lost": len(run.stamps) * len(CAMERAS) - len(run.frames),
        **_milliseconds("stamp to ready", delays),
        **_milliseconds("stamp to model input", ages),
        "answers per s": len(run.answers) / run.seconds,
        "policy node, cores": run.cpu["policy"] / run.seconds,
        "of it receiving": receiving / run.seconds,
        "machine busy, cores": run.cpu["machine"] / run.seconds,
        "of it by others": max(0.0, run.cpu["machine"] - run.cpu["own"]) / run.seconds,
    }


def overlay_row(case: Case, run: Recording) -> dict[str, Any]:
    """Return how long overlays took and how many the viewer received."""
    return {
        "case": case.name,
        "drawn": len(run.answers),
        **{f"received: {topic}": count for topic, count in sorted(run.overlays.items())},
        **_milliseconds("overlay", [answer["overlay"] for answer in run.answers]),
    }


def loop_row(case: Case, run: Recording) -> dict[str, Any]:
    """Return how evenly the executor's loop ran."""
    keys = ("commands", "deviation p50 ms", "deviation p99 ms", "largest ms")
    return {
        "case": case.name,
        "realtime_priority": case.priority,
        **{key: run.loop[key] for key in keys},
    }


def main() -> None:
    """Measure all cases and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0, help="per case")
    parser.add_argument("--note", default="", help="what else the machine did, for the results")
    arguments = parser.parse_args()
    cores = os.cpu_count() or 1
    cases = (
        Case("no inference", infers=False),
        Case("no inference", infers=False, priority=0),
        Case("inference, a thread per core", infers=True),
        Case("inference, a thread per core", infers=True, priority=0),
        Case("inference, and other work on every core", infers=True, burners=cores),
    )
    load_before = os.getloadavg()[0]
    runs = []
    for domain, case in enumerate(cases, start=FIRST_DOMAIN):
        with tempfile.TemporaryDirectory() as folder:
            run = record(case, domain, arguments.seconds, Path(folder))
        runs.append((case, run))
        print(frame_row(case, run), loop_row(case, run), sep="\n", flush=True)
    from benchmarks.report import write_results  # imports torch

    path = write_results(
        "plumbing",
        "Plumbing: two cameras beside decoding on every core",
        {
            "Frames": [frame_row(*each) for each in runs],
            "Overlay, raw and JPEG, in the inference thread": [
                overlay_row(*each) for each in runs if each[0].infers
            ],
            "Executor, deviation of the time between two commands from 10 ms": [
                loop_row(*each) for each in runs
            ],
        },
        {
            "cameras": f"{len(CAMERAS)} x {SIZE[0]}x{SIZE[1]} rgb8 raw at {RATE:.0f} Hz",
            "checkpoint": CHECKPOINT.name,
            "threads of the policy": cores,
            "seconds per case": arguments.seconds,
            "load average of the machine before": round(load_before, 2),
            **({"note": arguments.note} if arguments.note else {}),
        },
        "`stamp to ready`: from just before the camera publishes until the frame can be given to "
        "the model, of every frame; transport, deserialisation and waiting for a core are in it. "
        "`stamp to model input`: the same of the pictures that were used, until the inference "
        "begins; as one begins when the one before has ended, it waits up to 1/30 s for no other "
        "reason than that frames come at 30 Hz. `receiving`: the thread that takes the images, "
        "without the threads of DDS. `others`: processes that are not of this benchmark; they "
        "take what it leaves free, and while they are there its figures are upper bounds. Both "
        "pictures are published at the same moment. Cases that stand twice were run with the "
        "executor's default priority and with an ordinary one, in the order of the last table. The "
        "checkpoint was trained with one camera: its answers to two are nonsense.",
    )
    print(path)


def _start(
    role: str, result: Path, log: Path, arguments: Sequence[str] = ()
) -> subprocess.Popen[bytes]:
    code = f"import sys; from benchmarks.plumbing_processes import {role}; sys.exit({role}())"
    command = [sys.executable, "-c", code, str(result), *arguments]
    with log.open("wb") as stream:
        return subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT)


def _arguments(case: Case) -> list[str]:
    parameters: dict[str, Any] = {
        "checkpoint": str(CHECKPOINT),
        "device": "cpu",
        "dtype": "float32",
        "threads": os.cpu_count() or 1,
        "cameras": list(CAMERAS),
        "instruction": "reach the red block" if case.infers else "",
    }
    arguments = ["--ros-args", "-r", f"__node:={POLICY}"]
    for name, value in parameters.items():
        arguments += ["-p", f"{name}:={json.dumps(value)}"]
    return arguments


def _one_thread() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1"}


def _wait_for(ready: Callable[[], bool], policy: subprocess.Popen[bytes], bench: Bench) -> None:
    deadline = time.monotonic() + PATIENCE
    while not ready():
        if policy.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("the policy node ended, or does not answer")
        bench.spin()


def _cpu(policy: int, own: Sequence[int]) -> dict[str, float]:
    machine = [int(field) for field in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return {
        "machine": (sum(machine) - machine[3] - machine[4]) / _TICK,  # but idle and iowait
        "policy": _cpu_seconds(Path(f"/proc/{policy}")),
        "own": sum(_cpu_seconds(Path(f"/proc/{pid}")) for pid in (os.getpid(), *own)),
        **{task.name: _cpu_seconds(task) for task in Path(f"/proc/{policy}/task").iterdir()},
    }


def _cpu_seconds(process: Path) -> float:
    fields = (process / "stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def _milliseconds(name: str, seconds: Sequence[float]) -> dict[str, Any]:
    if not seconds:
        return {f"{name} p50 ms": "-", f"{name} p99 ms": "-", f"{name} largest ms": "-"}
    p50, p99, largest = 1e3 * np.percentile(seconds, (50, 99, 100))
    return {
        f"{name} p50 ms": float(p50),
        f"{name} p99 ms": float(p99),
        f"{name} largest ms": float(largest),
    }


if __name__ == "__main__":
    main()
