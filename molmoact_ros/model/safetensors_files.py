# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Reading the tensors of a checkpoint from one or several safetensors files.

Headers are checked first, so that each tensor's bytes are known to be there. The bytes are then
read, not mapped: a bad disk or a file that changes meanwhile is an error with the file's name,
where a mapped file would end the process with SIGBUS.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import Any

import torch

from molmoact_ros.small_files import shown

from .files import CheckpointError, parse_json, read_json

SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
_DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_MAX_HEADER_BYTES = 16_000_000  # those of 7B are about 60 KB
_GIT_LFS = b"version https://git-lfs"
_PIECE_BYTES = 16_000_000


@dataclass(frozen=True)
class StoredTensor:
    """Where one tensor lies.

    Attributes:
        file: The safetensors file.
        shape: Its shape.
        dtype: float32, float16 or bfloat16.
        nbytes: Bytes in the file.
        offset: Of its first byte in the file.
        version: Size in bytes and time of change (ns) of the file when its header was read.
    """

    file: Path
    shape: tuple[int, ...]
    dtype: torch.dtype
    nbytes: int
    offset: int
    version: tuple[int, int]


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
        return list_file(single)
    pickled = sorted(path.name for path in directory.glob("pytorch_model*.bin"))
    if pickled:
        raise CheckpointError(
            f"{directory} holds only pickled weights ({pickled[0]}), which can run code when they"
            " are read: convert them to safetensors"
        )
    raise CheckpointError(f"{directory}: no {SINGLE_FILE} and no {INDEX_FILE}")


def list_file(path: Path) -> dict[str, StoredTensor]:
    """Read the header of one safetensors file and check that it describes the file exactly.

    Raises:
        CheckpointError: As `list_tensors`.
    """
    if not path.is_file():
        raise CheckpointError(f"{path} is not a regular file")
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            prefix = file.read(8)
            if len(prefix) < 8 or prefix == _GIT_LFS[:8]:
                raise CheckpointError(f"{path} {_no_weights(prefix + file.read(64))}")
            length = struct.unpack("<Q", prefix)[0]
            if length > _MAX_HEADER_BYTES:
                raise CheckpointError(f"{path} {_no_weights(prefix)}")
            raw = file.read(length)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    if len(raw) < length:
        raise CheckpointError(f"{path} is truncated: it ends inside its header; fetch it again")
    header = parse_json(raw, f"{path}: its safetensors header")
    header.pop("__metadata__", None)
    version = (status.st_size, status.st_mtime_ns)
    try:
        tensors = {
            name: _stored_tensor(path, name, entry, 8 + length, version)
            for name, entry in header.items()
        }
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path}: its safetensors header is corrupt ({error})") from error
    _check_extent(path, tensors, 8 + length, status.st_size)
    return tensors


def read_tensors(
    tensors: dict[str, StoredTensor],
    device: torch.device,
    dtype: torch.dtype | None = None,
    on_read: Callable[[int], None] = lambda count: None,
) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield name and content of each tensor, file by file.

    Beside the tensors, the host holds one piece of 16 MB.

    Args:
        tensors: As `list_tensors` returns them.
        device: Where the yielded tensors lie.
        dtype: Their type; None: as stored.
        on_read: Called with the number of bytes that were read, at least once per 16 MB.

    Raises:
        CheckpointError: A file cannot be read, or has changed since its header was read.
    """
    for path in dict.fromkeys(stored.file for stored in tensors.values()):
        inside = [(name, stored) for name, stored in tensors.items() if stored.file == path]
        inside.sort(key=lambda entry: entry[1].offset)  # as the disk gives it fastest
        version = inside[0][1].version
        try:
            with path.open("rb", buffering=0) as file:
                _check_version(file.fileno(), path, version)
                for name, stored in inside:
                    file.seek(stored.offset)
                    yield name, _read_tensor(file, stored, device, dtype or stored.dtype, on_read)
                _check_version(file.fileno(), path, version)
        except OSError as error:
            raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error


def _list_shards(directory: Path) -> dict[str, StoredTensor]:
    weight_map = read_json(directory, INDEX_FILE).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(f"{directory / INDEX_FILE}: 'weight_map' is missing or empty")
    for shard in weight_map.values():
        if not isinstance(shard, str) or not shard or Path(shard).name != shard:
            raise CheckpointError(
                f"{directory / INDEX_FILE}: {shown(shard)} is not the name of a file beside it"
            )
    shards = sorted(set(weight_map.values()))
    absent = [name for name in shards if not (directory / name).is_file()]
    if absent:
        raise CheckpointError(f"{directory}: {INDEX_FILE} names missing files: {shorten(absent)}")
    tensors: dict[str, StoredTensor] = {}
    for shard in shards:
        for name, stored in list_file(directory / shard).items():
            if weight_map.get(name) != shard:
                raise CheckpointError(
                    f"{directory / shard} holds {shown(name)}, which {INDEX_FILE} places in"
                    f" {weight_map.get(name, 'no file')}"
                )
            tensors[name] = stored
    lost = sorted(set(weight_map) - set(tensors))
    if lost:
        raise CheckpointError(
            f"{directory}: {INDEX_FILE} promises tensors that its files lack: {shorten(lost)}"
        )
    return tensors


def _no_weights(begin: bytes) -> str:
    """Return what a file is that begins so and is no safetensors file."""
    if not begin:
        return "is empty; fetch it again"
    if begin.startswith(_GIT_LFS):
        return "is only a git-lfs pointer, not the weights: run 'git lfs pull' in its directory"
    return f"is not a safetensors file: it begins with {begin[:8]!r}"


def _stored_tensor(
    path: Path, name: str, entry: dict[str, Any], data: int, version: tuple[int, int]
) -> StoredTensor:
    if entry["dtype"] not in _DTYPES:
        raise CheckpointError(
            f"{path}: {shown(name)} is stored as {shown(entry['dtype'])}; supported are"
            f" {', '.join(_DTYPES)}"
        )
    kind, shape = entry["dtype"], tuple(entry["shape"])
    dtype = _DTYPES[kind]
    start, stop = entry["data_offsets"]
    if not all(type(number) is int and number >= 0 for number in (*shape, start, stop)):
        raise ValueError(f"sizes or offsets of {shown(name)} are not natural numbers")
    nbytes = stop - start
    if nbytes != math.prod(shape) * dtype.itemsize:
        raise CheckpointError(
            f"{path}: {shown(name)} of type {kind} and shape {shown(list(shape))} does not take"
            f" the {nbytes:,} bytes that the header gives it; fetch the file again"
        )
    return StoredTensor(path, shape, dtype, nbytes, data + start, version)


def _check_extent(path: Path, tensors: dict[str, StoredTensor], data: int, size: int) -> None:
    """Refuse a file with bytes that belong to no tensor or to two, or with too few or many."""
    end = data
    in_order = sorted(tensors.items(), key=lambda entry: (entry[1].offset, entry[1].nbytes))
    for name, stored in in_order:
        if stored.offset != end:
            raise CheckpointError(
                f"{path}: its safetensors header is corrupt ({shown(name)} begins at byte"
                f" {stored.offset:,}, the tensor before ends at {end:,})"
            )
        end += stored.nbytes
    if size < end:
        raise CheckpointError(
            f"{path} is truncated: it has {size:,} of {end:,} bytes; fetch it again"
        )
    if size > end:
        raise CheckpointError(
            f"{path} is too long: it has {size:,} bytes, its header describes {end:,}; fetch it"
            " again"
        )


def _check_version(descriptor: int, path: Path, version: tuple[int, int]) -> None:
    status = os.fstat(descriptor)
    if (status.st_size, status.st_mtime_ns) != version:
        raise CheckpointError(
            f"{path} has changed while it was loaded: load again when nothing writes to it"
        )


def _read_tensor(
    file: RawIOBase,
    stored: StoredTensor,
    device: torch.device,
    dtype: torch.dtype,
    on_read: Callable[[int], None],
) -> torch.Tensor:
    tensor = torch.empty(stored.shape, device=device, dtype=dtype)
    flat = tensor.view(-1)
    step = _PIECE_BYTES // stored.dtype.itemsize
    in_place = device.type == "cpu" and dtype == stored.dtype
    staging = flat if in_place else torch.empty(min(step, len(flat)), dtype=stored.dtype)
    for start in range(0, len(flat), step):
        target = flat[start : start + step]
        piece = target if in_place else staging[: len(target)]
        _fill(file, piece.view(torch.uint8).numpy().data, stored.file)
        if not in_place:
            target.copy_(piece)
        on_read(piece.nbytes)
    return tensor


def _fill(file: RawIOBase, buffer: memoryview, path: Path) -> None:
    """Read until `buffer` is full."""
    while buffer:
        count = file.readinto(buffer)
        if not count:
            raise CheckpointError(f"{path} has become shorter while it was loaded; fetch it again")
        buffer = buffer[count:]


def shorten(names: list[str], limit: int = 50) -> str:
    """Join names for a message, at most `limit` of them."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(name[:200] for name in names[:limit]) + more
