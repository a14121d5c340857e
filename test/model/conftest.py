# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The golden checkpoints and their cases."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from golden_files import GOLDEN
from safetensors.torch import load_file, save_file

from molmoact_ros.model import MolmoActForActionReasoning
from molmoact_ros.processing import MolmoActProcessor

VARIANTS = ("qwen_siglip", "olmo_clip")

# The tensors are tiny: more threads only wait for each other.
torch.set_num_threads(1)


@dataclass(frozen=True)
class Case:
    """One golden case: `info` is its entry of index.json, `arrays` its npz file."""

    variant: str
    info: dict
    arrays: dict[str, np.ndarray]

    def inputs(self) -> dict[str, torch.Tensor]:
        """Return the whole batch that the reference had; stored pixels may be only a part."""
        inputs = {
            key[3:]: torch.from_numpy(value)
            for key, value in self.arrays.items()
            if key.startswith("in.")
        }
        if "images" in inputs:
            inputs["images"] = self._pixels()
        return inputs

    def _pixels(self) -> torch.Tensor:
        processor = MolmoActProcessor.from_pretrained(GOLDEN / self.variant)
        batch = torch.full(tuple(self.arrays["images.shape"]), -1.0)
        files = [str(GOLDEN / name) for name in self.info["images"]]
        frames = [np.asarray(cv2.imread(file))[:, :, ::-1] for file in files]
        for row, count in enumerate(self.info["per_prompt"] or [1] * len(frames)):
            given, frames = frames[:count], frames[count:]
            images = given if self.info["layout"] == "nested" else given[0]
            pixels = processor(images=images)["images"][0]
            batch[row, : len(pixels)] = pixels
        return batch


def _names(keep: Any) -> list[tuple[str, str]]:
    pairs = []
    for variant in VARIANTS:
        index = json.loads((GOLDEN / variant / "cases" / "index.json").read_text())
        pairs += [(variant, entry["name"]) for entry in index if keep(entry)]
    return pairs


def _load(pair: tuple[str, str]) -> Case:
    variant, name = pair
    folder = GOLDEN / variant / "cases"
    index = json.loads((folder / "index.json").read_text())
    info = next(entry for entry in index if entry["name"] == name)
    with np.load(folder / f"{name}.npz") as file:
        return Case(variant, info, dict(file))


@pytest.fixture(params=_names(lambda entry: True), ids="-".join)
def case(request: pytest.FixtureRequest) -> Case:
    """Every golden case."""
    return _load(request.param)


@pytest.fixture(params=_names(lambda entry: entry["layout"] != "none"), ids="-".join)
def image_case(request: pytest.FixtureRequest) -> Case:
    """Every golden case with images."""
    return _load(request.param)


@pytest.fixture(params=_names(lambda entry: len(entry["prompts"]) == 1), ids="-".join)
def single_case(request: pytest.FixtureRequest) -> Case:
    """Every golden case of one prompt, so without padding."""
    return _load(request.param)


@pytest.fixture(scope="session")
def models() -> dict[str, MolmoActForActionReasoning]:
    """Both golden models, float32; tests must not change them."""
    return {name: MolmoActForActionReasoning.from_pretrained(GOLDEN / name) for name in VARIANTS}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """Return a copy of a golden checkpoint that a test may break."""
    directory = tmp_path / "checkpoint"
    shutil.copytree(GOLDEN / "qwen_siglip", directory, ignore=shutil.ignore_patterns("cases"))
    return directory


@pytest.fixture
def shard() -> Callable[[Path, int], None]:
    """Return a function that splits model.safetensors of a directory into shards."""

    def split(directory: Path, count: int) -> None:
        tensors = load_file(directory / "model.safetensors")
        (directory / "model.safetensors").unlink()
        weight_map = {}
        names = sorted(tensors)
        for index in range(count):
            file = f"model-{index + 1:05d}-of-{count:05d}.safetensors"
            part = names[index::count]
            save_file({name: tensors[name] for name in part}, directory / file)
            weight_map.update(dict.fromkeys(part, file))
        index_file = directory / "model.safetensors.index.json"
        index_file.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))

    return split
