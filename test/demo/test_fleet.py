# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Several arms: each graph in its own namespace, one film of all."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from molmoact_ros.viz.video import VideoFile

pytest.importorskip("rclpy")

from molmoact_ros.demo.fleet import _arm, _tile  # noqa: E402
from molmoact_ros.demo.graph import POLICY  # noqa: E402
from molmoact_ros.demo.processes import command  # noqa: E402
from molmoact_ros.demo.show import Scene  # noqa: E402


def test_each_arm_has_a_namespace_and_a_name_at_the_server() -> None:
    specs = [*_arm("arm1", Scene(1), "ws://here"), *_arm("arm2", Scene(2), "ws://here")]
    assert len({spec.label for spec in specs}) == len(specs) == 6
    for spec in specs:
        assert f"__ns:=/{spec.namespace}" in command(spec)
    policies = [spec.parameters for spec in specs if spec.name == POLICY]
    assert [one["robot_name"] for one in policies] == ["arm1", "arm2"]
    assert all(one == {"server": "ws://here", "robot_name": one["robot_name"]} for one in policies)


def test_the_film_shows_all_until_the_longest_one_ends(tmp_path: Path) -> None:
    films = []
    for number, frames in enumerate((2, 5, 3)):
        video = VideoFile(tmp_path / f"{number}", 10.0)
        for _ in range(frames):
            video.add(np.full((48, 64, 3), 80 * number, np.uint8))
        film = video.close()
        if film is None:
            pytest.skip("OpenCV has no encoder here")
        films.append(film)
    film = _tile(films, tmp_path / "all")
    assert film is not None
    source = cv2.VideoCapture(str(film))
    read = [source.read() for _ in range(6)]
    assert [found for found, _ in read] == [True] * 5 + [False]
    last = read[4][1]
    assert last.shape == (96, 128, 3)
    cells = [last[:48, :64], last[:48, 64:], last[48:, :64], last[48:, 64:]]
    means = [float(cell.mean()) for cell in cells]
    assert means == pytest.approx([0.0, 80.0, 160.0, 0.0], abs=10.0)
