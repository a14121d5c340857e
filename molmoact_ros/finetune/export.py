# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Writes checkpoints in the released layout (format.md 1)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from molmoact_ros.model.safetensors_files import (
    INDEX_FILE,
    SINGLE_FILE,
    StoredTensor,
    list_tensors,
    read_tensors,
)
from molmoact_ros.output_files import write_text, writing

SHARD_BYTES = 5_000_000_000
# What a tuned checkpoint takes over; weights and config.json are written anew.
_KEPT = ("*.json", "*.jinja", "*.py", "merges.txt", "vae-final.*", "LICENSE*")
_OWN = ("config.json", INDEX_FILE, "training.json", "losses.json")


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file as the checkpoints of this repository have it.

    Raises:
        WriteError: It cannot be written.
    """
    text = json.dumps(content, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    write_text(path, text)


def write_weights(folder: Path, tensors: Iterable[tuple[str, torch.Tensor]], total: int) -> None:
    """Write weights as safetensors, in shards where they are large.

    Args:
        folder: Where to.
        tensors: Names and contents; they are held no longer than a shard needs.
        total: Bytes of all of them.

    Raises:
        WriteError: They cannot be written.
    """
    shards: list[list[str]] = []
    part: dict[str, torch.Tensor] = {}

    def flush() -> None:
        path = folder / _part_name(len(shards))
        with writing(path):
            try:
                save_file(part, path, metadata={"format": "pt"})
            except Exception as error:  # safetensors raises its own for a full disk
                raise OSError(str(error)) from error
        shards.append(list(part))
        part.clear()

    size = 0
    for name, tensor in tensors:
        if part and size + tensor.nbytes > SHARD_BYTES:
            flush()
            size = 0
        part[name] = tensor.contiguous()
        size += tensor.nbytes
    flush()
    if len(shards) == 1:
        (folder / _part_name(0)).rename(folder / SINGLE_FILE)
        return
    places: dict[str, str] = {}
    for number, names in enumerate(shards):
        file = f"model-{number + 1:05d}-of-{len(shards):05d}.safetensors"
        (folder / _part_name(number)).rename(folder / file)
        places |= dict.fromkeys(names, file)
    index = {"metadata": {"total_size": total}, "weight_map": places}
    write_json(folder / INDEX_FILE, index)


def write_tuned(
    folder: Path,
    source: Path,
    changes: Mapping[str, Callable[[torch.Tensor], torch.Tensor]],
    norm_stats: Mapping[str, Any],
) -> None:
    """Write a checkpoint that differs from another one in weights and statistics alone.

    Args:
        folder: Exists and is empty.
        source: The other one.
        changes: What becomes of its tensors; those that are not named stay.
        norm_stats: Of both.

    Raises:
        WriteError: The disk is full, or the folder cannot be written.
    """
    for pattern in _KEPT:
        for path in source.glob(pattern):
            if path.name not in _OWN and path.is_file():
                with writing(folder / path.name):
                    shutil.copyfile(path, folder / path.name)
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    write_json(folder / "config.json", {**config, "norm_stats": dict(norm_stats)})
    stored = list_tensors(source)
    unknown = set(changes) - set(stored)
    assert not unknown, unknown
    total = sum(tensor.nbytes for tensor in stored.values())
    write_weights(folder, _changed(stored, changes), total)


def _changed(
    stored: dict[str, StoredTensor],
    changes: Mapping[str, Callable[[torch.Tensor], torch.Tensor]],
) -> Iterable[tuple[str, torch.Tensor]]:
    for name, tensor in read_tensors(stored, torch.device("cpu")):
        yield name, changes[name](tensor) if name in changes else tensor


def _part_name(number: int) -> str:
    return f"model.part{number}.safetensors"
