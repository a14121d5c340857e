# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Bags of the simulated cell as a robot would have recorded them: the expert plays the person."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys.store import Typestore

from molmoact_ros.replay.types import message_types
from molmoact_ros.sim import Tabletop, Task
from molmoact_ros.sim.expert import expert_move

ROOT = Path(__file__).parents[2]
RECORDING = ROOT / "config" / "recording" / "tabletop.yaml"
SIZE = 126  # px
PERIOD = 0.1  # s
STATES = 5  # states between two pictures
START = 1_700_000_000.0  # s
IMAGE = "/tabletop/camera/image/compressed"
INFO = "/tabletop/camera/camera_info"
DEPTH = "/tabletop/camera/depth"
POSE = "/tabletop/ee_pose"
JOINTS = "/joint_states"
GRIPPER = "/tabletop/gripper"
TWIST = "/tabletop/twist"
INSTRUCTION = "/operator/instruction"
TYPES = {
    IMAGE: "sensor_msgs/msg/CompressedImage",
    INFO: "sensor_msgs/msg/CameraInfo",
    DEPTH: "sensor_msgs/msg/Image",
    POSE: "geometry_msgs/msg/PoseStamped",
    JOINTS: "sensor_msgs/msg/JointState",
    TWIST: "geometry_msgs/msg/TwistStamped",
    GRIPPER: "std_msgs/msg/Float64MultiArray",
    INSTRUCTION: "std_msgs/msg/String",
}
Messages = list[tuple[float, str, Any]]
Change = Callable[[str, float, Any], Any]


class Cell:
    """Makes messages."""

    def __init__(self, types: Typestore) -> None:
        """Use message types."""
        self.types = types

    def make(self, kind: str, **fields: Any) -> Any:
        """Return a message."""
        return self.types.types[kind](**fields)

    def header(self, stamp: float, frame: str) -> Any:
        """Return a header."""
        nanoseconds = round(stamp * 1e9)
        time = self.make(
            "builtin_interfaces/msg/Time", sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9
        )
        return self.make("std_msgs/msg/Header", stamp=time, frame_id=frame)

    def episode(self, task: Task, seed: int, seconds: float, pause: float = 0.0) -> Messages:
        """Drive one episode; a pause follows it."""
        sim = Tabletop(seed)
        messages: Messages = [(START, INSTRUCTION, self.text(task.instruction))]
        count = round((seconds + pause) / PERIOD)
        for number in range(count):
            stamp = START + number * PERIOD
            messages += self.pictures(sim, stamp)
            move, closed = np.zeros(3), 0.0
            if number * PERIOD < seconds:
                move, closed = expert_move(
                    task, sim.ee_pose()[0], sim.finger_opening(), sim.block_places()
                )
            sim.command_twist(move / PERIOD, np.zeros(3))
            sim.command_gripper(closed)
            messages.append((stamp + 0.002, GRIPPER, self.number(closed)))
            messages.append((stamp, TWIST, self.twist(stamp, move / PERIOD)))
            for part in range(STATES):
                messages += self.states(sim, stamp + part * PERIOD / STATES)
                sim.step(PERIOD / STATES)
        messages += self.states(sim, START + count * PERIOD)
        sim.close()
        return messages

    def text(self, text: str) -> Any:
        """Return a String."""
        return self.make("std_msgs/msg/String", data=text)

    def number(self, value: float) -> Any:
        """Return a Float64MultiArray of one number."""
        layout = self.make("std_msgs/msg/MultiArrayLayout", dim=[], data_offset=0)
        return self.make("std_msgs/msg/Float64MultiArray", layout=layout, data=np.array([value]))

    def twist(self, stamp: float, speed: np.ndarray) -> Any:
        """Return a TwistStamped of a speed ``[3]``, m/s."""
        linear, angular = (
            self.make("geometry_msgs/msg/Vector3", x=float(x), y=float(y), z=float(z))
            for x, y, z in (speed, np.zeros(3))
        )
        twist = self.make("geometry_msgs/msg/Twist", linear=linear, angular=angular)
        return self.make(TYPES[TWIST], header=self.header(stamp, "base_link"), twist=twist)

    def pictures(self, sim: Tabletop, stamp: float) -> Messages:
        """Return what the camera publishes."""
        header = self.header(stamp, "camera_optical")
        rgb, metres = sim.render("camera", SIZE, SIZE)
        _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
        matrix = sim.camera("camera", SIZE, SIZE).matrix
        roi = self.make("sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0,
                        width=0, do_rectify=False)  # fmt: skip
        info = self.make(
            "sensor_msgs/msg/CameraInfo", header=header, height=SIZE, width=SIZE,
            distortion_model="plumb_bob", d=np.zeros(5), k=matrix.ravel(), r=np.eye(3).ravel(),
            p=np.column_stack([matrix, np.zeros(3)]).ravel(), binning_x=0, binning_y=0, roi=roi,
        )  # fmt: skip
        depth = self.make(
            "sensor_msgs/msg/Image", header=header, height=SIZE, width=SIZE, encoding="32FC1",
            is_bigendian=0, step=4 * SIZE, data=metres.astype("<f4").view(np.uint8).ravel(),
        )  # fmt: skip
        image = self.make(TYPES[IMAGE], header=header, format="jpeg", data=jpeg.ravel())
        return [(stamp + 0.001, t, m) for t, m in ((INFO, info), (IMAGE, image), (DEPTH, depth))]

    def states(self, sim: Tabletop, stamp: float) -> Messages:
        """Return what the robot publishes."""
        header = self.header(stamp, "base_link")
        (x, y, z), turn = sim.ee_pose()
        qx, qy, qz, qw = map(float, turn)
        pose = self.make(
            "geometry_msgs/msg/Pose",
            position=self.make("geometry_msgs/msg/Point", x=float(x), y=float(y), z=float(z)),
            orientation=self.make("geometry_msgs/msg/Quaternion", x=qx, y=qy, z=qz, w=qw),
        )
        joints = sim.joint_state()
        state = self.make(
            TYPES[JOINTS], header=header, name=list(joints.names), position=joints.positions,
            velocity=joints.velocities, effort=np.empty(0),
        )  # fmt: skip
        return [
            (stamp + 0.001, POSE, self.make(TYPES[POSE], header=header, pose=pose)),
            (stamp + 0.001, JOINTS, state),
        ]


def write_bag(
    path: Path,
    types: Typestore,
    messages: Messages,
    change: Change = lambda topic, time, message: message,
    more: Sequence[tuple[float, str, str, Any]] = (),
) -> Path:
    """Write messages as an MCAP bag.

    Args:
        path: Folder that does not exist yet.
        types: Message types.
        messages: Time of recording, topic, message.
        change: Returns the message to write, None: none, or a list of (time, message).
        more: Time, topic, type and message of others.
    """
    rows = [(time, topic, TYPES[topic], message) for time, topic, message in messages]
    with Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        links: dict[str, Any] = {}
        for time, topic, kind, message in sorted([*rows, *more], key=lambda row: row[0]):
            changed = change(topic, time, message)
            if changed is None:
                continue
            for moment, content in changed if isinstance(changed, list) else [(time, changed)]:
                if topic not in links:
                    links[topic] = writer.add_connection(topic, kind, typestore=types)
                writer.write(links[topic], round(moment * 1e9), types.serialize_cdr(content, kind))
    return path


@pytest.fixture(scope="session")
def types() -> Typestore:
    return message_types()


@pytest.fixture(scope="session")
def reach(types: Typestore) -> Messages:
    """Two seconds of reaching, and one of rest."""
    return Cell(types).episode(Task("reach", "red"), seed=3, seconds=2.0, pause=1.0)


@pytest.fixture(scope="session")
def pick(types: Typestore) -> Messages:
    """Four seconds of picking up, in which the gripper closes."""
    return Cell(types).episode(Task("pick", "blue"), seed=8, seconds=4.0)


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the recording file of the tabletop, with a depth camera."""
    content = yaml.safe_load(RECORDING.read_text())
    content["cameras"]["camera"]["depth"] = DEPTH
    assert content["instruction"] == INSTRUCTION
    path = tmp_path_factory.mktemp("recording") / "cell.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


@pytest.fixture(scope="session")
def bags(
    tmp_path_factory: pytest.TempPathFactory, types: Typestore, reach: Messages, pick: Messages
) -> Path:
    """Write both into a folder."""
    folder = tmp_path_factory.mktemp("bags")
    write_bag(folder / "reach", types, reach)
    write_bag(folder / "pick", types, pick)
    return folder


@pytest.fixture(scope="session")
def write() -> Callable[..., Path]:
    """`write_bag`."""
    return write_bag
