# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The policy over the golden checkpoints, whose random weights answer garbage, safely."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from golden_files import GOLDEN

from molmoact_ros.decoding import StoppedError
from molmoact_ros.policy import MolmoActPolicy, Observation

KEY = "libero_spatial_no_noops_modified"


@pytest.fixture(scope="module", params=["qwen_siglip", "olmo_clip"])
def policy(request: pytest.FixtureRequest) -> MolmoActPolicy:
    return MolmoActPolicy.from_pretrained(
        GOLDEN / request.param, KEY, device="cpu", dtype="float32", max_new_tokens=32
    )


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    bgr = cv2.imread(str(GOLDEN / "images" / "256x256_2.png"))
    assert bgr is not None
    return bgr[..., ::-1].copy()


def test_garbage_is_reported_and_never_valid(policy: MolmoActPolicy, image: np.ndarray) -> None:
    reasoning = policy.infer(Observation({"primary": image}, "close the box"))
    assert not reasoning.valid and reasoning.problems
    assert reasoning.actions.shape[1] == 7 and reasoning.trajectory.shape[1] == 2
    assert reasoning.forward_passes > 0 and reasoning.text
    stages = {"preprocess", "vision", "prefill", "decode", "parse", "total"}
    assert set(reasoning.timings) == stages
    assert reasoning.timings["total"] >= reasoning.timings["decode"]


def test_a_hint_is_drawn_and_reported_as_the_users(
    policy: MolmoActPolicy, image: np.ndarray
) -> None:
    hint = np.array([[10.0, 10.0], [200.0, 120.0]])
    before = image.copy()
    steered = policy.infer(Observation({"primary": image, "wrist": image}, "close the box", hint))
    free = policy.infer(Observation({"primary": image, "wrist": image}, "close the box"))
    assert steered.trajectory_source == "user" and free.trajectory_source == "predicted"
    assert np.array_equal(steered.trajectory, hint)
    assert steered.ids != free.ids, "the drawn line and the steering prompt change the answer"
    assert np.array_equal(image, before), "the caller's image is not drawn on"


def test_the_same_observation_gives_the_same_answer(
    policy: MolmoActPolicy, image: np.ndarray
) -> None:
    observation = Observation({"primary": image}, "close the box")
    assert policy.infer(observation).ids == policy.infer(observation).ids


def test_warming_up_leaves_no_trace(policy: MolmoActPolicy, image: np.ndarray) -> None:
    observation = Observation({"primary": image}, "close the box")
    before = policy.infer(observation)
    policy.warm_up(n_images=2)
    after = policy.infer(observation)
    assert after.ids == before.ids and after.problems == before.problems


def test_an_inference_can_be_given_up_between_two_passes(
    policy: MolmoActPolicy, image: np.ndarray
) -> None:
    observation = Observation({"primary": image}, "close the box")
    asked = iter([False, False, True])
    with pytest.raises(StoppedError, match="given up after"):
        policy.infer(observation, should_stop=lambda: next(asked))
    assert next(asked, None) is None
    assert policy.infer(observation).ids == policy.infer(observation).ids


@pytest.mark.parametrize(
    ("images", "instruction", "words"),
    [
        ({}, "close the box", "no image"),
        ({"primary": np.zeros((4, 4), np.uint8)}, "close the box", "Image 'primary'"),
        ({"primary": np.zeros((4, 4, 3), np.float32)}, "close the box", "Image 'primary'"),
        ({"primary": np.zeros((64, 64, 3), np.uint8)}, "  ", "instruction"),
        ({"primary": np.zeros((64, 64, 3), np.uint8)}, "close <im_patch>", "<im_patch>"),
        ({"primary": np.zeros((64, 64, 3), np.uint8)}, "close <DEPTH_1>", "<DEPTH_1>"),
        ({"primary": np.zeros((64, 64, 3), np.uint8)}, "say [âį¨, âį¨]", "âį¨"),
    ],
)
def test_an_unusable_observation_is_an_error_that_names_it(
    policy: MolmoActPolicy, images: dict, instruction: str, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        policy.infer(Observation(images, instruction))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"unnorm_key": "nowhere"}, "nowhere"),
        ({"unnorm_key": None}, "unnorm_key"),
        ({"unnorm_key": KEY, "dtype": "float7"}, "float7"),
    ],
)
def test_arguments_that_do_not_fit_the_checkpoint_are_named(arguments: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        MolmoActPolicy.from_pretrained(
            GOLDEN / "qwen_siglip", **{"device": "cpu", "dtype": "float32", **arguments}
        )


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing_here"):
        MolmoActPolicy.from_pretrained(tmp_path / "nothing_here", device="cpu")


PLAIN: dict[str, Any] = {"draft_sources": ()}


def test_drafts_change_the_passes_but_never_the_answer(image: np.ndarray) -> None:
    drafted, plain = (
        MolmoActPolicy.from_pretrained(
            GOLDEN / "qwen_siglip",
            KEY,
            device="cpu",
            dtype="float32",
            max_new_tokens=32,
            **settings,
        )
        for settings in ({}, PLAIN)
    )
    for step in range(3):
        scene = np.roll(image, step, axis=1)
        observation = Observation({"primary": scene}, "close the box", stamp=0.1 * step)
        fast, slow = drafted.infer(observation), plain.infer(observation)
        assert fast.ids == slow.ids
        assert slow.forward_passes == len(slow.ids) - 1


def test_repeatable_answers_are_the_same_with_and_without_drafts_in_bfloat16(
    image: np.ndarray,
) -> None:
    drafted, plain = (
        MolmoActPolicy.from_pretrained(
            GOLDEN / "qwen_siglip",
            KEY,
            device="cpu",
            dtype="bfloat16",
            max_new_tokens=32,
            repeatable=True,
            **settings,
        )
        for settings in ({}, PLAIN)
    )
    assert drafted.repeatable
    for step in range(3):
        observation = Observation({"primary": np.roll(image, step, axis=1)}, "close the box")
        fast, slow = drafted.infer(observation), plain.infer(observation)
        assert fast.ids == slow.ids
        assert slow.forward_passes == len(slow.ids) - 1


def test_warming_up_reports_on_the_passes(policy: MolmoActPolicy) -> None:
    repeatable = MolmoActPolicy(policy.model, policy.processor, unnorm_key=KEY, repeatable=True)
    assert repeatable.pass_report is None
    for each in (policy, repeatable):
        each.warm_up()
        assert each.pass_report is not None
        assert not each.pass_report.captured and each.pass_report.warnings == ()
    assert not policy.repeatable and repeatable.pass_report is not None
    assert policy.pass_report and policy.pass_report.unequal_slots is None
    assert repeatable.pass_report.unequal_slots == ()
