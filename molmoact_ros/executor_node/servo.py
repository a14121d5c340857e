# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""MoveIt Servo behind an output: switched to its kind of command, its status and scales read."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from rcl_interfaces.srv import GetParameters
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_msgs.msg import Int8

from molmoact_ros.control import RobotProfile
from molmoact_ros.control.output_settings import ServoOutput
from molmoact_ros.ros import qos
from molmoact_ros.ros.bounded_subscription import BoundedSubscription
from molmoact_ros.ros.optional import MissingPackage, import_optional

from .outputs import Output

RETRY = 1.0  # s
_STATUS_AGE = 1.0  # s; an older status does not describe the present
_LARGEST_STATUS = 65_536  # bytes of a serialized status that are read
_MAX_WORDS = 200  # characters of a status that are kept
# Servo's scales, which bound `speed_units`, and the profile's limit that each must not be below.
SCALES = {"linear": ("limits.linear.speed", "m/s"), "rotational": ("limits.angular.speed", "rad/s")}
_COMMAND_IN_TYPE = "moveit_servo.command_in_type"
PARAMETERS = (_COMMAND_IN_TYPE, *(f"moveit_servo.scale.{name}" for name in SCALES))

# Humble publishes std_msgs/Int8; its numbers are not those of moveit_msgs/ServoStatus.
INT8_WORDS = {
    -1: "Invalid",
    0: "No warnings",
    1: "Moving closer to a singularity, decelerating",
    2: "Very close to a singularity, emergency stop",
    3: "Close to a collision, decelerating",
    4: "Collision detected, emergency stop",
    5: "Close to a joint bound (position or velocity), halting",
    6: "Moving away from a singularity, decelerating",
}
INT8_HALTS = (-1, 2, 4, 5)
HALTS = ("INVALID", "HALT_FOR_SINGULARITY", "HALT_FOR_COLLISION", "JOINT_BOUND")


class ServoStatus(NamedTuple):
    """Servo's status: in its own words, and whether it halts."""

    words: str
    halts: bool
    received: float  # s of time.monotonic


def create_servos(node: Node, profile: RobotProfile) -> list[Output]:
    """Create what each output of a profile that names a Servo node needs.

    Raises:
        MissingPackage: moveit_msgs is not installed.
    """
    limits = {"linear": profile.limits.linear, "rotational": profile.limits.angular}
    speeds = {name: limit.speed for name, limit in limits.items() if limit is not None}
    outputs = {kind: getattr(profile.outputs, kind) for kind in ("twist", "pose", "joint_jog")}
    return [
        Servo(node, output, kind.upper(), speeds)
        for kind, output in outputs.items()
        if output is not None and output.servo_node
    ]


class Servo(Output):
    """Switches Servo to a kind of command, and reads its status and scales; publishes nothing."""

    def __init__(
        self, node: Node, output: ServoOutput, kind: str, speeds: Mapping[str, float]
    ) -> None:
        """Start to call Servo's services; nothing here waits for an answer.

        Args:
            node: Calls and subscribes.
            output: Names Servo's service and topic.
            kind: `JOINT_JOG`, `TWIST` or `POSE`.
            speeds: The profile's limits in m/s and rad/s by the names of `SCALES`.

        Raises:
            MissingPackage: moveit_msgs is not installed.
        """
        self._log = node.get_logger()
        self._speeds = speeds
        self._has_units = kind != "POSE"
        self._status: ServoStatus | None = None
        self._seen: dict[int, float] = {}  # s of time.monotonic by code
        self._unitless = self._asked = self._switched = False
        self._warning: str | None = None  # about scales
        self._service = output.servo_command_type_service
        if self._service:
            kinds = import_optional("moveit_msgs.srv", "ServoCommandType", "servo_command_type")
            self._request = kinds.Request(command_type=getattr(kinds.Request, kind))
            self._switch = node.create_client(kinds, self._service)
        self._topic = node.resolve_topic_name(output.servo_status)
        self._kind, self._halts = _status_type()
        BoundedSubscription(
            node,
            self._kind,
            output.servo_status,
            self._on_status,
            qos.STATE,
            _LARGEST_STATUS,
            self._drop_status,
        )
        self._parameters = node.create_client(GetParameters, f"{output.servo_node}/get_parameters")
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        node.create_timer(RETRY, self._call, clock=clock)

    def problem(self) -> str | None:
        """Return why Servo may not follow yet."""
        if self._service and not self._switched:
            return f"MoveIt Servo has not answered on {self._service} yet"
        # Not its status: Servo repeats the last one until there are commands again.
        return self._wrong_units()

    def fault(self) -> str | None:
        """Return why Servo does not follow at present."""
        status = self._present_status()
        halt = f"MoveIt Servo: {status.words}" if status and status.halts else None
        return self._wrong_units() or halt

    def notes(self) -> Mapping[str, str]:
        """Return Servo's status in its own words, and whether its scales are too low."""
        status = self._present_status()
        notes = {"MoveIt Servo": status.words if status else f"no status on {self._topic}"}
        return notes | ({"MoveIt Servo's scales": self._warning} if self._warning else {})

    def _wrong_units(self) -> str | None:
        if not self._unitless:
            return None
        return f"MoveIt Servo takes unitless commands: set {_COMMAND_IN_TYPE} to speed_units"

    def _present_status(self) -> ServoStatus | None:
        status = self._status
        return status if status and time.monotonic() - status.received < _STATUS_AGE else None

    def _drop_status(self, reason: str) -> None:
        self._log.warning(f"{self._topic} dropped: {reason}", throttle_duration_sec=2.0)

    def _on_status(self, message: Any) -> None:
        now = time.monotonic()
        if self._kind is Int8:
            code = message.data
            words = INT8_WORDS.get(code, f"unknown status {code}")
        else:
            code, words = message.code, message.message[:_MAX_WORDS]
        self._status = ServoStatus(words, code in self._halts, now)
        # Logged again only where it has been away: a status can change with every message.
        if code != 0 and now - self._seen.get(code, -math.inf) > _STATUS_AGE:
            self._log.warning(f"MoveIt Servo: {words}")
        self._seen[code] = now

    def _call(self) -> None:
        # A Servo that was started again has forgotten its kind of command.
        if self._service:
            if not self._switch.service_is_ready():
                self._switched = False
            elif not self._switched:
                self._switch.call_async(self._request).add_done_callback(self._on_switched)
        if not self._parameters.service_is_ready():
            self._asked = False
        elif not self._asked:
            request = GetParameters.Request(names=list(PARAMETERS))
            self._parameters.call_async(request).add_done_callback(self._on_parameters)

    def _on_switched(self, future: Any) -> None:
        self._switched = future.result() is not None and future.result().success

    def _on_parameters(self, future: Any) -> None:
        if future.result() is None:
            return
        self._asked, values = True, future.result().values
        if len(values) != len(PARAMETERS):  # nothing is answered where one is not declared
            return
        self._unitless = self._has_units and values[0].string_value == "unitless"
        scales = dict(zip(SCALES, (value.double_value for value in values[1:]), strict=True))
        self._warning = None if self._kind is Int8 else scale_warning(scales, self._speeds)
        if self._warning:
            self._log.warning(self._warning)


def scale_warning(scales: Mapping[str, float], speeds: Mapping[str, float]) -> str | None:
    """Return what Servo slows down below the profile's limits, None where it does not.

    Args:
        scales: Servo's, by the names of `SCALES`, m/s and rad/s; 0: not limited.
        speeds: The profile's limits by the same names.
    """
    low = [
        f"scale.{name} is {scales[name]:g} {SCALES[name][1]}, "
        f"{SCALES[name][0]} of the robot profile is {speed:g}"
        for name, speed in speeds.items()
        if 0.0 < scales[name] < speed
    ]
    if not low:
        return None
    return (
        f"MoveIt Servo slows faster motions down, which may end as a following error: "
        f"{'; '.join(low)}: raise Servo's, or lower the profile's"
    )


def _status_type() -> tuple[Any, tuple[int, ...]]:
    """Return the type of Servo's status in this distribution, and the codes of its halts."""
    try:
        kind = import_optional("moveit_msgs.msg", "ServoStatus", "servo_status_topic")
    except MissingPackage:
        return Int8, INT8_HALTS
    return kind, tuple(getattr(kind, name) for name in HALTS)
