# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that must not load: each fault is named, and none hangs or ends the process."""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from molmoact_ros.model import CheckpointError, MolmoActForActionReasoning
from molmoact_ros.model.safetensors_files import list_file
from molmoact_ros.processing import MolmoActProcessor

load = MolmoActForActionReasoning.from_pretrained


def _edit(path: Any, **changes: Any) -> None:
    content = json.loads(path.read_text())
    for key, value in changes.items():
        part = content
        *parents, last = key.split(".")
        for parent in parents:
            part = part[parent]
        part[last] = value
    path.write_text(json.dumps(content))


def _truncate(checkpoint: Any) -> None:
    file = checkpoint / "model.safetensors"
    os.truncate(file, file.stat().st_size - 1000)


def _corrupt_header(checkpoint: Any) -> None:
    with (checkpoint / "model.safetensors").open("r+b") as file:
        file.seek(8)
        file.write(b"{]")


def _pointer(checkpoint: Any) -> None:
    (checkpoint / "model.safetensors").write_bytes(
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4922966052\n"
    )


def _empty(checkpoint: Any) -> None:
    (checkpoint / "model.safetensors").write_bytes(b"")


def _web_page(checkpoint: Any) -> None:
    (checkpoint / "model.safetensors").write_bytes(b"<!DOCTYPE html><title>Sign in</title>")


def _longer(checkpoint: Any) -> None:
    with (checkpoint / "model.safetensors").open("ab") as file:
        file.write(bytes(1000))


def _edit_header(checkpoint: Any, change: Any) -> None:
    """Change the header of model.safetensors and leave the data as they are."""
    path = checkpoint / "model.safetensors"
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    change(header)
    raw = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + content[8 + length :])


def _wrong_type(checkpoint: Any) -> None:
    _edit_header(checkpoint, lambda header: header["lm_head.weight"].update(dtype="F16"))


def _overlap(checkpoint: Any) -> None:
    def change(header: Any) -> None:
        entry = header["model.transformer.ln_f.weight"]
        start, stop = entry["data_offsets"]
        entry["data_offsets"] = [start - 4, stop - 4]

    _edit_header(checkpoint, change)


def _negative(checkpoint: Any) -> None:
    _edit_header(checkpoint, lambda header: header["lm_head.weight"].update(shape=[-1, -64]))


def _deep_header(checkpoint: Any) -> None:
    raw = b"[" * 100_000
    (checkpoint / "model.safetensors").write_bytes(struct.pack("<Q", len(raw)) + raw)


def _header_only(checkpoint: Any) -> None:
    (checkpoint / "model.safetensors").write_bytes(struct.pack("<Q", 500) + b"{")


def _integers(checkpoint: Any) -> None:
    file = checkpoint / "model.safetensors"
    tensors = load_file(file)
    tensors["lm_head.weight"] = tensors["lm_head.weight"].to(torch.int64)
    save_file(tensors, file)


def _pickled(checkpoint: Any) -> None:
    (checkpoint / "model.safetensors").rename(checkpoint / "pytorch_model.bin")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_truncate, r"model.safetensors is truncated: it has [\d,]+ of [\d,]+ bytes"),
        (_corrupt_header, "model.safetensors: its safetensors header is not valid JSON"),
        (_pointer, "model.safetensors is only a git-lfs pointer, .*: run 'git lfs pull'"),
        (_empty, "model.safetensors is empty; fetch it again"),
        (_web_page, r"model.safetensors is not a safetensors file: it begins with b'<!DOCTYP'"),
        (_header_only, "model.safetensors is truncated: it ends inside its header"),
        (_longer, r"model.safetensors is too long: it has [\d,]+ bytes, its header describes"),
        (_wrong_type, r"model.safetensors: 'lm_head.weight' of type F16 and shape .* does not "),
        (_overlap, "model.safetensors: its safetensors header is corrupt .*begins at byte"),
        (_negative, "model.safetensors: its .* corrupt .*'lm_head.weight' are not natural numbers"),
        (_deep_header, "model.safetensors: its safetensors header is nested too deeply"),
        (_integers, "'lm_head.weight' is stored as 'I64'"),
        (_pickled, r"only pickled weights \(pytorch_model.bin\)"),
        (lambda path: (path / "model.safetensors").unlink(), "no model.safetensors and no"),
        (lambda path: (path / "config.json").unlink(), "config.json is missing"),
        (lambda path: (path / "config.json").write_text("{"), "config.json is not valid JSON"),
        (lambda path: (path / "config.json").write_text("[]"), "must hold a JSON object"),
        (lambda path: _edit(path / "config.json", model_type="llava"), "model_type is 'llava'"),
        (lambda path: _edit(path / "config.json", norm_stats=[1]), "'norm_stats' is a list, not"),
        (lambda path: _edit(path / "config.json", dtype=[]), "checkpoint: "),
        (
            lambda path: _edit(path / "generation_config.json", eos_token_id="</s>"),
            "generation_config.json: eos_token_id is '</s>', not a token's id",
        ),
    ],
)
def test_broken_files_are_named(checkpoint: Any, damage: Any, message: str) -> None:
    damage(checkpoint)
    with pytest.raises(CheckpointError, match=message):
        load(checkpoint)


@pytest.mark.parametrize(
    "name",
    [
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "preprocessor_config.json",
        "processor_config.json",
        "generation_config.json",
        "model.safetensors.index.json",
    ],
)
def test_no_json_of_a_checkpoint_hangs_or_takes_memory(
    checkpoint: Any, name: str, shard: Any
) -> None:
    """A pipe, a device, a directory, a large or a deep file: refused by name, unread."""
    shard(checkpoint, 2)
    path = checkpoint / name

    def pipe() -> None:
        os.mkfifo(path)

    def large() -> None:
        path.touch()
        os.truncate(path, 1_000_000_000)

    for make, expected in (
        (pipe, "cannot be read: it is a device or pipe"),
        (lambda: path.symlink_to("/dev/zero"), "cannot be read: it is a device or pipe"),
        (large, "cannot be read: it has 1,000,000,000 bytes, at most"),
        (lambda: path.write_bytes(b"[" * 100_000), "nested too deeply|not a valid tokenizer"),
    ):
        path.unlink()
        make()
        with pytest.raises(CheckpointError, match=f"{name} .*{expected}|{name} is {expected}"):
            MolmoActProcessor.from_pretrained(checkpoint)
            load(checkpoint)


def test_sizes_that_nobody_has_are_refused_at_once(checkpoint: Any) -> None:
    _edit(checkpoint / "config.json", **{"llm_config.num_hidden_layers": 10**9})
    with pytest.raises(CheckpointError, match="llm_config.num_hidden_layers' is 1000000000; at mo"):
        load(checkpoint)


def test_a_shard_elsewhere_is_refused(checkpoint: Any, shard: Any) -> None:
    shard(checkpoint, 2)
    index = checkpoint / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    content["weight_map"]["lm_head.weight"] = "../model-00001-of-00002.safetensors"
    index.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="'../model-.*' is not the name of a file beside it"):
        load(checkpoint)


_CHANGING = """
import os, sys
from pathlib import Path
from molmoact_ros.model import CheckpointError, MolmoActForActionReasoning
file = Path(sys.argv[1]) / "model.safetensors"
size = file.stat().st_size
try:
    MolmoActForActionReasoning.from_pretrained(file.parent, progress=lambda step: {change})
except CheckpointError as error:
    sys.exit(str(error))
"""


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("os.truncate(file, 8)", "has become shorter"),
        ("file.write_bytes(bytes(size))", "has changed while it was"),
    ],
    ids=["truncated", "written"],
)
def test_a_file_that_changes_while_it_is_loaded_is_named(
    checkpoint: Any, change: str, expected: str
) -> None:
    """In a process of its own, which SIGBUS would end: what a mapped file does then."""
    program = [sys.executable, "-c", _CHANGING.format(change=change), str(checkpoint)]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith(f"{checkpoint / 'model.safetensors'} {expected}")


def test_a_disk_that_fails_is_named(tmp_path: Path) -> None:
    """Linux gives an input/output error for a process's memory at an address that it lacks."""
    (tmp_path / "model.safetensors").symlink_to("/proc/self/mem")
    with pytest.raises(CheckpointError, match="model.safetensors cannot be read: Input/output"):
        list_file(tmp_path / "model.safetensors")


def test_truncated_shard_is_named(checkpoint: Any, shard: Any) -> None:
    shard(checkpoint, 3)
    file = checkpoint / "model-00002-of-00003.safetensors"
    os.truncate(file, file.stat().st_size // 2)
    with pytest.raises(CheckpointError, match="model-00002-of-00003.safetensors is truncated"):
        load(checkpoint)


def test_index_that_names_a_missing_shard(checkpoint: Any, shard: Any) -> None:
    shard(checkpoint, 3)
    (checkpoint / "model-00003-of-00003.safetensors").unlink()
    with pytest.raises(CheckpointError, match="missing files: model-00003-of-00003.safetensors"):
        load(checkpoint)


def test_index_and_shards_that_disagree(checkpoint: Any, shard: Any) -> None:
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


def test_missing_and_unexpected_tensors_are_listed(checkpoint: Any) -> None:
    file = checkpoint / "model.safetensors"
    tensors = load_file(file)
    tensors["model.surplus"] = tensors.pop("model.transformer.ln_f.weight")
    save_file(tensors, file)
    with pytest.raises(CheckpointError) as error:
        load(checkpoint)
    assert "missing tensors: model.transformer.ln_f.weight" in str(error.value)
    assert "unexpected tensors: model.surplus" in str(error.value)


def test_config_of_other_sizes_lists_the_shapes(checkpoint: Any) -> None:
    _edit(checkpoint / "config.json", **{"llm_config.intermediate_size": 96})
    with pytest.raises(CheckpointError) as error:
        load(checkpoint)
    for layer in range(3):
        name = f"model.transformer.blocks.{layer}.mlp.ff_out.weight"
        assert f"{name} has [64, 112], config.json asks for [64, 96]" in str(error.value)
