# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A policy node that shall compile its network where there is no compiler."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from sensor_msgs.msg import Image

from molmoact_ros.demo.graph import NodeSpec
from molmoact_ros.demo.processes import command

NAME = "policy_without_compiler"


@pytest.mark.long
def test_a_node_without_a_compiler_answers_and_reports_that(
    surround: Any, golden_parameters: Any, tmp_path: Path
) -> None:
    parameters = {
        **golden_parameters,
        "cameras": ["camera"],
        "instruction": "close the box",
        "compile": True,
    }
    robot = surround(NAME, {"camera": Image})
    variables = {"CXX": "no-such-compiler", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    spec = NodeSpec("policy_node", NAME, parameters=parameters)
    with subprocess.Popen(
        command(spec), stderr=subprocess.PIPE, text=True, env=os.environ | variables
    ) as node:
        try:
            robot.next_answer()
            status = robot.client.wait_for(
                lambda: [s for s in robot.statuses("decoding") if s.level == s.WARN],
                "a warning",
                lambda: None,
            )[0]
        finally:
            node.terminate()
        assert node.stderr is not None
        output = node.stderr.read()
    assert "torch.compile failed (" in status.message
    assert "passes run without torch.compile, which is slower" in status.message
    assert {v.key: v.value for v in status.values}["compiled"] == "False"
    assert any("[WARN]" in line and "torch.compile failed" in line for line in output.splitlines())
