# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One robot's answers: how it is asked, and what one answer leaves for the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from molmoact_ros.answer import ActionStats, parse_answer
from molmoact_ros.answer.confidence import action_distribution
from molmoact_ros.answer.trust import TrustMonitor, record_chunk
from molmoact_ros.decoding import SOURCES, Draft, GenerationResult
from molmoact_ros.decoding.drafts.grammar import State
from molmoact_ros.processing.image_inputs import check_frame

from .answer_forms import AnswerForms
from .checkpoint_profile import GENERIC
from .loaded_checkpoint import LoadedCheckpoint
from .model_input import model_input
from .session_settings import SessionSettings
from .types import Observation, Reasoning

DEFAULT_ROWS = 8  # of a chunk, as a first guess for drafting


class AnswerStream:
    """The state of one robot; the checkpoint is shared.

    An answer is `prepare`, `begin`, decoding, `finish`; one that is given up ends without `finish`.

    Attributes:
        profile: Image size, wording, length of an answer, meaning of the gripper.
        stats: Statistics that actions are un-normalised with.
        max_new_tokens: Limit of one answer.
        draft: Guesses, which remember the last answers.
        forms: What constrained answers are kept to, None where they are not constrained.
    """

    def __init__(self, checkpoint: LoadedCheckpoint, settings: SessionSettings) -> None:
        """Begin without memory.

        Raises:
            ValueError: norm_stats are absent or broken, unnorm_key is not one of them, a draft
                source is not known, or the profile names another number of action dimensions.
        """
        self._checkpoint = checkpoint
        self.profile = profile = settings.profile or checkpoint.profile
        key = settings.unnorm_key
        if key is None and settings.profile is not None:
            key = settings.profile.answer.unnorm_key
        norm_stats = checkpoint.model.config.norm_stats
        self.stats = ActionStats.from_norm_stats(norm_stats, key or checkpoint.unnorm_key)
        if profile is not GENERIC:
            profile.actions.check_dof(self.stats.dof)
        self.max_new_tokens = settings.max_new_tokens or profile.answer.max_new_tokens
        self._rows = settings.rows or profile.answer.rows
        self._action_decoding = settings.action_decoding
        self._gripper = profile.actions.gripper.converter()
        self._trust = TrustMonitor(delta_actions=profile.actions.action_space.endswith("delta"))
        self._instruction = ""
        tokenizer, actions = checkpoint.processor.tokenizer, checkpoint.action_tokenizer
        sources = settings.draft_sources
        self.draft = Draft.from_tokenizer(
            tokenizer,
            actions,
            tokenizer.eos_token_id,
            rows=self._rows or DEFAULT_ROWS,
            columns=self.stats.dof,
            sources=SOURCES if sources is None else sources,
        )
        self.forms: AnswerForms | None = None
        if settings.constrained:
            self.forms = AnswerForms(tokenizer, actions, settings.max_overruled)
        self._last_answer: list[int] | None = None
        self._last_stamp: float | None = None

    def prepare(self, observation: Observation) -> Any:
        """Preprocess the images and write the prompt; nothing of the stream changes.

        Raises:
            ValueError: The observation cannot be used.
        """
        images, instruction = _check_images(observation.images), observation.instruction
        self._checkpoint.check_instruction(instruction)
        hint = observation.trajectory_hint
        return model_input(self._checkpoint.processor, self.profile, images, instruction, hint)

    def begin(self, observation: Observation) -> State:
        """Let the draft know how far the robot has come, and return what the answer may be."""
        if self._last_answer is not None:
            steps = self._steps_until(observation.stamp)
            self.draft.observe(self._last_answer, executed_steps=steps)
        return self.forms[observation.trajectory_hint is not None].begin() if self.forms else ()

    def finish(self, result: GenerationResult, observation: Observation) -> Reasoning:
        """Turn an answer into codes, points and robot units, and remember it."""
        self._last_answer, self._last_stamp = result.ids, observation.stamp
        return self._check_trust(self._read(result, observation.trajectory_hint), observation)

    def _steps_until(self, stamp: float | None) -> int:
        """Rows of the last chunk that the robot may have followed since its image; a guess."""
        period = self.profile.actions.control_period
        if stamp is None or self._last_stamp is None or period is None:
            return 0
        return max(0, round((stamp - self._last_stamp) / period))

    def _read(self, result: GenerationResult, hint: NDArray[np.float64] | None) -> Reasoning:
        checkpoint = self._checkpoint
        text = checkpoint.processor.decode(result.ids)
        answer = parse_answer(
            text,
            checkpoint.model.config.norm_stats,
            self.stats.key,
            action_tokenizer=checkpoint.action_tokenizer,
            depth_tokenizer=checkpoint.depth,
            rows=self._rows,
            steered=hint is not None,
            finished=result.ended,
        )
        problems = answer.problems
        if self.forms:
            problems = self.forms.check(result, answer, hint is not None)
        actions = answer.actions
        beliefs = action_distribution(
            result.probes, len(actions), self.stats, checkpoint.action_tokenizer
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
