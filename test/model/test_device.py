# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Faults of a GPU, with a stand-in for what torch reports of it."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from golden_files import DATA

from molmoact_ros.faults import DeviceLostError, DeviceMemoryError
from molmoact_ros.model import MolmoActConfig, MolmoActForActionReasoning, loading
from molmoact_ros.model.device import device_faults
from molmoact_ros.model.memory import Precision

TABLE = json.loads((DATA / "tensors_7b.json").read_text())
GPU = torch.device("cuda:1")
OUT_OF_MEMORY = (
    "CUDA out of memory. Tried to allocate 260.00 MiB. GPU 1 has a total capacity of 23.6 GiB."
)


@pytest.fixture(scope="module")
def large() -> MolmoActForActionReasoning:
    """7B-D in bfloat16, without memory."""
    with torch.device("meta"):
        model = MolmoActForActionReasoning(MolmoActConfig.from_dict(TABLE["7B-D"]["config"]))
    model.precision = Precision(torch.bfloat16)
    return model


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let torch report so many GB free and in use by this process, of 24."""

    def report(free: float, own: float = 0.0) -> None:
        for name, value in {
            "mem_get_info": (int(free * 1e9), 24 * 10**9),
            "memory_reserved": int(own * 1e9),
            "memory_allocated": int(own * 1e9),
            "get_device_properties": SimpleNamespace(is_integrated=False),
        }.items():
            monkeypatch.setattr(torch.cuda, name, lambda device, value=value: value)

    return report


@pytest.mark.parametrize(
    ("free", "own", "fits"),
    [
        (9.0, 0.0, r"what would fit: dtype bfloat16 with quantization int4 \(7.2 GB\);"),
        (1.0, 9.0, r"int8 \(9.8 GB\), .* fp8 \(9.8 GB\), .* int4 \(7.2 GB\);"),
        (3.0, 0.0, r"nothing fits, the smallest setting needs 7.2 GB;"),
    ],
)
def test_too_little_memory_names_what_was_asked_for_and_what_would_fit(
    large: Any, gpu: Any, free: float, own: float, fits: str
) -> None:
    gpu(free, own)
    with pytest.raises(DeviceMemoryError, match=fits) as caught, device_faults(large, GPU):
        raise torch.OutOfMemoryError(OUT_OF_MEMORY)
    assert str(caught.value).startswith(
        "device cuda:1 has too little memory: 260.00 MiB was asked for beside the 16.4 GB of "
        f"weights (dtype bfloat16) and cache, {free + own:.1f} GB are free for this process; "
    )


def test_memory_that_others_take_while_a_checkpoint_is_loaded(
    golden: Any, gpu: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any) -> None:
        raise torch.OutOfMemoryError(OUT_OF_MEMORY)

    gpu(0.1)
    monkeypatch.setattr(loading, "read_tensors", refuse)
    with pytest.raises(DeviceMemoryError, match="dtype float32"):
        MolmoActForActionReasoning.from_pretrained(golden / "qwen_siglip", dtype="float32")


def test_a_fault_that_stays_means_that_the_device_is_lost(
    large: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = "CUDA error: an illegal memory access was encountered\nCompile with TORCH_USE..."

    def fail(device: Any) -> None:
        assert device == GPU
        raise torch.AcceleratorError(fault)

    monkeypatch.setattr(torch.cuda, "synchronize", fail)
    with pytest.raises(DeviceLostError) as caught, device_faults(large, GPU):
        raise torch.AcceleratorError(fault)
    text = str(caught.value)
    assert text.startswith("cuda:1 has failed") and "process has to end" in text
    assert "(CUDA error: an illegal memory access was encountered)" in text
    assert "TORCH_USE" not in text


@pytest.mark.parametrize("device", [GPU, torch.device("cpu")])
def test_other_errors_stay_what_they_are(
    large: Any, monkeypatch: pytest.MonkeyPatch, device: Any
) -> None:
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    with pytest.raises(RuntimeError, match="size mismatch") as caught, device_faults(large, device):
        raise RuntimeError("size mismatch")
    assert type(caught.value) is RuntimeError
    with pytest.raises(ValueError, match="not an error of torch"), device_faults(large, device):
        raise ValueError("not an error of torch")
