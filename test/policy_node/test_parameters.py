# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is settled before torch is loaded."""

import os
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("molmoact_ros.msg")

from molmoact_ros.policy_node.checkpoint import load_node_policy  # noqa: E402
from molmoact_ros.policy_node.parameters import PolicyParameters  # noqa: E402
from molmoact_ros.ros.running import StartError  # noqa: E402


@pytest.mark.parametrize(("chosen", "used"), [("", "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_of_torch_sleep_while_they_wait_unless_the_user_chose(
    chosen: str, used: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", chosen)
    if not chosen:
        monkeypatch.delenv("OMP_WAIT_POLICY")
    with pytest.raises(StartError, match="checkpoint"):
        load_node_policy(PolicyParameters(checkpoint=str(tmp_path), device="cpu"))
    assert os.environ["OMP_WAIT_POLICY"] == used
