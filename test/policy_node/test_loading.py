# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The log while a policy is loaded: each stage, and signs of life within it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from golden_files import CHECKPOINT

pytest.importorskip("rclpy")
pytest.importorskip("molmoact_ros.msg")

from molmoact_ros.policy_node import loading as policy_loading  # noqa: E402
from molmoact_ros.policy_node.checkpoint import load_node_policy  # noqa: E402
from molmoact_ros.policy_node.loading import PolicyLoader  # noqa: E402
from molmoact_ros.policy_node.parameters import PolicyParameters  # noqa: E402

PARAMETERS = PolicyParameters(
    checkpoint=str(CHECKPOINT),
    unnorm_key="molmoact",
    device="cpu",
    dtype="float32",
    control_period=0.1,
    max_new_tokens=12,
)


class Log:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, text: str) -> None:
        """Keep a line."""
        self.lines.append(text)

    warning = info

    def count(self, begin: str) -> int:
        """Return how many lines begin so."""
        return sum(line.startswith(begin) for line in self.lines)


def until(done: Callable[[], bool]) -> None:
    """Wait for something that the other thread does."""
    end = time.monotonic() + 60.0
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_slow_stage_is_logged_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A real load whose reading and warming up wait until the log has reported each twice."""
    log = Log()
    loader = PolicyLoader(log, "/policy")  # type: ignore[arg-type]
    stages = ("loading the checkpoint: ", "warming up: ")
    seen: list[str] = []

    def load_slowly(parameters: PolicyParameters, progress: Any, warn: Any) -> Any:
        until(lambda: bool(log.lines))

        def read(step: Any) -> None:
            progress(step)
            until(lambda: log.count(stages[0]) >= 2)

        policy = load_node_policy(parameters, read, warn)

        def warm_up(*_: Any) -> None:
            until(lambda: log.count(stages[1]) >= 2)
            seen.append(loader.progress)

        monkeypatch.setattr(policy, "warm_up", warm_up)
        return policy

    monkeypatch.setattr(policy_loading, "load_node_policy", load_slowly)
    monkeypatch.setattr(policy_loading, "_LOG_PERIOD", 0.0)
    loader.load(PARAMETERS)
    assert log.lines[0].startswith("loading torch and checking the checkpoint: ")
    assert log.lines[0].endswith(" s so far")
    read = [line for line in log.lines if line.startswith(stages[0])]
    assert len(read) >= 2 and all(" of 1.8 MB" in line for line in read), read
    assert seen[0].startswith("warming up: ") and seen[0].endswith(" s so far")
    assert log.count("warmed up in ") == 1
    assert loader.progress == ""
