# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The whole job in one page: camera images and an instruction in, a trusted chunk of actions out.

Example:
    policy = MolmoActPolicy.from_pretrained("allenai/MolmoAct-7B-D-0812")
    reasoning = policy.infer(Observation({"primary": rgb}, "close the box"))
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from molmoact_ros.answer import ActionStats, ActionTokenizer, DepthTokenizer, parse_answer
from molmoact_ros.answer.confidence import action_distribution, single_token_bins
from molmoact_ros.answer.trust import TrustMonitor, record_chunk
from molmoact_ros.decoding import SOURCES, Decoder, Draft, GenerationResult, PassReport
from molmoact_ros.model import MolmoActForActionReasoning
from molmoact_ros.model.loading import LoadProgress, fill_model
from molmoact_ros.model.memory import CONTEXT_LENGTH, return_memory, stored_bytes
from molmoact_ros.processing import MolmoActProcessor
from molmoact_ros.processing.image_inputs import check_frame

from .answer_forms import AnswerForms
from .checkpoint_profile import GENERIC, CheckpointProfile
from .model_input import WARM_UP_SIZE, model_input
from .preflight import PolicyRequest, Preflight, check_policy
from .types import MAX_OVERRULED, Observation, Reasoning

__all__ = ["ActionDecoding", "MolmoActPolicy", "Observation", "Reasoning"]

ActionDecoding = Literal["argmax", "expectation"]

WARM_UP_TOKENS = 16
DEFAULT_ROWS = 8  # of a chunk, as a first guess for drafting


class MolmoActPolicy:
    """A checkpoint that turns observations into reasoning; one inference at a time.

    Attributes:
        repeatable: Whether drafts cannot change an id in any number type.
        forms: What constrained answers are kept to, None where they are not constrained.
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
            constrained: Whether answers are kept to the form of the checkpoint's first well-formed
                one (docs/performance.md); it changes ids only where an answer leaves that form.
            max_overruled: Tokens of a constrained answer that may be overruled; with more it is
                not valid.

        Raises:
            DeviceMemoryError: The cache does not fit on the device.
            ValueError: norm_stats are absent or broken, unnorm_key is not one of them, or the
                profile names another number of action dimensions.
        """
        self.model = model.eval()
        self.device, self.weights_bytes = model.device, stored_bytes(model)
        self.processor = processor
        self.profile = profile
        key = unnorm_key or profile.answer.unnorm_key
        self.stats = ActionStats.from_norm_stats(model.config.norm_stats, key)
        if profile is not GENERIC:
            profile.actions.check_dof(self.stats.dof)
        self.depth = depth or DepthTokenizer()
        self.action_tokenizer = ActionTokenizer(model.config.action_codebook)
        self._rows = rows or profile.answer.rows
        self._max_new_tokens = max_new_tokens or profile.answer.max_new_tokens
        self._gripper = profile.actions.gripper.converter()
        self._trust = TrustMonitor(delta_actions=profile.actions.action_space.endswith("delta"))
        self._instruction = ""
        self._action_decoding = action_decoding
        self.pass_report: PassReport | None = None
        self._decoder = Decoder(self.model, context_length, repeatable=repeatable)
        self.repeatable = self._decoder.repeatable
        self._draft = Draft.from_tokenizer(
            processor.tokenizer,
            self.action_tokenizer,
            processor.tokenizer.eos_token_id,
            rows=self._rows or DEFAULT_ROWS,
            columns=self.stats.dof,
            sources=draft_sources,
        )
        self.forms: AnswerForms | None = None
        if constrained:
            self.forms = AnswerForms(processor.tokenizer, self.action_tokenizer, max_overruled)
        self._last_answer: list[int] | None = None
        self._last_stamp: float | None = None
        bins = single_token_bins(processor.tokenizer.get_vocab(), self.action_tokenizer)
        self._bin_ids = None if bins is None else torch.tensor(bins)

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
        found.require()
        # Without problems nothing is absent.
        assert found.plan and found.precision and found.device and found.processor
        assert found.stats and found.profile
        return cls(
            fill_model(found.plan, found.precision, found.device, progress),
            found.processor,
            unnorm_key=found.stats.key,
            depth=DepthTokenizer(network=found.vqvae),
            profile=found.profile,
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
        seconds: dict[str, float] = {}
        with _stopwatch(seconds, "total"):
            with _stopwatch(seconds, "preprocess"):
                batch = self._prepare(observation)
            result = self._generate(batch, observation, should_stop)
            with _stopwatch(seconds, "parse"):
                reasoning = self._read(result, observation.trajectory_hint)
                reasoning = self._check_trust(reasoning, observation)
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
        batch = self._prepare(Observation(images, "wait"))
        self._decoder.generate(batch, WARM_UP_TOKENS, self._draft, self._bin_ids, should_stop)
        self.relative_depth(np.zeros((10, 10), np.uint8))

    @property
    def drafts_learn(self) -> bool:
        """Whether the answer before the last could be learned from; else passes are wasted."""
        return self._draft.learned

    def close(self) -> None:
        """Give the memory of weights and caches back, whoever still holds the policy.

        It cannot be used afterwards. Without this the memory would stay until Python looks for
        objects that refer to each other, which an idle program never does.
        """
        for network in (self.model, self.depth.network):
            for module in network.modules() if isinstance(network, torch.nn.Module) else ():
                module._parameters.clear()
                module._buffers.clear()
        self._decoder.close()
        return_memory()

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

    def _prepare(self, observation: Observation) -> Any:
        """Preprocess the images and write the prompt."""
        images, instruction = _check_images(observation.images), observation.instruction
        self.check_instruction(instruction)
        hint = observation.trajectory_hint
        return model_input(self.processor, self.profile, images, instruction, hint)

    def _generate(
        self, batch: Any, observation: Observation, should_stop: Callable[[], bool] | None
    ) -> GenerationResult:
        """Decode the answer, with the answers before it as its draft."""
        stamp, steered = observation.stamp, observation.trajectory_hint is not None
        if self._last_answer is not None:
            self._draft.observe(self._last_answer, executed_steps=self._steps_until(stamp))
        form = self.forms[steered].begin() if self.forms else ()
        result = self._decoder.generate(
            batch, self._max_new_tokens, self._draft, self._bin_ids, should_stop, form
        )
        self._last_answer, self._last_stamp = result.ids, stamp
        return result

    def _steps_until(self, stamp: float | None) -> int:
        """Rows of the last chunk that the robot may have followed since its image; a guess."""
        period = self.profile.actions.control_period
        if stamp is None or self._last_stamp is None or period is None:
            return 0
        return max(0, round((stamp - self._last_stamp) / period))

    def _read(self, result: GenerationResult, hint: NDArray[np.float64] | None) -> Reasoning:
        """Turn token ids into codes, points and robot units."""
        text = self.processor.decode(result.ids)
        answer = parse_answer(
            text,
            self.model.config.norm_stats,
            self.stats.key,
            action_tokenizer=self.action_tokenizer,
            depth_tokenizer=self.depth,
            rows=self._rows,
            steered=hint is not None,
            finished=result.ended,
        )
        problems = answer.problems
        if self.forms:
            problems = self.forms.check(result, answer, hint is not None)
        actions = answer.actions
        beliefs = action_distribution(
            result.probes, len(actions), self.stats, self.action_tokenizer
        )
        if beliefs is not None and self._action_decoding == "expectation":
            actions = beliefs.expectation
        names = self.profile.actions.names
        if "gripper" in names and len(names) == self.stats.dof:
            column = names.index("gripper")
            actions = actions.copy()
            actions[:, column] = self._gripper.convert(actions[:, column])
        predicted = np.empty((0, 2))
        if answer.trajectory is not None:
            predicted = self.profile.images.to_camera(answer.trajectory)
        return Reasoning(
            depth_codes=answer.depth,
            trajectory=predicted if hint is None else np.asarray(hint, dtype=np.float64),
            trajectory_source="predicted" if hint is None else "user",
            actions=actions,
            valid=not problems,
            problems=problems,
            confidence=None if beliefs is None else beliefs.confidence,
            spread=None if beliefs is None else beliefs.spread,
            unnorm_key=self.stats.key,
            text=text,
            ids=tuple(result.ids),
            forward_passes=result.forward_passes,
            drafted=result.drafted,
            accepted=result.accepted,
            tokens_per_pass=result.tokens_per_pass,
            overruled=result.overruled,
        )

    def _check_trust(self, reasoning: Reasoning, observation: Observation) -> Reasoning:
        """Add what only the last answers together show."""
        if observation.instruction != self._instruction:
            self._trust.reset()
            self._instruction = observation.instruction
        image = next(iter(observation.images.values()))
        record = record_chunk(reasoning.actions, self.stats, reasoning.trajectory, image)
        problems = (*reasoning.problems, *self._trust.add(record))
        return replace(reasoning, problems=problems, valid=not problems)


def _check_images(images: Mapping[str, NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    if not images:
        raise ValueError("The observation has no image; the policy needs at least one camera")
    return [check_frame(image, f"Image '{name}'") for name, image in images.items()]


@contextmanager
def _stopwatch(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - start
