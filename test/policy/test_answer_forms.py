# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Constrained answers of a policy: what is learned from, what is not trusted, what is reported."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from golden_files import CHECKPOINT

from molmoact_ros.answer import ActionTokenizer, DepthTokenizer, parse_answer
from molmoact_ros.decoding import GenerationResult
from molmoact_ros.policy import MolmoActPolicy, Observation
from molmoact_ros.policy.answer_forms import AnswerForms

KEY = "libero_spatial_no_noops_modified"
TEXT = (
    f" The depth map of the image is {DepthTokenizer().encode(np.zeros((10, 10), int))}. The"
    " trajectory of the end effector is [[1, 2], [30, 40]]. Based on these information, the action"
    f" that the robot should take is {ActionTokenizer().encode(np.zeros((2, 7)))}."
)
OBSERVATION = Observation({"primary": np.full((64, 64, 3), 90, np.uint8)}, "close the box")


@pytest.fixture(scope="module")
def free() -> Iterator[MolmoActPolicy]:
    """Answers garbage: its weights are random."""
    policy = MolmoActPolicy.from_pretrained(CHECKPOINT, KEY, device="cpu", dtype="float32")
    yield policy
    policy.close()


def _check(
    policy: MolmoActPolicy, forms: AnswerForms, text: str = TEXT, steered: bool = False, **of: Any
) -> tuple[str, ...]:
    tokenizer = policy.processor.tokenizer
    ids = [*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id]
    answer = parse_answer(text, policy.model.config.norm_stats, KEY, steered=steered)
    return forms.check(GenerationResult(ids, True, 1, **of), answer, steered)


def test_a_policy_keeps_the_form_and_does_not_trust_an_answer_that_was_forced(
    free: MolmoActPolicy,
) -> None:
    assert free.forms is None
    policy = MolmoActPolicy(
        free.model, free.processor, unnorm_key=KEY, max_new_tokens=300, constrained=True
    )
    assert policy.forms is not None
    _check(policy, policy.forms)
    reasoning = policy.infer(OBSERVATION)
    assert reasoning.actions.shape == (2, 7)
    assert reasoning.overruled > 8
    assert not reasoning.valid
    (problem,) = reasoning.problems
    assert problem.startswith(f"{reasoning.overruled} tokens of the answer were overruled")


@pytest.mark.parametrize(("overruled", "trusted"), [(0, True), (3, True), (4, False)])
def test_few_overruled_tokens_are_trusted(
    free: MolmoActPolicy, overruled: int, trusted: bool
) -> None:
    forms = AnswerForms(free.processor.tokenizer, free.action_tokenizer, 3)
    assert (_check(free, forms, overruled=overruled) == ()) == trusted


def test_a_steered_answer_has_a_form_of_its_own(free: MolmoActPolicy) -> None:
    forms = AnswerForms(free.processor.tokenizer, free.action_tokenizer, 8)
    assert _check(free, forms, "Based on" + TEXT.partition("Based on")[2], steered=True) == ()
    assert forms[True].learned
    assert not forms[False].learned


@pytest.mark.parametrize(
    ("text", "overruled"), [(TEXT, 1), (TEXT.replace("<DEPTH_0>", "", 1), 0), (TEXT[:-2], 0)]
)
def test_nothing_is_learned_from_overruled_and_malformed_answers(
    free: MolmoActPolicy, text: str, overruled: int
) -> None:
    forms = AnswerForms(free.processor.tokenizer, free.action_tokenizer, 8)
    _check(free, forms, text, overruled=overruled)
    assert not forms[False].learned
