# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Joint states that are too large beside good ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sensor_msgs.msg import JointState

from molmoact_ros.control import load_profile

ROOT = Path(__file__).parents[2]


@pytest.mark.long
def test_joint_states_of_a_limited_size(new_lab: Any) -> None:
    """Other joints of the same robot do no harm, ten thousand of them are not read."""
    lab = new_lab(robot="so101_feetech")
    joints = list(load_profile(ROOT / "config" / "robots" / "so101_feetech.yaml").action.joints)

    def state(extra: Any) -> Any:
        names = joints + [f"joint_{i}" for i in range(extra)]
        message = JointState(name=names, position=[0.0] * len(names))
        message.header.stamp = lab.now()
        return message

    def enabled() -> Any:
        lab.publish(JointState, "joint_states", state(500))
        return lab.enable().success

    lab.until(lambda: lab.statuses, "the executor")
    lab.until_refused(JointState, "joint_states", state(10_000))
    assert "nothing came on joint_states" in lab.enable().message
    lab.until(enabled, "enable")
