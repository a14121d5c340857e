# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Writes the checkpoint in the released layout (format.md 1)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import save_file
from tokenizers import Tokenizer

from molmoact_ros.finetune.export import write_json, write_weights
from molmoact_ros.model import MolmoActForActionReasoning, VqVae

from .data import IMAGE_SIZE, Frames
from .network import PATCH
from .sequences import ActionScale, reach_movements, token_id
from .tokenizer import END_OF_TEXT, save_tokenizer

UNNORM_KEY = "tabletop"
_GRIPPER_OPEN = 0.0


def norm_statistics(frames: Frames, scale: ActionScale) -> dict[str, Any]:
    """Return norm_stats: seven dimensions, the gripper last and outside of the scaling."""
    rows = reach_movements(frames)
    actions = np.zeros((len(rows), 7))
    actions[:, :3] = rows
    actions[:, 6] = _GRIPPER_OPEN
    columns = {
        "mean": actions.mean(axis=0),
        "std": actions.std(axis=0),
        "min": actions.min(axis=0),
        "max": actions.max(axis=0),
        "q01": scale.q01,
        "q99": scale.q99,
    }
    action: dict[str, Any] = {name: column.tolist() for name, column in columns.items()}
    action["mask"] = [True] * 6 + [False]
    return {
        UNNORM_KEY: {
            "action": action,
            "num_transitions": len(frames),
            "num_trajectories": len(frames),
        }
    }


def export_checkpoint(
    folder: Path,
    model: MolmoActForActionReasoning,
    vqvae: VqVae,
    tokenizer: Tokenizer,
    norm_stats: dict[str, Any],
) -> None:
    """Write config, weights (float32), tokenizer, processor files and the VQ-VAE."""
    folder.mkdir(parents=True, exist_ok=True)
    model.config.norm_stats = norm_stats
    model.config.architectures = ["MolmoActForActionReasoning"]
    write_json(folder / "config.json", model.config.to_dict())
    weights = model.state_dict()
    write_weights(folder, weights.items(), sum(tensor.nbytes for tensor in weights.values()))
    save_file(vqvae.state_dict(), folder / "vae-final.safetensors", metadata={"format": "pt"})
    save_tokenizer(tokenizer, folder)
    end = token_id(tokenizer, END_OF_TEXT)
    write_json(
        folder / "generation_config.json",
        {"bos_token_id": end, "eos_token_id": end, "pad_token_id": end},
    )
    write_json(folder / "preprocessor_config.json", _PREPROCESSOR)
    write_json(folder / "processor_config.json", _PROCESSOR)


_PREPROCESSOR = {
    "base_image_input_size": [IMAGE_SIZE, IMAGE_SIZE],
    "crop_mode": "resize",
    "do_convert_rgb": True,
    "do_pad": True,
    "image_patch_size": PATCH,
    "image_pooling_h": 2,
    "image_pooling_w": 2,
    "image_processor_type": "MolmoActImageProcessor",
    "max_crops": 1,
    "max_multi_image_crops": 1,
    "normalize_mode": "siglip",
    "overlap_margins": [0, 0],
    "pad_value": 0.0,
    "processor_class": "MolmoActProcessor",
    "resize_mode": "siglip",
}
_PROCESSOR = {
    "always_start_with_space": False,
    "default_inference_len": 65,
    "image_padding_mask": False,
    "message_format": "role",
    "processor_class": "MolmoActProcessor",
    "prompt_templates": "uber_model",
    "style": "demo",
    "system_prompt": "demo_or_style",
    "use_col_tokens": True,
}
