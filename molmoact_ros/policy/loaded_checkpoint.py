# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What all robots of one process share: network, processor and depth decoder of a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from molmoact_ros.answer import ActionTokenizer, DepthTokenizer
from molmoact_ros.answer.confidence import single_token_bins
from molmoact_ros.model import MolmoActForActionReasoning
from molmoact_ros.model.loading import LoadProgress, fill_model
from molmoact_ros.model.memory import CONTEXT_LENGTH, return_memory
from molmoact_ros.processing import MolmoActProcessor

from .checkpoint_profile import GENERIC, CheckpointProfile
from .preflight import Preflight


@dataclass(frozen=True, eq=False)
class LoadedCheckpoint:
    """A checkpoint in memory; nothing of it changes from answer to answer.

    Attributes:
        model: The network, on its device.
        processor: The processor of the same checkpoint.
        depth: Depth tokens, with the VQ-VAE where there is one.
        profile: For robots that bring none of their own.
        unnorm_key: Entry of norm_stats for robots that name none; None: the only one.
        context_length: Tokens of prompt and answer that a KV cache holds.
    """

    model: MolmoActForActionReasoning
    processor: MolmoActProcessor
    depth: DepthTokenizer = field(default_factory=DepthTokenizer)
    profile: CheckpointProfile = GENERIC
    unnorm_key: str | None = None
    context_length: int = CONTEXT_LENGTH

    @classmethod
    def from_preflight(
        cls, found: Preflight, progress: Callable[[LoadProgress], None] | None = None
    ) -> LoadedCheckpoint:
        """Read the weights of a checkpoint that was checked; the depth decoder stays on the CPU.

        Args:
            found: Of a request with a device.
            progress: Called while weights are loaded.

        Raises:
            CheckpointError: The check found problems, or a file cannot be read or has changed.
            DeviceLostError: The device failed for good.
            DeviceMemoryError: Others took the device's memory; the text names what would fit.
        """
        found.require()
        # Without problems nothing is absent.
        assert found.plan and found.precision and found.device and found.processor
        assert found.stats and found.profile
        return cls(
            fill_model(found.plan, found.precision, found.device, progress).eval(),
            found.processor,
            DepthTokenizer(network=found.vqvae),
            found.profile,
            found.stats.key,
            found.request.context_length,
        )

    @cached_property
    def action_tokenizer(self) -> ActionTokenizer:
        """The checkpoint's action codebook."""
        return ActionTokenizer(self.model.config.action_codebook)

    @cached_property
    def bin_ids(self) -> torch.Tensor | None:
        """Token ids of the 256 bins, int64, on the host; None where a value takes several."""
        bins = single_token_bins(self.processor.tokenizer.get_vocab(), self.action_tokenizer)
        return None if bins is None else torch.tensor(bins)

    def check_instruction(self, instruction: str) -> None:
        """Refuse an instruction that would put reserved tokens or action strings into the prompt.

        Raises:
            ValueError: Names what the instruction must not hold.
        """
        self.processor.check_instruction(instruction, self.action_tokenizer.strings)

    def relative_depth(self, depth_codes: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """Decode depth codes to a picture, float32 [H, W], 0..1, relative; None without VQ-VAE."""
        if self.depth.network is None:
            return None
        return self.depth.relative_depth(depth_codes)

    def close(self) -> None:
        """Give the memory of the weights back, whoever still holds the checkpoint.

        It cannot be used afterwards. Without this the memory would stay until Python looks for
        objects that refer to each other, which an idle program never does.
        """
        for network in (self.model, self.depth.network):
            for module in network.modules() if isinstance(network, torch.nn.Module) else ():
                module._parameters.clear()
                module._buffers.clear()
        return_memory()
