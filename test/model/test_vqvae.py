# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The VQ-VAE: golden values, all file layouts, refusal of what could run code."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from molmoact_ros.model import CheckpointError, VqVae, load_vqvae


@pytest.fixture
def state(golden: Any) -> Any:
    return load_file(golden / "vqvae" / "vqvae_tiny.safetensors")


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_golden_codes_and_images(golden: Any, suffix: str) -> None:
    network = load_vqvae(golden / "vqvae" / f"vqvae_tiny{suffix}")
    with np.load(golden / "vqvae" / "vqvae_tiny.npz") as file:
        arrays = {name: torch.from_numpy(value) for name, value in file.items()}
    decoded = network.decode(arrays["codes"])
    torch.testing.assert_close(decoded, arrays["decoded"], atol=1e-6, rtol=0)
    latent = network.latent(arrays["image"])
    torch.testing.assert_close(latent, arrays["latent"], atol=1e-5, rtol=0)
    assert torch.equal(network.encode(arrays["image"]), arrays["indices"])


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_all_four_pickle_layouts(tmp_path: Path, state: Any, wrapped: bool, prefix: str) -> None:
    content = {prefix + name: tensor for name, tensor in state.items()}
    torch.save({"weights": content} if wrapped else content, tmp_path / "vae.pt")
    loaded = load_vqvae(tmp_path / "vae.pt").state_dict()
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[name], state[name]) for name in state)


def test_released_architecture_has_the_released_size() -> None:
    """format.md 13: 53 tensors, 7,820,401 values, 320 px to 10x10 codes."""
    network = VqVae()
    tensors = network.state_dict()
    assert (len(tensors), sum(tensor.numel() for tensor in tensors.values())) == (53, 7_820_401)
    assert network.encode(torch.zeros(1, 1, 320, 320)).shape == (1, 10, 10)
    assert network.decode(torch.zeros(1, 10, 10, dtype=torch.long)).shape == (1, 1, 320, 320)


def test_a_pickle_that_runs_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (open, (str(tmp_path / "ran"), "w"))

    path = tmp_path / "vae.pt"
    torch.save({"weights": Evil()}, path)
    with pytest.raises(CheckpointError, match="vae.pt"):
        load_vqvae(path)
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(CheckpointError, match="vae.pt"):
        load_vqvae(path)
    assert not (tmp_path / "ran").exists()


def test_missing_file_and_foreign_content(tmp_path: Path, state: Any) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        load_vqvae(tmp_path / "absent.pt")
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="does not hold"):
        load_vqvae(tmp_path / "other.pt")
    del state["decoder.0.bias"]
    torch.save(state, tmp_path / "incomplete.pt")
    with pytest.raises(CheckpointError, match="decoder.0.bias"):
        load_vqvae(tmp_path / "incomplete.pt")
