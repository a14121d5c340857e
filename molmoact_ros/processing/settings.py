# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The image settings of a checkpoint: `preprocessor_config.json` as checked, typed values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from molmoact_ros.small_files import shown

from ..model import CheckpointError

CROP_MODES = ("overlap-and-resize-c2", "overlap-and-resize", "resize")
RESIZE_MODES = ("siglip", "default", "metaclip", "dino")
NORMALIZE_MODES = ("siglip", "openai", "dino")
_LARGEST_CROP = 8_192  # pixels
_LARGEST_POOLING = 64  # patches
_MOST_CROPS = 1_000


@dataclass(frozen=True)
class ImageSettings:
    """How images become crops (format.md 9.1).

    Attributes:
        crop_mode: Which views are made: base and high resolution
            (`overlap-and-resize-c2`), only high resolution (`overlap-and-resize`), or only
            base (`resize`).
        resize_mode: How a view is resized (format.md 9.3).
        normalize_mode: How pixel values are shifted and scaled.
        crop_size: Side of a square crop in pixels.
        patch_size: Side of a patch in pixels.
        overlap_margins: Patches that are dropped at the left/top and right/bottom of inner borders.
        pooling: Rows and columns of patches that form one image token.
        max_crops: Most high-resolution crops of a bare image.
        max_multi_image_crops: Most high-resolution crops of each image of a list.
        pad_value: Value of the padding of resize mode "default", 0..1.
    """

    crop_mode: str
    resize_mode: str
    normalize_mode: str
    crop_size: int
    patch_size: int
    overlap_margins: tuple[int, int]
    pooling: tuple[int, int]
    max_crops: int
    max_multi_image_crops: int
    pad_value: float = 0.0

    def __post_init__(self) -> None:
        for name, value, known in (
            ("crop_mode", self.crop_mode, CROP_MODES),
            ("resize_mode", self.resize_mode, RESIZE_MODES),
            ("normalize_mode", self.normalize_mode, NORMALIZE_MODES),
        ):
            if value not in known:
                raise ValueError(f"{name} {shown(value)} is not one of {', '.join(known)}")
        for name, number, largest in (
            ("base_image_input_size", self.crop_size, _LARGEST_CROP),
            ("image_patch_size", self.patch_size, _LARGEST_CROP),
            ("image_pooling_h", self.pooling[0], _LARGEST_POOLING),
            ("image_pooling_w", self.pooling[1], _LARGEST_POOLING),
            ("max_crops", self.max_crops, _MOST_CROPS),
            ("max_multi_image_crops", self.max_multi_image_crops, _MOST_CROPS),
        ):
            if not 1 <= number <= largest:
                raise ValueError(f"{name} {number} is not 1..{largest}")
        if min(self.overlap_margins) < 0:
            raise ValueError(f"overlap_margins {self.overlap_margins} must not be negative")
        if self.crop_size % self.patch_size:
            raise ValueError(
                f"base_image_input_size {self.crop_size} is not a multiple of"
                f" image_patch_size {self.patch_size}"
            )
        if self.has_high_res and self.window <= 0:
            raise ValueError(f"overlap_margins {self.overlap_margins} leave nothing of a crop")

    @classmethod
    def parse(cls, content: dict[str, Any]) -> ImageSettings:
        """Read the content of `preprocessor_config.json`.

        Raises:
            CheckpointError: A key is missing or a value is not supported.
        """
        try:
            height, width = content["base_image_input_size"]
            if height != width:
                raise ValueError(f"base_image_input_size {height}x{width} is not square")
            left, right = content["overlap_margins"]
            return cls(
                crop_mode=content["crop_mode"],
                resize_mode=content["resize_mode"],
                normalize_mode=content["normalize_mode"],
                crop_size=int(height),
                patch_size=int(content["image_patch_size"]),
                overlap_margins=(int(left), int(right)),
                pooling=(int(content["image_pooling_h"]), int(content["image_pooling_w"])),
                max_crops=int(content["max_crops"]),
                max_multi_image_crops=int(content["max_multi_image_crops"]),
                pad_value=float(content.get("pad_value", 0.0)),
            )
        except KeyError as error:
            raise CheckpointError(f"preprocessor_config.json misses the key {error}") from error
        except (TypeError, ValueError, OverflowError) as error:
            raise CheckpointError(f"preprocessor_config.json: {error}") from error

    @property
    def has_base(self) -> bool:
        """Whether a base view (the whole image in one crop) is made."""
        return self.crop_mode != "overlap-and-resize"

    @property
    def has_high_res(self) -> bool:
        """Whether a high-resolution view is made."""
        return self.crop_mode != "resize"

    @property
    def patches_per_side(self) -> int:
        """Patches along one side of a crop."""
        return self.crop_size // self.patch_size

    @property
    def margin(self) -> int:
        """Both overlap margins together, in pixels."""
        return self.patch_size * sum(self.overlap_margins)

    @property
    def window(self) -> int:
        """Pixels that each crop adds to a view: the stride of the crops."""
        return self.crop_size - self.margin
