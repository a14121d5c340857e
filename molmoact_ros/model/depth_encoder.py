# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Depth codes from a depth image.

The model's depth codes were distilled from an estimator and the VQ-VAE's encoder (format.md
13); a depth camera stands in for the estimator.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch.nn.functional import interpolate

from .vqvae import VqVae


class DepthEncoder:
    """Encodes depth images as the training data were encoded."""

    def __init__(self, network: VqVae, rows: int = 10, cols: int = 10) -> None:
        """Use the checkpoint's VQ-VAE; codes come as a grid of `rows` x `cols`."""
        self._network = network
        with torch.no_grad():
            image = network.decode(torch.zeros(1, rows, cols, dtype=torch.int64))
        self._size = (int(image.shape[-2]), int(image.shape[-1]))

    @torch.no_grad()
    def codes(self, disparity: ArrayLike) -> tuple[int, ...]:
        """Return the codes of an estimator's output.

        Args:
            disparity: [H, W], larger is nearer, any scale (Depth-Anything-V2's convention).

        Returns:
            The codes, row-major.

        Raises:
            ValueError: when the image is not two-dimensional, or holds no finite value.
        """
        image = np.asarray(disparity, dtype=np.float32)
        finite = np.isfinite(image)
        if image.ndim != 2 or not finite.any():
            raise ValueError(f"A depth image must be [H, W] with finite values, not {image.shape}")
        low, high = image[finite].min(), image[finite].max()
        scaled = np.where(finite, (image - low) / max(high - low, np.float32(1e-8)), 0.0)
        grey = torch.from_numpy(np.floor(scaled * 255).astype(np.float32))[None, None]
        resized = interpolate(grey, self._size, mode="bilinear", antialias=True).round() / 255
        return tuple(self._network.encode(resized).flatten().tolist())

    def codes_of_metric(self, depth: ArrayLike) -> tuple[int, ...]:
        """Return the codes of a depth image [H, W] in m; 0, NaN and infinity count as farthest."""
        metres: NDArray[np.float32] = np.asarray(depth, dtype=np.float32)
        valid = np.isfinite(metres) & (metres > 0)
        return self.codes(np.where(valid, 1 / np.where(valid, metres, 1), np.nan))
