# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Depth codes of the steps, by the checkpoint's VQ-VAE: from a depth camera or an estimator."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Protocol

import numpy as np

ROWS, COLUMNS = 10, 10
_VQVAE_FILES = ("vae-final.safetensors", "vae-final.pt")


class Estimator(Protocol):
    """Estimates depth from a picture."""

    def disparity(self, rgb: np.ndarray) -> np.ndarray:
        """Return ``[H, W]``, larger is nearer, any scale, of RGB uint8 ``[H, W, 3]``."""


class DepthCodes:
    """Encodes depth as the checkpoint does.

    Attributes:
        source: "camera", or the name of the estimator.
        vqvae_sha256: Of the file of the VQ-VAE: codes of another one mean something else.
    """

    def __init__(self, checkpoint: Path, estimator: Estimator | None, source: str) -> None:
        """Load the VQ-VAE of a checkpoint.

        Args:
            checkpoint: Folder with vae-final.safetensors or vae-final.pt, or such a file.
            estimator: None: the depth camera is used.
            source: For the data set's description.

        Raises:
            CheckpointError: There is none, or it is broken.
            FileNotFoundError: The folder holds none.
        """
        from molmoact_ros.model import load_vqvae
        from molmoact_ros.model.depth_encoder import DepthEncoder  # torch takes seconds

        file = _find_vqvae(checkpoint)
        self._encoder = DepthEncoder(load_vqvae(file), ROWS, COLUMNS)
        self._estimator = estimator
        self.source = source
        self.vqvae_sha256 = hashlib.sha256(file.read_bytes()).hexdigest()

    @property
    def needs_camera(self) -> bool:
        """Whether metric depth is needed."""
        return self._estimator is None

    def encode(self, rgb: np.ndarray, metres: np.ndarray | None) -> np.ndarray:
        """Return codes uint8 ``[100]``, row by row.

        Args:
            rgb: RGB uint8 ``[H, W, 3]``.
            metres: ``[H, W]`` of a depth camera, where one is used.

        Raises:
            ValueError: The depth image holds no measured point.
        """
        if self._estimator is not None:
            codes = self._encoder.codes(self._estimator.disparity(rgb))
        else:
            assert metres is not None
            codes = self._encoder.codes_of_metric(metres)
        return np.array(codes, dtype=np.uint8)


class TransformersEstimator:
    """A depth-estimation checkpoint of transformers, e.g. Depth-Anything-V2."""

    def __init__(self, name: str) -> None:
        """Load.

        Args:
            name: Folder or hub id.

        Raises:
            OSError: It cannot be found.
            ValueError: It is no depth estimator.
        """
        from transformers import AutoImageProcessor, AutoModelForDepthEstimation

        self._processor: Any = AutoImageProcessor.from_pretrained(name)
        self._model: Any = AutoModelForDepthEstimation.from_pretrained(name).eval()

    def disparity(self, rgb: np.ndarray) -> np.ndarray:
        """Estimate."""
        import torch

        inputs = self._processor(images=np.ascontiguousarray(rgb), return_tensors="pt")
        with torch.inference_mode():
            depth = self._model(**inputs).predicted_depth
        return np.asarray(depth[0].float().numpy())


def _find_vqvae(checkpoint: Path) -> Path:
    if checkpoint.is_file():
        return checkpoint
    for name in _VQVAE_FILES:
        if (checkpoint / name).is_file():
            return checkpoint / name
    raise FileNotFoundError(f"{checkpoint} has no {' or '.join(_VQVAE_FILES)}")
