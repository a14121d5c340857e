# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The policy node with a policy server: real processes, on a robot without torch."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sensor_msgs.msg import Image
from server_process import ServerProcess

from molmoact_ros.demo.graph import EXECUTOR, POLICY, NodeSpec, default_checkpoint
from molmoact_ros.demo.processes import command
from molmoact_ros.policy_node.loading import check_source
from molmoact_ros.policy_node.parameters import PolicyParameters
from molmoact_ros.ros.running import CONFIGURATION_ERROR, StartError

pytest.importorskip("msgpack")
pytest.importorskip("websockets")

BLOCKED = ("torch", "transformers", "tokenizers", "safetensors", "huggingface_hub", "ray", "mujoco")
BLOCK = f"""
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED}:
            raise ImportError(f"{{name}} is not installed on this robot")

sys.meta_path.insert(0, Blocked())
"""
MARKERS = "molmoact_markers"
NAMES = (POLICY, EXECUTOR, MARKERS)


@pytest.fixture(scope="module")
def robot_without_torch(tmp_path_factory: Any) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("robot")
    (folder / "sitecustomize.py").write_text(BLOCK)
    patch = pytest.MonkeyPatch()
    patch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    yield
    patch.undo()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Return a port on which nothing listens; held, so that no connection takes it meanwhile."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


@pytest.fixture(scope="module")
def nodes(robot_without_torch: None, start: Any, port: int) -> Any:
    parameters = {"server": f"ws://127.0.0.1:{port}", "max_new_tokens": 4, "robot_name": "left"}
    return start(
        NodeSpec("policy_node", POLICY, parameters=parameters),
        NodeSpec("markers_node", MARKERS),
        NodeSpec("executor_node", EXECUTOR, parameters={"robot": "tabletop"}),
    )


@pytest.fixture(scope="module")
def robot(surround: Any, nodes: Any) -> Any:
    made = surround(POLICY, {"camera": Image})
    made.instruct("reach the red block")
    return made


def values(status: Any) -> dict[str, str]:
    return {value.key: value.value for value in status.values}


def status(robot: Any, concern: str, words: str, tick: Any = None) -> Any:
    def found() -> list[Any]:
        return [s for s in robot.statuses(concern) if words in s.message]

    return robot.client.wait_for(found, words, tick)[-1]


@pytest.fixture(scope="module")
def server(robot: Any, port: int) -> Iterator[ServerProcess]:
    """Start the server when the node has reported that there is none."""
    status(robot, "model", f"connecting to ws://127.0.0.1:{port}: nothing listens there")
    patch = pytest.MonkeyPatch()
    patch.delenv("PYTHONPATH")  # the server has torch
    with ServerProcess(default_checkpoint(), "--name", "table", port=port) as process:
        process.wait()
        yield process
    patch.undo()


def test_the_robot_here_has_no_torch(robot_without_torch: None) -> None:
    done = subprocess.run([sys.executable, "-c", "import torch"], capture_output=True, text=True)
    assert "torch is not installed on this robot" in done.stderr


def test_nodes_run_without_torch_and_wait_for_the_server(
    robot: Any, server: ServerProcess, nodes: Any
) -> None:
    answer = robot.next_answer()
    seconds = dict(zip(answer.stage_names, answer.stage_seconds, strict=True))
    assert {"image_age", "queue", "server", "round_trip", "total"} <= set(seconds)
    assert seconds["server"] < seconds["round_trip"] <= seconds["total"]
    # As a whole: the first diagnostics read "not loaded".
    (model,) = robot.client.wait_for(
        lambda: [s for s in robot.statuses("model")[-1:] if s.message == "loaded"], "loaded"
    )
    shown = values(model)
    assert shown["checkpoint"] == "table" and shown["profile"] == "tabletop"
    assert shown["device"] == "cpu" and shown["connections"] == "1"
    key = "age of its picture when it came [s]"
    robot.client.wait_for(lambda: key in values(robot.statuses("inference")[-1]), key)
    assert float(values(robot.statuses("inference")[-1])[key]) >= 0.0
    nodes.check()
    for name in NAMES:
        mapped = Path(f"/proc/{nodes.process(name).pid}/maps").read_text()
        assert "rclpy" in mapped
        assert not [word for word in BLOCKED if f"/{word}/" in mapped]


def test_an_instruction_is_refused_as_by_a_policy_here(robot: Any, server: ServerProcess) -> None:
    robot.next_answer()
    robot.instruct("go <DEPTH_5>")
    status(robot, "inference", "waiting for an instruction", lambda: robot.show(robot.image()))
    robot.instruct("reach the red block")
    robot.next_answer()


@pytest.mark.long
def test_a_server_that_dies_leaves_a_silent_policy_that_comes_back(
    robot: Any, server: ServerProcess, nodes: Any
) -> None:
    """For longer than what ends a node whose every inference fails."""

    def show() -> None:
        robot.show(robot.image())

    robot.next_answer()
    server.kill()
    status(robot, "model", "no connection to ws://127.0.0.1", show)
    found = status(robot, "inference", "inferences failed since the last answer", show)
    assert found.level == b"\x02" and robot.statuses("model")[-1].level == b"\x02"
    end = time.monotonic() + 40.0
    robot.client.wait_for(lambda: time.monotonic() > end, "40 s", show)
    nodes.check()
    server.restart()
    server.wait()
    robot.next_answer()
    seen = len(robot.statuses("model"))
    robot.client.wait_for(lambda: len(robot.statuses("model")) > seen + 1, "diagnostics")
    model = robot.statuses("model")[-1]
    assert model.message == "loaded" and values(model)["connections"] == "2"


PROCESS_CASES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "both": (
        {"checkpoint": "/data/mine", "server": "ws://gpu:1"},
        ("parameters 'checkpoint' ('/data/mine') and 'server' ('ws://gpu:1'): give one of them",),
    ),
    "cameras": (
        {"cameras": ["front", "wrist"]},
        ("server 'ws://", "cameras: the robot has 2 (front, wrist), the server has 1 (camera)"),
    ),
}


@pytest.mark.parametrize("case", PROCESS_CASES)
def test_the_process_refuses_to_start(server: ServerProcess, case: str) -> None:
    changes, words = PROCESS_CASES[case]
    parameters = {"server": server.url, **changes}
    spec = NodeSpec("policy_node", "refused", parameters=parameters)
    done = subprocess.run(command(spec), capture_output=True, text=True, timeout=60)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == CONFIGURATION_ERROR and len(errors) == 1, done.stderr
    assert all(word in errors[0] for word in words), errors


@pytest.mark.long
def test_a_signal_while_it_waits_for_the_server(ros_environment: Any) -> None:
    spec = NodeSpec("policy_node", "waiting", parameters={"server": "ws://127.0.0.1:9"})
    process = subprocess.Popen(command(spec), stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "connecting to" in line:
            break
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert "error: " not in process.stderr.read()


WRONG: dict[str, tuple[dict[str, str], str]] = {
    "neither": ({}, "parameter 'checkpoint': give .* or, with parameter 'server'"),
    "no URL": ({"server": "gpu:8750"}, "parameter 'server': 'gpu:8750' is no address; give ws://"),
    "HTTP": ({"server": "http://gpu:8750"}, "parameter 'server': .* is no address"),
    "port": ({"server": "ws://gpu:port"}, "parameter 'server': .* is no address"),
    "token in the URL": (
        {"server": "ws://me:secret@gpu:1"},
        "parameter 'server': give host and port only; a token belongs into a file",
    ),
    "token file": (
        {"server": "ws://gpu:1", "server_token_file": "/no/file"},
        "parameter 'server_token_file': '/no/file': No such file",
    ),
    "certificate without TLS": (
        {"server": "ws://gpu:1", "server_ca": "/ca.pem"},
        "parameter 'server_ca': is used with wss://",
    ),
    "certificate": (
        {"server": "wss://gpu:1", "server_ca": "/no/ca.pem"},
        "parameter 'server_ca': '/no/ca.pem' holds no certificate",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_names_no_server_is_refused(case: str) -> None:
    given, words = WRONG[case]
    with pytest.raises(StartError, match=words):
        check_source(PolicyParameters(**given))  # type: ignore[arg-type]


def test_a_token_is_read_from_its_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from molmoact_ros.policy_node.server import server_address

    file = tmp_path / "token"
    file.write_text("from-the-file\n")
    monkeypatch.setenv("MOLMOACT_SERVER_TOKEN", "from-the-environment")
    given = PolicyParameters(server="ws://gpu:1", server_token_file=str(file))
    assert server_address(given).token == "from-the-file"
    address = server_address(PolicyParameters(server="ws://gpu:1"))
    assert address.token == "from-the-environment" and "from" not in repr(address)
    assert address.exposes_token
    assert not server_address(PolicyParameters(server="ws://127.0.0.1:1")).exposes_token
    for content, words in (("", "is empty"), ("two words", "one word"), ("x" * 999, "one word")):
        file.write_text(content)
        with pytest.raises(StartError, match=f"parameter 'server_token_file': .* {words}"):
            server_address(given)
