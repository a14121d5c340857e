# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Copied launch files can still import from the old places of modules, with a warning."""

from __future__ import annotations

import importlib
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOVED = {
    "molmoact_ros.dds": ("molmoact_ros.launching.dds", "image_settings"),
    "molmoact_ros.launching": ("molmoact_ros.launching.launch_file", "description"),
    "molmoact_ros.respawn": ("molmoact_ros.launching.respawn", "respawned"),
    "molmoact_ros.robots": ("molmoact_ros.control.robot_profile", "robot_path"),
    "molmoact_ros.ros.start_checks": ("molmoact_ros.launching.start_checks", "check_policy_node"),
    "molmoact_ros.reasoning": ("molmoact_ros.policy", "Reasoning"),
    "molmoact_ros.profile": ("molmoact_ros.policy.checkpoint_profile", "choose_profile"),
}


@pytest.mark.parametrize("old", MOVED)
def test_the_old_place_works_and_names_the_new_one(
    monkeypatch: pytest.MonkeyPatch, old: str
) -> None:
    if old == "molmoact_ros.launching":
        pytest.importorskip("launch_ros")
    new, name = MOVED[old]
    version = ET.parse(ROOT / "package.xml").findtext("version")
    assert version is not None and version.startswith("0.1."), "the old places end now"
    monkeypatch.delitem(sys.modules, old, raising=False)
    with pytest.warns(DeprecationWarning, match=f"until version 0.2.0: import from {new}$") as seen:
        found = getattr(importlib.import_module(old), name)
    assert found is getattr(importlib.import_module(new), name)
    assert [Path(warning.filename).name for warning in seen if old in str(warning.message)]
