# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The states of the policy node: as a process with a supervisor, and inside of this process."""

from __future__ import annotations

import contextlib
import gc
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rclpy
import torch
from lifecycle_msgs.msg import State, Transition
from rclpy.exceptions import InvalidHandle
from rclpy.executors import MultiThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import Image

from molmoact_ros.demo.graph import NodeSpec
from molmoact_ros.demo.processes import command
from molmoact_ros.ros.running import FAULT

ROOT = Path(__file__).parents[2]
NAME = "managed_policy"


@pytest.fixture(scope="module")
def node(start: Any, golden_parameters: dict[str, Any]) -> Any:
    parameters = {
        **golden_parameters,
        "cameras": ["camera"],
        "autostart": False,
        "instruction": "close the box",
        "max_new_tokens": 400,
    }
    return start(NodeSpec("policy_node", NAME, parameters=parameters))


@pytest.fixture(scope="module")
def supervisor(supervise: Any, node: Any) -> Any:
    return supervise(NAME)


@pytest.fixture(scope="module")
def robot(surround: Any, node: Any) -> Any:
    return surround(NAME, {"camera": Image})


def test_the_states_in_their_order(supervisor: Any, robot: Any) -> None:
    assert supervisor.state == State.PRIMARY_STATE_UNCONFIGURED
    assert not supervisor.change(Transition.TRANSITION_ACTIVATE)
    assert supervisor.change(Transition.TRANSITION_CONFIGURE)
    assert not supervisor.change(Transition.TRANSITION_CONFIGURE)  # twice
    assert supervisor.state == State.PRIMARY_STATE_INACTIVE
    assert robot.answers_while(lambda: robot.show(robot.image())) == 0
    assert robot.statuses("inference")[-1].message == "inactive"
    assert supervisor.change(Transition.TRANSITION_ACTIVATE)
    robot.next_answer()


def test_deactivated_during_a_pass_and_active_again(supervisor: Any, robot: Any) -> None:
    for _ in range(10):  # an inference of 400 tokens runs now
        robot.show(robot.image())
        robot.client.spin()
    assert supervisor.change(Transition.TRANSITION_DEACTIVATE)
    assert robot.answers_while(lambda: robot.show(robot.image())) == 0
    assert supervisor.change(Transition.TRANSITION_ACTIVATE)
    robot.next_answer()


def test_freed_and_loaded_again(supervisor: Any, robot: Any) -> None:
    assert supervisor.change(Transition.TRANSITION_DEACTIVATE)
    assert supervisor.change(Transition.TRANSITION_CLEANUP)
    topic = f"/{NAME}/reasoning"
    robot.client.wait_for(lambda: not robot.client.node.count_publishers(topic), "no topics")
    assert supervisor.change(Transition.TRANSITION_CONFIGURE)
    assert supervisor.change(Transition.TRANSITION_ACTIVATE)
    robot.next_answer()


def test_shut_down_by_its_supervisor_it_still_ends_by_a_signal(supervisor: Any, node: Any) -> None:
    assert supervisor.change(Transition.TRANSITION_ACTIVE_SHUTDOWN)
    assert supervisor.state == State.PRIMARY_STATE_FINALIZED
    node.process(NAME).send_signal(signal.SIGTERM)
    assert node.process(NAME).wait(60) == 0


def test_what_cannot_be_loaded_leaves_it_unconfigured(
    start: Any, supervise: Any, tmp_path: Path
) -> None:
    name = "without_checkpoint"
    parameters = {"checkpoint": str(tmp_path), "autostart": False, "device": "cpu"}
    nodes = start(NodeSpec("policy_node", name, parameters=parameters))
    supervisor = supervise(name)
    for _ in range(2):
        assert not supervisor.change(Transition.TRANSITION_CONFIGURE)
        assert supervisor.state == State.PRIMARY_STATE_UNCONFIGURED
    nodes.process(name).send_signal(signal.SIGTERM)
    assert nodes.process(name).wait(60) == 0


def test_a_signal_while_it_loads(ros_environment: Any, golden_parameters: dict[str, Any]) -> None:
    parameters = {**golden_parameters, "cameras": ["camera"]}
    spec = NodeSpec("policy_node", "loading", parameters=parameters)
    process = subprocess.Popen(command(spec), stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "loading" in line:
            break
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert "error: " not in process.stderr.read()


# Inside of this process, where memory can be looked at.


@pytest.fixture
def node_here(ros_environment: Any, golden_parameters: dict[str, Any]) -> Iterator[Any]:
    from molmoact_ros.policy_node.node import PolicyNode

    arguments = ["--ros-args"]
    for key, value in {**golden_parameters, "autostart": False}.items():
        arguments += ["-p", f"{key}:={value}"]
    rclpy.init(args=arguments)
    executor = MultiThreadedExecutor(2)
    node = PolicyNode()
    executor.add_node(node)
    yield node
    node.close()
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown()


def parameters_alive() -> int:
    """Return how many torch Parameters there are, without collecting any."""
    return sum(issubclass(type(thing), torch.nn.Parameter) for thing in gc.get_objects())


@pytest.fixture
def no_collection() -> Iterator[None]:
    """Python collects nothing by itself, as in an idle process; the node has to."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_cleanup_frees_the_policy_while_the_node_spins(
    node_here: Any, supervise: Any, no_collection: None
) -> None:
    """Transitions come by service, as from a supervisor, and the executor's threads go on."""
    ending = threading.Event()

    def spin() -> None:
        while not ending.is_set():
            with contextlib.suppress(InvalidHandle):  # as in run_node
                node_here.executor.spin_once(timeout_sec=0.1)

    spinning = threading.Thread(target=spin)
    spinning.start()
    supervisor = supervise(node_here.get_name())
    before = parameters_alive()
    loaded = []
    try:
        for _ in range(2):
            assert supervisor.change(Transition.TRANSITION_CONFIGURE)
            loaded.append(parameters_alive() - before)
            assert supervisor.change(Transition.TRANSITION_ACTIVATE)
            assert supervisor.change(Transition.TRANSITION_DEACTIVATE)
            assert supervisor.change(Transition.TRANSITION_CLEANUP)
            end = time.monotonic() + 60.0
            while parameters_alive() > before and time.monotonic() < end:
                time.sleep(0.1)
            assert parameters_alive() == before
    finally:
        ending.set()
        spinning.join()
    assert loaded[0] == loaded[1] > 0


def test_a_policy_that_cannot_be_warmed_up_is_freed_and_reported(
    node_here: Any, no_collection: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the memory suffices for the weights and not for the first pass."""

    def short(*_: Any) -> None:
        raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB\nand much more")

    before = parameters_alive()
    monkeypatch.setattr("molmoact_ros.policy.MolmoActPolicy.warm_up", short)
    node_here.start_by_itself()
    end = time.monotonic() + 60.0
    while node_here.start_error is None and time.monotonic() < end:
        node_here.executor.spin_once(timeout_sec=0.1)
    assert node_here.start_error.exit_code == FAULT, "so that it is started again"
    assert str(node_here.start_error) == (
        "the policy cannot be warmed up: out of memory, choose a quantization or free some: "
        "CUDA out of memory. Tried to allocate 20.00 MiB"
    )
    assert parameters_alive() == before


@pytest.mark.long
def test_memory_does_not_grow_from_cycle_to_cycle(start: Any, supervise: Any) -> None:
    """Five times loaded and freed, the memory of the process seen from outside."""
    name = "cycling_policy"
    parameters = {
        "checkpoint": str(ROOT / "checkpoints" / "tabletop"),
        "device": "cpu",
        "dtype": "float32",
        "autostart": False,
        "instruction": "reach the red block",
    }
    nodes = start(NodeSpec("policy_node", name, parameters=parameters))
    supervisor = supervise(name)
    resident = []
    for _ in range(5):
        assert supervisor.change(Transition.TRANSITION_CONFIGURE)
        assert supervisor.change(Transition.TRANSITION_ACTIVATE)
        assert supervisor.change(Transition.TRANSITION_DEACTIVATE)
        assert supervisor.change(Transition.TRANSITION_CLEANUP)
        status = Path(f"/proc/{nodes.process(name).pid}/status").read_text()
        resident.append(int(status.split("VmRSS:")[1].split()[0]) / 1000)
    assert max(resident[1:]) < resident[0] + 30.0, f"MB after each cycle: {resident}"


def test_a_fault_of_the_program_is_logged_and_everything_released(
    node_here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(node_here, "activate", broken)
    assert node_here.trigger_configure() == TransitionCallbackReturn.SUCCESS
    assert node_here.trigger_activate() == TransitionCallbackReturn.ERROR
    monkeypatch.undo()
    assert node_here.trigger_configure() == TransitionCallbackReturn.SUCCESS
