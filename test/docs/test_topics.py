# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""docs/topics.md against the running nodes: names, types, directions, QoS."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("rclpy")
pytest.importorskip("molmoact_ros.msg")

from rclpy.action import get_action_server_names_and_types_by_node  # noqa: E402
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy  # noqa: E402

from molmoact_ros.demo.graph import NodeSpec, demo_graph  # noqa: E402

ROOT = Path(__file__).parents[2]
CHECKPOINT = ROOT / "checkpoints" / "tabletop"
RECORDING = ROOT / "config" / "recording" / "tabletop.yaml"
# Of every node: log, time, parameters, life cycle; and what actions are made of.
COMMON = re.compile(
    r"/(rosout|parameter_events|clock)"
    r"|.*/(\w*parameter\w*|get_type_description|\w*logger_levels)"
    r"|.*/(change_state|get_state|get_available_\w+|get_transition_graph|transition_event)"
    r"|.*/_action/.*"
)
# Which executor outputs and inputs a profile has, by the key of its file.
OUTPUTS = {
    "/molmoact_executor/twist": "twist",
    "/molmoact_executor/pose": "pose",
    "/molmoact_executor/joint_trajectory": "joint_trajectory",
    "/molmoact_executor/joint_jog": "joint_jog",
    "/molmoact_executor/forward": "forward",
    "/molmoact_executor/gripper": "gripper",
}


@pytest.fixture
def client(new_client: Callable[[], Any]) -> Any:
    """Return a client that has seen no node before.

    DDS can report a node's last changes after its end; rmw then keeps the node's name for ever.
    """
    return new_client()


def running(client: Any, node: str, namespace: str = "/") -> dict[str, dict[str, str]]:
    """Return publishers, subscriptions and services of a node as name to type."""
    ask = client.node
    kinds = {
        "publishes": ask.get_publisher_names_and_types_by_node,
        "subscribes": ask.get_subscriber_names_and_types_by_node,
        "serves": ask.get_service_names_and_types_by_node,
    }
    found = {}
    for direction, names_and_types in kinds.items():
        found[direction] = {
            name: types[0]
            for name, types in names_and_types(node, namespace)
            if not COMMON.fullmatch(name)
        }
    actions = get_action_server_names_and_types_by_node(ask, node, namespace)
    found["offers"] = {name: types[0] for name, types in actions}
    return found


def documented(rows: list[Any], **replace: str) -> dict[str, dict[str, str]]:
    """Return the rows in the form of `running`; ``<camera>`` is replaced."""
    found: dict[str, dict[str, str]] = {
        kind: {} for kind in ("publishes", "subscribes", "serves", "offers")
    }
    for row in rows:
        name = row.name.replace("<camera>", replace.get("camera", "camera"))
        if not COMMON.fullmatch(name):
            found[row.direction][name] = row.type
    return found


def interface(
    start: Callable,
    client: Any,
    spec: NodeSpec,
    rows: list[Any],
    expected: dict[str, dict[str, str]],
    last_topic: str = "/diagnostics",
) -> dict[str, dict[str, str]]:
    """Start a node, wait until its interface stays the same, check its QoS, and stop the node.

    One that is not as expected is waited for longer: a busy machine may be late with a part of it.
    """
    nodes = start(spec)
    last: dict[str, dict[str, str]] = {}
    steady = 0

    def is_settled() -> bool:
        nonlocal last, steady
        nodes.check()
        try:
            found = running(client, spec.name)
        except RuntimeError:  # the node is not known yet
            return False
        complete = last_topic in found["publishes"]
        steady = steady + 1 if complete and found == last else 0
        last = found
        return steady >= (20 if found == expected else 400)  # each about 50 ms apart

    client.wait_for(is_settled, spec.name)
    check_qos(client, rows)
    nodes.stop(spec.name)
    return last


def check_qos(client: Any, rows: list[Any]) -> None:
    """Compare reliability and durability of what a node publishes."""
    for row in rows:
        if row.direction != "publishes" or row.qos == "":
            continue
        for endpoint in client.node.get_publishers_info_by_topic(row.name):
            qos = endpoint.qos_profile
            reliable = qos.reliability == ReliabilityPolicy.RELIABLE
            assert reliable == (row.qos != "sensor"), row
            latched = qos.durability == DurabilityPolicy.TRANSIENT_LOCAL
            assert latched == (row.qos == "latched"), row


def test_policy(start: Callable, client: Any, interfaces: dict[str, list[Any]]) -> None:
    settings = {"checkpoint": str(CHECKPOINT), "device": "cpu", "dtype": "float32"}
    spec = NodeSpec("policy_node", "molmoact_policy", (), settings | {"cameras": ["front"]})
    rows = interfaces[spec.name]
    expected = documented(rows, camera="front")
    found = interface(start, client, spec, rows, expected, "/molmoact_policy/action_chunk")
    assert found == expected


@pytest.mark.parametrize("robot", ["tabletop", "widowx_trajectory"])
def test_executor(
    start: Callable, client: Any, interfaces: dict[str, list[Any]], robot: str
) -> None:
    """Each profile has the documented interface that belongs to it, and no other."""
    profile = yaml.safe_load((ROOT / "config" / "robots" / f"{robot}.yaml").read_text("utf-8"))
    node = "molmoact_executor"
    spec = NodeSpec("executor_node", node, (), {"robot": robot, "operator_heartbeat": 0.5})
    expected = documented(interfaces[node])
    cartesian = profile["action"]["space"].startswith("ee_")
    for name in ("joint_states", "teleop_joints") if cartesian else ("ee_pose", "teleop"):
        del expected["subscribes"][f"/{node}/{name}"]
    for name, key in OUTPUTS.items():
        if key not in profile["outputs"]:
            del expected["publishes"][name]
    gripper = profile["outputs"]["gripper"]
    if gripper["type"] == "joint_trajectory":
        expected["publishes"][f"/{node}/gripper"] = "trajectory_msgs/msg/JointTrajectory"
    # The robot's side has the names of its driver.
    stock = profile.get("topics", {}) | {"gripper": gripper.get("name", f"{node}/gripper")}
    for direction in ("publishes", "subscribes"):
        for name, topic in stock.items():
            if kind := expected[direction].pop(f"/{node}/{name}", None):
                expected[direction][f"/{topic}"] = kind
    assert interface(start, client, spec, interfaces[node], expected) == expected


@pytest.mark.parametrize(
    "spec",
    [
        NodeSpec("markers_node", "molmoact_markers", (), {"surface": "depth"}),
        NodeSpec("tabletop_node", "tabletop"),
    ],
    ids=lambda spec: spec.name,
)
def test_markers_and_simulator(
    start: Callable, client: Any, interfaces: dict[str, list[Any]], spec: NodeSpec
) -> None:
    rows = interfaces[spec.name]
    expected = documented(rows)
    assert interface(start, client, spec, rows, expected) == expected


def test_recorder(
    start: Callable, client: Any, interfaces: dict[str, list[Any]], tmp_path: Path
) -> None:
    settings = {"recording": str(RECORDING), "output": str(tmp_path)}
    spec = NodeSpec("recorder_node", "molmoact_recorder", (), settings)
    rows = interfaces[spec.name]
    expected = documented(rows)
    assert interface(start, client, spec, rows, expected) == expected


def test_the_demonstrations_graph() -> None:
    """The table of connections is that of the demonstration and of view.launch.py."""
    text = (ROOT / "docs" / "topics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w+) `(~/\S+)` \| `/(\S+)` \|$", text, flags=re.MULTILINE)
    table = {(node, name): target for node, name, target in rows}
    connected = {
        (spec.name, source): target.removeprefix("/")
        for spec in demo_graph("checkpoint")
        for source, target in spec.remappings.items()
    }
    markers = {key: value for key, value in table.items() if key[0] == "molmoact_markers"}
    assert {key: value for key, value in table.items() if key not in markers} == connected
    view = (ROOT / "launch" / "view.launch.py").read_text(encoding="utf-8")
    assert all(target in view for target in markers.values())
