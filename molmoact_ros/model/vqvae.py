# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The VQ-VAE that turns depth images into codes and back (format.md 13)."""

from __future__ import annotations

import math
import pickle
import re
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from molmoact_ros.small_files import check_small_file

from .files import CheckpointError
from .safetensors_files import list_file, read_tensors

_CODEBOOK = "_vq_vae._embedding"
_MAX_PICKLE_BYTES = 1_000_000_000
_STATISTICS = ("_vq_vae._ema_cluster_size", "_vq_vae._ema_w")


class _Residual(nn.Module):
    """Three convolutions beside the identity; no activation behind the sum."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.net(x)


class _Codebook(nn.Module):
    """The code vectors and the running statistics that training keeps of them."""

    _embedding: torch.Tensor

    def __init__(self, codes: int, width: int) -> None:
        super().__init__()
        self.register_buffer("_embedding", torch.randn(codes, width))
        self.register_buffer("_ema_cluster_size", torch.zeros(codes))
        self.register_buffer("_ema_w", torch.zeros(codes, width))

    def nearest(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return the index of the nearest code of each vector ``[..., width]``."""
        book = self._embedding
        distance = vectors.square().sum(-1, keepdim=True) + book.square().sum(-1)
        return (distance - 2 * vectors @ book.T).argmin(-1)


class VqVae(nn.Module):
    """Depth image to a grid of codes, and codes to a relative depth image.

    Args:
        image_channels: Channels of the image; 1 for depth.
        hidden_size: Channels after the first convolution.
        halvings: How often the encoder halves the image; 5 gives 10x10 codes for 320x320.
        residual_blocks: Residual blocks in the encoder, and again in the decoder.
        num_codes: Codes of the codebook.
        code_size: Width of a code vector.
    """

    def __init__(
        self,
        image_channels: int = 1,
        hidden_size: int = 16,
        halvings: int = 5,
        residual_blocks: int = 2,
        num_codes: int = 128,
        code_size: int = 512,
    ) -> None:
        super().__init__()
        widths = [hidden_size * 2**step for step in range(halvings)]
        encoder: list[nn.Module] = []
        for before, after in zip([image_channels, *widths], widths, strict=False):
            encoder += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.ReLU()]
        encoder += [_Residual(widths[-1]) for _ in range(residual_blocks)]
        encoder.append(nn.Conv2d(widths[-1], code_size, 1))
        decoder: list[nn.Module] = [nn.Conv2d(code_size, widths[-1], 1), nn.ReLU()]
        decoder += [_Residual(widths[-1]) for _ in range(residual_blocks)]
        ups = [widths[-1], *reversed(widths)]
        for before, after in zip(ups, ups[1:], strict=False):
            decoder += [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1), nn.ReLU()]
        decoder.append(nn.Conv2d(widths[0], image_channels, 1))
        self.encoder = nn.Sequential(*encoder)
        self.decoder = nn.Sequential(*decoder)
        self._vq_vae = _Codebook(num_codes, code_size)

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Encode images ``[B, C, H, W]`` in 0..1 as codes ``[B, h, w]``, int64."""
        return self._vq_vae.nearest(self.latent(images).permute(0, 2, 3, 1))

    def latent(self, images: torch.Tensor) -> torch.Tensor:
        """Return the encoder's vectors ``[B, code_size, h, w]`` before quantisation."""
        return self.encoder(images)

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """Decode codes ``[B, h, w]`` as images ``[B, C, H, W]``: relative depth, not metric."""
        vectors = F.embedding(codes, self._vq_vae._embedding)
        return self.decoder(vectors.permute(0, 3, 1, 2))


def load_vqvae(path: str | Path) -> VqVae:
    """Load a VQ-VAE; its sizes are read from the shapes of its tensors.

    Args:
        path: A ``.safetensors`` file, or a ``.pt`` file, which is read weights-only: a state
            dictionary, or one under "weights", with or without the prefix "module.".

    Raises:
        CheckpointError: The file is missing, not readable without running code, or holds
            something else than this network.
    """
    path = Path(path)
    state = _strip(_read_state(path), path)
    try:
        network = VqVae(**_infer_sizes(state))
        kept = {name: tensor.float() for name, tensor in state.items()}
        missing, unexpected = network.load_state_dict(kept, strict=False)
    except (KeyError, ValueError, IndexError, RuntimeError) as error:
        raise CheckpointError(f"{path} does not hold a MolmoAct depth VQ-VAE: {error}") from error
    missing = [name for name in missing if name not in _STATISTICS]
    if missing or unexpected:
        raise CheckpointError(
            f"{path} does not fit the depth VQ-VAE: missing {missing}, unexpected {unexpected}"
        )
    return network.eval().requires_grad_(False)


def _read_state(path: Path) -> Any:
    if not path.is_file():
        raise CheckpointError(f"VQ-VAE file {path} does not exist")
    if path.suffix == ".safetensors":
        return dict(read_tensors(list_file(path), torch.device("cpu"), torch.float32))
    try:
        check_small_file(path, _MAX_PICKLE_BYTES)
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} holds more than tensors and is not read, because that could run code"
        ) from error
    except Exception as error:  # torch raises many kinds for a broken file
        raise CheckpointError(f"{path} cannot be read: {error}") from error


def _strip(state: Any, path: Path) -> dict[str, torch.Tensor]:
    """Remove the wrappers "weights" and "module."."""
    if isinstance(state, dict) and "weights" in state:
        state = state["weights"]
    if not isinstance(state, dict) or not all(
        isinstance(value, torch.Tensor) for value in state.values()
    ):
        raise CheckpointError(f"{path} does not hold a dictionary of tensors")
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}


def _infer_sizes(state: dict[str, torch.Tensor]) -> dict[str, int]:
    first = state["encoder.0.weight"]
    # Down-sampling convolutions lie two apart (an activation between); residual blocks follow.
    plain = sorted(
        int(match.group(1))
        for name in state
        if (match := re.fullmatch(r"encoder\.(\d+)\.weight", name))
    )
    residual = {
        int(match.group(1))
        for name in state
        if (match := re.fullmatch(r"encoder\.(\d+)\.net\.0\.weight", name))
    }
    num_codes, code_size = state[_CODEBOOK].shape
    halvings = len(plain) - 1
    if halvings < 1 or not math.log2(state[f"encoder.{plain[-1]}.weight"].shape[1]).is_integer():
        raise ValueError("the encoder's layers are not those of this network")
    return {
        "image_channels": first.shape[1],
        "hidden_size": first.shape[0],
        "halvings": halvings,
        "residual_blocks": len(residual),
        "num_codes": num_codes,
        "code_size": code_size,
    }
