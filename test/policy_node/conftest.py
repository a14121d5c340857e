# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures for the nodes: what surrounds a policy node."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SIZE = (96, 72)  # px
RGB = np.random.default_rng(1).integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)


class Surroundings:
    """Cameras, an operator, and subscriptions to what a policy node publishes."""

    def __init__(self, client: Any, name: str, cameras: dict[str, type]) -> None:
        from diagnostic_msgs.msg import DiagnosticArray
        from molmoact_ros.msg import ActionReasoning
        from sensor_msgs.msg import CompressedImage
        from std_msgs.msg import String

        from molmoact_ros.ros import qos

        self.client, self.name = client, name
        self.reasonings = client.listen(ActionReasoning, f"{name}/reasoning", qos.RESULT)
        self._diagnostics = client.listen(DiagnosticArray, "/diagnostics")
        self._cameras = {}
        for camera, kind in cameras.items():
            end = "/compressed" if kind is CompressedImage else ""
            topic = f"{name}/{camera}/image{end}"
            self._cameras[camera] = client.node.create_publisher(kind, topic, qos.IMAGE)
        self._instruction = client.node.create_publisher(String, f"{name}/instruction", qos.LATCHED)
        self._shown: list[Any] = []  # stamps

    def instruct(self, text: str) -> None:
        """Publish an instruction."""
        from std_msgs.msg import String

        self._instruction.publish(String(data=text))

    def image(self, offset: float = 0.0) -> Any:
        """Return a good picture of ``offset`` s from now."""
        from std_msgs.msg import Header

        from molmoact_ros.ros.images import image_from_rgb

        header = Header(stamp=self.client.stamp(offset), frame_id="camera_optical")
        return image_from_rgb(RGB, header)

    def show(self, message: Any, camera: str = "camera") -> None:
        """Publish a picture."""
        self._shown.append(message.header.stamp)
        self._cameras[camera].publish(message)

    def statuses(self, concern: str) -> list[Any]:
        """Return all diagnostic statuses of a concern so far."""
        name = f"/{self.name}: {concern}"
        return [s for array in self._diagnostics for s in array.status if s.name == name]

    def count(self, concern: str, key: str) -> int:
        """Return the latest value of a counter."""
        statuses = self.statuses(concern)
        return max((int(v.value) for s in statuses for v in s.values if v.key == key), default=0)

    def next_answer(self, tick: Callable[[], None] | None = None) -> Any:
        """Show good pictures, or what ``tick`` shows, until there is an answer about one."""
        before = len(self._shown)
        show = tick or (lambda: self.show(self.image()))
        return self.client.wait_for(lambda: self._answers(before), "an answer", show)[-1]

    def answers_while(self, tick: Callable[[], None]) -> int:
        """``tick`` until two more diagnostics, and count answers about what it shows."""
        before = len(self._shown)
        end = len(self.statuses("cameras")) + 2
        self.client.wait_for(
            lambda: len(self.statuses("cameras")) >= end, f"diagnostics of {self.name}", tick
        )
        return len(self._answers(before))

    def _answers(self, shown: int) -> list[Any]:
        """Return the answers about pictures that came after the first ``shown`` ones."""
        stamps = self._shown[shown:]
        return [answer for answer in self.reasonings if answer.header.stamp in stamps]


class Supervisor:
    """Asks a node for transitions of its life cycle."""

    def __init__(self, client: Any, node: str) -> None:
        self._client, self._node = client, node

    def change(self, transition: int) -> bool:
        """Ask for a transition and return whether it was made."""
        from lifecycle_msgs.msg import Transition
        from lifecycle_msgs.srv import ChangeState

        request = ChangeState.Request(transition=Transition(id=transition))
        return bool(self._client.call(ChangeState, f"{self._node}/change_state", request).success)

    @property
    def state(self) -> int:
        """The present state."""
        from lifecycle_msgs.srv import GetState

        answer = self._client.call(GetState, f"{self._node}/get_state", GetState.Request())
        return int(answer.current_state.id)


@pytest.fixture(scope="module")
def supervise(client: Any) -> Callable[[str], Supervisor]:
    return lambda node: Supervisor(client, node)


@pytest.fixture(scope="module")
def surround(client: Any) -> Callable[..., Surroundings]:
    def make(name: str, cameras: dict[str, type]) -> Surroundings:
        return Surroundings(client, name, cameras)

    return make


@pytest.fixture(scope="session")
def golden_parameters(golden: Path) -> dict[str, Any]:
    """Parameters for the golden checkpoint: random weights, so its answers are nonsense."""
    return {
        "checkpoint": str(golden / "qwen_siglip"),
        "unnorm_key": "molmoact",
        "device": "cpu",
        "dtype": "float32",
        "threads": 1,
        "control_period": 0.1,
        "max_new_tokens": 12,
    }
