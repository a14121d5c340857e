# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How much memory a network needs, by the shapes of its tensors, and how much is free."""

from __future__ import annotations

import ctypes
import gc
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from .config import MolmoActConfig
from .quantization import is_quantized

CONTEXT_LENGTH = 2048  # tokens of prompt and answer, unless somebody asks for others
_GROUP = 128  # int4 values that share a scale and a zero point, on a GPU of 16 bits each
_INT4_WIDTH = 1024  # the int4 kernel for GPUs pads rows to a multiple of this


class MemoryShortError(ValueError):
    """A network does not fit into the memory that is free; the text names what would."""


@dataclass(frozen=True)
class Precision:
    """How weights are kept.

    Attributes:
        dtype: Of everything that is not quantised, of the cache and of the computation.
        quantization: None, or a mode of `quantization.QUANTIZATIONS`.
    """

    dtype: torch.dtype
    quantization: str | None = None

    def __str__(self) -> str:
        """Return the two as parameters have them."""
        name = str(self.dtype).removeprefix("torch.")
        if self.quantization is None:
            return f"dtype {name}"
        return f"dtype {name} with quantization {self.quantization}"


# From the most faithful to the smallest.
PRECISIONS = (
    Precision(torch.float32),
    Precision(torch.bfloat16),
    Precision(torch.bfloat16, "int8"),
    Precision(torch.bfloat16, "fp8"),
    Precision(torch.bfloat16, "int4"),
)


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes on the device.

    Attributes:
        weights: Of the network.
        cache: Of keys and values, for the given context.
    """

    weights: int
    cache: int

    @property
    def total(self) -> int:
        """Both together; activations, some 100 MB, come on top."""
        return self.weights + self.cache


def memory_need(
    config: MolmoActConfig,
    shapes: Mapping[str, tuple[int, ...]],
    precision: Precision,
    context_length: int = CONTEXT_LENGTH,
    on_gpu: bool = True,
) -> MemoryNeed:
    """Compute the bytes of weights and cache.

    Args:
        config: Of the checkpoint.
        shapes: All tensors by name.
        precision: How they are kept.
        context_length: Tokens of prompt and answer together.
        on_gpu: Whether the device is a GPU: the CPU keeps int4 values in a byte each.
    """
    plain, mode = precision.dtype.itemsize, precision.quantization
    total = 0.0
    for name, shape in shapes.items():
        values = math.prod(shape)
        if mode is None or not is_quantized(name):
            total += values * plain
        elif mode != "int4":
            total += values + shape[0] * plain  # one scale a row
        elif on_gpu:
            width = -(-shape[1] // _INT4_WIDTH) * _INT4_WIDTH
            total += shape[0] * width * (0.5 + 4 / _GROUP)
        else:
            total += values * (1 + 3 / _GROUP)
    llm = config.llm_config
    cached = 2 * llm.num_hidden_layers * llm.num_key_value_heads * llm.head_dim * context_length
    return MemoryNeed(round(total), cached * plain)


def check_memory(
    config: MolmoActConfig,
    shapes: Mapping[str, tuple[int, ...]],
    device: torch.device,
    precision: Precision,
    free: int | None,
    context_length: int = CONTEXT_LENGTH,
) -> None:
    """Compare what a network needs with what is free.

    Args:
        config: Of the checkpoint.
        shapes: All tensors by name.
        device: Where it shall be.
        precision: How it shall be kept.
        free: Bytes, as `free_bytes` returns them; None: not known, nothing is refused.
        context_length: Tokens of prompt and answer together.

    Raises:
        MemoryShortError: It does not fit; the text names both and what would fit.
    """
    on_gpu = device.type == "cuda"
    need = memory_need(config, shapes, precision, context_length, on_gpu).total
    if free is None or need <= free:
        return
    advice = what_would_fit(config, shapes, device, free, context_length)
    raise MemoryShortError(
        f"device {device}: {precision} needs {need / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are"
        f" free; {advice}"
    )


def what_would_fit(
    config: MolmoActConfig,
    shapes: Mapping[str, tuple[int, ...]],
    device: torch.device,
    free: int,
    context_length: int = CONTEXT_LENGTH,
) -> str:
    """Return which of `PRECISIONS` need no more than ``free`` bytes, for a person."""
    on_gpu = device.type == "cuda"
    sizes = {
        precision: memory_need(config, shapes, precision, context_length, on_gpu).total
        for precision in PRECISIONS
    }
    fitting = [f"{each} ({size / 1e9:.1f} GB)" for each, size in sizes.items() if size <= free]
    if fitting:
        return f"what would fit: {', '.join(fitting)}"
    return f"nothing fits, the smallest setting needs {min(sizes.values()) / 1e9:.1f} GB"


def free_bytes(device: torch.device) -> int | None:
    """Return the free memory of a device; None where it cannot be asked for."""
    if device.type == "cpu":
        return available_bytes()
    if device.type != "cuda":
        return None
    # What torch keeps for itself without using it is free for the network too.
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    free = int(torch.cuda.mem_get_info(device)[0]) + kept
    if torch.cuda.get_device_properties(device).is_integrated:
        # A Jetson's GPU shares the host's memory, and does not count caches of files as free.
        free = max(free, available_bytes() or 0)
    return free


def available_bytes(root: Path = Path("/")) -> int | None:
    """Return the host's memory that a process can still take, by the kernel and control groups.

    Args:
        root: Where ``proc`` and ``sys`` are.
    """
    rooms = list(_rooms_of_groups(root))
    for line in _lines(root / "proc" / "meminfo"):
        key, _, value = line.partition(":")
        if key == "MemAvailable":
            rooms.append(1024 * int(value.split()[0]))
    return min(rooms, default=None)


def return_memory() -> None:
    """Free what only refers to itself, and hand to system and GPU what libraries keep of it."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc: each thread keeps some
    if trim is not None:
        trim(0)
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def stored_bytes(model: nn.Module) -> int:
    """Return the bytes that all weights and buffers take, those of quantised weights packed."""
    return sum(map(_stored, (*model.parameters(), *model.buffers())))


def _stored(tensor: torch.Tensor) -> int:
    # A quantised weight poses as a tensor of the plain type around those that hold its values.
    if not hasattr(tensor, "__tensor_flatten__"):
        return tensor.nbytes
    names, _ = tensor.__tensor_flatten__()  # type: ignore[attr-defined]
    return sum(_stored(getattr(tensor, name)) for name in names)


def _rooms_of_groups(root: Path) -> Iterator[int]:
    """Yield what each control group above this process still allows, of version 1 and 2."""
    mount = root / "sys" / "fs" / "cgroup"
    for line in _lines(root / "proc" / "self" / "cgroup"):
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            base, limit, usage, prefix = mount, "memory.max", "memory.current", ""
        elif controllers == "memory":
            base, prefix = mount / "memory", "total_"
            limit, usage = "memory.limit_in_bytes", "memory.usage_in_bytes"
        else:
            continue
        group = Path(path.strip().lstrip("/"))
        # In a container the path may be the host's, of which only the root is seen.
        for folder in {base / group, *(base / parent for parent in group.parents), base}:
            try:
                room = int((folder / limit).read_text()) - int((folder / usage).read_text())
            except (OSError, ValueError):  # no such group, or "max"
                continue
            yield room + _file_caches(folder / "memory.stat", prefix)


def _file_caches(stat: Path, prefix: str) -> int:
    """Return the bytes of a group that are copies of files, which the kernel gives up."""
    wanted = (f"{prefix}inactive_file", f"{prefix}active_file")
    entries = (line.split() for line in _lines(stat))
    return sum(int(entry[1]) for entry in entries if entry[0] in wanted)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
