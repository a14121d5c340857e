# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Faults of what computes, without torch, for code that only reacts to them."""


class DeviceLostError(RuntimeError):
    """The device failed in a way that every later call fails too: the process has to end."""


class DeviceMemoryError(RuntimeError):
    """The device's memory is too small; the text names what was needed and what would fit."""


class StoppedError(RuntimeError):
    """An answer was given up because its caller asked for that."""


class RemotePolicyError(RuntimeError):
    """A policy on another machine gave no answer; another start of this process would not help."""
