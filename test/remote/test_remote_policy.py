# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A policy on a server gives the answers of one that computes here, or none: real processes."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from server_process import Network, ServerProcess, wait_for

pytest.importorskip("msgpack")
pytest.importorskip("websockets")

from molmoact_ros.demo.graph import default_checkpoint
from molmoact_ros.faults import RemotePolicyError, StoppedError
from molmoact_ros.policy import MolmoActPolicy
from molmoact_ros.policy.checkpoint_profile import ActionSettings, CheckpointProfile
from molmoact_ros.policy.types import Observation, Reasoning
from molmoact_ros.remote import policy as remote_policy
from molmoact_ros.remote.address import ServerAddress
from molmoact_ros.remote.line import RefusedError
from molmoact_ros.remote.policy import RemotePolicy, RobotSide
from molmoact_ros.remote.wire import SessionSettings
from molmoact_ros.sim import Tabletop

TOKEN = "a-token-of-a-test"
RAW = RobotSide("arm", images="raw", timeout=60.0)
# A few tokens, which are no answer: for tests of the line.
SHORT = dataclasses.replace(RAW, settings=SessionSettings(max_new_tokens=4))
GREY = np.full((48, 64, 3), 90, np.uint8)


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    options = ("--token", TOKEN, "--message-bytes", "2000000", "--name", "table")
    with ServerProcess(default_checkpoint(), *options) as process:
        yield process


@pytest.fixture
def connect() -> Iterator[Callable[..., RemotePolicy]]:
    opened: list[RemotePolicy] = []

    def connect_to(url: str, robot: RobotSide = SHORT, token: str = TOKEN) -> RemotePolicy:
        opened.append(RemotePolicy.connect(ServerAddress(url, token), robot))
        return opened[-1]

    yield connect_to
    for policy in opened:
        policy.close()


@pytest.fixture(scope="module")
def local() -> MolmoActPolicy:
    return MolmoActPolicy.from_pretrained(default_checkpoint(), device="cpu", dtype="float32")


def look(instruction: str = "reach the red block", **more: Any) -> Observation:
    return Observation({"camera": GREY}, instruction, **more)


def without_times(reasoning: Reasoning) -> dict[str, Any]:
    content = dataclasses.asdict(reasoning)
    del content["timings"]
    return content


def test_answers_are_those_of_a_policy_here_to_the_last_bit(
    server: ServerProcess, connect: Any, local: MolmoActPolicy
) -> None:
    """With the drafts, the trust monitor and the drawn path of a session."""
    table = Tabletop()
    remote = connect(server.url, RAW)
    line = np.array([[20.0, 30.0], [200.0, 120.0]])
    try:
        for seed, hint in ((0, None), (0, None), (1, line)):
            table.reset(seed)
            rgb = table.render(width=320, height=240)[0]
            seen = Observation({"camera": rgb}, "reach the red block", hint, stamp=float(seed))
            here, there = local.infer(seen), remote.infer(seen)
            assert here.valid and here.actions.shape == (8, 7)
            np.testing.assert_equal(without_times(there), without_times(here))
            if here.depth_codes is not None:
                pictures = [p.relative_depth(here.depth_codes) for p in (local, remote)]
                assert pictures[0] is not None and pictures[1] is not None
                np.testing.assert_allclose(pictures[1], pictures[0], atol=0.5 / 255 + 1e-6)
    finally:
        table.close()
    times = there.timings
    assert 0 < times["decode"] < times["server"] < times["round_trip"] <= times["total"]
    assert times["queue"] >= 0


def test_what_the_node_asks_of_a_policy_is_the_same(
    server: ServerProcess, connect: Any, local: MolmoActPolicy
) -> None:
    robot = RobotSide("arm", settings=SessionSettings(max_new_tokens=4, constrained=True))
    remote = connect(server.url, robot)
    assert remote.profile == local.profile
    assert remote.stats.key == local.stats.key and remote.repeatable == local.repeatable
    np.testing.assert_array_equal(remote.stats.q01, local.stats.q01)
    assert remote.forms is not None and not remote.forms[False].learned
    assert remote.pass_report is not None and remote.pass_report.warnings == ()
    for words in ("close it <DEPTH_3>", "\x07", "x" * 1001, local.action_tokenizer.strings[7]):
        with pytest.raises(ValueError) as here:
            local.check_instruction(words)
        with pytest.raises(ValueError) as there:
            remote.check_instruction(words)
        assert str(there.value) == str(here.value)
    state = remote.state()
    assert state.problem == "" and state.values["checkpoint"] == "table"


def test_depth_is_sent_only_while_it_is_looked_at(server: ServerProcess, connect: Any) -> None:
    remote = connect(server.url)
    wanted = []
    ask = remote._line.ask

    def noting(message: Any) -> Any:
        wanted.append(message.depth)
        return ask(message)

    remote._line.ask = noting
    for _ in range(5):
        remote.infer(look())
    assert remote.relative_depth(np.zeros((10, 10), np.uint8)) is None  # of another answer
    remote.infer(look())
    assert wanted == [True, True, True, False, False, True]


REFUSED: dict[str, tuple[RobotSide, str, str]] = {
    "token": (RAW, "another", "the token of robot 'arm' is not the server's"),
    "no token": (RAW, "", "the token of robot 'arm' is not the server's"),
    "cameras": (
        RobotSide("arm", cameras=("front", "wrist")), TOKEN,
        "cameras: the robot has 2 (front, wrist), the server has 1 (camera)",
    ),
    "action space": (
        RobotSide("arm", action_space="joint_position"), TOKEN,
        "action space: the robot has joint_position, the server has ee_delta",
    ),
    "profile": (
        RobotSide(
            "arm", CheckpointProfile("mine", actions=ActionSettings(names=("j1", "j2", "j3")))
        ),
        TOKEN,
        "action dimensions: the robot has 3 (j1, j2, j3), the server has 7 (x, y, z, roll, pitch, "
        "yaw, gripper) of 'tabletop'",
    ),
    "statistics": (
        RobotSide("arm", settings=SessionSettings(unnorm_key="nowhere")), TOKEN,
        "'nowhere' not in ['tabletop']",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_robot_that_does_not_fit_is_refused_with_both_sides_values(
    server: ServerProcess, connect: Any, case: str
) -> None:
    robot, token, words = REFUSED[case]
    with pytest.raises(RefusedError) as error:
        connect(server.url, robot, token)
    assert words in str(error.value)


def test_another_version_is_refused_with_both(
    server: ServerProcess, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.url
    monkeypatch.setattr(remote_policy, "PROTOCOL", 7)
    with pytest.raises(RefusedError, match="protocol: the robot has 7, the server has 1"):
        connect(url)


def test_an_answer_that_comes_too_late_is_dropped(server: ServerProcess, connect: Any) -> None:
    remote = connect(server.url, dataclasses.replace(SHORT, timeout=0.2))
    with pytest.raises(RemotePolicyError, match="no answer for 0.2 s"):
        remote.infer(look("deaf 0.5"))
    wait_for(lambda: remote._line.dropped == 1)
    assert remote.state().values["answers too late"] == 1
    patient = dataclasses.replace(remote._robot, timeout=60.0)
    remote._robot = patient
    remote.infer(look())


def test_an_answer_that_comes_twice_counts_once(server: ServerProcess, connect: Any) -> None:
    remote = connect(server.url)
    remote.infer(look("twice"))
    remote.infer(look())
    wait_for(lambda: remote._line.dropped == 1)


def test_an_inference_is_given_up_at_once_and_the_next_one_is_answered(
    server: ServerProcess, connect: Any
) -> None:
    remote = connect(server.url)
    looks = iter((False, True))
    start = time.monotonic()
    with pytest.raises(StoppedError):
        remote.infer(look("slow 60"), lambda: next(looks))
    assert time.monotonic() < start + 30
    remote.infer(look())


def test_what_cannot_be_used_is_a_fault_of_the_observation(
    server: ServerProcess, connect: Any
) -> None:
    remote = connect(server.url)
    with pytest.raises(ValueError, match="instruction is empty"):
        remote.infer(look(" "))
    with pytest.raises(ValueError, match="has no image"):
        remote.infer(Observation({}, "go"))
    with pytest.raises(ValueError, match="Image 'c' is float64"):
        remote.infer(Observation({"c": np.zeros((2, 2, 3))}, "go"))  # type: ignore[dict-item]
    large = np.zeros((1000, 1000, 3), np.uint8)
    with pytest.raises(ValueError, match="the server accepts 2000000: send JPEGs .server_images"):
        remote.infer(Observation({"c": large}, "go"))
    remote.infer(look())


def test_what_is_no_message_ends_the_connection_and_not_the_policy(
    server: ServerProcess, connect: Any
) -> None:
    remote = connect(server.url)
    with pytest.raises(RemotePolicyError, match="sends what cannot be read"):
        remote.infer(look("nonsense"))
    wait_for(lambda: remote.state().problem == "")
    assert remote.state().values["connections"] == 2
    remote.infer(look())


def test_a_server_that_is_not_there_yet_is_waited_for_and_said_why() -> None:
    reasons: list[str] = []

    def enough() -> bool:
        return "nothing listens there" in reasons

    with pytest.raises(StoppedError):
        address = ServerAddress("ws://127.0.0.1:9")
        RemotePolicy.connect(address, RAW, reasons.append, enough)


@pytest.mark.long
def test_a_server_that_dies_while_it_answers_and_comes_back(connect: Any) -> None:
    with ServerProcess(default_checkpoint(), "--token", TOKEN) as server:
        remote = connect(server.url)
        remote.infer(look())
        threading.Timer(0.5, server.kill).start()
        start = time.monotonic()
        with pytest.raises(RemotePolicyError):
            remote.infer(look("slow 60"))
        assert time.monotonic() < start + 5  # known from the socket, not from silence
        assert "no connection" in remote.state().problem
        with pytest.raises(RemotePolicyError, match="nothing listens|has ended"):
            remote.infer(look())
        server.restart()
        server.wait()
        wait_for(lambda: remote.state().problem == "")
        remote.infer(look())


@pytest.mark.long
@pytest.mark.parametrize("size", [48, 2000])
def test_a_line_that_is_cut_without_a_word_is_noticed_and_comes_back(
    connect: Any, size: int
) -> None:
    """With pictures that fit the buffers of the sockets, and with larger ones."""
    with ServerProcess(default_checkpoint(), "--token", TOKEN) as server:
        server.wait()
        network = Network(server.port)
        try:
            remote = connect(network.url)
            picture = np.zeros((size, size, 3), np.uint8)
            remote.infer(look())
            network.cut()
            start = time.monotonic()
            with pytest.raises(RemotePolicyError):
                remote.infer(Observation({"camera": picture}, "go"))
            assert 1 < time.monotonic() - start < 15
            wait_for(lambda: remote.state().problem != "")
            network.mend()
            wait_for(lambda: remote.state().problem == "")
            remote.infer(look())
        finally:
            network.close()


@pytest.mark.long
def test_a_server_that_comes_back_with_another_checkpoint_is_refused(
    connect: Any, golden: Any
) -> None:
    with ServerProcess(default_checkpoint(), "--token", TOKEN) as server:
        remote = connect(server.url)
        port = server.port
    other = ("--token", TOKEN, "--unnorm-key", "molmoact", "--name", "golden")
    with ServerProcess(golden / "qwen_siglip", *other, port=port) as server:
        server.wait()
        wait_for(lambda: "another checkpoint, 'golden'" in remote.state().problem)
        assert "action statistics: the robot has tabletop" in remote.state().problem
        with pytest.raises(RemotePolicyError, match="configure this node again"):
            remote.infer(look())
