# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Measurements of a device: bandwidth, memory, kernels, and its numbers beside those of the CPU.

Whoever calls them has switched gradients off and made the device the current one.
"""

from __future__ import annotations

import copy
import platform
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from molmoact_ros.decoding.check import compare_passes
from molmoact_ros.decoding.passes import FixedPass
from molmoact_ros.decoding.static_cache import StaticCache
from molmoact_ros.model import MolmoActConfig, MolmoActForActionReasoning
from molmoact_ros.model.llm import Block, BlockFunction
from molmoact_ros.model.loading import random_model
from molmoact_ros.model.memory import Precision, stored_bytes

from .prompts import random_prompt
from .released import shallow_config

_COPIED = {"cpu": 2**28, "cuda": 2**30}  # bytes: far more than any cache holds
_COPIES = 5
BLOCK = 64  # slots
_CPU = torch.device("cpu")
_ATTENTION = "scaled_dot_product_"


def device_values(device: torch.device) -> dict[str, Any]:
    """Return what the device and its libraries are; JSON values, bytes where it is memory."""
    values: dict[str, Any] = {
        "device": str(device),
        "cpu": _cpu_name(),
        "cpu_threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": platform.platform(),
    }
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        free, total = torch.cuda.mem_get_info(device)
        values |= {
            "gpu": properties.name,
            "capability": f"{properties.major}.{properties.minor}",
            "multiprocessors": properties.multi_processor_count,
            "free_bytes": free,
            "total_bytes": total,
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
            "driver": _driver_version(),
        }
    return values


def copy_bandwidth(device: torch.device) -> float:
    """Return the bytes per second that a copy on the device reads and writes, its best of five."""
    source = torch.ones(_COPIED.get(device.type, 2**28), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    seconds = []
    for _ in range(1 + _COPIES):
        start = time.perf_counter()
        target.copy_(source)
        _wait(device)
        seconds.append(time.perf_counter() - start)
    return 2 * source.numel() / min(seconds[1:])


def bytes_per_pass(model: MolmoActForActionReasoning) -> int:
    """Return the bytes of weights that every pass reads: blocks and head, not the embeddings."""
    return stored_bytes(model.model.transformer.blocks) + stored_bytes(model.lm_head)


def make_block(
    model: MolmoActForActionReasoning,
    size: int,
    capacity: int,
    compute_block: BlockFunction = Block.__call__,
) -> Callable[[], Tensor]:
    """Return a function that runs one pass over arbitrary tokens, not captured; logits [S, E]."""
    run = FixedPass(model, StaticCache.for_model(model, capacity), size, compute_block)
    tokens, depths, visible = [1] * size, [0] * size, torch.eye(size, dtype=torch.bool).numpy()
    return lambda: run(tokens, depths, visible)


def operations(compute: Callable[[], object]) -> list[str]:
    """Return the names of all torch operations of a computation that run a kernel, in order."""
    with _Operations() as found:
        compute()
    return found.names


def attention_of(names: list[str]) -> list[str]:
    """Return the attention kernels among operations; "math" where torch composes it of others."""
    kernels = {name.partition(_ATTENTION)[2] for name in names if _ATTENTION in name}
    return sorted(kernels) or ["math"]


def gpu_kernels(compute: Callable[[], object]) -> int | None:
    """Count what a computation starts on a GPU; None where the profiler is not allowed to look."""
    from torch.autograd import DeviceType
    from torch.profiler import ProfilerActivity, profile

    compute()
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
        compute()
        torch.cuda.synchronize()
    return sum(event.device_type == DeviceType.CUDA for event in profiler.events()) or None


def difference_from_cpu(
    config: MolmoActConfig, dtype: torch.dtype, device: torch.device
) -> tuple[float, bool]:
    """Compare a network of the same widths and few blocks on the device and on the CPU.

    Weights and pictures are random and equal on both. What is compared are the logits of blocks
    behind a prompt with a picture, so that vision, prefill and passes take part.

    Returns:
        Largest difference of logits as a share of the largest logit, and whether that is rounding.
    """
    shallow = shallow_config(config)
    model = random_model(MolmoActForActionReasoning, shallow, Precision(dtype), _CPU)
    passes = []
    for network in (copy.deepcopy(model).to(device), model):
        batch = random_prompt(shallow, seed=0, images=1, text_tokens=16)
        inputs = {name: value.to(network.device) for name, value in batch.items()}
        embeds = network.embed(inputs.pop("input_ids"), **inputs)
        length = embeds.shape[1]
        cache = StaticCache.for_model(network, length + BLOCK)
        positions = torch.arange(length, device=network.device)[None]
        network.run(embeds, positions, cache.sliced(length))
        cache.length = length
        passes.append(FixedPass(network, cache, BLOCK))
    return compare_passes(passes[0], passes[1], BLOCK, shallow.llm_config.vocab_size)


def start_peak(device: torch.device) -> None:
    """Let `peak_bytes` begin with what is allocated now; on a CPU a process has one peak."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_bytes(device: torch.device) -> int:
    """Return the most memory since `start_peak`: torch's on a GPU, the process's on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


class _Operations(TorchDispatchMode):
    """Notes what runs, but for views, which start no kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        if not any(argument.alias_info and not argument.alias_info.is_write
                   for argument in func._schema.arguments):  # fmt: skip
            self.names.append(func._schema.name.removeprefix("aten::").removeprefix("_"))
        return func(*args, **(kwargs or {}))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _driver_version() -> str:
    """Return the driver's version; empty where /proc does not have it, as on a Jetson."""
    try:
        text = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8")
    except OSError:
        return ""
    return text.partition("\n")[0].partition("NVRM version:")[2].strip()
