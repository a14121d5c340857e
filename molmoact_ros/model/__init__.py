# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The MolmoAct network and its checkpoints; nothing here knows of robots or ROS."""

from .config import AdapterConfig, LlmConfig, MolmoActConfig, VitConfig
from .files import CheckpointError, checkpoint_directory, read_json
from .kv_cache import KVCache, SharedLayerCache
from .loading import LoadProgress, load_config
from .molmoact import MolmoActForActionReasoning
from .quantization import QUANTIZATIONS
from .vqvae import VqVae, load_vqvae

__all__ = [
    "AdapterConfig",
    "CheckpointError",
    "KVCache",
    "LlmConfig",
    "LoadProgress",
    "MolmoActConfig",
    "MolmoActForActionReasoning",
    "QUANTIZATIONS",
    "SharedLayerCache",
    "VitConfig",
    "VqVae",
    "checkpoint_directory",
    "load_config",
    "load_vqvae",
    "read_json",
]
