# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The rig: the real executor, an arm, feeders and the judge, each a process of its own."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import rclpy
from molmoact_ros.msg import ExecutorStatus
from rclpy.executors import SingleThreadedExecutor
from std_srvs.srv import SetBool, Trigger

from .drill import Attempt, Stuck
from .pipes import Peer, Process
from .profiles import TABLETOP

NODE = "/molmoact_executor"
PATIENCE = 30.0  # s
DISABLED, READY, EXECUTING, STOPPING, HALTED, TELEOP = range(6)
_CODE = "import sys; from molmoact_ros.executor_node.node import main; sys.exit(main())"
_CALLS = {"enable": SetBool, "halt": Trigger, "clear": Trigger, "approve": Trigger}
_LOST = 2.0  # s without an answer, which gets lost while the server does not know the client yet
_SETTLED = 0.3  # s of silence before the judge is asked


def executor_command(robot: Path | str, parameters: Mapping[str, Any]) -> list[str]:
    """Return the command line of the node."""
    arguments = ["-p", f"robot:={robot}"]
    for name, value in parameters.items():
        arguments += ["-p", f"{name}:={str(value).lower() if isinstance(value, bool) else value}"]
    return [sys.executable, "-c", _CODE, "--ros-args", *arguments]


class Rig:
    """A context manager; at its end motion is turned off and the judge's verdict is noted."""

    def __init__(
        self,
        attempt: Attempt,
        robot: Path = TABLETOP,
        expect: Mapping[str, bool] | None = None,
        executors: int = 1,
        feeders: int = 1,
        **parameters: Any,
    ) -> None:
        """Start everything.

        Args:
            attempt: Takes figures and failures.
            robot: Profile.
            expect: What the judge may not ask for, see `judge.Expectations`.
            executors: Of the same name.
            feeders: Processes that can feed chunks.
            parameters: Of the executor.
        """
        self.attempt, self.robot = attempt, robot
        self.expect = dict(expect or {})
        self.parameters = parameters
        self.environment = attempt.environment()
        self._numbers = 0
        self._lock = threading.Lock()
        self.statuses: list[ExecutorStatus] = []
        simulated = ["sim"] if parameters.get("use_sim_time") else []
        self.recorder = self._peer("recorder")
        self.arm = self._peer("arm", *simulated)
        self.feeders = [self._peer("feeder", *simulated) for _ in range(feeders)]
        self.persons: list[Peer] = []
        self.executors = [self.start_executor() for _ in range(executors)]
        self._join()
        for peer in (self.recorder, self.arm, *self.feeders):
            peer.answer()

    def start_executor(self) -> Process:
        """Start a node as a user would."""
        command = executor_command(self.robot, self.parameters)
        return Process(command, self._log("executor"), self.environment)

    def start_feeder(self) -> Peer:
        """Start one more policy; it may be stopped or killed as it is."""
        feeder = self._peer("feeder", *(["sim"] if self.parameters.get("use_sim_time") else []))
        feeder.answer()
        self.feeders.append(feeder)
        self.until(lambda: feeder.ask(do="links")["links"], "the executor and the next feeder")
        return feeder

    def start_person(self) -> Peer:
        """Start one more person who can take over."""
        person = self._peer("person")
        person.answer()
        self.persons.append(person)
        self.until(lambda: person.ask(do="links")["links"], "the executor and a person")
        return person

    def _peer(self, module: str, *arguments: str) -> Peer:
        options = [str(self.robot), NODE, *arguments]
        return Peer(module, options, self._log(module), self.environment)

    def _log(self, name: str) -> Path:
        self._numbers += 1
        return self.attempt.folder / f"{self._numbers}_{name}.log"

    def _join(self) -> None:
        domain = int(self.environment["ROS_DOMAIN_ID"])
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=domain)
        self.node = rclpy.create_node("fault_drill", context=self._context)
        self.node.create_subscription(ExecutorStatus, f"{NODE}/status", self.statuses.append, 100)
        self._clients = {
            name: self.node.create_client(kind, f"{NODE}/{name}") for name, kind in _CALLS.items()
        }
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        while not self._done.is_set():
            self._executor.spin_once(timeout_sec=0.05)

    def __enter__(self) -> Rig:
        """Wait for the executor."""
        try:
            self.until(lambda: self.statuses, "the executor's first status")
            self.until(self._is_connected, "all processes to find each other")
        except BaseException:
            self._end()
            raise
        return self

    def _is_connected(self) -> bool:
        """Whether each process has found all others; what is published before that gets lost."""
        number = len(self.executors)
        links = [peer.ask(do="links")["links"] for peer in (self.recorder, self.arm, *self.feeders)]
        return min(links) >= number

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Turn motion off, ask the judge, and end all processes."""
        try:
            if kind is None:
                self._finish()
            self.judge()
        finally:
            self._end()

    def _finish(self) -> None:
        for peer in (*self.persons, *self.feeders):
            if peer.is_alive():
                peer.ask()
        if self.executors:
            self.call("enable", False)
            self.until(lambda: self.state in (DISABLED, HALTED), "silence")
        for executor in self.executors:
            text = executor.text
            self.attempt.check("Traceback" not in text, f"a traceback in the log: {text[-300:]}")
        time.sleep(_SETTLED)

    def _end(self) -> None:
        self._done.set()
        self._thread.join()
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)
        others = (*self.persons, *self.feeders, self.arm, self.recorder)
        for process in (*self.executors, *others):
            process.end()

    def judge(self) -> None:
        """Note what the judge found in everything since the start."""
        verdict = self.recorder.ask(do="judge", **self.expect)
        self.attempt.failures += verdict["violations"]
        figures = self.attempt.figures
        figures["commands"] = figures.get("commands", 0) + verdict["commands"]
        for rule, share in verdict["nearest"].items():
            if rule.endswith("acceleration"):
                key = "acceleration / limit"
                figures[key] = max(figures.get(key, 0.0), share)

    # What the executor is asked for.

    def call(self, name: str, data: bool = True) -> Any:
        """Call a service of the executor and return its answer."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            future, again = self.send(name, data), time.monotonic() + _LOST
            while time.monotonic() < again:
                if future.done():
                    return future.result()
                time.sleep(0.002)
        raise Stuck(f"no answer of ~/{name} within {PATIENCE:.0f} s")

    def send(self, name: str, data: bool = True) -> Any:
        """Call a service of the executor and return the future of its answer."""
        client = self._clients[name]
        self.until(client.service_is_ready, f"~/{name}")
        request = SetBool.Request(data=data) if name == "enable" else Trigger.Request()
        return client.call_async(request)

    def prepare(self) -> None:
        """Have the arm at home and motion enabled, whatever was before."""
        self.feeder.ask()
        self.call("enable", False)
        self.until(lambda: self.state in (DISABLED, HALTED), "silence")
        if self.state == HALTED:
            self.call("clear")
        time.sleep(_SETTLED)
        self.arm.ask(put=True, faults={}, reports={}, timing={})
        time.sleep(_SETTLED)
        self.until(lambda: self.call("enable").success, "enable")
        self.until(lambda: self.state == READY, "READY")
        # An arm that missed a command, or a judge that did, would accuse the wrong one.
        self.until(lambda: self.recorder.ask(do="links")["receives"], "commands at the recorder")

    @property
    def feeder(self) -> Peer:
        """The first feeder."""
        return self.feeders[0]

    @property
    def executor(self) -> Process:
        """The first executor."""
        return self.executors[0]

    # What the executor does.

    @property
    def state(self) -> int:
        """Its last state; -1: none yet."""
        return int(self.statuses[-1].state) if self.statuses else -1

    @property
    def reason(self) -> str:
        """Its last reason."""
        return str(self.statuses[-1].reason)

    def count(self, name: str) -> int:
        """Return a counter of the last status; 0 where it is not known."""
        status = self.statuses[-1]
        return int(dict(zip(status.counter_names, status.counter_values, strict=True)).get(name, 0))

    def refusals(self) -> int:
        """Return how many chunks were refused, whatever for."""
        status = self.statuses[-1]
        pairs = zip(status.counter_names, status.counter_values, strict=True)
        return sum(value for name, value in pairs if name.startswith("refused"))

    def speed(self) -> float:
        """Return the commanded speed as a share of its limit."""
        return float(self.recorder.ask(do="speed"))

    def until(self, condition: Callable[[], Any], what: str, timeout: float = PATIENCE) -> float:
        """Wait until a condition holds, and return how long that took, s."""
        begin = time.monotonic()
        while not condition():
            if time.monotonic() - begin > timeout:
                last = f"; the last state is {self.state}: {self.reason}" if self.statuses else ""
                raise Stuck(f"waited {timeout:.0f} s for {what}{last}")
            for executor in self.executors:
                if not executor.is_alive():
                    code, words = executor.popen.returncode, executor.text[-500:]
                    raise Stuck(f"the executor ended with code {code}; its last words: {words}")
            time.sleep(0.005)
        return time.monotonic() - begin

    def until_moving(self, share: float = 0.3) -> None:
        """Wait for a share of the speed limit."""
        self.until(lambda: self.speed() > share, f"motion of {share} of the speed limit")

    def until_rest(self, timeout: float = PATIENCE) -> float:
        """Wait until zero is commanded, or nothing."""
        return self.until(lambda: self.speed() == 0.0, "rest", timeout)

    def gaps(self, seconds: float) -> dict[str, float]:
        """Return the longest times between commands, s, during the next seconds."""
        since = time.monotonic()
        time.sleep(seconds)
        return dict(self.recorder.ask(do="gaps", since=since, until=time.monotonic()))
