# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that load, in every layout."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForImageTextToText

from molmoact_ros.model import (
    CheckpointError,
    MolmoActForActionReasoning,
    load_config,
    loading,
    quantization,
)
from molmoact_ros.model.memory import Precision

load = MolmoActForActionReasoning.from_pretrained


def _weights(model: Any) -> Any:
    return {name: tensor.detach() for name, tensor in model.state_dict().items()}


def _edit(path: Any, **changes: Any) -> None:
    content = json.loads(path.read_text())
    for key, value in changes.items():
        part = content
        *parents, last = key.split(".")
        for parent in parents:
            part = part[parent]
        part[last] = value
    path.write_text(json.dumps(content))


def test_shards_equal_one_file(checkpoint: Any, shard: Any) -> None:
    expected = _weights(load(checkpoint))
    shard(checkpoint, 3)
    actual = _weights(load(checkpoint))
    assert actual.keys() == expected.keys()
    assert all(torch.equal(actual[name], expected[name]) for name in expected)


@pytest.mark.parametrize("stored", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("wanted", [None, "auto", "bfloat16", torch.float32])
def test_stored_and_wanted_number_types(checkpoint: Any, stored: Any, wanted: Any) -> None:
    file = checkpoint / "model.safetensors"
    tensors = {name: tensor.to(stored) for name, tensor in load_file(file).items()}
    save_file(tensors, file)
    model = load(checkpoint, dtype=wanted)
    expected = {None: stored, "auto": stored, "bfloat16": torch.bfloat16}.get(wanted, wanted)
    assert {parameter.dtype for parameter in model.parameters()} == {expected}
    assert model.dtype == expected
    name = "lm_head.weight"
    assert torch.equal(_weights(model)[name], tensors[name].to(expected))


def test_weights_do_not_depend_on_the_file_afterwards(checkpoint: Any) -> None:
    model = load(checkpoint)
    before = model.lm_head.weight.detach().clone()
    with (checkpoint / "model.safetensors").open("r+b") as file:
        file.write(bytes((checkpoint / "model.safetensors").stat().st_size))
    assert torch.equal(model.lm_head.weight, before)


def test_auto_classes_need_no_remote_code(checkpoint: Any) -> None:
    """config.json names Python files in auto_map; they do not exist and are not asked for."""
    assert "auto_map" in json.loads((checkpoint / "config.json").read_text())
    assert AutoConfig.from_pretrained(checkpoint).llm_config.num_hidden_layers == 3
    model = AutoModelForImageTextToText.from_pretrained(checkpoint, dtype=torch.float32)
    assert isinstance(model, MolmoActForActionReasoning)
    assert not model.training


def test_saved_checkpoint_loads_again(checkpoint: Any, tmp_path: Path) -> None:
    model = load(checkpoint)
    model.save_pretrained(tmp_path / "saved")
    again = load(tmp_path / "saved")
    expected = _weights(model)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in _weights(again).items())
    for part in ("vit_config", "adapter_config", "llm_config", "norm_stats"):
        assert getattr(again.config, part) == getattr(model.config, part)


def test_progress_ends_at_the_total(checkpoint: Any, shard: Any) -> None:
    shard(checkpoint, 2)
    seen: list[loading.LoadProgress] = []
    load(checkpoint, progress=seen.append)
    assert [step.bytes_done for step in seen] == sorted(step.bytes_done for step in seen)
    assert seen[-1].bytes_done == seen[-1].bytes_total > 1_000_000
    assert seen[-1].seconds_left == 0


@pytest.mark.parametrize(
    ("done", "total", "seconds", "text"),
    [
        (0, 300_000, 0.0, "0.0 of 0.3 MB"),
        (2_000, 16_200_000_000, 3.0, "0.0 of 16.2 GB"),  # a first tensor of 2 kB in 3 s
        (1_000_000_000, 16_000_000_000, 1.0, "1.0 of 16.0 GB"),
        (1_000_000_000, 16_000_000_000, 4.0, "1.0 of 16.0 GB, 60 s left"),
        (16_000_000_000, 16_000_000_000, 1.0, "16.0 of 16.0 GB, 0 s left"),
    ],
)
def test_time_left_is_reported_when_it_is_known(
    done: int, total: int, seconds: float, text: str
) -> None:
    assert str(loading.LoadProgress(done, total, seconds)) == text


def test_hub_id_offline_at_a_revision(
    checkpoint: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    repo = tmp_path / "cache" / "models--somebody--MolmoAct-mine"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "v2").write_text(commit)
    (repo / "snapshots").mkdir()
    checkpoint.rename(repo / "snapshots" / commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert load("somebody/MolmoAct-mine", revision="v2").config.image_patch_id == 898
    with pytest.raises(CheckpointError, match="somebody/MolmoAct-mine at revision 'v3'"):
        load("somebody/MolmoAct-mine", revision="v3")
    with pytest.raises(CheckpointError, match="not in the local hub cache"):
        load("somebody/unknown")


def test_host_memory_stays_below_one_shard(
    checkpoint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tensors that are sent to a device leave the host: here they are dropped instead."""
    _edit(checkpoint / "config.json", **{"llm_config.intermediate_size": 20_000})
    _edit(checkpoint / "config.json", **{"llm_config.num_hidden_layers": 24})
    config = load_config(checkpoint)
    with torch.device("meta"):
        shapes = MolmoActForActionReasoning(config).state_dict()
    (checkpoint / "model.safetensors").unlink()
    names, weight_map, largest, total = sorted(shapes), {}, 0, 0
    for index in range(2):
        file = f"model-{index}.safetensors"
        part = names[index::2]
        save_file({name: torch.ones(shapes[name].shape) for name in part}, checkpoint / file)
        weight_map.update(dict.fromkeys(part, file))
        size = os.path.getsize(checkpoint / file)
        largest, total = max(largest, size), total + size
    index_file = checkpoint / "model.safetensors.index.json"
    index_file.write_text(json.dumps({"weight_map": weight_map}))

    monkeypatch.setattr(loading, "_place", lambda model, name, tensor: tensor.sum())
    with open("/proc/self/clear_refs", "w") as switch:
        switch.write("5")  # starts the peak counter anew
    before = _status("VmRSS")
    load(checkpoint)
    grown = _status("VmHWM") - before
    assert grown < 100_000_000 < largest < total


def _status(key: str) -> int:
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith(key))
    return 1024 * int(line.split()[1])


def test_directory_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="absent does not exist"):
        load(tmp_path / "absent")
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="is a file"):
        load(tmp_path / "file")


def test_unknown_arguments_are_refused(checkpoint: Any) -> None:
    with pytest.raises(TypeError, match="load_in_8bit"):
        load(checkpoint, load_in_8bit=True)
    with pytest.raises(ValueError, match="dtype 'half-float'"):
        load(checkpoint, dtype="half-float")


def test_a_random_network_is_made_and_quantised_matrix_by_matrix(
    golden: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a card that holds the quantised network alone would not do to measure it."""
    pytest.importorskip("torchao")
    config = load_config(golden / "qwen_siglip")
    made: list[int] = []
    models: list[MolmoActForActionReasoning] = []

    def make_quantizer(*arguments: Any) -> Any:
        quantize = quantization.make_quantizer(*arguments)

        def watch(linear: Any) -> None:
            made.append(sum(not weights.is_meta for weights in models[-1].parameters()))
            quantize(linear)

        return watch

    class Watched(MolmoActForActionReasoning):
        def __init__(self, config: Any) -> None:
            super().__init__(config)
            models.append(self)

    monkeypatch.setattr(loading, "make_quantizer", make_quantizer)
    settings = config, Precision(torch.bfloat16, "int8"), torch.device("cpu"), 3
    found = loading.random_model(Watched, *settings)
    assert made == sorted(set(made)) and len(made) == 4 * config.llm_config.num_hidden_layers
    assert not any(weights.is_meta for weights in found.parameters())
    assert found.precision == settings[1] and not found.training
    ids = torch.tensor([[1, 2, 3]])
    assert found(ids).logits.isfinite().all()
    again = loading.random_model(Watched, *settings)
    assert torch.equal(again(ids).logits, found(ids).logits)
