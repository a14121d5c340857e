# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a profile and the trust detectors do inside the policy, with answers that are written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from golden_files import CHECKPOINT

from molmoact_ros.answer import (
    ActionTokenizer,
    DepthTokenizer,
    reasoning_answer,
    steering_answer,
    trajectory_text,
)
from molmoact_ros.decoding import Decoder, GenerationResult
from molmoact_ros.policy import MolmoActPolicy, Observation
from molmoact_ros.policy.checkpoint_profile import (
    ActionSettings,
    AnswerSettings,
    CheckpointProfile,
    GripperSettings,
    ImagePreparation,
    PromptSettings,
)

IMAGE = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
PROFILE = CheckpointProfile(
    name="test",
    prompt=PromptSettings(style="several_images"),
    images=ImagePreparation(size=(80, 60), crop_area=0.81),
    answer=AnswerSettings(unnorm_key="molmoact", rows=2, max_new_tokens=400),
    actions=ActionSettings(gripper=GripperSettings("one_minus", 0.5)),
)


@dataclass
class Scripted:
    """A decoder that answers what it is given, and remembers its input."""

    policy: MolmoActPolicy
    text: str = ""
    prompt: str = ""
    max_new_tokens: int = 0

    def generate(self, batch: Any, max_new_tokens: int, *_: Any) -> GenerationResult:
        """Answer with the text."""
        tokenizer = self.policy.processor.tokenizer
        self.prompt = tokenizer.decode(batch["input_ids"][0])
        self.max_new_tokens = max_new_tokens
        ids = [*tokenizer.encode(self.text, add_special_tokens=False), tokenizer.eos_token_id]
        return GenerationResult(ids=ids, ended=True, forward_passes=1)


@pytest.fixture(scope="module")
def scripted() -> Iterator[Scripted]:
    policy = MolmoActPolicy.from_pretrained(
        CHECKPOINT, device="cpu", dtype="float32", profile=PROFILE
    )
    decoder = Scripted(policy)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Decoder, "generate", lambda _, *arguments: decoder.generate(*arguments))
        yield decoder


def _answer(values: Any, trajectory: Any = ((0, 0), (255, 255))) -> str:
    return " " + reasoning_answer(
        DepthTokenizer().encode(np.zeros((10, 10), int)),
        trajectory_text(trajectory),
        ActionTokenizer().encode(values),
        2,
    )


def test_profile_sets_statistics_length_and_wording(scripted: Any) -> None:
    scripted.text = _answer(np.zeros((2, 7)))
    reasoning = scripted.policy.infer(Observation({"camera": IMAGE}, "close the box"))
    assert reasoning.valid and reasoning.unnorm_key == "molmoact"
    assert scripted.max_new_tokens == 400
    assert "along with other images from different camera views" in scripted.prompt


def test_wrong_number_of_rows_is_a_problem(scripted: Any) -> None:
    scripted.text = _answer(np.zeros((3, 7)))
    reasoning = scripted.policy.infer(Observation({"camera": IMAGE}, "close the box"))
    assert reasoning.problems == ("The answer has 3 usable action rows, not 2",)


def test_gripper_is_converted(scripted: Any) -> None:
    actions = np.zeros((2, 7))
    actions[:, 6] = [1.0, 0.0]  # open, closed
    scripted.text = _answer(actions)
    reasoning = scripted.policy.infer(Observation({"camera": IMAGE}, "close the box"))
    assert reasoning.actions[:, 6].tolist() == [0.0, 1.0]


def test_trajectory_of_the_crop_belongs_to_the_camera(scripted: Any) -> None:
    scripted.text = _answer(np.zeros((2, 7)))
    reasoning = scripted.policy.infer(Observation({"camera": IMAGE}, "close the box"))
    np.testing.assert_allclose(reasoning.trajectory, [[12.75, 12.75], [242.25, 242.25]])


def test_hint_is_given_back_as_it_was_drawn(scripted: Any) -> None:
    scripted.text = " " + steering_answer(ActionTokenizer().encode(np.zeros((2, 7))))
    hint = np.array([[20.0, 30.0], [200.0, 100.0]])
    reasoning = scripted.policy.infer(Observation({"camera": IMAGE}, "close the box", hint))
    assert reasoning.valid
    np.testing.assert_array_equal(reasoning.trajectory, hint)


def test_near_zero_actions_are_flagged_until_the_instruction_changes(scripted: Any) -> None:
    scripted.text = _answer(np.zeros((2, 7)))
    stats = scripted.policy.stats
    still = -(stats.q99 + stats.q01) / (stats.q99 - stats.q01)  # no motion, in bin space
    scripted.text = _answer(np.tile(np.append(still[:6], 1.0), (2, 1)))
    observation = Observation({"camera": IMAGE}, "open the box")
    answers = [scripted.policy.infer(observation) for _ in range(8)]
    assert [answer.valid for answer in answers] == [True] * 7 + [False]
    assert answers[-1].problems[0].startswith("near_zero_actions")
    assert scripted.policy.infer(Observation({"camera": IMAGE}, "close the box")).valid


def test_profile_with_other_dimensions_is_refused() -> None:
    profile = CheckpointProfile(
        "two", answer=AnswerSettings("molmoact"), actions=ActionSettings(names=("x", "gripper"))
    )
    with pytest.raises(ValueError, match="has 2 names, but norm_stats has 7 dimensions"):
        MolmoActPolicy.from_pretrained(CHECKPOINT, device="cpu", profile=profile)
