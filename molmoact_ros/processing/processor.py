# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The processor: images and a prompt to model input, and generated ids to text."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import BatchFeature, PreTrainedTokenizerFast

from ..model import CheckpointError, checkpoint_directory, read_json
from .image_inputs import ImageInputs, check_frame, prepare_images
from .settings import ImageSettings
from .tokenizer import check_instruction, load_tokenizer

_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "preprocessor_config.json",
    "processor_config.json",
)


class MolmoActProcessor:
    """Turns one prompt and its images into model input (format.md 9 and 10).

    Attributes:
        tokenizer: The checkpoint's tokenizer.
        settings: Its image settings.
        use_col_tokens: Whether each row of image tokens ends with `<im_col>`.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast, settings: ImageSettings, use_col_tokens: bool
    ) -> None:
        self.tokenizer = tokenizer
        self.settings = settings
        self.use_col_tokens = use_col_tokens
        # Ids are looked up once; None is "not there", an id of 0 is valid (fidelity.md row 11).
        bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
        self._bos = eos if bos is None else bos
        if self._bos is None:
            raise CheckpointError("tokenizer_config.json names neither bos_token nor eos_token")
        ids = tokenizer.convert_tokens_to_ids
        self._im_start, self._im_end = ids("<im_start>"), ids("<im_end>")
        self._im_patch, self._im_col = ids("<im_patch>"), ids("<im_col>")

    @classmethod
    def from_pretrained(
        cls, path_or_hub_id: str | Path, revision: str | None = None
    ) -> MolmoActProcessor:
        """Load the processor of a checkpoint.

        Raises:
            CheckpointError: A file is missing or broken, or asks for what is not supported.
        """
        directory = checkpoint_directory(path_or_hub_id, revision, _FILES)
        style = read_json(directory, "processor_config.json")
        if style.get("message_format", "role") != "role" or style.get("always_start_with_space"):
            raise CheckpointError(
                f"{directory / 'processor_config.json'}: only message_format 'role' without a"
                " leading space is supported"
            )
        return cls(
            tokenizer=load_tokenizer(directory),
            settings=ImageSettings.parse(read_json(directory, "preprocessor_config.json")),
            use_col_tokens=bool(style.get("use_col_tokens", True)),
        )

    def __call__(
        self,
        images: Any = None,
        text: str = "",
        device: torch.device | str = "cpu",
    ) -> BatchFeature:
        """Prepare one prompt.

        Args:
            images: None, one RGB uint8 array `[H, W, 3]` (no prefix), or a list of them, which
                get the prefixes "Image 1", "Image 2", ... even when it is one (format.md 10.2).
            text: The user's prompt, without "User:" and "Assistant:".
            device: Where images are resized and where the result lies.

        Returns:
            `input_ids` and `attention_mask` `[1, L]`; with images also `images`
            `[1, T, N, P]`, `pooled_patches_idx` `[1, M, 4]`, `image_masks` `[1, T, N]`.

        Raises:
            ValueError: An image is not an RGB uint8 array, or `text` is not a string.
        """
        if not isinstance(text, str):
            raise ValueError(f"text must be one string, not {type(text).__name__}")
        numbered = isinstance(images, (list, tuple))
        inputs = None
        if images is not None and not (numbered and not images):
            inputs = self._prepare(images if numbered else [images], numbered, device)
        ids = self._input_ids(inputs, numbered, text)
        input_ids = torch.tensor([ids], device=device)
        data = {"input_ids": input_ids, "attention_mask": torch.ones_like(input_ids)}
        if inputs is not None:
            data["images"] = inputs.images[None]
            data["pooled_patches_idx"] = inputs.pooled_patches_idx[None]
            data["image_masks"] = inputs.image_masks[None]
        return BatchFeature(data)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of generated ids; special tokens are left out, depth tokens stay."""
        return self.tokenizer.decode(
            list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )

    def check_instruction(self, text: str, action_texts: Collection[str] = ()) -> None:
        """Raise ValueError when `text` holds reserved tokens; see `tokenizer.check_instruction`."""
        check_instruction(text, self.tokenizer, action_texts)

    @staticmethod
    def wrap(prompt: str) -> str:
        """Return the single-turn chat text of a prompt (format.md 10.4)."""
        return f"User: {prompt} Assistant:"

    def _prepare(
        self, images: Sequence[Any], numbered: bool, device: torch.device | str
    ) -> ImageInputs:
        frames: list[np.ndarray] = [
            check_frame(image, f"images[{index}]" if numbered else "images")
            for index, image in enumerate(images)
        ]
        settings = self.settings
        limit = settings.max_multi_image_crops if numbered else settings.max_crops
        return prepare_images(frames, limit, settings, device)

    def _input_ids(self, inputs: ImageInputs | None, numbered: bool, text: str) -> list[int]:
        ids: list[int] = []
        for index, grids in enumerate(inputs.grids if inputs else (), start=1):
            if numbered:
                ids += self._encode(f"Image {index}")
            for rows, columns in grids:
                row = [self._im_patch] * columns + [self._im_col] * self.use_col_tokens
                ids += [self._im_start, *(row * rows), self._im_end]
        ids += self._encode(self.wrap(text))
        return ids if ids[:1] == [self._bos] else [self._bos, *ids]

    def _encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False)
