# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a draft is worth on answers that look like real ones, and what it makes of strange ones."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from molmoact_ros.decoding import SOURCES, Draft
from molmoact_ros.decoding.drafts import AnswerReader
from molmoact_ros.decoding.drafts.wording import example_answers


@pytest.fixture
def new_draft(reader: Any, actions: Any) -> Any:
    """Return a function that makes drafts that know the published wordings."""
    examples = example_answers(actions, 8, 7)
    return lambda sources=SOURCES: Draft(reader, examples, sources=sources)


def test_the_same_answer_again_is_almost_free(
    reader: Any, new_draft: Any, write: Any, replay: Any
) -> None:
    draft, ids = new_draft(), reader.encode(write())
    first = replay(draft, ids)
    draft.observe(ids)
    again = [replay(draft, ids)]
    for _ in range(3):
        draft.observe(ids)
        again.append(replay(draft, ids))
    assert first < 0.6 * len(ids)  # rows and wording are foreseen from the start
    assert again[-1] <= len(ids) / 20


def test_a_changed_value_costs_about_one_pass(
    reader: Any, new_draft: Any, write: Any, replay: Any
) -> None:
    draft = new_draft()
    text = write()
    for _ in range(3):
        replay(draft, reader.encode(text))
        draft.observe(reader.encode(text))
    base = replay(draft, reader.encode(text))
    codes = [text[i : i + 12] for i in range(len(text)) if text.startswith("<DEPTH_1", i)]
    changed = text.replace(codes[4], "<DEPTH_77>" + codes[4].split(">")[1], 1)
    assert replay(draft, reader.encode(changed)) <= base + 3


@pytest.mark.parametrize("points", [1, 2, 4, 6])
def test_other_numbers_of_points_are_followed(
    reader: Any, new_draft: Any, write: Any, replay: Any, points: int
) -> None:
    draft = new_draft()
    for _ in range(2):
        ids = reader.encode(write(0))
        replay(draft, ids)
        draft.observe(ids)
    ids = reader.encode(write(0, points=points))
    base = replay(draft, ids)
    # The actions behind the surprise are drafted as well as before it.
    assert base < 70 + 12 * points


def test_a_wording_is_learned_from_the_checkpoint(
    reader: Any, new_draft: Any, write: Any, replay: Any
) -> None:
    draft = new_draft()
    ids = reader.encode(write(wording="As far as can be seen in all of this"))
    first = replay(draft, ids)
    draft.observe(ids)
    unknown = first - replay(draft, ids)
    draft = new_draft()
    ids = reader.encode(write())
    known = replay(draft, ids)
    draft.observe(ids)
    known -= replay(draft, ids)
    assert unknown > known


def test_steering_answers_keep_the_depth_of_before(
    reader: Any, actions: Any, new_draft: Any, write: Any, replay: Any
) -> None:
    draft = new_draft()
    whole = reader.encode(write())
    steering = reader.encode(example_answers(actions, 8, 7)[3])
    for ids in (whole, whole, whole, steering, steering):
        passes = replay(draft, ids)
        draft.observe(ids)
    assert passes < 15
    assert replay(draft, whole) < 60  # 100 codes are among these tokens


def test_the_shifted_chunk_is_the_draft_of_an_overlapping_one(
    reader: Any, actions: Any, new_draft: Any, write: Any, replay: Any
) -> None:
    rng = np.random.default_rng(1)
    course = rng.choice([-0.9, -0.3, 0.2, 0.8], (40, 7))  # what follows a value, another time not
    text = write()
    head = text[: text.index("take is ") + len("take is ")]
    passes = {}
    for shift in (2, 0):  # what the draft assumes; 2 steps are executed
        draft = new_draft()
        for step in range(0, 12, 2):
            ids = reader.encode(head + actions.encode(course[step : step + 8]) + ".")
            passes[shift] = replay(draft, ids)
            draft.observe(ids, executed_steps=shift)
    assert passes[2] < 0.8 * passes[0]


def test_sources_can_be_switched_off(reader: Any, new_draft: Any, write: Any, replay: Any) -> None:
    ids = [reader.encode(write(0)) for _ in range(3)]
    passes = {}
    for off in (None, *sorted(SOURCES)):
        draft = new_draft(SOURCES - {off})
        for each in ids:
            passes[off] = replay(draft, each)
            draft.observe(each)
        if off == "grammar":
            draft.begin()
            draft.extend(ids[0][:1])
            assert not draft.propose(63).tokens  # fixed text comes first
        draft.begin()
        draft.extend(ids[0][:40])
        assert off not in draft.propose(63).sources
    assert passes["time"] > passes[None] + 50
    assert passes["grammar"] > passes[None]
    with pytest.raises(ValueError, match="unknown draft sources.*psychic"):
        new_draft({"psychic"})


def test_a_draft_without_any_knowledge_proposes_nothing(reader: Any) -> None:
    draft = Draft(reader)
    draft.extend([1, 2, 3])
    assert len(draft.propose(63)) == 0
    draft.observe([1, 2, 3])


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_answer_derails_it(
    reader: Any, new_draft: Any, write: Any, replay: Any, data: Any
) -> None:
    """Truncated, repeated, mixed and foreign token sequences: defined proposals, no exception."""
    draft = new_draft()
    known = reader.encode(write(0))
    for _ in range(3):
        start, stop = sorted(data.draw(st.tuples(*[st.integers(0, len(known))] * 2)))
        noise = data.draw(st.lists(st.integers(-3, 200_000), max_size=6))
        tail = data.draw(st.sampled_from([known, known[:30], known[-40:], []]))
        ids = [*known[start:stop], *noise, *tail] or [0]
        assert replay(draft, ids) <= len(ids)
        draft.observe(ids, executed_steps=data.draw(st.integers(0, 20)))
    replay(draft, known)
    draft.observe(known)
    assert replay(draft, known) < len(known) / 4


def test_the_background_comes_back(reader: Any, new_draft: Any, write: Any, replay: Any) -> None:
    """Codes that the arm hid for a while are foreseen when it leaves."""
    draft = new_draft()
    open_view, hidden = (
        reader.encode(write(0)),
        reader.encode(_with_other_depth(write(0), write(1))),
    )
    for ids in [open_view] * 8 + [hidden] * 2:
        replay(draft, ids)
        draft.observe(ids)
    assert replay(draft, open_view) < 60  # all 100 codes differ from the answer before


def _with_other_depth(text: str, other: str) -> str:
    def depth(t: Any) -> Any:
        return t[t.index("<DEPTH_START>") : t.index("<DEPTH_END>")]

    return text.replace(depth(text), depth(other))


def test_guesses_behind_provisional_tokens_are_those_behind_emitted_ones(
    reader: Any, new_draft: Any, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Draft, "_learn", lambda *place: None)  # from what is emitted alone
    ids, extended, asked = reader.encode(write()), new_draft(), new_draft()
    for known in range(1, len(ids) - 8, 9):
        for draft in (extended, asked):
            draft.begin()
            draft.extend(ids[:known])
        before = asked.propose(40)
        provisional = [*ids[known : known + 5], *([0] if known % 2 else [])]  # 0 fits nowhere
        tree = asked.propose(40, provisional)
        assert asked.propose(40) == before, "nothing was remembered"
        extended.extend(provisional)
        assert extended.propose(40) == tree


def test_nothing_is_learned_from_provisional_tokens(
    reader: Any, new_draft: Any, write: Any
) -> None:
    ids, draft, other = reader.encode(write()), new_draft(), new_draft()
    wrong = reader.encode(write(1))
    for start in range(0, len(ids), 7):
        for each in (draft, other):
            each.extend(ids[start : start + 7])
        draft.propose(63, wrong[start : start + 20])
        assert draft.propose(63) == other.propose(63)


def test_answers_that_teach_nothing_are_reported_once(
    reader: AnswerReader,
    new_draft: Callable[..., Draft],
    write: Callable[..., str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    draft, ids = new_draft(), reader.encode(write())
    draft.observe(ids)
    assert draft.learned
    for answer in (ids[:-30], reader.encode(" I cannot see it.")):
        draft.observe(answer)
        assert not draft.learned
    assert [record.getMessage().split(",")[1] for record in caplog.records] == [
        " which was cut: the next ones take more passes until one can be read"
    ]
    draft.observe(ids)
    assert draft.learned
