# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Nodes in a namespace of their own publish nothing that another robot would take for its own."""

from __future__ import annotations

import importlib.util
import sys
import time

import rclpy

from ..drill import Attempt, Unavailable, drill
from ..pipes import Process

# What ROS itself, or a convention, keeps in one place for all robots.
_SHARED = ("/diagnostics", "/parameter_events", "/rosout", "/clock", "/tf", "/tf_static")
_PATIENCE = 60.0  # s


@drill()
def two_namespaces(attempt: Attempt) -> None:
    """Simulator and executor in a namespace: no topic of theirs is outside of it."""
    if importlib.util.find_spec("mujoco") is None:
        raise Unavailable("mujoco is not installed")
    environment = attempt.environment()
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=int(environment["ROS_DOMAIN_ID"]))
    node = rclpy.create_node("fault_drill", context=context)
    processes = []
    try:
        for module in ("tabletop_node", "executor_node"):
            code = f"import sys; from molmoact_ros.{module}.node import main; sys.exit(main())"
            command = [sys.executable, "-c", code, "--ros-args", "-r", "__ns:=/left"]
            processes.append(Process(command, attempt.folder / f"{module}.log", environment))
        deadline = time.monotonic() + _PATIENCE
        wanted = {"/left/tabletop/ee_pose", "/left/molmoact_executor/status"}
        found: set[str] = set()
        while not wanted <= found and time.monotonic() < deadline:
            time.sleep(0.1)
            found = {name for name, _ in node.get_topic_names_and_types()}
        attempt.check(wanted <= found, f"topics after {_PATIENCE:.0f} s: {sorted(found)}")
        outside = {name for name in found if not name.startswith("/left/")} - {*_SHARED}
        attempt.check(not outside, f"topics outside of the namespace: {', '.join(sorted(outside))}")
    finally:
        for process in processes:
            process.end()
        node.destroy_node()
        rclpy.shutdown(context=context)
