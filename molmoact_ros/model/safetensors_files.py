# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Reading the tensors of a checkpoint from one or several safetensors files."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open

from .files import CheckpointError, read_json

SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
_DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_MAX_HEADER_BYTES = 100_000_000  # the format's own limit


@dataclass(frozen=True)
class StoredTensor:
    """Where one tensor lies.

    Attributes:
        file: The safetensors file.
        shape: Its shape.
        dtype: float32, float16 or bfloat16.
        nbytes: Bytes in the file.
    """

    file: Path
    shape: tuple[int, ...]
    dtype: torch.dtype
    nbytes: int


def list_tensors(directory: Path) -> dict[str, StoredTensor]:
    """Read the headers of all weight files and check that every byte is there.

    Raises:
        CheckpointError: No safetensors file, a shard missing, truncated or corrupt, or a type of
            number that is not supported.
    """
    single, index = directory / SINGLE_FILE, directory / INDEX_FILE
    if index.exists():
        return _list_shards(directory)
    if single.exists():
        return _read_header(single)
    pickled = sorted(path.name for path in directory.glob("pytorch_model*.bin"))
    if pickled:
        raise CheckpointError(
            f"{directory} holds only pickled weights ({pickled[0]}), which can run code when they"
            " are read: convert them to safetensors"
        )
    raise CheckpointError(f"{directory}: no {SINGLE_FILE} and no {INDEX_FILE}")


def stream_tensors(tensors: dict[str, StoredTensor]) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield name and tensor, file by file, so that only one file is open at a time."""
    for file in dict.fromkeys(stored.file for stored in tensors.values()):
        with safe_open(file, framework="pt", device="cpu") as reader:
            for name, stored in tensors.items():
                if stored.file == file:
                    yield name, reader.get_tensor(name)


def _list_shards(directory: Path) -> dict[str, StoredTensor]:
    weight_map = read_json(directory, INDEX_FILE).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(f"{directory / INDEX_FILE}: 'weight_map' is missing or empty")
    shards = sorted(set(weight_map.values()))
    absent = [name for name in shards if not (directory / name).is_file()]
    if absent:
        raise CheckpointError(f"{directory}: {INDEX_FILE} names missing files: {', '.join(absent)}")
    tensors: dict[str, StoredTensor] = {}
    for shard in shards:
        for name, stored in _read_header(directory / shard).items():
            if weight_map.get(name) != shard:
                raise CheckpointError(
                    f"{directory / shard} holds '{name}', which {INDEX_FILE} places in"
                    f" {weight_map.get(name, 'no file')}"
                )
            tensors[name] = stored
    lost = sorted(set(weight_map) - set(tensors))
    if lost:
        raise CheckpointError(
            f"{directory}: {INDEX_FILE} promises tensors that its files lack: {shorten(lost)}"
        )
    return tensors


def _read_header(path: Path) -> dict[str, StoredTensor]:
    size = path.stat().st_size
    with path.open("rb") as file:
        prefix = file.read(8)
        length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else _MAX_HEADER_BYTES + 1
        if length > _MAX_HEADER_BYTES:
            raise CheckpointError(f"{path} is not a safetensors file: its header is corrupt")
        raw = file.read(length)
    if len(raw) < length:
        raise CheckpointError(f"{path} is truncated: it ends inside its header")
    try:
        header = json.loads(raw)
        header.pop("__metadata__", None)
        tensors = {name: _stored_tensor(path, name, entry) for name, entry in header.items()}
        end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
    except CheckpointError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise CheckpointError(f"{path}: its safetensors header is corrupt ({error})") from error
    expected = 8 + length + end
    if size < expected:
        raise CheckpointError(
            f"{path} is truncated: it has {size:,} of {expected:,} bytes; fetch it again"
        )
    return tensors


def _stored_tensor(path: Path, name: str, entry: dict) -> StoredTensor:
    if entry["dtype"] not in _DTYPES:
        raise CheckpointError(
            f"{path}: '{name}' is stored as {entry['dtype']}; supported are {', '.join(_DTYPES)}"
        )
    start, stop = entry["data_offsets"]
    return StoredTensor(path, tuple(entry["shape"]), _DTYPES[entry["dtype"]], stop - start)


def shorten(names: list[str], limit: int = 50) -> str:
    """Join names for a message, at most `limit` of them."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
