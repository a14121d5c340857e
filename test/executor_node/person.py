# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A person: publishes the velocity X Y m/s on ~/teleop at RATE Hz until it is killed."""

import sys
import time

import rclpy
from geometry_msgs.msg import TwistStamped
from rclpy.qos import qos_profile_sensor_data

x, y, rate = map(float, sys.argv[1:])
rclpy.init()
node = rclpy.create_node("person")
topic = "/molmoact_executor/teleop"
publisher = node.create_publisher(TwistStamped, topic, qos_profile_sensor_data)
due = time.monotonic()
while rclpy.ok():
    message = TwistStamped()
    message.header.stamp = node.get_clock().now().to_msg()
    message.header.frame_id = "base_link"
    message.twist.linear.x, message.twist.linear.y = x, y
    publisher.publish(message)
    due = max(due + 1.0 / rate, time.monotonic() - 0.1)
    time.sleep(max(0.0, due - time.monotonic()))
