# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From camera images and an instruction to the network's input, by a checkpoint's profile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from molmoact_ros.answer import reasoning_prompt, steering_prompt
from molmoact_ros.processing import MolmoActProcessor
from molmoact_ros.viz import draw_hint

from .checkpoint_profile import CheckpointProfile

WARM_UP_SIZE = (480, 640)  # rows and columns of the images that a policy is warmed up with


def model_input(
    processor: MolmoActProcessor,
    profile: CheckpointProfile,
    images: Sequence[NDArray[np.uint8]],
    instruction: str,
    hint: NDArray[np.float64] | None,
) -> Any:
    """Preprocess the images and write the prompt.

    Args:
        processor: Of the checkpoint.
        profile: Of the checkpoint.
        images: RGB uint8 [H, W, 3], in the order of the profile's cameras.
        instruction: What to do.
        hint: Trajectory [K, 2] to follow, 0..255 of the first image, or None.

    Raises:
        ValueError: The instruction is empty.
    """
    prepare = profile.images
    prepared = [prepare.apply(image) for image in images]
    wording = profile.prompt.n_images(len(prepared))
    if hint is None:
        prompt = reasoning_prompt(instruction, wording)
    else:
        prepared[0] = draw_hint(prepared[0], prepare.from_camera(hint))
        prompt = steering_prompt(instruction, wording)
    # A bare image carries no "Image 1" prefix, and single views were trained without it.
    return processor(images=prepared[0] if len(prepared) == 1 else prepared, text=prompt)
