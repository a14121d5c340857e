# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What robots notice of the faults of a server, of the network and of each other.

    python -m benchmarks.fleet_drill [--robots 4] [--only NAME] [--soak MINUTES]

Server and robots are processes and threads of their own and connect as in the field: robots are the
policy node's client (`RemotePolicy`) and ask again 0.3 s after an answer. For each fault there are
the robots that it concerns, and the others, which must not notice it. Needs no ROS.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.fleet_rig import (
    CutProxy,
    Robot,
    flood,
    never_read,
    say_hello,
    tabletop_observation,
    wait_for,
)
from benchmarks.fleet_watched import RETURN, Fleet, errors, latency, longest_silence
from benchmarks.report import RESULTS, write_results
from molmoact_ros.remote.wire import Refusal

SPAN = 10.0  # s of each phase
CUT = 5.0  # s
RATE = 1000.0  # requests per second of the flood
FLOOD = 5.0  # s; later the server ends it, because it does not read pings either

_NOTES = """Robots ask again 0.3 s after an answer and wait up to 30 s for one; server, replicas and
robots share the cores of one machine, and so do loads of a checkpoint. Times depend on what else
runs there: compare the others before and during a fault. Where a server is started again, the
silence is mostly that of Ray and two replicas that load."""

Row = dict[str, Any]


@contextmanager
def beside(fleet: Fleet, others: Sequence[Robot], row: Row) -> Iterator[None]:
    """Compare the others before and during what happens; a phase has at least `SPAN` s."""
    before = time.monotonic()
    time.sleep(SPAN)
    begin = time.monotonic()
    yield
    time.sleep(max(0.0, begin + SPAN - time.monotonic()))
    end = time.monotonic()
    row["others before p50/p95/max [s]"] = _show(latency(others, before, begin))
    row["others during p50/p95/max [s]"] = _show(latency(others, begin, end))
    row["others without answer"] = errors(others, begin)


def _show(values: tuple[float, float, float]) -> str:
    return " / ".join(f"{value:.2f}" for value in values)


def replica_killed(folder: Path, robots: int) -> Row:
    """A replica is killed (SIGKILL) while it answers."""
    with Fleet(folder, robots, "--replicas", "2") as fleet:
        begin = time.monotonic()
        time.sleep(SPAN)
        victims = fleet.server.find(r"^ray::ServeReplica")
        killed = time.monotonic()
        victims[0].kill()
        silence = fleet.wait_for_answers(fleet.robots)
        wait_for(lambda: len(fleet.server.find(r"^ray::ServeReplica")) == len(victims), RETURN)
        wait_for(lambda: "is up again" in fleet.server.log(), RETURN, fleet.server.log)
        back = time.monotonic() - killed
        return {
            "robots without answer, longest [s]": silence,
            "before p50/p95/max [s]": _show(latency(fleet.robots, begin, killed)),
            "requests without answer": errors(fleet.robots, killed),
            "note": f"replica back after {back:.0f} s",
        }


def server_restarted(folder: Path, robots: int) -> Row:
    """The server is killed (SIGKILL), nothing is left of it, and it is started again."""
    with Fleet(folder, robots, "--replicas", "2") as fleet:
        assert fleet.server.process is not None
        family, replicas = fleet.server.family(), fleet.server.find(r"^ray::ServeReplica")
        begin = time.monotonic()
        fleet.server.process.kill()
        fleet.server.process.wait()
        assert not psutil.wait_procs(replicas, RETURN)[1]
        free = time.monotonic() - begin
        assert not psutil.wait_procs(family, RETURN)[1]
        gone = time.monotonic() - begin
        fleet.server.start()
        started = time.monotonic() - begin
        fleet.wait_for_answers(fleet.robots)
        silence = max(longest_silence(robot, begin) for robot in fleet.robots)
        return {
            "robots without answer, longest [s]": silence,
            "requests without answer": errors(fleet.robots, begin),
            "note": f"replicas gone after {free:.1f} s, all of Ray after {gone:.0f} s, ready again "
            f"{started - gone:.0f} s later",
        }


def head_gone(folder: Path, robots: int) -> Row:
    """The head of the Ray cluster (gcs_server) is killed."""
    with Fleet(folder, robots, "--replicas", "2") as fleet:
        assert fleet.server.process is not None
        begin = time.monotonic()
        fleet.server.find("gcs_server")[0].kill()
        answered = fleet.wait_for_answers(fleet.robots)
        code = fleet.server.process.wait(RETURN)
        ended = time.monotonic() - begin
        fleet.server.start()
        fleet.wait_for_answers(fleet.robots)
        silence = max(longest_silence(robot, begin) for robot in fleet.robots)
        return {
            "robots without answer, longest [s]": silence,
            "requests without answer": errors(fleet.robots, begin),
            "note": f"answers went on (longest pause {answered:.1f} s) until the server ended by "
            f"itself after {ended:.0f} s with {code}; started again",
        }


def network_cut(folder: Path, robots: int) -> Row:
    """One robot's line is cut for 5 s without a word, then mended."""
    row: Row = {}
    with Fleet(folder, robots - 1) as fleet:
        proxy = CutProxy(fleet.server.port)
        far = fleet.add("far", proxy.url)
        fleet.wait_for_answers(fleet.robots)
        with beside(fleet, fleet.robots[:-1], row):
            begin = time.monotonic()
            proxy.cut()
            time.sleep(CUT)
            proxy.mend()
            fleet.wait_for_answers([far])
        row["robots without answer, longest [s]"] = longest_silence(far, begin)
        row["requests without answer"] = errors([far], begin)
    return row


def half_open(folder: Path, robots: int) -> Row:
    """One robot's line is cut for good; the robot connects again by another one."""
    row: Row = {}
    with Fleet(folder, robots - 1) as fleet:
        proxy = CutProxy(fleet.server.port)
        line, reply = say_hello(proxy.url, "far", "same")
        assert not isinstance(reply, Refusal), reply
        with beside(fleet, fleet.robots, row):
            proxy.cut()
            begin = time.monotonic()
            again, reply = say_hello(fleet.server.url, "far", "same")
            taken = time.monotonic() - begin
            assert not isinstance(reply, Refusal), reply
            again.close()
            proxy.mend()
        row["note"] = f"the same node took its place within {taken:.2f} s"
    return row


def never_reads(folder: Path, robots: int) -> Row:
    """A client asks as fast as it may and reads nothing."""
    row: Row = {}
    with Fleet(folder, robots) as fleet:
        with beside(fleet, fleet.robots, row):
            memory = fleet.server.family()[0].memory_info().rss
            never_read(fleet.server.url, tabletop_observation())
            wait_for(lambda: "deaf" in fleet.server.log(), RETURN)
            time.sleep(SPAN)
            grown = fleet.server.family()[0].memory_info().rss - memory
        row["note"] = f"server's memory grew by {grown / 1e6:.0f} MB"
    return row


def thousand_requests(folder: Path, robots: int) -> Row:
    """A client sends 1000 requests per second."""
    row: Row = {}
    with Fleet(folder, robots) as fleet:
        end, sent = threading.Event(), []
        seen = tabletop_observation()
        client = threading.Thread(
            target=lambda: sent.append(flood(fleet.server.url, seen, RATE, end))
        )
        with beside(fleet, fleet.robots, row):
            memory = fleet.server.family()[0].memory_info().rss
            client.start()
            time.sleep(FLOOD)
            grown = fleet.server.family()[0].memory_info().rss - memory
            end.set()
            client.join()
        row["note"] = (
            f"{sent[0] / FLOOD:.0f} per second were taken, memory grew {grown / 1e6:.0f} MB"
        )
    return row


def two_names(folder: Path, robots: int) -> Row:
    """A second node connects with the name of a robot, ten times."""
    row: Row = {}
    with Fleet(folder, robots) as fleet:
        with beside(fleet, fleet.robots, row):
            for _ in range(10):
                line, reply = say_hello(fleet.server.url, "robot0")
                assert isinstance(reply, Refusal) and reply.kind == "session", reply
                line.close()
        row["note"] = str(reply)
    return row


def checkpoint_replaced(folder: Path, robots: int) -> Row:
    """The checkpoint is loaded again (SIGHUP) by two replicas, one after the other."""
    with Fleet(folder, robots, "--replicas", "2") as fleet:
        assert fleet.server.process is not None
        begin = time.monotonic()
        fleet.server.process.send_signal(signal.SIGHUP)
        done = "all replicas have loaded"
        wait_for(lambda: done in fleet.server.log(), RETURN, fleet.server.log)
        load = (time.monotonic() - begin) / 2
        fleet.wait_for_answers(fleet.robots)
        silence = max(longest_silence(robot, begin) for robot in fleet.robots)
        return {
            "robots without answer, longest [s]": silence,
            "requests without answer": errors(fleet.robots, begin),
            "note": f"one load took {load:.0f} s",
        }


def checkpoint_replaced_alone(folder: Path, robots: int) -> Row:
    """The checkpoint is loaded again (SIGHUP) by the only replica, without Ray."""
    with Fleet(folder, robots) as fleet:
        assert fleet.server.process is not None
        begin = time.monotonic()
        fleet.server.process.send_signal(signal.SIGHUP)
        done = "all replicas have loaded"
        wait_for(lambda: done in fleet.server.log(), RETURN, fleet.server.log)
        load = time.monotonic() - begin
        fleet.wait_for_answers(fleet.robots)
        return {
            "robots without answer, longest [s]": max(
                longest_silence(robot, begin) for robot in fleet.robots
            ),
            "requests without answer": errors(fleet.robots, begin),
            "note": f"the load took {load:.1f} s",
        }


def version_mismatch(folder: Path, robots: int) -> Row:
    """A robot of another protocol version connects."""
    row: Row = {}
    with Fleet(folder, robots) as fleet:
        with beside(fleet, fleet.robots, row):
            _, reply = say_hello(fleet.server.url, "old", protocol=999)
            assert isinstance(reply, Refusal) and reply.kind == "protocol", reply
        row["note"] = str(reply)
    return row


DRILLS: tuple[Callable[[Path, int], Row], ...] = (
    replica_killed,
    server_restarted,
    head_gone,
    network_cut,
    half_open,
    never_reads,
    thousand_requests,
    two_names,
    checkpoint_replaced,
    checkpoint_replaced_alone,
    version_mismatch,
)
COLUMNS = (
    "robots without answer, longest [s]",
    "requests without answer",
    "before p50/p95/max [s]",
    "others before p50/p95/max [s]",
    "others during p50/p95/max [s]",
    "others without answer",
    "note",
)


def soak(folder: Path, robots: int, minutes: float) -> list[Row]:
    """Let robots ask for a while; return memory, descriptors and threads of the server."""
    rows: list[Row] = []
    with Fleet(folder, robots) as fleet:
        begin = time.monotonic()
        for minute in range(int(minutes) + 1):
            time.sleep(max(0.0, begin + 60.0 * minute - time.monotonic()))
            process = fleet.server.family()[0]
            rows.append(
                {
                    "minute": minute,
                    "memory [MB]": process.memory_info().rss / 1e6,
                    "descriptors": process.num_fds(),
                    "threads": process.num_threads(),
                    "answers": sum(len(robot.answers()) for robot in fleet.robots),
                    "without answer": errors(fleet.robots, begin),
                }
            )
            print(rows[-1], flush=True)
    return rows


def _kept(rows: list[Row]) -> list[Row]:
    """Return these rows with those of the last run for the drills that were not run now."""
    file = RESULTS / "fleet_drill.json"
    old = json.loads(file.read_text())["tables"]["Faults"] if file.is_file() else []
    found = {row["fault"]: row for row in (*old, *rows)}
    names = [(drill.__doc__ or "").strip() for drill in DRILLS]
    return [found[name] for name in names if name in found]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the drills; 0: every fault went as it should."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet_drill")
    parser.add_argument("--robots", type=int, default=4, help="robots that behave (4)")
    parser.add_argument("--only", help="name of one drill")
    parser.add_argument("--soak", type=float, default=0.0, help="minutes; instead of the drills")
    options = parser.parse_args(arguments)
    rows, failed = [], 0
    with tempfile.TemporaryDirectory() as name:
        if options.soak:
            found = soak(Path(name), options.robots, options.soak)
            config = {"robots": options.robots, "minutes": options.soak}
            write_results("fleet_soak", "Many robots for a while", {"Server": found}, config)
            return 0
        for drill in DRILLS:
            if options.only in (None, drill.__name__):
                folder = Path(name) / drill.__name__
                folder.mkdir()
                print(f"{drill.__doc__} ...", flush=True)
                try:
                    found_row = drill(folder, options.robots)
                except Exception as error:  # noqa: BLE001 - the other drills go on
                    traceback.print_exc()
                    found_row, failed = {"note": f"FAILED: {error}"[:500]}, failed + 1
                empty = dict.fromkeys(COLUMNS, "")
                rows.append({"fault": (drill.__doc__ or "").strip(), **empty, **found_row})
                print(found_row, flush=True)
    title = "Faults of a server of many robots"
    tables, config = {"Faults": _kept(rows)}, {"robots": options.robots}
    write_results("fleet_drill", title, tables, config, _NOTES)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
