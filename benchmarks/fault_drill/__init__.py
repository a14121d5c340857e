# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Faults of every kind against the real nodes, judged by a process that shares no code with them.

    python -m benchmarks.fault_drill [--quick] [--list] [--only NAME] [--halts 74]

The executor runs as a process of its own, as a user starts it. An arm that can misbehave, a feeder
of action chunks and a recorder are further processes; all of them meet over DDS only. The recorder
computes the limits from the robot profile's YAML by code of its own (`limits`, `rules_*`) and
judges every command. Drills of the policy node and of the command line tools run those as a user
does, with files and messages that are broken on purpose.
"""
