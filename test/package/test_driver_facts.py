# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Profiles, launch file, nodes and docs against the drivers' sources: driver_facts.yaml."""

from __future__ import annotations

import ast
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from molmoact_ros.control import RobotProfile, load_profile
from molmoact_ros.yaml_config import build

ROOT = Path(__file__).parents[2]
ROBOTS = ROOT / "config" / "robots"
FACTS = yaml.safe_load((ROOT / "test" / "data" / "driver_facts.yaml").read_text("utf-8"))
DRIVERS, PROFILES = FACTS["drivers"], FACTS["profiles"]
FLAT = {
    f"{driver}.{name}": fact
    for driver, entry in DRIVERS.items()
    for name, fact in entry["facts"].items()
}
WITHOUT_DRIVER = {"tabletop", "tabletop_other", "google_robot"}  # simulated, and of one's own
# Names of the docs that a reader puts in: cameras, topics and controllers of one's own.
OWN_NAMES = re.compile(
    r"/(front|wrist|left|right|robot1|operator)(/\S*)?|/(ee_pose|joint_states|diagnostics|clock|rosout)"
    r"|/camera(_info)?|/?my_\S*"
)


def with_optional_gripper(file: Path) -> dict[str, Any]:
    """Return a profile's keys, with the gripper that stands there as a comment."""
    text = file.read_text("utf-8")
    keys = yaml.safe_load(text)
    commented = re.search(r"^  # gripper:\n(?:  #   .*\n)+", text, re.MULTILINE)
    if commented:
        block = re.sub(r"^  # ?", "", commented[0], flags=re.MULTILINE)
        keys["outputs"] |= yaml.safe_load(block)
    return dict(keys)


def claims(keys: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Return everything a profile takes from a driver, by the key's path."""
    if "topics" not in keys:
        return
    yield "frame", keys["frame"]
    for name, topic in keys["topics"].items():
        yield f"topics.{name}", topic
    for name, output in keys["outputs"].items():
        named = ("type", "name", "joint", "open", "closed")
        for key, value in (output or {}).items():
            if key.startswith("servo_") or (name == "gripper" and key in named):
                yield f"outputs.{name}.{key}", value
        if "servo_command_type_service" in (output or {}):
            yield "limits.linear.speed", keys["limits"]["linear"]["speed"]
            yield "limits.angular.speed", keys["limits"]["angular"]["speed"]
    if "joints" in keys["action"]:
        yield "limits.joints", keys["limits"]["joints"]
        scales = {axis.get("scale") for axis in keys["action"].get("axes", {}).values()} - {None}
        if scales:
            yield "action.axes.scale", scales


def resolved(value: Any, fact: Mapping[str, Any]) -> Any:
    """Return a name as seen from the root namespace."""
    is_name = isinstance(fact.get("value"), str) and fact["value"].startswith("/")
    return value if not is_name or value.startswith("/") else f"/{value}"


def test_every_fact_names_where_it_was_read() -> None:
    for driver, entry in DRIVERS.items():
        assert set(entry["source"]) == {"repository", "version", "commit", "date"}, driver
        assert re.fullmatch(r"[0-9a-f]{12}", str(entry["source"]["commit"])), driver
        for name, fact in entry["facts"].items():
            assert fact["file"], f"{driver}.{name}"
            kinds = {"value", "at_most", "joints"} & set(fact)
            assert len(kinds) == 1, f"{driver}.{name}"


def test_every_profile_is_in_the_table_and_drives_a_known_driver() -> None:
    shipped = {file.stem for file in ROBOTS.glob("*.yaml")}
    assert shipped == set(PROFILES) | WITHOUT_DRIVER


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_profile_agrees_with_its_driver(name: str) -> None:
    table = PROFILES[name]
    keys = with_optional_gripper(ROBOTS / f"{name}.yaml")
    build(RobotProfile, keys)  # the gripper in the comment is a valid one
    found = dict(claims(keys))
    assert set(found) == set(table), "a key without a fact, or a fact without its key"
    for key, value in found.items():
        fact = FLAT[table[key]]
        if "joints" in fact:
            assert list(value) == list(fact["joints"]) == keys["action"]["joints"], key
            for joint, limit in value.items():
                low, high, speed = fact["joints"][joint]
                assert low <= limit["min"] < limit["max"] <= high, joint
                assert limit["speed"] <= speed, joint
        elif "at_most" in fact:
            assert value <= fact["at_most"], f"{key}: {table[key]}"
        elif isinstance(value, set):
            assert value == {fact["value"]}, f"{key}: {table[key]}"
        else:
            assert resolved(value, fact) == fact["value"], f"{key}: {table[key]}"


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_profile_connects_the_robot_without_arguments(name: str) -> None:
    """State and commands have names of the driver; so does a gripper that is a topic."""
    profile = load_profile(ROBOTS / f"{name}.yaml")
    state = "ee_pose" if profile.action.cartesian else "joint_states"
    assert set(profile.topics) == {state, *profile.outputs.arm}
    assert profile.outputs.gripper is None or not profile.outputs.gripper.name.startswith("~")


def test_ur_profiles_differ_by_their_controller_only() -> None:
    before, since = (
        yaml.safe_load((ROBOTS / f"{name}.yaml").read_text())
        for name in ("ur_trajectory", "ur_trajectory_lyrical")
    )
    for keys in (before, since):
        del keys["robot"], keys["topics"]["joint_trajectory"]
    assert before == since


def test_types_are_those_of_the_outputs() -> None:
    text = (ROOT / "docs" / "topics.md").read_text("utf-8")
    documented = dict(re.findall(r"^\| `~/(\w+)` \| (\S+) \|", text, re.MULTILINE))
    for table in PROFILES.values():
        for key, reference in table.items():
            kind, _, name = key.partition(".")
            if kind == "topics" and "type" in FLAT[reference]:
                assert documented[name] == FLAT[reference]["type"], f"{key}: {reference}"


def test_launch_leaves_the_robots_side_to_the_profile() -> None:
    """No default of the launch file takes the place of a name of a driver."""
    tree = ast.parse((ROOT / "launch" / "molmoact.launch.py").read_text("utf-8"))
    found = {
        node.targets[0].id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    arguments = found["ARGUMENTS"]
    assert isinstance(arguments, ast.Dict)
    defaults = {
        ast.literal_eval(key): value.elts[0]
        for key, value in zip(arguments.keys, arguments.values, strict=True)
        if key is not None and isinstance(value, ast.Tuple)
    }
    for name in set(ast.literal_eval(found["EXECUTOR_TOPICS"])) - {"action_chunk"}:
        assert ast.literal_eval(defaults[name]) == "", name


def test_servo_node_knows_the_codes() -> None:
    from molmoact_ros.executor_node import servo

    assert servo.INT8_WORDS == FLAT["moveit_servo_humble.status_words"]["value"]
    assert list(servo.INT8_HALTS) == FLAT["moveit_servo_humble.halts"]["value"]
    codes = FLAT["moveit_msgs.status_codes"]["value"]
    halting = [name for name in codes if "HALT" in name or name in ("INVALID", "JOINT_BOUND")]
    assert sorted(servo.HALTS) == sorted(halting)
    prefix = FLAT["moveit_servo.parameter_prefix"]["value"]
    names = [f"{prefix}{name}" for name in FLAT["moveit_servo.bounding_parameters"]["value"]]
    assert list(servo.PARAMETERS) == names


@pytest.mark.parametrize(
    ("module", "name", "fact"),
    [
        ("moveit_msgs.msg", "ServoStatus", "moveit_msgs.status_codes"),
        ("moveit_msgs.srv", "ServoCommandType", "moveit_msgs.command_types"),
    ],
)
def test_installed_messages_have_the_codes(module: str, name: str, fact: str) -> None:
    messages = pytest.importorskip(module, reason="moveit_msgs is not on PyPI")
    kind = getattr(messages, name)
    for constant, number in FLAT[fact]["value"].items():
        assert getattr(getattr(kind, "Request", kind), constant) == number


def test_package_xml_names_rosdep_keys_that_exist() -> None:
    tree = ElementTree.parse(ROOT / "package.xml")
    named = {node.text or "" for node in tree.getroot() if node.tag.endswith("depend")}
    assert {name for name in named if name.startswith("python3-")} == set(
        FLAT["rosdistro.rosdep_keys"]["value"]
    )


@pytest.mark.parametrize(
    ("page", "value", "fact"),
    [
        (page, fact.get("value", fact.get("at_most")), name)
        for name, fact in FLAT.items()
        for page in fact.get("docs", ())
    ],
)
def test_docs_name_the_fact(page: str, value: Any, fact: str) -> None:
    text = (ROOT / "docs" / page).read_text("utf-8")
    assert str(value) in text, f"{page} does not name {fact}"


def names_in(text: str) -> Iterator[str]:
    """Return topics, services and actions that code in a page names."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.M))
    for code in (*blocks, *spans):
        yield from re.findall(r"(?<![\w~$/.{}:*>-])/[a-z_]\w*(?:/\w+)+(?![\w/.-])", code)
        yield from re.findall(r":=(/[a-z_]\w*(?:/\w+)*)", code)


@pytest.mark.parametrize(
    "page", [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"], ids=lambda page: page.stem
)
def test_docs_name_only_names_of_the_table(page: Path) -> None:
    known = {str(fact["value"]) for fact in FLAT.values() if "value" in fact}
    for name in names_in(page.read_text("utf-8")):
        ours = re.match(r"/(\w+/)?(molmoact_\w+|molmoact|tabletop)(/|$)", name)
        files = re.match(r"/(opt|etc|dev|home|data|tmp|usr|proc)/", name)
        if not (ours or files or OWN_NAMES.fullmatch(name)):
            assert name in known, f"{page.name} names {name}, which no fact stands behind"
