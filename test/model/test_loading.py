# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that load, in every layout, and checkpoints that must not."""

import json
import os
import re
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForImageTextToText

from molmoact_ros.model import CheckpointError, MolmoActForActionReasoning, load_config, loading

load = MolmoActForActionReasoning.from_pretrained


def _weights(model):
    return {name: tensor.detach() for name, tensor in model.state_dict().items()}


def _edit(path, **changes):
    content = json.loads(path.read_text())
    for key, value in changes.items():
        part = content
        *parents, last = key.split(".")
        for parent in parents:
            part = part[parent]
        part[last] = value
    path.write_text(json.dumps(content))


def test_shards_equal_one_file(checkpoint, shard):
    expected = _weights(load(checkpoint))
    shard(checkpoint, 3)
    actual = _weights(load(checkpoint))
    assert actual.keys() == expected.keys()
    assert all(torch.equal(actual[name], expected[name]) for name in expected)


@pytest.mark.parametrize("stored", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("wanted", [None, "auto", "bfloat16", torch.float32])
def test_stored_and_wanted_number_types(checkpoint, stored, wanted):
    file = checkpoint / "model.safetensors"
    tensors = {name: tensor.to(stored) for name, tensor in load_file(file).items()}
    save_file(tensors, file)
    model = load(checkpoint, dtype=wanted)
    expected = {None: stored, "auto": stored, "bfloat16": torch.bfloat16}.get(wanted, wanted)
    assert {parameter.dtype for parameter in model.parameters()} == {expected}
    assert model.dtype == expected
    name = "lm_head.weight"
    assert torch.equal(_weights(model)[name], tensors[name].to(expected))


def test_weights_do_not_depend_on_the_file_afterwards(checkpoint):
    model = load(checkpoint)
    before = model.lm_head.weight.detach().clone()
    with (checkpoint / "model.safetensors").open("r+b") as file:
        file.write(bytes((checkpoint / "model.safetensors").stat().st_size))
    assert torch.equal(model.lm_head.weight, before)


def test_auto_classes_need_no_remote_code(checkpoint):
    """config.json names Python files in auto_map; they do not exist and are not asked for."""
    assert "auto_map" in json.loads((checkpoint / "config.json").read_text())
    assert AutoConfig.from_pretrained(checkpoint).llm_config.num_hidden_layers == 3
    model = AutoModelForImageTextToText.from_pretrained(checkpoint, dtype=torch.float32)
    assert isinstance(model, MolmoActForActionReasoning)
    assert not model.training


def test_saved_checkpoint_loads_again(checkpoint, tmp_path):
    model = load(checkpoint)
    model.save_pretrained(tmp_path / "saved")
    again = load(tmp_path / "saved")
    expected = _weights(model)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in _weights(again).items())
    for part in ("vit_config", "adapter_config", "llm_config", "norm_stats"):
        assert getattr(again.config, part) == getattr(model.config, part)


def test_progress_ends_at_the_total(checkpoint, shard):
    shard(checkpoint, 2)
    seen = []
    load(checkpoint, progress=seen.append)
    assert [step.bytes_done for step in seen] == sorted(step.bytes_done for step in seen)
    assert seen[-1].bytes_done == seen[-1].bytes_total > 1_000_000
    assert seen[-1].seconds_left == 0


def test_hub_id_offline_at_a_revision(checkpoint, tmp_path, monkeypatch):
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


def test_host_memory_stays_near_one_shard(checkpoint, monkeypatch):
    """Tensors that are sent to a device leave the host: here they are dropped instead."""
    _edit(checkpoint / "config.json", **{"llm_config.intermediate_size": 20_000})
    _edit(checkpoint / "config.json", **{"llm_config.num_hidden_layers": 24})
    config = load_config(checkpoint)
    with torch.device("meta"):
        shapes = MolmoActForActionReasoning(config).state_dict()
    (checkpoint / "model.safetensors").unlink()
    names, weight_map, largest, total = sorted(shapes), {}, 0, 0
    for index in range(6):
        file = f"model-{index}.safetensors"
        part = names[index::6]
        save_file({name: torch.ones(shapes[name].shape) for name in part}, checkpoint / file)
        weight_map.update(dict.fromkeys(part, file))
        size = os.path.getsize(checkpoint / file)
        largest, total = max(largest, size), total + size
    index_file = checkpoint / "model.safetensors.index.json"
    index_file.write_text(json.dumps({"weight_map": weight_map}))

    monkeypatch.setattr(loading, "_place", lambda model, name, tensor: tensor.sum())
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # starts the peak counter anew
    before = _status("VmRSS")
    load(checkpoint)
    grown = _status("VmHWM") - before
    assert total > 300_000_000
    assert grown < largest + 100_000_000 < total


def _status(key):
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith(key))
    return 1024 * int(re.search(r"\d+", line)[0])


def _truncate(checkpoint):
    file = checkpoint / "model.safetensors"
    os.truncate(file, file.stat().st_size - 1000)


def _corrupt_header(checkpoint):
    with (checkpoint / "model.safetensors").open("r+b") as file:
        file.seek(8)
        file.write(b"{]")


def _not_safetensors(checkpoint):
    (checkpoint / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1")


def _header_only(checkpoint):
    (checkpoint / "model.safetensors").write_bytes(struct.pack("<Q", 500) + b"{")


def _integers(checkpoint):
    file = checkpoint / "model.safetensors"
    tensors = load_file(file)
    tensors["lm_head.weight"] = tensors["lm_head.weight"].to(torch.int64)
    save_file(tensors, file)


def _pickled(checkpoint):
    (checkpoint / "model.safetensors").rename(checkpoint / "pytorch_model.bin")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_truncate, r"model.safetensors is truncated: it has [\d,]+ of [\d,]+ bytes"),
        (_corrupt_header, "model.safetensors: its safetensors header is corrupt"),
        (_not_safetensors, "model.safetensors is not a safetensors file"),
        (_header_only, "model.safetensors is truncated: it ends inside its header"),
        (_integers, "'lm_head.weight' is stored as I64"),
        (_pickled, r"only pickled weights \(pytorch_model.bin\)"),
        (lambda path: (path / "model.safetensors").unlink(), "no model.safetensors and no"),
        (lambda path: (path / "config.json").unlink(), "config.json is missing"),
        (lambda path: (path / "config.json").write_text("{"), "config.json is not valid JSON"),
        (lambda path: (path / "config.json").write_text("[]"), "must hold a JSON object"),
        (lambda path: _edit(path / "config.json", model_type="llava"), "model_type is 'llava'"),
    ],
)
def test_broken_files_are_named(checkpoint, damage, message):
    damage(checkpoint)
    with pytest.raises(CheckpointError, match=message):
        load(checkpoint)


def test_truncated_shard_is_named(checkpoint, shard):
    shard(checkpoint, 3)
    file = checkpoint / "model-00002-of-00003.safetensors"
    os.truncate(file, file.stat().st_size // 2)
    with pytest.raises(CheckpointError, match="model-00002-of-00003.safetensors is truncated"):
        load(checkpoint)


def test_index_that_names_a_missing_shard(checkpoint, shard):
    shard(checkpoint, 3)
    (checkpoint / "model-00003-of-00003.safetensors").unlink()
    with pytest.raises(CheckpointError, match="missing files: model-00003-of-00003.safetensors"):
        load(checkpoint)


def test_index_and_shards_that_disagree(checkpoint, shard):
    shard(checkpoint, 2)
    index = checkpoint / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    content["weight_map"]["model.extra"] = "model-00001-of-00002.safetensors"
    index.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="promises tensors that its files lack: model.extra"):
        load(checkpoint)
    del content["weight_map"]["model.extra"], content["weight_map"]["lm_head.weight"]
    index.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="holds 'lm_head.weight', which .* places in no file"):
        load(checkpoint)


def test_missing_and_unexpected_tensors_are_listed(checkpoint):
    file = checkpoint / "model.safetensors"
    tensors = load_file(file)
    tensors["model.surplus"] = tensors.pop("model.transformer.ln_f.weight")
    save_file(tensors, file)
    with pytest.raises(CheckpointError) as error:
        load(checkpoint)
    assert "missing tensors: model.transformer.ln_f.weight" in str(error.value)
    assert "unexpected tensors: model.surplus" in str(error.value)


def test_config_of_other_sizes_lists_the_shapes(checkpoint):
    _edit(checkpoint / "config.json", **{"llm_config.intermediate_size": 96})
    with pytest.raises(CheckpointError) as error:
        load(checkpoint)
    for layer in range(3):
        name = f"model.transformer.blocks.{layer}.mlp.ff_out.weight"
        assert f"{name} has [64, 112], config.json asks for [64, 96]" in str(error.value)


def test_directory_that_does_not_exist(tmp_path):
    with pytest.raises(CheckpointError, match="absent does not exist"):
        load(tmp_path / "absent")
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="is a file"):
        load(tmp_path / "file")


def test_unknown_arguments_are_refused(checkpoint):
    with pytest.raises(TypeError, match="load_in_8bit"):
        load(checkpoint, load_in_8bit=True)
    with pytest.raises(ValueError, match="dtype 'half-float'"):
        load(checkpoint, dtype="half-float")
