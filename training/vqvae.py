# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Trains the depth VQ-VAE: 40x40 inverse depth to 10x10 codes of 128 (format.md 13)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from tqdm import trange

from molmoact_ros.model import VqVae

STEPS = 1200
BATCH = 32
_DECAY = 0.97
_COMMITMENT = 0.25
_RESTART_EVERY = 50
_RESTART_UNTIL = 900


def train_vqvae(depth: np.ndarray, seed: int, steps: int = STEPS) -> VqVae:
    """Train on depth pictures `[N, 40, 40]` in 0..1; the codebook follows by moving averages."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = VqVae(hidden_size=16, halvings=2, residual_blocks=2, num_codes=128, code_size=64)
    book: Any = network._vq_vae  # its buffers are typed as Tensor or Module
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    bar = trange(steps, desc="vqvae", mininterval=5)
    for step in bar:
        batch = torch.as_tensor(depth[rng.integers(len(depth), size=BATCH)]).float()[:, None]
        latent = network.latent(batch).permute(0, 2, 3, 1)
        if step == 0:
            everything = torch.ones(len(book._embedding), dtype=torch.bool)
            _restart(book, latent.detach().reshape(-1, latent.shape[-1]), everything)
        codes = book.nearest(latent.detach())
        quantised = F.embedding(codes, book._embedding)
        # Straight through: the decoder's gradient reaches the encoder past the codebook.
        passed = latent + (quantised - latent).detach()
        decoded = network.decoder(passed.permute(0, 3, 1, 2))
        loss = F.mse_loss(decoded, batch)
        total = loss + _COMMITMENT * F.mse_loss(latent, quantised)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        schedule.step()
        _follow(book, latent.detach().reshape(-1, latent.shape[-1]), codes.reshape(-1))
        if step % _RESTART_EVERY == _RESTART_EVERY - 1 and step < _RESTART_UNTIL:
            flat = latent.detach().reshape(-1, latent.shape[-1])
            _restart(book, flat, book._ema_cluster_size < 0.5)
        bar.set_postfix(psnr=f"{-10 * np.log10(loss.item()):.1f}", refresh=False)
    return network.eval().requires_grad_(False)


def encode_depth(network: VqVae, depth: np.ndarray) -> np.ndarray:
    """Return the codes, uint8 `[N, 10, 10]`, of depth pictures `[N, 40, 40]`."""
    parts = []
    with torch.inference_mode():
        for start in range(0, len(depth), 512):
            batch = torch.as_tensor(depth[start : start + 512]).float()[:, None]
            parts.append(network.encode(batch).to(torch.uint8).cpu().numpy())
    return np.concatenate(parts)


def measure_vqvae(network: VqVae, train: np.ndarray, test: np.ndarray) -> dict[str, float]:
    """Measure on depth pictures `[N, 40, 40]`.

    Returns:
        PSNR of the reconstruction in dB, number of codes in use, and the share of codes that an
        answer without eyes gets right: each position's most frequent code of the training set.
    """
    codes = encode_depth(network, test)
    seen = encode_depth(network, train).reshape(len(train), -1)
    blind = np.array([np.bincount(column).argmax() for column in seen.T])
    with torch.inference_mode():
        decoded = network.decode(torch.as_tensor(codes).long())[:, 0].cpu().numpy()
    error = float(np.mean((decoded - test.astype(np.float32)) ** 2))
    return {
        "psnr_db": round(-10 * float(np.log10(error)), 1),
        "codes_used": len(np.unique(codes)),
        "image_blind_equal": float(np.mean(codes.reshape(len(codes), -1) == blind)),
    }


@torch.no_grad()
def _follow(book: Any, latent: torch.Tensor, codes: torch.Tensor) -> None:
    """Move each code towards the mean of the vectors that chose it."""
    chosen = F.one_hot(codes, len(book._embedding)).float()
    book._ema_cluster_size.mul_(_DECAY).add_(chosen.sum(0), alpha=1 - _DECAY)
    book._ema_w.mul_(_DECAY).add_(chosen.T @ latent, alpha=1 - _DECAY)
    sizes = book._ema_cluster_size.clamp(min=1e-3)[:, None]
    book._embedding.copy_(book._ema_w / sizes)


@torch.no_grad()
def _restart(book: Any, latent: torch.Tensor, dead: torch.Tensor) -> None:
    """Put unused codes onto vectors of this batch."""
    picks = latent[torch.randint(len(latent), (int(dead.sum()),))]
    book._embedding[dead] = picks
    book._ema_w[dead] = picks
    book._ema_cluster_size[dead] = 1.0
