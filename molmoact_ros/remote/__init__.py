# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A policy on another machine: messages over a websocket, and the robot's end of the line.

Free of ROS, torch and Ray: robot and server both read `wire`; `policy.RemotePolicy` is the robot's.
"""
