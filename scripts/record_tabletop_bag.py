#!/usr/bin/env python3
# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Record a small bag with the simulator: test/data/bags/tabletop, used by the tests of replay.

The arm moves towards the red block, then the instruction changes and it moves towards the blue
one. No ROS and no policy is needed, and the same bag comes out each time.

    python scripts/record_tabletop_bag.py OUT
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from molmoact_ros.sim import Tabletop

START = 1_700_000_000.0  # s; stamp of the first picture
PERIOD = 0.1  # s between two pictures
DELAY = 0.004  # s from a picture's stamp to its recording
SPEED = 0.12  # m/s of the gripper
CAMERA = "camera"
TASKS = ("red", "blue")  # blocks, each for half of the time

TOPICS = {
    "/tabletop/camera/image/compressed": "sensor_msgs/msg/CompressedImage",
    "/tabletop/camera/camera_info": "sensor_msgs/msg/CameraInfo",
    "/tabletop/ee_pose": "geometry_msgs/msg/PoseStamped",
    "/molmoact_policy/instruction": "std_msgs/msg/String",
}


class Recorder:
    """Writes messages of the simulator at a time in s."""

    def __init__(self, writer: Writer) -> None:
        """Declare the topics of an open bag."""
        self._store = get_typestore(Stores.ROS2_JAZZY)
        self._writer = writer
        self._links = {
            topic: writer.add_connection(topic, kind, typestore=self._store)
            for topic, kind in TOPICS.items()
        }

    def make(self, kind: str, **fields: Any) -> Any:
        """Return a message."""
        return self._store.types[kind](**fields)

    def header(self, stamp: float, frame: str) -> Any:
        """Return a header."""
        nanoseconds = round(stamp * 1e9)
        time = self.make(
            "builtin_interfaces/msg/Time",
            sec=nanoseconds // 1_000_000_000,
            nanosec=nanoseconds % 1_000_000_000,
        )
        return self.make("std_msgs/msg/Header", stamp=time, frame_id=frame)

    def put(self, time: float, topic: str, **fields: Any) -> None:
        """Write a message."""
        message = self.make(TOPICS[topic], **fields)
        data = self._store.serialize_cdr(message, TOPICS[topic])
        self._writer.write(self._links[topic], round(time * 1e9), data)


def record(out: Path, seconds: float, size: int, quality: int, seed: int) -> None:
    """Record a bag as MCAP.

    Args:
        out: Folder that does not exist yet.
        seconds: Length.
        size: Width and height of the pictures, px.
        quality: Of the JPEGs, 1..100.
        seed: Scene.
    """
    sim = Tabletop(seed)
    pictures = round(seconds / PERIOD)
    with Writer(out, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        recorder = Recorder(writer)
        published = ""
        for number in range(pictures):
            stamp = START + number * PERIOD
            color = TASKS[number * len(TASKS) // pictures]
            if color != published:
                text = f"reach the {color} block"
                recorder.put(stamp, "/molmoact_policy/instruction", data=text)
                published = color
            _put_camera(recorder, sim, stamp, size, quality)
            _put_pose(recorder, sim, stamp)
            _move_towards(sim, color)
    sim.close()


def _move_towards(sim: Tabletop, color: str) -> None:
    """Move at constant speed to 8 cm above a block for one period."""
    target = sim.block_pose(color)[0] + (0.0, 0.0, 0.08)
    way = target - sim.ee_pose()[0]
    distance = float(np.linalg.norm(way))
    speed = min(SPEED, distance / PERIOD)
    sim.command_twist(way / max(distance, 1e-9) * speed, np.zeros(3))
    sim.step(PERIOD)


def _put_camera(recorder: Recorder, sim: Tabletop, stamp: float, size: int, quality: int) -> None:
    header = recorder.header(stamp, f"{CAMERA}_optical")
    rgb, _ = sim.render(CAMERA, size, size)
    _, jpeg = cv2.imencode(
        ".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    time = stamp + DELAY
    recorder.put(
        time, f"/tabletop/{CAMERA}/image/compressed", header=header, format="jpeg", data=jpeg
    )
    matrix = sim.camera(CAMERA, size, size).matrix
    recorder.put(
        time,
        f"/tabletop/{CAMERA}/camera_info",
        header=header,
        height=size,
        width=size,
        distortion_model="plumb_bob",
        d=np.zeros(5),
        k=matrix.ravel(),
        r=np.eye(3).ravel(),
        p=np.column_stack([matrix, np.zeros(3)]).ravel(),
        binning_x=0,
        binning_y=0,
        roi=recorder.make(
            "sensor_msgs/msg/RegionOfInterest",
            x_offset=0, y_offset=0, height=0, width=0, do_rectify=False,
        ),
    )  # fmt: skip


def _put_pose(recorder: Recorder, sim: Tabletop, stamp: float) -> None:
    position, quaternion = sim.ee_pose()
    axes = ("x", "y", "z", "w")
    point = dict(zip(axes, map(float, position), strict=False))
    turn = dict(zip(axes, map(float, quaternion), strict=True))
    pose = recorder.make(
        "geometry_msgs/msg/Pose",
        position=recorder.make("geometry_msgs/msg/Point", **point),
        orientation=recorder.make("geometry_msgs/msg/Quaternion", **turn),
    )
    header = recorder.header(stamp, "base_link")
    recorder.put(stamp + DELAY, "/tabletop/ee_pose", header=header, pose=pose)


def main() -> None:
    """Parse the command line and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder of the bag; must not exist")
    parser.add_argument("--seconds", type=float, default=3.0, help="length (default: 3)")
    parser.add_argument("--size", type=int, default=252, help="picture size, px (default: 252)")
    parser.add_argument("--quality", type=int, default=80, help="of the JPEGs (default: 80)")
    parser.add_argument("--seed", type=int, default=4, help="scene (default: 4)")
    options = parser.parse_args()
    record(options.out, options.seconds, options.size, options.quality, options.seed)
    print(f"bag: {options.out}")


if __name__ == "__main__":
    main()
