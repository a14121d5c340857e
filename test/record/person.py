# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A program: a node that plays the person. It sees what a person sees and moves the arm.

It knows where the blocks lie from the simulator's own topic, as a person does from looking, and
publishes an instruction, and from /operator/go on commands, until it is stopped.

    person.py INSTRUCTION
"""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import rclpy
from geometry_msgs.msg import PoseArray, PoseStamped, TwistStamped
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Float64MultiArray, String

from molmoact_ros.sim import Task
from molmoact_ros.sim.expert import STEP_SECONDS, expert_move

task = Task.parse(sys.argv[1])
rclpy.init()
node = rclpy.create_node("person")
seen: dict[str, Any] = {}


def see(name: str) -> Callable[[Any], None]:
    return lambda message: seen.__setitem__(name, message)


node.create_subscription(PoseArray, "/tabletop/blocks", see("blocks"), 1)
node.create_subscription(PoseStamped, "/tabletop/ee_pose", see("pose"), 1)
node.create_subscription(JointState, "/joint_states", see("joints"), 1)
node.create_subscription(Bool, "/operator/go", see("go"), 1)
latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
instruction = node.create_publisher(String, "/operator/instruction", latched)
instruction.publish(String(data=task.instruction))
twist = node.create_publisher(TwistStamped, "/tabletop/twist", 1)
gripper = node.create_publisher(Float64MultiArray, "/tabletop/gripper", 1)


def act() -> None:
    if len(seen) < 4:
        return
    p = seen["pose"].pose.position
    blocks = np.array([[b.position.x, b.position.y, b.position.z] for b in seen["blocks"].poses])
    fingers = float(np.mean(seen["joints"].position[-2:]))
    move, closed = expert_move(task, np.array([p.x, p.y, p.z]), fingers, blocks)
    message = TwistStamped()
    v = message.twist.linear
    v.x, v.y, v.z = (move / STEP_SECONDS).tolist()
    twist.publish(message)
    gripper.publish(Float64MultiArray(data=[closed]))


node.create_timer(STEP_SECONDS, act)
rclpy.spin(node)
