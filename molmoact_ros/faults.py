# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Faults of the device that computes, without torch, for code that only reacts to them."""


class DeviceLostError(RuntimeError):
    """The device failed in a way that every later call fails too: the process has to end."""


class DeviceMemoryError(RuntimeError):
    """The device's memory is too small; the text names what was needed and what would fit."""
