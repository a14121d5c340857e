# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One policy for many robots: `molmoact-serve` (docs/fleet.md).

Robots connect to `front`, which knows who they are and bounds what each may take; `fleet` asks the
replica that holds a robot's session; a `worker` is one replica, here or in a process of Ray's.
"""
