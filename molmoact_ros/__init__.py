# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""MolmoAct on a real robot: from camera images to safe commands, over ROS 2."""

from pkgutil import extend_path

# The generated messages live in the installed package of the same name; a source checkout that
# comes first on sys.path must still find molmoact_ros.msg there.
__path__ = extend_path(__path__, __name__)
