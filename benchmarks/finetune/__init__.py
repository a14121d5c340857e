# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From a cell that the shipped checkpoint does not know to one that does (docs/own_robot.md).

    python -m benchmarks.finetune --help

A person, played by the scripted expert, is recorded in a changed cell of the simulator; the data
set, the training and the evaluation are the commands that a user has.
"""
