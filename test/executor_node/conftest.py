# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The laboratory of the executor, and nodes inside the test.

MOLMOACT_FAULT_TIMES=file.json writes down how long things took.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
from lab import Lab
from output_messages import ORDINARY
from twist_arm import PERIOD, check_limits


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest, new_domain: Callable[[], int]) -> Iterator[Lab]:
    """One executor, with the file's PARAMETERS, for all its tests that leave it alive."""
    lab = Lab(new_domain(), **getattr(request.module, "PARAMETERS", {}))
    yield lab
    lab.close()


@pytest.fixture
def new_lab(new_domain: Callable[[], int]) -> Iterator[Callable[..., Lab]]:
    """Start further executors."""
    labs = []

    def start(**parameters: Any) -> Lab:
        labs.append(Lab(new_domain(), **parameters))
        return labs[-1]

    yield start
    for lab in labs:
        lab.close()
        check_limits(lab.twists, PERIOD if lab.time is not None else 0.0)


@pytest.fixture
def robot(lab: Lab) -> Iterator[Lab]:
    """Yield the executor enabled and at rest; check the twists of the test after it."""
    lab.prepare()
    start = len(lab.twists)
    yield lab
    lab.stop_children()
    check_limits(lab.twists[start:])


@pytest.fixture(scope="session")
def measured() -> Iterator[Callable[[str, float], None]]:
    """Note how long something took."""
    times: dict[str, float] = {}
    yield lambda name, seconds: times.update({name: round(seconds, 3)})
    if path := os.environ.get("MOLMOACT_FAULT_TIMES"):
        Path(path).write_text(json.dumps(times, indent=1))


@pytest.fixture
def steps() -> Callable[..., np.ndarray]:
    """Make rows of steps along x."""

    def steps(rows: int = 8, x: float = 0.02) -> np.ndarray:
        values = np.zeros((rows, 7))
        values[:, 0] = x
        return values

    return steps


@pytest.fixture(scope="module")
def domain(new_domain: Callable[[], int]) -> int:
    """Return the DDS domain of the nodes in this process."""
    return new_domain()


@pytest.fixture
def node(domain: int) -> Iterator[Any]:
    """Yield a node in the domain of an `ExecutorNode` inside the test."""
    rclpy.init(args=ORDINARY, domain_id=domain)
    node = rclpy.create_node("outputs")
    yield node
    node.destroy_node()
    rclpy.shutdown()


@pytest.fixture
def without_moveit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Imitate a machine without moveit_msgs and control_msgs."""
    for package in ("moveit_msgs", "control_msgs"):
        for part in ("msg", "srv", "action"):
            monkeypatch.setitem(sys.modules, f"{package}.{part}", None)
