# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Depth tokens as text, as codes and as a picture of relative depth (format.md 13)."""

import re
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

START = "<DEPTH_START>"
END = "<DEPTH_END>"

_SPAN = re.compile(re.escape(START) + ".*?" + re.escape(END), re.DOTALL)
_TOKEN = re.compile(r"<DEPTH_(-?[0-9]+)>")


class DepthDecoder(Protocol):
    """The part of the VQ-VAE that this module needs (`molmoact_ros.model.VqVae` has it)."""

    def decode(self, codes: Any) -> Any:
        """Turn int64 codes [B, h, w] into images [B, 1, H, W], torch tensors both."""


class DepthTokenizer:
    """Turns depth text into a grid of codes and back; with a network also into a picture.

    Attributes:
        rows: Rows of the grid.
        cols: Columns of the grid.
        codes: Number of codes; each is 0 .. codes-1.
        network: Decoder of the checkpoint's VQ-VAE, or None.
    """

    def __init__(
        self,
        rows: int = 10,
        cols: int = 10,
        codes: int = 128,
        network: DepthDecoder | None = None,
    ) -> None:
        """Keep the grid's size; the defaults are those of every released checkpoint."""
        self.rows = rows
        self.cols = cols
        self.codes = codes
        self.network = network

    def encode(self, grid: ArrayLike) -> str:
        """Write codes [rows, cols] as the model does.

        Raises:
            ValueError: When the shape or a code is out of range.
        """
        array = np.asarray(grid)
        if array.shape != (self.rows, self.cols):
            raise ValueError(f"Depth codes have shape {array.shape}, not {self.rows, self.cols}")
        if array.min() < 0 or array.max() >= self.codes:
            raise ValueError(f"Depth codes must be 0..{self.codes - 1}")
        return START + "".join(f"<DEPTH_{int(code)}>" for code in array.ravel()) + END

    def decode(self, span: str) -> NDArray[np.uint8]:
        """Read one `<DEPTH_START>...<DEPTH_END>` span strictly.

        Returns:
            uint8 [rows, cols], row-major.

        Raises:
            ValueError: In plain words, when anything but rows x cols codes in range is inside.
        """
        body = span.removeprefix(START).removesuffix(END)
        stray = _TOKEN.sub("", body).strip()
        if stray:
            raise ValueError(f"The depth map holds {stray[:20]!r} where a depth token belongs")
        values = [int(code) for code in _TOKEN.findall(body)]
        expected = self.rows * self.cols
        if len(values) != expected:
            raise ValueError(f"The depth map has {len(values)} codes instead of {expected}")
        bad = [value for value in values if not 0 <= value < self.codes]
        if bad:
            raise ValueError(f"The depth code {bad[0]} is not one of 0..{self.codes - 1}")
        return np.array(values, dtype=np.uint8).reshape(self.rows, self.cols)

    def relative_depth(self, grid: ArrayLike) -> NDArray[np.float32]:
        """Decode codes [rows, cols] to a picture of relative depth.

        Returns:
            float32 [H, W], nearest and farthest of this picture at 0 and 1 in the order that
            the decoder has them; the scale is not metric and differs from frame to frame.

        Raises:
            RuntimeError: When there is no network.
        """
        if self.network is None:
            raise RuntimeError("No VQ-VAE was loaded, so depth codes cannot become a picture")
        import torch  # here, so that reading answers does not need torch

        codes = torch.as_tensor(np.asarray(grid, dtype=np.int64))[None]
        with torch.inference_mode():
            image = self.network.decode(codes)
        return normalize_depth(image[0, 0].float().cpu().numpy())


def find_depth_spans(text: str) -> list[str]:
    """Every shortest `<DEPTH_START>...<DEPTH_END>` span with its tags, not validated."""
    return _SPAN.findall(text)


def normalize_depth(depth: ArrayLike) -> NDArray[np.float32]:
    """Stretch a decoded map to 0..1; a flat map becomes 0 (guard 1e-8)."""
    array = np.asarray(depth, dtype=np.float32)
    low, high = array.min(), array.max()
    return (array - low) / max(high - low, np.float32(1e-8))
