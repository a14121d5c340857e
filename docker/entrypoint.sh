#!/usr/bin/env bash
# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
set -e
source /opt/ros/jazzy/setup.bash
source /workspace/install/setup.bash
exec "$@"
