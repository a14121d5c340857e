# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The simulator node as a process: cameras and state out, commands in."""

from __future__ import annotations

import math
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseArray, PoseStamped, TwistStamped
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger

from molmoact_ros.demo.graph import SIMULATOR, NodeSpec
from molmoact_ros.demo.processes import ProcessError
from molmoact_ros.policy.pixels import rgb_from_compressed, rgb_from_image
from molmoact_ros.ros import qos
from molmoact_ros.ros.conversions import seconds
from molmoact_ros.sim import Tabletop

CELLS = Path(__file__).parents[2] / "config" / "cells"
FINGER = "l_gripper_finger_joint"


class Cell:
    """The simulator's topics."""

    def __init__(self, client: Any) -> None:
        self.client = client
        listen = client.listen
        self.images = listen(Image, f"{SIMULATOR}/camera/image", qos.IMAGE)
        self.jpegs = listen(CompressedImage, f"{SIMULATOR}/camera/image/compressed", qos.IMAGE)
        self.infos = listen(CameraInfo, f"{SIMULATOR}/camera/camera_info", qos.IMAGE)
        self.wrist = listen(Image, f"{SIMULATOR}/gripper_camera/image", qos.IMAGE)
        self.poses = listen(PoseStamped, f"{SIMULATOR}/ee_pose", qos.COMMAND)
        self.joints = listen(JointState, "/joint_states", qos.COMMAND)
        self.blocks = listen(PoseArray, f"{SIMULATOR}/blocks", qos.COMMAND)
        self.clock = listen(Clock, "/clock", qos.COMMAND)
        self.diagnostics = listen(DiagnosticArray, "/diagnostics")
        publish = client.node.create_publisher
        self._twist = publish(TwistStamped, f"{SIMULATOR}/twist", qos.COMMAND)
        self._gripper = publish(Float64MultiArray, f"{SIMULATOR}/gripper", qos.COMMAND)

    def push(self, z: float) -> None:
        """Command a vertical speed, m/s."""
        message = TwistStamped()
        message.twist.linear.z = z
        self._twist.publish(message)

    def grip(self, *values: float) -> None:
        """Command the gripper."""
        self._gripper.publish(Float64MultiArray(data=values))

    def height(self) -> float:
        """Return the grip point's present height, m."""
        return self.poses[-1].pose.position.z

    def now(self) -> float:
        """Return the latest simulated time, s."""
        return seconds(self.poses[-1].header.stamp)

    def after(self, simulated: float) -> None:
        """Let simulated time pass, s."""
        end = self.now() + simulated
        self.client.wait_for(lambda: self.now() >= end, "simulated time")

    def counter(self, key: str) -> int:
        """Return a counter of the latest diagnostics."""
        values = self.diagnostics[-1].status[0].values if self.diagnostics else []
        return next((int(v.value) for v in values if v.key == key), 0)


@pytest.fixture(scope="module")
def cell(client: Any, start: Any) -> Cell:
    parameters = {"publish_clock": True, "gripper_camera": True, "seed": 5, "camera_rate": 5.0}
    start(NodeSpec("tabletop_node", SIMULATOR, parameters=parameters))
    made = Cell(client)
    topics = (made.images, made.jpegs, made.infos, made.wrist, made.poses, made.joints)
    client.wait_for(lambda: all(topics) and made.blocks and made.clock, "all topics")
    return made


def test_pictures_and_camera_info_belong_together(cell: Cell) -> None:
    def triples() -> list[tuple[Image, CompressedImage, CameraInfo]]:
        jpegs = {seconds(jpeg.header.stamp): jpeg for jpeg in cell.jpegs}
        infos = {seconds(info.header.stamp): info for info in cell.infos}
        found = [(image, seconds(image.header.stamp)) for image in cell.images]
        return [(image, jpegs[t], infos[t]) for image, t in found if t in jpegs and t in infos]

    image, jpeg, info = cell.client.wait_for(triples, "a picture on all topics")[0]
    rgb = rgb_from_image(image, "camera")
    assert image.header == jpeg.header == info.header
    assert image.header.frame_id == "camera_optical"
    assert rgb.shape == (info.height, info.width, 3) == (252, 252, 3)
    assert np.abs(rgb.astype(int) - rgb_from_compressed(jpeg, "camera")).mean() < 5
    assert info.k[0] > 0
    assert (info.k[2], info.k[5]) == (125.5, 125.5)
    assert cell.wrist[0].header.frame_id == "gripper_camera_optical"


def test_stamps_are_simulated_time(cell: Cell) -> None:
    clock = [seconds(message.clock) for message in cell.clock]
    assert clock == sorted(clock)
    assert cell.now() == pytest.approx(clock[-1], abs=1.0)
    pictures = [seconds(message.header.stamp) for message in cell.images]
    assert np.all(np.diff(pictures) > 0.19)
    assert cell.poses[-1].header.frame_id == "base_link"


def test_a_twist_moves_the_arm_and_silence_stops_it(cell: Cell) -> None:
    start = cell.height()
    cell.client.wait_for(lambda: cell.height() > start + 0.02, "motion", lambda: cell.push(0.1))
    cell.after(1.0)  # command_timeout and the servos
    rest = cell.height()
    cell.after(0.5)
    assert cell.height() == pytest.approx(rest, abs=1e-3)


def test_the_gripper_closes_and_opens(cell: Cell) -> None:
    def finger() -> float:
        joints = cell.joints[-1]
        return joints.position[joints.name.index(FINGER)]

    cell.client.wait_for(lambda: finger() < 0.01, "closing", lambda: cell.grip(1.0))
    cell.client.wait_for(lambda: finger() > 0.04, "opening", lambda: cell.grip(0.0))


def test_wrong_commands_are_dropped_and_counted(cell: Cell) -> None:
    rest = cell.height()
    counted = cell.client.wait_for
    counted(lambda: cell.counter("dropped_twist") > 2, "drops", lambda: cell.push(math.nan))
    counted(lambda: cell.counter("dropped_gripper") > 2, "drops", lambda: cell.grip(0.0, 1.0))
    assert cell.height() == pytest.approx(rest, abs=1e-3)


def change(cell: Cell, name: str, value: object) -> Any:
    """Set a parameter and return the result."""
    message = Parameter(name, value=value).to_parameter_msg()
    request = SetParameters.Request(parameters=[message])
    answer = cell.client.call(SetParameters, f"{SIMULATOR}/set_parameters", request)
    return answer.results[0]


def reset(cell: Cell, seed: int, variation: str = "easy") -> np.ndarray:
    """Reset with a seed and return the blocks' places."""
    assert change(cell, "seed", seed).successful
    assert change(cell, "variation", variation).successful
    answer = cell.client.call(Trigger, f"{SIMULATOR}/reset", Trigger.Request())
    assert (answer.success, answer.message) == (True, f"reset with seed {seed}, {variation}")
    due = cell.now() + 0.5
    topics = (cell.blocks, cell.images)
    cell.client.wait_for(
        lambda: all(seconds(topic[-1].header.stamp) >= due for topic in topics), "the new scene"
    )
    return np.array([[p.position.x, p.position.y] for p in cell.blocks[-1].poses])


def test_the_same_seed_gives_the_same_scene(cell: Cell) -> None:
    first, other, again = reset(cell, 11), reset(cell, 12), reset(cell, 11)
    np.testing.assert_allclose(first, again, atol=1e-3)
    assert np.abs(first - other).max() > 0.02


def test_a_varied_scene_has_the_same_blocks_and_looks_different(cell: Cell) -> None:
    easy = reset(cell, 11)
    first = rgb_from_image(cell.images[-1], "camera").astype(int)
    varied = reset(cell, 11, "varied")
    second = rgb_from_image(cell.images[-1], "camera").astype(int)
    np.testing.assert_allclose(easy, varied, atol=1e-3)
    assert np.abs(first - second).mean() > 3
    reset(cell, 11)
    again = rgb_from_image(cell.images[-1], "camera").astype(int)
    assert np.abs(first - again).mean() < 1


def test_an_unknown_variation_is_refused(cell: Cell) -> None:
    result = change(cell, "variation", "wild")
    assert not result.successful
    assert "easy, varied" in result.reason


def test_time_goes_on_over_a_reset(cell: Cell) -> None:
    before = cell.now()
    reset(cell, 5)
    assert cell.now() > before


def test_another_cell_speaks_its_robots_conventions(client: Any, start: Any) -> None:
    parameters = {"cell": str(CELLS / "other_robot.yaml"), "publish_clock": True, "seed": 5}
    start(NodeSpec("tabletop_node", "other", parameters=parameters))
    poses = client.listen(PoseStamped, "other/ee_pose", qos.COMMAND)
    blocks = client.listen(PoseArray, "other/blocks", qos.COMMAND)
    depths = client.listen(Image, "other/camera/depth", qos.IMAGE)
    joints = client.listen(JointState, "/joint_states", qos.COMMAND)
    client.wait_for(lambda: poses and blocks and depths and joints, "all topics")
    with closing(Tabletop(5)) as table:
        place, depth = table.ee_pose()[0], table.render()[1]
        there = [[y, -x] for x, y, _ in table.block_places()]
    here = [[p.position.x, p.position.y] for p in blocks[0].poses]
    np.testing.assert_allclose(here, there, atol=0.01)
    first = poses[0].pose.position
    np.testing.assert_allclose([first.x, first.y], [place[1], -place[0]], atol=0.01)
    assert depths[0].encoding == "16UC1"
    millimetres = np.frombuffer(depths[0].data, "<u2").reshape(depth.shape)
    assert np.median(np.abs(millimetres / 1000.0 - depth)) < 0.01
    twist = client.node.create_publisher(TwistStamped, "other/twist", qos.COMMAND)
    gripper = client.node.create_publisher(Float64MultiArray, "other/gripper", qos.COMMAND)
    message = TwistStamped()
    message.twist.linear.x = 0.1
    client.wait_for(
        lambda: poses[-1].pose.position.x > first.x + 0.03, "motion along its x",
        lambda: twist.publish(message),
    )  # fmt: skip
    assert abs(poses[-1].pose.position.y - first.y) < 0.02

    def finger() -> float:
        found = [j for j in joints if FINGER in j.name][-1]
        return found.position[found.name.index(FINGER)]

    closing_command = Float64MultiArray(data=[0.0])
    client.wait_for(lambda: finger() < 0.01, "closing", lambda: gripper.publish(closing_command))


def test_a_wrong_cell_ends_the_node(start: Any, tmp_path: Path) -> None:
    file = tmp_path / "cell.yaml"
    file.write_text("camera_trun: 3.0\n")
    nodes = start(NodeSpec("tabletop_node", "wrong", parameters={"cell": str(file)}))
    nodes.process("wrong").wait(60)
    with pytest.raises(ProcessError) as error:
        nodes.check()
    assert "ended with code 78" in str(error.value)
    assert "parameter 'cell': cell.yaml: camera_trun: unknown key" in str(error.value)


def test_in_a_namespace_it_publishes_nothing_outside(client: Any, start: Any) -> None:
    parameters = {"image_width": 32, "image_height": 32}
    start(NodeSpec("tabletop_node", "cell", (), parameters, {"__ns": "/left"}))

    def names() -> set[str]:
        try:
            found = client.node.get_publisher_names_and_types_by_node("cell", "/left")
        except RuntimeError:  # the node is not known yet
            return set()
        return {name for name, _ in found}

    # The last publisher that the node creates.
    client.wait_for(lambda: "/diagnostics" in names(), "the node's publishers")
    outside = {name for name in names() if not name.startswith("/left/")}
    assert outside == {"/diagnostics", "/parameter_events", "/rosout"}
    assert "/left/joint_states" in names()
