# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Runs many episodes: one after the other, or spread over worker processes."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import socket
import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molmoact_ros.control import RobotProfile
from molmoact_ros.control.robot_profile import load_profile, robot_path
from molmoact_ros.demo.domains import reserve_domain
from molmoact_ros.demo.lifetime import die_with_parent
from molmoact_ros.output_files import WriteError
from molmoact_ros.sim import load_cell

from .actors import PolicyActor, make_baseline
from .episode import Episode, EvaluationError
from .results import EpisodeResult

if TYPE_CHECKING:
    from molmoact_ros.remote.policy import RemotePolicy

    from .in_graph import Graph
    from .in_process import InProcess

MOST_WORKERS = 32
_POLL = 0.5  # s between two looks at whether workers are alive
_DOMAINS = 101


@dataclass(frozen=True)
class PolicyServer:
    """A policy server, by the parameters of these names of the policy node.

    Attributes:
        server: `ws://host:port` or `wss://host:port`.
        server_token_file: File with the token; empty: of the environment, or none.
        server_ca: PEM file; empty: what the system trusts.
        server_images: "jpeg" or "raw".
    """

    server: str
    server_token_file: str = ""
    server_ca: str = ""
    server_images: str = "jpeg"

    @staticmethod
    def robot_name(setting: Setting) -> str:
        """Return by which name the server knows a worker: each has a session of its own."""
        return f"{socket.gethostname()[:32]}/{os.getpid()}/{setting.logs.name}"


@dataclass(frozen=True)
class Setting:
    """How episodes are run.

    Attributes:
        checkpoint: Directory.
        server: Policy server that answers instead of the checkpoint; None: none.
        in_process: In one process with simulated time, instead of the ROS graph.
        seconds: Time limit of an episode.
        execute_steps: Rows of each chunk that are executed; 0: as in the profiles.
        answer_seconds: Simulated duration of an inference, in process only.
        logs: Folder for the nodes' logs.
        videos: Folder for videos; None: none are made.
        cell: File of another cell; None: that of the shipped checkpoint.
        domain: ROS domain of the first worker; None: each reserves one.
        policy: Further arguments of `MolmoActPolicy.from_pretrained`; through the graph, parameters
            of the policy node; with a server, `SessionSettings`. All have the same names.
        execution: Changes to the robot profile's execution, in process only.
    """

    checkpoint: Path
    in_process: bool
    seconds: float
    execute_steps: int
    answer_seconds: float
    logs: Path
    videos: Path | None
    domain: int | None
    cell: Path | None = None
    policy: Mapping[str, Any] = field(default_factory=dict)
    execution: Mapping[str, Any] = field(default_factory=dict)
    server: PolicyServer | None = None


def run_episodes(
    setting: Setting, episodes: Sequence[Episode], workers: int = 1
) -> Generator[EpisodeResult, None, None]:
    """Run episodes and yield their results as they come; with one worker, in order.

    Raises:
        EvaluationError: A node, a checkpoint or a worker fails.
    """
    if workers > 1:
        yield from _run_parallel(setting, episodes, min(workers, len(episodes)))
        return
    with _Seat(setting, 0) as seat:
        for episode in episodes:
            yield seat.run(episode)


class _Seat:
    """One worker's runner; another actor needs another one."""

    def __init__(self, setting: Setting, number: int) -> None:
        domain = None if setting.domain is None else (setting.domain + number) % _DOMAINS
        logs = setting.logs / f"worker_{number}"
        self._setting = replace(setting, domain=domain, logs=logs)
        self._actor = ""
        self._runner: InProcess | Graph | None = None
        self._stack = ExitStack()

    def __enter__(self) -> _Seat:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self, episode: Episode) -> EpisodeResult:
        if self._runner is None or episode.actor != self._actor:
            self._stack.close()
            self._actor = episode.actor
            open_runner = _in_process if self._setting.in_process else _graph
            self._runner = open_runner(self._setting, episode.actor, self._stack)
        return self._runner.run(episode)


def _in_process(setting: Setting, name: str, stack: ExitStack) -> InProcess | Graph:
    from .in_process import InProcess, Timing

    cell = load_cell(setting.cell)
    robot = tabletop_robot(setting.execute_steps, cell.robot, **setting.execution)
    timing = Timing(setting.seconds, setting.answer_seconds)
    if name != "policy":
        actor = make_baseline(name, setting.checkpoint, cell)
    elif setting.server is not None:
        policy = stack.enter_context(closing(_connect(setting, setting.server)))
        actor = PolicyActor(policy, setting.execute_steps)
    else:
        actor = _load_policy(setting)
    runner = InProcess(actor, robot, timing, videos=setting.videos, cell=cell)
    return stack.enter_context(closing(runner))


def tabletop_robot(
    execute_steps: int = 0, robot: str = "tabletop", **execution: Any
) -> RobotProfile:
    """Return the profile of the tabletop's arm, as the executor node reads it.

    Args:
        execute_steps: Rows of each chunk that are executed; 0: as in the profile.
        robot: Name of the profile.
        **execution: Other values of its execution.
    """
    profile = load_profile(robot_path(robot))
    steps = execute_steps or profile.execution.execute_steps
    changed = replace(profile.execution, execute_steps=steps, **execution)
    return replace(profile, execution=changed)


def _load_policy(setting: Setting) -> PolicyActor:
    import torch

    from molmoact_ros.policy import MolmoActPolicy

    torch.set_num_threads(1)
    try:
        settings = {"device": "cpu", "dtype": "float32", **setting.policy}
        policy = MolmoActPolicy.from_pretrained(setting.checkpoint, **settings)
    except ValueError as error:
        raise EvaluationError(str(error)) from error
    return PolicyActor(policy, setting.execute_steps)


def _connect(setting: Setting, server: PolicyServer) -> RemotePolicy:
    from molmoact_ros.remote.address import ServerAddress
    from molmoact_ros.remote.policy import RemotePolicy, RobotSide
    from molmoact_ros.remote.wire import SessionSettings

    robot = RobotSide(
        server.robot_name(setting),
        settings=SessionSettings(**setting.policy),
        images=server.server_images,
    )
    shown = ""

    def show(problem: str) -> None:
        nonlocal shown
        if problem != shown:
            shown = problem
            print(f"waiting for {server.server}: {problem}", file=sys.stderr)

    try:
        address = ServerAddress.read(server.server, server.server_token_file, server.server_ca)
        return RemotePolicy.connect(address, robot, show)
    except ValueError as error:  # of the address, or the server refuses
        raise EvaluationError(f"server '{server.server}': {error}") from error


def _graph(setting: Setting, name: str, stack: ExitStack) -> InProcess | Graph:
    from .in_graph import Graph

    domain = setting.domain
    if domain is None:
        reserved = reserve_domain()
        stack.callback(reserved.release)
        domain = reserved.number
    return stack.enter_context(Graph(setting, name, domain))


def _run_parallel(
    setting: Setting, episodes: Sequence[Episode], workers: int
) -> Iterator[EpisodeResult]:
    # Not forked: neither ROS nor OpenGL survive that.
    context = multiprocessing.get_context("spawn")
    # A queue with a thread of its own: many episodes are more than a pipe takes at once.
    tasks, results = context.Queue(), context.Queue()
    tasks.cancel_join_thread()  # after an error, what nobody has taken is not waited for
    for task in (*episodes, *[None] * workers):
        tasks.put(task)
    processes = [
        context.Process(target=_work, args=(setting, number, tasks, results), daemon=True)
        for number in range(workers)
    ]
    for process in processes:
        process.start()
    try:
        for _ in episodes:
            yield _next_result(results, processes)
    finally:
        for process in processes:
            # Those that are through leave by themselves; the nodes of others die with them.
            process.join(0.0 if process.is_alive() and not tasks.empty() else 10.0)
            process.terminate()


def _next_result(results: Any, processes: Sequence[Any]) -> EpisodeResult:
    while True:
        try:
            result = results.get(timeout=_POLL)
        except queue.Empty:
            dead = [p for p in processes if p.exitcode not in (None, 0)]
            if dead:
                code = dead[0].exitcode
                raise EvaluationError(f"a worker ended with code {code}") from None
            continue
        if isinstance(result, EpisodeResult):
            return result
        raise EvaluationError(result)


def _work(setting: Setting, number: int, tasks: Any, results: Any) -> None:
    """Run episodes until there are no more; a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    parent = multiprocessing.parent_process()
    die_with_parent()
    if parent is not None and parent.pid != os.getppid():
        return  # it died before it could be watched
    try:
        with _Seat(setting, number) as seat:
            while (episode := tasks.get()) is not None:
                results.put(seat.run(episode))
    except (EvaluationError, WriteError, ValueError) as error:
        results.put(str(error))
