# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A policy node whose device is not as it should be: it reports that, and ends when it is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from sensor_msgs.msg import Image

from molmoact_ros.demo.graph import NodeSpec
from molmoact_ros.demo.processes import command

NAME = "policy_on_a_bad_device"


def test_a_bad_device_is_reported_and_a_lost_one_ends_the_node(
    surround: Any, golden_parameters: Any
) -> None:
    parameters = {
        **golden_parameters,
        "cameras": ["camera"],
        "instruction": "close the box",
        "repeatable": True,
    }
    spec = NodeSpec("policy_node", NAME, parameters=parameters)
    script = str(Path(__file__).with_name("faulty_policy.py"))
    robot = surround(NAME, {"camera": Image})
    with subprocess.Popen(
        [sys.executable, script, *command(spec)[1:]], stderr=subprocess.PIPE, text=True
    ) as process:
        robot.next_answer()
        status = robot.client.wait_for(
            lambda: [s for s in robot.statuses("decoding") if s.level == s.WARN],
            "a warning",
            lambda: None,
        )[0]
        assert "gives other logits than the pass itself" in status.message
        assert "passes run without CUDA graphs" in status.message
        assert "a token's logits depend on its slot on cpu" in status.message
        values = {v.key: v.value for v in status.values}
        assert values["repeatable"] == "True" and values["CUDA graphs"] == "False"
        assert 0.0 < float(values["seconds check"])
        robot.instruct("lose the device")
        robot.client.wait_for(
            lambda: process.poll() is not None,
            "the node's end",
            lambda: robot.show(robot.image()),
        )
        assert process.stderr is not None
        output = process.stderr.read()
    assert process.returncode == 1, "so that a launch file starts it again"
    (fatal,) = [line for line in output.splitlines() if "[FATAL]" in line]
    assert fatal.endswith("cuda:0 has failed and every further call fails")
    assert "Traceback" not in output
    for warning in ("passes run without CUDA graphs", "a token's logits depend on its slot"):
        assert any("[WARN]" in line and warning in line for line in output.splitlines())
