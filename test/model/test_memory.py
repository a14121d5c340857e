# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a network needs, what is free by kernel and control groups, and what is reported of both."""

from pathlib import Path

import pytest
import torch
from golden_files import GOLDEN
from torch import nn

from molmoact_ros.model import load_config
from molmoact_ros.model.memory import (
    PRECISIONS,
    MemoryShortError,
    available_bytes,
    check_memory,
    free_bytes,
    memory_need,
    stored_bytes,
)
from molmoact_ros.model.quantization import make_quantizer
from molmoact_ros.model.safetensors_files import list_tensors

FLOAT32, INT4 = PRECISIONS[0], PRECISIONS[-1]
CPU = torch.device("cpu")
GB = 10**9


def test_memory_follows_the_shapes() -> None:
    config = load_config(GOLDEN / "qwen_siglip")
    tensors = list_tensors(GOLDEN / "qwen_siglip")
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    whole = memory_need(config, shapes, FLOAT32, 100)
    assert whole.weights == sum(tensor.nbytes for tensor in tensors.values())
    # 3 layers, keys and values of 2 heads of 16 values, 100 tokens, 4 bytes
    assert whole.cache == 3 * 2 * 2 * 16 * 100 * 4
    sizes = [memory_need(config, shapes, precision).weights for precision in PRECISIONS[:3]]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] == 2 * sizes[1]


def test_int4_counts_the_padding_of_its_kernel() -> None:
    """A width of 3584 takes the room of 4096 (half a byte each, and 4 bytes for 128 values)."""
    config = load_config(GOLDEN / "qwen_siglip")
    name = "model.transformer.blocks.0.mlp.ff_proj.weight"
    need = memory_need(config, {name: (37888, 3584)}, INT4)
    assert need.weights == 37888 * 4096 // 2 + 37888 * (4096 // 128) * 4
    on_cpu = memory_need(config, {name: (37888, 3584)}, INT4, on_gpu=False)
    assert on_cpu.weights == 37888 * 3584 + 37888 * (3584 // 128) * 3


def _machine(root: Path, **files: str) -> Path:
    """Write files of /proc and /sys; ``__`` in a name is a slash."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


MEMINFO = "MemTotal: 99 kB\nMemFree: 1 kB\nMemAvailable:   20000000 kB\n"


def test_without_control_groups_the_kernel_is_believed(tmp_path: Path) -> None:
    assert available_bytes(_machine(tmp_path, proc__meminfo=MEMINFO)) == 20_480_000_000
    assert available_bytes(tmp_path / "nowhere") is None


def test_the_tightest_control_group_counts_and_its_caches_are_free(tmp_path: Path) -> None:
    """Version 2: the limit is that of the parent group, as of a container or a systemd slice."""
    _machine(
        tmp_path,
        proc__meminfo=MEMINFO,
        proc__self__cgroup="0::/robot/policy\n",
        sys__fs__cgroup__robot__policy__sub="",
    )
    groups = tmp_path / "sys" / "fs" / "cgroup"
    for folder, limit, usage in (("robot/policy", "max", 2 * GB), ("robot", f"{8 * GB}", 5 * GB)):
        (groups / folder / "memory.max").write_text(f"{limit}\n")
        (groups / folder / "memory.current").write_text(f"{usage}\n")
    (groups / "robot" / "memory.stat").write_text(
        f"anon {2 * GB}\nfile {3 * GB}\ninactive_file {GB}\nactive_file {GB}\n"
    )
    assert available_bytes(tmp_path) == 8 * GB - 5 * GB + 2 * GB


def test_a_container_of_version_1_sees_only_its_own_group(tmp_path: Path) -> None:
    _machine(
        tmp_path,
        proc__meminfo=MEMINFO,
        proc__self__cgroup="5:cpu:/docker/x\n4:memory:/docker/x\n0::/\n",
        sys__fs__cgroup__memory__x="",
    )
    group = tmp_path / "sys" / "fs" / "cgroup" / "memory"
    (group / "memory.limit_in_bytes").write_text(f"{4 * GB}")
    (group / "memory.usage_in_bytes").write_text(f"{GB}")
    (group / "memory.stat").write_text(f"inactive_file 5\ntotal_inactive_file {GB // 2}\n")
    assert available_bytes(tmp_path) == 4 * GB - GB + GB // 2


def test_the_figures_of_this_machine() -> None:
    available = available_bytes()
    assert available is not None
    assert 0 < available == pytest.approx(free_bytes(CPU), rel=0.5)
    assert free_bytes(torch.device("meta")) is None


def test_what_does_not_fit_is_refused_with_what_would() -> None:
    config = load_config(GOLDEN / "qwen_siglip")
    shapes = {
        "model.transformer.blocks.0.mlp.ff_proj.weight": (1_000_000, 8_192),
        "lm_head.weight": (1_000_000, 1_000),
    }
    gpu = torch.device("cuda", 1)
    with pytest.raises(MemoryShortError) as error:
        check_memory(config, shapes, gpu, FLOAT32, 11 * GB)
    assert str(error.value) == (
        "device cuda:1: dtype float32 needs 36.8 GB of memory, 11.0 GB are free; what would fit: "
        "dtype bfloat16 with quantization int8 (10.2 GB), dtype bfloat16 with quantization fp8 "
        "(10.2 GB), dtype bfloat16 with quantization int4 (6.4 GB)"
    )
    with pytest.raises(MemoryShortError, match="int4 needs 6.4 .*; nothing fits, .* 6.4"):
        check_memory(config, shapes, gpu, INT4, GB)
    for precision, free in ((FLOAT32, 37 * GB), (INT4, 7 * GB), (FLOAT32, None)):
        check_memory(config, shapes, gpu, precision, free)
    with pytest.raises(MemoryShortError):
        check_memory(config, shapes, gpu, INT4, 7 * GB, context_length=10**8)


@pytest.mark.parametrize(("mode", "share"), [("int8", 0.5), ("fp8", 0.5), ("int4", 0.51)])
def test_quantised_weights_count_as_they_are_stored(mode: str, share: float) -> None:
    linear = nn.Linear(1024, 2048, bias=False, dtype=torch.bfloat16)
    before = stored_bytes(linear)
    make_quantizer(mode, CPU, torch.bfloat16)(linear)
    assert stored_bytes(linear) == pytest.approx(share * before, rel=0.01)
