# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A checkpoint of the released sizes, made here: names, shapes and vocabulary of MolmoAct-7B-D.

The weights are either holes in sparse files, which take no space on the disk and serve for all that
is checked before the first weight is read, or noise, 16 GB in bfloat16:

    python -m benchmarks.full_size /tmp/sparse          # a few MB on the disk
    python -m benchmarks.full_size /tmp/random --random
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from molmoact_ros.model import VqVae
from molmoact_ros.processing.tokenizer import DEPTH_TOKENS

_DATA = Path(__file__).parents[1] / "test" / "data"
_GOLDEN = _DATA / "golden" / "qwen_siglip"
_BASE_VOCABULARY = 151_643
_SPECIAL = ("<|endoftext|>", *(f"<|special_{index}|>" for index in range(21)))
_IMAGE_TOKENS = ("<im_start>", "<im_end>", "<im_patch>", "<im_col>", "<|image|>", "<im_low>")
_SHARD_BYTES = 5_000_000_000  # as released
_BYTES = {"F32": 4, "BF16": 2}
_NOISE = 1_000_003  # values, repeated; the scale of initial weights
_SCALE = 0.02


def make_checkpoint(
    directory: Path, dtype: str = "BF16", random: bool = False, layers: int | None = None
) -> Path:
    """Write a checkpoint with all its files.

    Args:
        directory: is made.
        dtype: of the weights, "F32" or "BF16".
        random: whether the weights are noise; else zeros that take no space.
        layers: blocks of the language model, to try something at less than full size; None: 28.

    Returns:
        The directory.
    """
    directory.mkdir(parents=True, exist_ok=True)
    table = json.loads((_DATA / "tensors_7b.json").read_text(encoding="utf-8"))["7B-D"]
    config = table["config"]
    if layers is not None:
        config["llm_config"]["num_hidden_layers"] = layers
        for name, entry in table["tensors"].items():
            if name.startswith("model.transformer.blocks."):
                entry["count"] = layers
    config["norm_stats"] = {"molmoact": {"action": {"q01": [-1.0] * 7, "q99": [1.0] * 7}}}
    _write(directory / "config.json", config)
    _write(directory / "generation_config.json", {"eos_token_id": _BASE_VOCABULARY})
    make_processor(directory, config["llm_config"]["vocab_size"])
    save_file(VqVae().state_dict(), directory / "vae-final.safetensors")
    _write_shards(directory, dict(_shapes(table["tensors"])), dtype, random)
    return directory


def make_processor(directory: Path, embeddings: int) -> None:
    """Write tokenizer and image settings: as many base tokens and merges as 7B-D has.

    Args:
        directory: exists.
        embeddings: rows of the embedding, where the ids of the image tokens begin.
    """
    content = json.loads((_GOLDEN / "tokenizer.json").read_text(encoding="utf-8"))
    model = content["model"]
    _grow(model["vocab"], model["merges"])
    texts = [*_SPECIAL, *DEPTH_TOKENS]
    unused = embeddings - _BASE_VOCABULARY - len(texts)
    texts += [f"|<EXTRA_TOKENS_{index}>|" for index in range(unused)]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    content["added_tokens"] = [
        {"id": _BASE_VOCABULARY + i, "content": text, "special": text not in DEPTH_TOKENS, **flags}
        for i, text in enumerate((*texts, *_IMAGE_TOKENS))
    ]
    _write(directory / "tokenizer.json", content)
    for name in ("tokenizer_config.json", "processor_config.json"):
        (directory / name).write_bytes((_GOLDEN / name).read_bytes())
    settings = json.loads((_GOLDEN / "preprocessor_config.json").read_text(encoding="utf-8"))
    settings.update(base_image_input_size=[378, 378], overlap_margins=[4, 4])
    _write(directory / "preprocessor_config.json", settings)


def _grow(vocabulary: dict[str, int], merges: list[list[str]]) -> None:
    """Add merges of bytes until the base vocabulary is full."""
    symbols = sorted(vocabulary, key=vocabulary.__getitem__)[:256]
    pairs = [left + right for left, right in itertools.product(symbols, symbols)]
    for left, right in itertools.product(itertools.chain(symbols, pairs), symbols):
        if len(vocabulary) == _BASE_VOCABULARY:
            return
        if left in vocabulary and left + right not in vocabulary:
            vocabulary[left + right] = len(vocabulary)
            merges.append([left, right])


def _shapes(table: dict[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    for name, entry in table.items():
        for index in range(entry["count"]):
            yield name.replace("{i}", str(index)), tuple(entry["shape"])


def _write_shards(
    directory: Path, shapes: dict[str, tuple[int, ...]], dtype: str, random: bool
) -> None:
    shards: list[list[str]] = [[]]
    size = 0
    for name, shape in shapes.items():
        nbytes = math.prod(shape) * _BYTES[dtype]
        if size and size + nbytes > _SHARD_BYTES:
            shards.append([])
            size = 0
        shards[-1].append(name)
        size += nbytes
    weight_map = {}
    for number, names in enumerate(shards, start=1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        _write_shard(directory / file, {name: shapes[name] for name in names}, dtype, random)
        weight_map.update(dict.fromkeys(names, file))
    _write(directory / "model.safetensors.index.json", {"weight_map": weight_map})


def _write_shard(path: Path, shapes: dict[str, tuple[int, ...]], dtype: str, random: bool) -> None:
    header: dict[str, Any] = {}
    end = 0
    for name, shape in shapes.items():
        start, end = end, end + math.prod(shape) * _BYTES[dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
    raw = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(raw)) + raw)
        if not random:
            file.truncate(file.tell() + end)
            return
        kind = {"F32": torch.float32, "BF16": torch.bfloat16}[dtype]
        noise = torch.randn(_NOISE, generator=torch.Generator().manual_seed(0)) * _SCALE
        piece = noise.to(kind).view(torch.uint8).numpy().tobytes()
        for start in range(0, end, len(piece)):
            file.write(piece[: end - start])


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> None:
    """Write a checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--dtype", choices=tuple(_BYTES), default="BF16")
    parser.add_argument("--random", action="store_true", help="noise instead of sparse zeros")
    arguments = parser.parse_args(argv)
    make_checkpoint(arguments.directory, arguments.dtype, arguments.random)


if __name__ == "__main__":
    main()
