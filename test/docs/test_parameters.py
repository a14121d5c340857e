# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""docs/parameters.md is what the code declares, and the example files name real parameters."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import yaml

pytest.importorskip("rclpy")
pytest.importorskip("molmoact_ros.msg")

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = ROOT / "scripts" / "write_parameters_doc.py"
    spec = importlib.util.spec_from_file_location("write_parameters_doc", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_is_up_to_date(script: ModuleType) -> None:
    written = script.TARGET.read_text(encoding="utf-8")
    assert written == script.document(), "run scripts/write_parameters_doc.py"


@pytest.mark.parametrize("name", ["policy.yaml", "demo.yaml", "view.yaml"])
def test_example_files_name_parameters_that_exist(script: ModuleType, name: str) -> None:
    content = yaml.safe_load((ROOT / "config" / name).read_text(encoding="utf-8"))
    assert content
    for section, values in content.items():
        spec, _ = script.NODES[section.rsplit("/", 1)[-1]]
        unknown = set(values["ros__parameters"]) - set(spec.__dataclass_fields__)
        assert not unknown - {"use_sim_time"}, section
