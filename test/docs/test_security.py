# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""config/sros2/policy.xml allows exactly what docs/topics.md documents."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
POLICY = ROOT / "config" / "sros2" / "policy.xml"
COMMON = {"/rosout", "/parameter_events", "/clock"}
LIFE_CYCLE = {
    "change_state", "get_state", "get_available_states", "get_available_transitions",
    "get_transition_graph", "transition_event",
}  # fmt: skip
RULES = {
    "topics": {"publish", "subscribe"},
    "services": {"reply", "request"},
    "actions": {"call", "execute"},
}
# Documented direction to the rule that allows it.
ALLOWS = {"publishes": "publish", "subscribes": "subscribe", "serves": "reply", "offers": "execute"}


@pytest.fixture(scope="module")
def profiles() -> dict[str, ElementTree.Element]:
    """Return the profiles of the policy by enclave."""
    root = ElementTree.parse(POLICY).getroot()
    assert (root.tag, root.get("version")) == ("policy", "0.2.0")
    enclaves = root.find("enclaves")
    assert enclaves is not None
    found = {enclave.get("path", ""): enclave.find("profiles/profile") for enclave in enclaves}
    return {path: profile for path, profile in found.items() if profile is not None}


def rules(profile: ElementTree.Element) -> Iterator[tuple[str, str]]:
    """Return (rule, full name) for everything that a profile allows."""
    for group in profile:
        assert group.tag in RULES and group.attrib and set(group.attrib) <= RULES[group.tag]
        assert set(group.attrib.values()) == {"ALLOW"}
        for rule in group.attrib:
            for item in group:
                assert item.tag == group.tag.removesuffix("s") and item.text
                yield rule, item.text.strip().replace("~", f"/{profile.get('node')}")


@pytest.mark.parametrize("node", ["molmoact_policy", "molmoact_executor"])
def test_a_node_may_do_what_it_does_and_nothing_else(
    profiles: dict[str, ElementTree.Element], interfaces: dict[str, list[Any]], node: str
) -> None:
    profile = profiles[f"/molmoact/{node.removeprefix('molmoact_')}"]
    assert profile.get("node") == node and profile.get("ns") == "/"
    expected = {
        (ALLOWS[row.direction], row.name.replace("<camera>", "camera")) for row in interfaces[node]
    }
    if node == "molmoact_executor":  # the launch files always remap it
        expected.remove(("subscribe", "/molmoact_executor/action_chunk"))
        expected.add(("subscribe", "/molmoact_policy/action_chunk"))
    allowed = {
        (rule, name)
        for rule, name in rules(profile)
        if name not in COMMON
        and name.rsplit("/", 1)[-1] not in LIFE_CYCLE
        and not name.endswith(("parameters", "_types", "_atomically"))
    }
    assert allowed - {("reply", f"/{node}/get_type_description")} == expected


@pytest.mark.parametrize("enclave", ["policy", "executor"])
def test_logs_time_and_parameters_work(
    profiles: dict[str, ElementTree.Element], enclave: str
) -> None:
    profile = profiles[f"/molmoact/{enclave}"]
    allowed = set(rules(profile))
    node = profile.get("node")
    assert {("publish", "/rosout"), ("subscribe", "/clock")} <= allowed
    assert {("publish", "/parameter_events"), ("subscribe", "/parameter_events")} <= allowed
    for service in ("describe_parameters", "get_parameters", "set_parameters"):
        assert ("reply", f"/{node}/{service}") in allowed


def test_the_operator_uses_what_exists(
    profiles: dict[str, ElementTree.Element], interfaces: dict[str, list[Any]]
) -> None:
    rows = [row for node in ("molmoact_policy", "molmoact_executor") for row in interfaces[node]]
    opposite = {
        "publishes": "subscribe", "subscribes": "publish", "serves": "request", "offers": "call",
    }  # fmt: skip
    usable = {(opposite[row.direction], row.name) for row in rows}
    allowed = {(rule, name) for rule, name in rules(profiles["/molmoact/operator"])}
    assert {pair for pair in allowed if pair[1] not in COMMON} <= usable
    assert ("publish", "/molmoact_policy/action_chunk") not in allowed
