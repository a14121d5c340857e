# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The whole job in one page: camera images and an instruction in, a trusted chunk of actions out.

Example:
    policy = MolmoActPolicy.from_pretrained("allenai/MolmoAct-7B-D-0812")
    reasoning = policy.infer(Observation({"primary": rgb}, "close the box"))
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from molmoact_ros.answer import DepthTokenizer
from molmoact_ros.decoding import SOURCES, Decoder, PassReport
from molmoact_ros.model import MolmoActForActionReasoning
from molmoact_ros.model.loading import LoadProgress
from molmoact_ros.model.memory import CONTEXT_LENGTH, stored_bytes
from molmoact_ros.processing import MolmoActProcessor

from .answer_forms import AnswerForms
from .answer_stream import AnswerStream
from .checkpoint_profile import GENERIC, CheckpointProfile
from .interface import PolicyState
from .loaded_checkpoint import LoadedCheckpoint
from .model_input import WARM_UP_SIZE
from .preflight import PolicyRequest, Preflight, check_policy
from .session_settings import ActionDecoding, SessionSettings
from .types import MAX_OVERRULED, Observation, Reasoning

__all__ = ["ActionDecoding", "MolmoActPolicy", "Observation", "Reasoning"]

WARM_UP_TOKENS = 16


class MolmoActPolicy:
    """A checkpoint that turns observations into reasoning; one inference at a time.

    Attributes:
        repeatable: Whether drafts cannot change an id in any number type.
        pass_report: What `warm_up` found when it checked the network's passes, None before.
    """

    def __init__(
        self,
        model: MolmoActForActionReasoning,
        processor: MolmoActProcessor,
        *,
        unnorm_key: str | None = None,
        depth: DepthTokenizer | None = None,
        profile: CheckpointProfile = GENERIC,
        rows: int | None = None,
        max_new_tokens: int | None = None,
        context_length: int = CONTEXT_LENGTH,
        action_decoding: ActionDecoding = "argmax",
        draft_sources: Iterable[str] = SOURCES,
        repeatable: bool | None = None,
        compile: bool = False,
        constrained: bool = False,
        max_overruled: int = MAX_OVERRULED,
    ) -> None:
        """Put the parts together.

        Args:
            model: The network, on its device.
            processor: The processor of the same checkpoint.
            unnorm_key: Entry of norm_stats; None: as in the profile, or the only one.
            depth: Depth tokens, with the VQ-VAE where there is one.
            profile: Image size, wording, length of an answer, meaning of the gripper.
            rows: Action rows that an answer must have; None: as in the profile.
            max_new_tokens: Limit of one answer; None: as in the profile.
            context_length: Tokens of prompt and answer together that fit the KV cache; two images
                and their prompt take about 1000 (format.md 15).
            action_decoding: "argmax" takes the bin that the model wrote, "expectation" the mean
                over all bins where the model gives one.
            draft_sources: Guesses that speed up decoding (`decoding.SOURCES`); they change how
                many passes an answer takes, never the answer. None of them: plain decoding.
            repeatable: Whether that holds to the last id in every number type, at the price of
                passes of full size (docs/performance.md); None: on GPUs, where they cost little.
            compile: Whether to compile the network for passes (docs/performance.md), which takes a
                while in `warm_up` and was not measured on a GPU.
            constrained: Whether answers are kept to the form of the checkpoint's first well-formed
                one (docs/performance.md); it changes ids only where an answer leaves that form.
            max_overruled: Tokens of a constrained answer that may be overruled; with more it is
                not valid.

        Raises:
            DeviceMemoryError: The cache does not fit on the device.
            ValueError: norm_stats are absent or broken, unnorm_key is not one of them, or the
                profile names another number of action dimensions.
        """
        self._checkpoint = checkpoint = LoadedCheckpoint(
            model.eval(),
            processor,
            depth or DepthTokenizer(),
            profile,
            unnorm_key or profile.answer.unnorm_key,
            context_length,
        )
        self.model, self.processor, self.depth = model, processor, checkpoint.depth
        self.device, self.weights_bytes = model.device, stored_bytes(model)
        self.profile = profile
        self.action_tokenizer = checkpoint.action_tokenizer
        settings = SessionSettings(
            rows=rows,
            max_new_tokens=max_new_tokens,
            action_decoding=action_decoding,
            draft_sources=tuple(draft_sources),
            constrained=constrained,
            max_overruled=max_overruled,
        )
        self._stream = AnswerStream(checkpoint, settings)
        self.stats = self._stream.stats
        self.pass_report: PassReport | None = None
        self._decoder = Decoder(self.model, context_length, repeatable=repeatable, compile=compile)
        self.repeatable = self._decoder.repeatable

    @classmethod
    def from_pretrained(
        cls,
        path_or_hub_id: str | Path,
        unnorm_key: str | None = None,
        device: str | torch.device = "cuda",
        dtype: str | torch.dtype = "bfloat16",
        quantization: str | None = None,
        revision: str | None = None,
        profile: CheckpointProfile | str | Path | None = None,
        progress: Callable[[LoadProgress], None] | None = None,
        **settings: Any,
    ) -> MolmoActPolicy:
        """Load everything that inference needs; nothing is fetched later.

        Args:
            path_or_hub_id: Checkpoint directory, or hub id "owner/name".
            unnorm_key: Entry of norm_stats; None: as in the profile, or the only one.
            device: Torch device of the network; the depth decoder stays on the CPU.
            dtype: Of the weights in memory.
            quantization: None, or a mode of `molmoact_ros.model.quantization`.
            revision: Branch, tag or commit of a hub id.
            profile: The checkpoint's profile or its file; None: found by name or content.
            progress: Called while weights are loaded.
            **settings: Further arguments of `MolmoActPolicy`.

        Raises:
            CheckpointError: A file is missing or broken.
            DeviceLostError: The device failed for good.
            DeviceMemoryError: Others took the device's memory; the text names what would fit.
            ValueError: An argument does not fit the checkpoint or this machine.
        """
        found = check_policy(
            PolicyRequest(
                path_or_hub_id,
                revision=revision,
                unnorm_key=unnorm_key,
                profile=profile,
                device=device,
                dtype=dtype,
                quantization=quantization,
                max_new_tokens=settings.get("max_new_tokens"),
                context_length=settings.get("context_length", CONTEXT_LENGTH),
            )
        )
        return cls.from_preflight(found, progress, **settings)

    @classmethod
    def from_preflight(
        cls,
        found: Preflight,
        progress: Callable[[LoadProgress], None] | None = None,
        **settings: Any,
    ) -> MolmoActPolicy:
        """Read the weights of a policy that was checked; the depth decoder stays on the CPU.

        Args:
            found: Of a request with a device.
            progress: Called while weights are loaded.
            **settings: Further arguments of `MolmoActPolicy`.

        Raises:
            CheckpointError: The check found problems, or a file cannot be read or has changed.
            DeviceLostError: The device failed for good.
            DeviceMemoryError: Others took the device's memory; the text names what would fit.
        """
        loaded = LoadedCheckpoint.from_preflight(found, progress)
        return cls(
            loaded.model,
            loaded.processor,
            unnorm_key=loaded.unnorm_key,
            depth=loaded.depth,
            profile=loaded.profile,
            **settings,
        )

    def infer(
        self, observation: Observation, should_stop: Callable[[], bool] | None = None
    ) -> Reasoning:
        """Look, think, act: one pass from images to actions.

        Args:
            observation: Camera images and an instruction.
            should_stop: Asked before every pass of the network; when it returns true, the
                inference is given up, as if it had never begun.

        Raises:
            DeviceLostError: The device failed for good: the process has to end.
            DeviceMemoryError: The device's memory was too small this time.
            StoppedError: `should_stop` returned true.
            ValueError: The observation cannot be used (no image, wrong shape or dtype, an empty
                instruction or one that holds reserved tokens). Never because of the answer:
                what is wrong with that is listed in `problems`.
        """
        stream = self._stream
        seconds: dict[str, float] = {}
        with _stopwatch(seconds, "total"):
            with _stopwatch(seconds, "preprocess"):
                batch = stream.prepare(observation)
            form, bins = stream.begin(observation), self._checkpoint.bin_ids
            result = self._decoder.generate(
                batch, stream.max_new_tokens, stream.draft, bins, should_stop, form
            )
            with _stopwatch(seconds, "parse"):
                reasoning = stream.finish(result, observation)
        return replace(reasoning, timings={**result.seconds, **seconds})

    def warm_up(
        self, n_images: int | None = None, should_stop: Callable[[], bool] | None = None
    ) -> None:
        """Check the passes and run everything once, so that the first answer is not slow.

        Nothing of it is kept but `pass_report`: passes that are not what they should be are
        replaced where that helps, and named there.

        Args:
            n_images: How many images an observation will have; None: as in the profile.
            should_stop: As for `infer`.

        Raises:
            DeviceLostError: The device failed for good: the process has to end.
            DeviceMemoryError: The device's memory is too small.
            StoppedError: `should_stop` returned true.
        """
        self.pass_report = self._decoder.check()
        self._decoder.warm_up()
        image = np.full((*WARM_UP_SIZE, 3), 127, np.uint8)
        n_images = n_images or len(self.profile.prompt.cameras)
        images = {str(number): image for number in range(n_images)}
        batch, draft = self._stream.prepare(Observation(images, "wait")), self._stream.draft
        bins = self._checkpoint.bin_ids
        self._decoder.generate(batch, WARM_UP_TOKENS, draft, bins, should_stop)
        self.relative_depth(np.zeros((10, 10), np.uint8))

    @property
    def drafts_learn(self) -> bool:
        """Whether the answer before the last could be learned from; else passes are wasted."""
        return self._stream.draft.learned

    @property
    def forms(self) -> AnswerForms | None:
        """What constrained answers are kept to, None where they are not constrained."""
        return self._stream.forms

    def state(self) -> PolicyState:
        """Return what the policy takes of its device; may be called in any thread."""
        values: dict[str, object] = {"weights [GB]": f"{self.weights_bytes / 1e9:.2f}"}
        if self.device.type == "cuda":
            allocated = torch.cuda.memory_allocated(self.device)
            values["GPU memory in use [GB]"] = f"{allocated / 1e9:.2f}"
        return PolicyState(values=values)

    def close(self) -> None:
        """Give the memory of weights and caches back; the policy cannot be used afterwards."""
        self._decoder.close()
        self._checkpoint.close()

    def check_instruction(self, instruction: str) -> None:
        """Refuse an instruction that would put reserved tokens or action strings into the prompt.

        Raises:
            ValueError: Names what the instruction must not hold.
        """
        self._checkpoint.check_instruction(instruction)

    def relative_depth(self, depth_codes: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """Decode depth codes to a picture, float32 [H, W], 0..1, relative; None without VQ-VAE."""
        return self._checkpoint.relative_depth(depth_codes)


@contextmanager
def _stopwatch(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - start
