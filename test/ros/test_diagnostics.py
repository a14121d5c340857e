# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Diagnostics over DDS: two robots of one graph can be distinguished."""

from __future__ import annotations

from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node

from molmoact_ros.ros.diagnostics import Diagnosis, Diagnostics, Level


def test_names_have_the_namespace_of_the_node(client: Any) -> None:
    arrays = client.listen(DiagnosticArray, "/diagnostics")
    nodes = [Node("arm", namespace=side, context=client.node.context) for side in ("/left", "/")]
    try:
        both = [Diagnostics(node, {"state": lambda: Diagnosis(Level.OK, "ok")}) for node in nodes]

        def names() -> set[str]:
            return {status.name for array in arrays for status in array.status}

        wanted = {"/left/arm: state", "/arm: state"}

        def publish() -> None:
            for one in both:
                one.publish()

        client.wait_for(lambda: names() >= wanted, "both", publish)
        assert names() == wanted
        assert {s.hardware_id for a in arrays for s in a.status} == {"/left/arm", "/arm"}
    finally:
        for node in nodes:
            node.destroy_node()
