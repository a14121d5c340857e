# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The server as a process, its replicas by Ray: what robots notice when one is killed."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

from benchmarks.fleet_rig import CHECKPOINT, ServerProcess, say_hello, wait_for
from benchmarks.fleet_watched import Fleet, errors
from molmoact_ros.remote.wire import Refusal, Welcome

pytestmark = [pytest.mark.long, pytest.mark.process, pytest.mark.timeout(600)]
REPLICA = r"^ray::ServeReplica"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_and_robots_are_told(tmp_path: Path, number: int) -> None:
    server = ServerProcess(tmp_path / "log")
    server.start()
    line, welcome = say_hello(server.url, "arm")
    assert isinstance(welcome, Welcome)
    assert server.end(number) == (0, [])
    with pytest.raises(Exception, match="1001"):
        line.recv(60.0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_while_it_loads(tmp_path: Path, number: int) -> None:
    server = ServerProcess(tmp_path / "log")
    server.start(wait=False)
    wait_for(lambda: "loading" in server.log(), 60.0)
    assert server.end(number) == (0, [])


def test_a_port_that_is_taken_is_an_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        command = [sys.executable, "-m", "molmoact_ros.cli.serve", str(CHECKPOINT)]
        ended = subprocess.run(
            [*command, "--device", "cpu", "--address", address], capture_output=True, text=True
        )
    assert ended.returncode == 1 and "address already in use" in ended.stderr


def test_a_broken_checkpoint_is_not_taken_over(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    folder.symlink_to(CHECKPOINT)
    with ServerProcess(tmp_path / "log", checkpoint=folder) as server:
        assert server.process is not None
        folder.unlink()
        folder.mkdir()
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "was not loaded" in server.log(), 60.0, server.log)
        wait_for(lambda: "is up again" in server.log(), 60.0, server.log)
        assert isinstance(say_hello(server.url, "arm")[1], Welcome)


def test_robots_move_when_their_replica_is_killed(tmp_path: Path) -> None:
    with Fleet(tmp_path, 3, "--replicas", "2") as fleet:
        ids = [robot.answers()[-1].reasoning for robot in fleet.robots]
        for victim in fleet.server.find(REPLICA)[:1]:
            victim.kill()
        fleet.wait_for_answers(fleet.robots)
        assert not errors(fleet.robots, 0.0)
        for robot, before in zip(fleet.robots, ids, strict=True):
            after = robot.answers()[-1].reasoning
            assert before is not None and after is not None
            assert np.array_equal(before.ids, after.ids)
        wait_for(lambda: "is up again" in fleet.server.log(), 120.0, fleet.server.log)


def test_the_checkpoint_is_replaced_without_a_pause(tmp_path: Path) -> None:
    with Fleet(tmp_path, 2, "--replicas", "2") as fleet:
        assert fleet.server.process is not None
        before = {process.pid for process in fleet.server.find(REPLICA)}
        fleet.server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "all replicas have loaded" in fleet.server.log(), 300.0, fleet.server.log)
        assert not before & {process.pid for process in fleet.server.find(REPLICA)}
        fleet.wait_for_answers(fleet.robots)
        assert not errors(fleet.robots, 0.0)


def test_no_port_of_ray_listens_outside_and_none_lets_strangers_in(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "log", "--replicas", "2") as server:
        listening = [
            connection.laddr
            for process in server.family()
            for connection in psutil.Process(process.pid).net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert len(listening) > 5
        outside = [at for at in listening if at.ip not in ("127.0.0.1", "::ffff:127.0.0.1")]
        assert not outside
        # Another user of this machine: the same address, not the same token.
        head = next(p for p in server.find("gcs_server"))
        ports = [
            c.laddr.port for c in head.net_connections("inet") if c.status == psutil.CONN_LISTEN
        ]
        join = f"import ray; ray.init(address='127.0.0.1:{ports[0]}'); print(ray.nodes())"
        environment = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}
        stranger = subprocess.run(
            [sys.executable, "-c", join], env=environment, capture_output=True, text=True
        )
        assert stranger.returncode != 0 and "NodeID" not in stranger.stdout


def test_robots_of_all_replicas_are_counted(tmp_path: Path) -> None:
    options = ("--replicas", "2", "--max-sessions", "1")
    with ServerProcess(tmp_path / "log", *options) as server:
        lines = [say_hello(server.url, f"arm{number}") for number in range(2)]
        assert all(isinstance(welcome, Welcome) for _, welcome in lines)
        refusal = say_hello(server.url, "arm2")[1]
        assert isinstance(refusal, Refusal) and refusal.kind == "full"
