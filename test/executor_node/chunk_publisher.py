# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A policy: publishes chunks of STEP m, numbered from SEQUENCE on, every PERIOD s."""

import sys
import time

import rclpy
from molmoact_ros.msg import ActionChunk

step, sequence, period = float(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
rclpy.init()
node = rclpy.create_node("chunks")
publisher = node.create_publisher(ActionChunk, "/molmoact_executor/action_chunk", 10)
while rclpy.ok():
    chunk = ActionChunk(action_space="ee_delta", horizon=8, dof=7, step_period=0.1, valid=True)
    chunk.header.stamp = node.get_clock().now().to_msg()
    chunk.names = "x y z roll pitch yaw gripper".split()
    chunk.values = [step * (-1) ** (sequence // 3 % 2), 0.0, 0.0, 0.0, 0.0, 0.0, 0.0] * 8
    chunk.confidence = float("nan")
    chunk.sequence = sequence
    publisher.publish(chunk)
    sequence += 1
    time.sleep(period)
