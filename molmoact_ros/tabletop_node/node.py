# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The simulated robot cell as a ROS node: cameras and joints out, twist and gripper in."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseArray, PoseStamped, TwistStamped
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rosgraph_msgs.msg import Clock as ClockMessage
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState
from std_msgs.msg import Float64MultiArray, Header
from std_srvs.srv import Trigger

from molmoact_ros.ros import qos
from molmoact_ros.ros.conversions import pose_message, time_message
from molmoact_ros.ros.diagnostics import Diagnosis, Diagnostics, Level
from molmoact_ros.ros.images import (
    camera_info,
    compressed_from_rgb,
    depth_from_metres,
    image_from_rgb,
)
from molmoact_ros.ros.parameters import declare_parameters, parameter, watch_parameters
from molmoact_ros.ros.running import ClosableNode, StartError, run_node
from molmoact_ros.sim import VARIATIONS, Tabletop, load_cell
from molmoact_ros.yaml_config import ProfileError

PHYSICS_PERIOD = 0.01  # s
MAX_CATCH_UP = 0.1  # s of physics per tick; on a machine that cannot keep up, time runs slower
BASE_FRAME = "base_link"


@dataclass(frozen=True)
class TabletopParameters:
    """Parameters of the node."""

    seed: int = parameter(
        0,
        "Places of blocks and gripper at the start and at the next ~/reset.",
        limits=(0, 2**31 - 1),
        read_only=False,
    )
    variation: str = parameter(
        "easy",
        "Look of the scene at the start and at the next ~/reset; varied: light, colours, camera "
        "pose and things that lie about differ by the seed.",
        choices=VARIATIONS,
        read_only=False,
    )
    cell: str = parameter(
        "",
        "YAML file with what differs in this cell: camera, conventions, words; config/cells has "
        "examples. Empty: the cell of the shipped checkpoint.",
        max_length=4096,
    )
    real_time_factor: float = parameter(
        1.0, "Simulated seconds per real second.", limits=(0.01, 100.0)
    )
    publish_clock: bool = parameter(
        False, "Publish /clock and stamp everything with simulated time."
    )
    camera_rate: float = parameter(
        10.0, "Pictures per simulated second and camera.", unit="Hz", limits=(0.1, 50.0)
    )
    image_width: int = parameter(252, "Width of the pictures.", unit="px", limits=(16, 1280))
    image_height: int = parameter(252, "Height of the pictures.", unit="px", limits=(16, 960))
    gripper_camera: bool = parameter(False, "Also publish the camera at the gripper.")
    command_timeout: float = parameter(
        0.5,
        "The arm rests when no twist has come for this simulated time.",
        unit="s",
        limits=(0.02, 10.0),
    )


class TabletopNode(ClosableNode):
    """Runs the physics in real time and publishes its state."""

    def __init__(self) -> None:
        """Build the scene and start the time."""
        super().__init__("tabletop")
        self._settings = declare_parameters(self, TabletopParameters)
        watch_parameters(self, self._settings, self._take_parameters)
        try:
            self._cell = load_cell(self._settings.cell)
            settings = self._settings
            self._sim = Tabletop(settings.seed, settings.variation, self._cell.camera_turn)
        except ProfileError as error:
            raise StartError(f"parameter 'cell': {error}") from error
        except FileNotFoundError as error:
            raise StartError(str(error)) from error
        self._ticks = 0  # physics periods since the start of the node; never goes back
        self._twist_tick = 0
        self._last_wall = time.monotonic()
        self._owed = 0.0  # s of simulated time that the physics is behind
        self._stepped = 0.0  # s simulated since the last diagnostics
        self._diagnosed = time.monotonic()
        self._dropped: dict[str, int] = {"twist": 0, "gripper": 0}
        self._ticks_per_picture = max(1, round(1.0 / (PHYSICS_PERIOD * self._settings.camera_rate)))
        self._create_interfaces()

    def _create_interfaces(self) -> None:
        parameters = self._settings
        self._cameras = [
            _CameraTopics(self, camera)
            for camera in Tabletop.cameras[: 2 if parameters.gripper_camera else 1]
        ]
        self._pose = self.create_publisher(PoseStamped, "~/ee_pose", qos.COMMAND)
        self._joints = self.create_publisher(JointState, "joint_states", qos.RESULT)
        self._blocks = self.create_publisher(PoseArray, "~/blocks", qos.COMMAND)
        self._clock_publisher = (
            self.create_publisher(ClockMessage, "/clock", qos.COMMAND)
            if parameters.publish_clock
            else None
        )
        self.create_subscription(TwistStamped, "~/twist", self._on_twist, qos.COMMAND)
        self.create_subscription(Float64MultiArray, "~/gripper", self._on_gripper, qos.COMMAND)
        self.create_service(Trigger, "~/reset", self._on_reset)
        Diagnostics(self, {"simulation": self._status})
        # Steady: this node makes the simulated time, so it cannot wait for it.
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(PHYSICS_PERIOD, self._tick, clock=clock)

    def _tick(self) -> None:
        now = time.monotonic()
        self._owed += (now - self._last_wall) * self._settings.real_time_factor
        self._last_wall = now
        self._owed = min(self._owed, MAX_CATCH_UP)
        while self._owed >= PHYSICS_PERIOD:
            self._owed -= PHYSICS_PERIOD
            self._advance()

    def _advance(self) -> None:
        timeout = self._settings.command_timeout
        if (self._ticks - self._twist_tick) * PHYSICS_PERIOD > timeout:
            self._sim.command_twist(np.zeros(3), np.zeros(3))
        self._sim.step(PHYSICS_PERIOD)
        self._ticks += 1
        self._stepped += PHYSICS_PERIOD
        stamp = self._stamp()
        if self._clock_publisher is not None:
            self._clock_publisher.publish(ClockMessage(clock=stamp))
        self._publish_state(stamp)
        if self._ticks % self._ticks_per_picture == 0:
            for camera in self._cameras:
                camera.publish(self._sim, self._settings, stamp)

    def _stamp(self) -> Time:
        if self._settings.publish_clock:
            return time_message(self._ticks * PHYSICS_PERIOD)
        return self.get_clock().now().to_msg()

    def _publish_state(self, stamp: Time) -> None:
        base = Header(stamp=stamp, frame_id=BASE_FRAME)
        pose = pose_message(*self._cell.pose_to_base(self._sim.ee_pose()))
        self._pose.publish(PoseStamped(header=base, pose=pose))
        joints = self._sim.joint_state()
        self._joints.publish(
            JointState(
                header=base,
                name=list(joints.names),
                position=joints.positions.tolist(),
                velocity=joints.velocities.tolist(),
            )
        )
        if self._ticks % self._ticks_per_picture == 0:
            poses = map(self._sim.block_pose, self._sim.colors)
            blocks = [pose_message(*self._cell.pose_to_base(pose)) for pose in poses]
            self._blocks.publish(PoseArray(header=base, poses=blocks))

    def _on_twist(self, message: TwistStamped) -> None:
        linear, angular = message.twist.linear, message.twist.angular
        try:
            self._sim.command_twist(
                self._cell.to_world(np.array([linear.x, linear.y, linear.z])),
                self._cell.to_world(np.array([angular.x, angular.y, angular.z])),
            )
        except ValueError as error:
            self._drop("twist", str(error))
            return
        self._twist_tick = self._ticks

    def _on_gripper(self, message: Float64MultiArray) -> None:
        try:
            if len(message.data) != 1:
                raise ValueError(f"gripper: expected 1 value, got {len(message.data)}")
            self._sim.command_gripper(self._cell.closed_by(message.data[0]))
        except ValueError as error:
            self._drop("gripper", str(error))

    def _drop(self, kind: str, reason: str) -> None:
        self._dropped[kind] += 1
        self.get_logger().warning(f"command dropped: {reason}", throttle_duration_sec=2.0)

    def _on_reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        seed, variation = self._settings.seed, self._settings.variation
        self._sim.reset(seed, variation)
        response.success = True
        response.message = f"reset with seed {seed}, {variation}"
        return response

    def _take_parameters(self, parameters: TabletopParameters) -> None:
        self._settings = parameters

    def _status(self) -> Diagnosis:
        now = time.monotonic()
        factor = self._stepped / max(now - self._diagnosed, 1e-9)
        self._stepped, self._diagnosed = 0.0, now
        slow = factor < 0.9 * self._settings.real_time_factor
        return Diagnosis(
            Level.WARN if slow else Level.OK,
            "slower than real_time_factor asks for" if slow else "running",
            {
                "real_time_factor": f"{factor:.2f}",
                "seed": self._settings.seed,
                "variation": self._settings.variation,
                **{f"dropped_{kind}": count for kind, count in self._dropped.items()},
            },
        )

    def close(self) -> None:
        """Free the renderer."""
        self._sim.close()


class _CameraTopics:
    """The topics of one camera."""

    def __init__(self, node: Node, camera: str) -> None:
        self._camera = camera
        self._frame = f"{camera}_optical"
        self._image = node.create_publisher(Image, f"~/{camera}/image", qos.IMAGE)
        self._jpeg = node.create_publisher(
            CompressedImage, f"~/{camera}/image/compressed", qos.IMAGE
        )
        self._depth = node.create_publisher(Image, f"~/{camera}/depth", qos.IMAGE)
        self._info = node.create_publisher(CameraInfo, f"~/{camera}/camera_info", qos.IMAGE)

    def publish(self, sim: Tabletop, parameters: TabletopParameters, stamp: Time) -> None:
        size = (parameters.image_width, parameters.image_height)
        rgb, metres = sim.render(self._camera, *size)
        header = Header(stamp=stamp, frame_id=self._frame)
        self._info.publish(camera_info(sim.camera(self._camera, *size).matrix, header, size))
        self._image.publish(image_from_rgb(rgb, header))
        if self._jpeg.get_subscription_count():
            self._jpeg.publish(compressed_from_rgb(rgb, header))
        if self._depth.get_subscription_count():
            self._depth.publish(depth_from_metres(metres, header))


def main(args: Sequence[str] | None = None) -> int:
    """Run the node."""
    return run_node(TabletopNode, args)
