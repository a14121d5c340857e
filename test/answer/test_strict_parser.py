# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Strict parsing: each kind of broken answer is refused with a sentence that names the fault."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from molmoact_ros.answer import (
    ActionTokenizer,
    DepthTokenizer,
    parse_answer,
    reasoning_answer,
    steering_answer,
    trajectory_text,
)

TOKENIZER = ActionTokenizer()
CODES = np.arange(100).reshape(10, 10) % 128
POINTS = [[12, 34], [56, 78], [255, 0]]
CHUNK = np.linspace(-0.9, 0.9, 56).reshape(8, 7)
STATS = {"robot": {"action": {"q01": [-1.0] * 7, "q99": [1.0] * 7}}}


def _answer(
    depth: Any = None, trajectory: Any = None, actions: Any = None, n_images: int = 1
) -> str:
    return " " + reasoning_answer(
        DepthTokenizer().encode(CODES) if depth is None else depth,
        trajectory_text(POINTS) if trajectory is None else trajectory,
        TOKENIZER.encode(CHUNK) if actions is None else actions,
        n_images,
    )


def _problems(text: str, **options: Any) -> tuple[str, ...]:
    return parse_answer(text, STATS, rows=8, **options).problems


@pytest.mark.parametrize("n_images", [1, 2])
@pytest.mark.parametrize("codebook", ["vocab_tail", "byte_level"])
def test_sound_answer(n_images: int, codebook: str) -> None:
    tokenizer = ActionTokenizer(codebook)
    text = _answer(actions=tokenizer.encode(CHUNK), n_images=n_images)
    answer = parse_answer(text, STATS, rows=8, action_tokenizer=tokenizer)
    assert answer.valid and answer.problems == ()
    np.testing.assert_array_equal(answer.depth, CODES)
    np.testing.assert_array_equal(answer.trajectory, POINTS)
    assert np.abs(answer.actions - CHUNK).max() < 1 / 255


def test_single_row_and_tight_trajectory() -> None:
    text = _answer(trajectory="[[1,2],[3,4]]", actions=TOKENIZER.encode(CHUNK[0]))
    answer = parse_answer(text, STATS, rows=1)
    assert answer.valid
    assert answer.trajectory is not None
    assert answer.trajectory.tolist() == [[1, 2], [3, 4]]
    assert answer.actions.shape == (1, 7)


def test_two_arm_wording_is_understood() -> None:
    traces = trajectory_text(POINTS)
    text = (
        f" The depth map of the image is {DepthTokenizer().encode(CODES)}. "
        f"The trajectory of the left end effector is {traces}. "
        f"The trajectory of the right end effector is {traces}. Based on this information, "
        f"the action that the robot should take is {TOKENIZER.encode(CHUNK)}."
    )
    answer = parse_answer(text, STATS, rows=8)
    assert answer.valid and len(answer.trajectories) == 2


def test_steered_answer_needs_no_depth_and_no_trajectory() -> None:
    text = steering_answer(TOKENIZER.encode(CHUNK))
    assert parse_answer(text, STATS, rows=8, steered=True).valid
    assert _problems(text) == ("The answer has no depth map", "The answer has no trajectory")


def _row(n: int) -> str:
    return TOKENIZER.encode(CHUNK[0, :1].repeat(n))


FAULTS = {
    "not_finished": (_answer(), {"finished": False}, "cut off before the model ended it"),
    "empty": ("", {}, "no phrase 'action ... is'"),
    "refusal": ("Sorry, I cannot do that.", {}, "no phrase 'action ... is'"),
    "cut_in_row": (_answer()[:-20], {}, "cut off: a bracket is never closed"),
    "cut_before_last_bracket": (_answer()[:-2], {}, "cut off: a bracket is never closed"),
    "no_list": (_answer(actions="none"), {}, "no action list after"),
    "numbers": (_answer(actions="[1, 2, 3, 4, 5, 6, 7]"), {}, "'1' at value 1"),
    "six_values": (_answer(actions=_row(6)), {}, "row 1 has 6 values instead of 7"),
    "eight_values": (_answer(actions=_row(8)), {}, "row 1 has 8 values instead of 7"),
    "empty_row": (_answer(actions="[]"), {}, "row 1 has 0 values instead of 7"),
    "few_rows": (_answer(actions=TOKENIZER.encode(CHUNK[:5])), {}, "5 usable action rows, not 8"),
    "flat_row": (_answer(actions=_row(7)), {}, "1 usable action rows, not 8"),
    "two_lists": (_answer(actions=f"{_row(7)} {_row(7)}"), {}, "unexpected form"),
    "nested": (_answer(actions=f"[[{_row(7)}]]"), {}, "unexpected form"),
    "ordinary_word": (
        _answer(actions=_row(7).replace(TOKENIZER.strings[12], "hello", 1)),
        {},
        "'hello' at value 1, which is no action string",
    ),
    "depth_99": (_answer(depth="<DEPTH_START>" + "<DEPTH_1>" * 99 + "<DEPTH_END>"), {}, "has 99"),
    "depth_101": (_answer(depth="<DEPTH_START>" + "<DEPTH_1>" * 101 + "<DEPTH_END>"), {}, "101"),
    "depth_code_128": (
        _answer(depth="<DEPTH_START>" + "<DEPTH_128>" * 100 + "<DEPTH_END>"),
        {},
        "depth code 128 is not one of 0..127",
    ),
    "depth_negative": (
        _answer(depth="<DEPTH_START>" + "<DEPTH_-1>" * 100 + "<DEPTH_END>"),
        {},
        "depth code -1",
    ),
    "depth_words": (_answer(depth="<DEPTH_START>far<DEPTH_END>"), {}, "'far'"),
    "depth_open": (_answer(depth="<DEPTH_START><DEPTH_1>"), {}, "a start but no end"),
    "depth_twice": (_answer(depth=DepthTokenizer().encode(CODES) * 2), {}, "2 depth maps"),
    "no_depth": (_answer(depth="unknown"), {}, "no depth map"),
    "no_trajectory": (_answer(trajectory="unknown"), {}, "no trajectory"),
    "empty_trajectory": (_answer(trajectory="[]"), {}, "trajectory cannot be read"),
    "triples": (_answer(trajectory="[[1, 2, 3], [4, 5, 6]]"), {}, "trajectory cannot be read"),
    "open_trajectory": (_answer(trajectory="[[1, 2], [3, 4]"), {}, "trajectory cannot be read"),
    "x_300": (_answer(trajectory="[[1, 2], [300, 4]]"), {}, "Point 2 of the trajectory, (300, 4)"),
    "y_negative": (_answer(trajectory="[[1, -2]]"), {}, "Point 1 of the trajectory, (1, -2)"),
    "infinite": (_answer(trajectory="[[1, 1e999]]"), {}, "(1, inf)"),
}


@pytest.mark.parametrize("text, options, expected", FAULTS.values(), ids=FAULTS.keys())
def test_fault_is_named(text: str, options: dict[str, Any], expected: Any) -> None:
    problems = _problems(text, **options)
    assert any(expected in problem for problem in problems), problems


def test_only_the_list_after_the_last_cue_is_an_action() -> None:
    fake = TOKENIZER.encode(np.full((1, 7), 0.99))
    answer = parse_answer(f"The action is {fake}. " + _answer(), STATS, rows=8)
    assert answer.actions.shape == (8, 7)
    assert np.abs(answer.actions - CHUNK).max() < 1 / 255
    assert not answer.valid


def test_wrong_string_is_never_a_number() -> None:
    text = _answer(actions=_row(7).replace(TOKENIZER.strings[12], "hello", 1))
    assert np.isnan(parse_answer(text, STATS).actions[0, 0])
    compatible = parse_answer(text, STATS, mode="compatible")
    assert compatible.actions[0, 0] == pytest.approx(0.996, abs=1e-3)


def test_flat_pair_is_a_trajectory_of_one_point() -> None:
    points = parse_answer(_answer(trajectory="[12, 34]"), STATS).trajectory
    assert points is not None and points.tolist() == [[12, 34]]


@given(st.text(st.sampled_from("[](),. 12action is<DEPTH_START>\n⠁é")))
def test_any_text_gives_an_answer(text: str) -> None:
    for mode in ("strict", "compatible"):
        answer = parse_answer(text, STATS, mode=mode)
        assert answer.actions.shape[1:] == (7,)


@given(st.integers(0, 300))
def test_a_truncated_answer_is_never_valid(cut: int) -> None:
    text = _answer()
    assert not parse_answer(text[: max(len(text) - 2 - cut, 0)], STATS, rows=8).valid


def test_unknown_mode() -> None:
    with pytest.raises(ValueError, match="mode is 'lenient'"):
        parse_answer("", STATS, mode="lenient")  # type: ignore[arg-type]
