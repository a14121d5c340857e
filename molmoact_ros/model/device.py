# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What goes wrong on a device while it computes, as errors that name the remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from molmoact_ros.faults import DeviceLostError, DeviceMemoryError

from .memory import CONTEXT_LENGTH, Precision, free_bytes, memory_need, what_would_fit

if TYPE_CHECKING:
    from .molmoact import MolmoActForActionReasoning

_REQUEST = re.compile(r"Tried to allocate ([\d.]+ \w+)")


@contextmanager
def device_faults(
    model: MolmoActForActionReasoning, device: torch.device, context_length: int = CONTEXT_LENGTH
) -> Iterator[None]:
    """Replace torch's errors of a failing GPU by errors that name the remedy.

    Args:
        model: The network, perhaps only in part on the device.
        device: Where it computes, or will.
        context_length: Tokens of prompt and answer that it shall have memory for.

    Raises:
        DeviceMemoryError: The memory did not suffice.
        DeviceLostError: The device fails every call from now on.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        request = _REQUEST.search(str(error))
        raise DeviceMemoryError(
            _shortage(model, device, context_length, request[1] if request else "more")
        ) from error
    except RuntimeError as error:
        if device.type != "cuda" or _answers(device):
            raise
        reason = str(error).partition("\n")[0]
        raise DeviceLostError(
            f"{device} has failed and every further call fails, so this process has to end "
            f"({reason}). If it happens again, see the driver's messages (dmesg, nvidia-smi -q)"
        ) from error


def _answers(device: torch.device) -> bool:
    """Whether the device still works: after a fault that stays, waiting for it fails as well."""
    try:
        torch.cuda.synchronize(device)
    except RuntimeError:
        return False
    return True


def _shortage(
    model: MolmoActForActionReasoning, device: torch.device, context_length: int, request: str
) -> str:
    shapes = {name: tuple(weights.shape) for name, weights in model.named_parameters()}
    precision = model.precision or Precision(model.dtype)
    need = memory_need(model.config, shapes, precision, context_length).total
    # What this process holds would be free for another setting of it.
    free = (free_bytes(device) or 0) + torch.cuda.memory_allocated(device)
    advice = what_would_fit(model.config, shapes, device, free, context_length)
    return (
        f"device {device} has too little memory: {request} was asked for beside the "
        f"{need / 1e9:.1f} GB of weights ({precision}) and cache, {free / 1e9:.1f} GB are free "
        f"for this process; {advice}; or end other programs that use it"
    )
