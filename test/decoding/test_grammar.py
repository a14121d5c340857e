# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Constrained answers are well-formed whatever the model wants, and else as it wrote them."""

import re
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from molmoact_ros.answer import ActionTokenizer, parse_answer
from molmoact_ros.decoding import Decoder, Draft, Grammar
from molmoact_ros.decoding.drafts import AnswerReader
from molmoact_ros.decoding.drafts.grammar import advance, allowed
from molmoact_ros.decoding.drafts.template import BIN, DEPTH, NUMBER

STATS = {"k": {"action": {"q01": [-1.0] * 7, "q99": [1.0] * 7, "mask": [True] * 7}}}
COUNTS = {"depth": 100, "numbers": 10, "bins": 56}
PROMPT = {"input_ids": torch.tensor([[5, 6, 7]])}
MODES = pytest.mark.parametrize("repeatable", [False, True])


class _Scripted:
    """A network whose argmax is a script; all other logits depend on place and last token."""

    def __init__(self, base: Any, script: Sequence[int], vocab_size: int, eos: int) -> None:
        self._script = script
        self._noise = torch.rand(64, vocab_size, generator=torch.Generator().manual_seed(0))
        llm = SimpleNamespace(
            vocab_size=vocab_size, num_hidden_layers=1, num_key_value_heads=1, head_dim=4
        )
        self.config = SimpleNamespace(llm_config=llm, eos_token_id=eos)
        self.device, self.dtype, self.precision = base.device, base.dtype, base.precision

    def embed(self, ids: torch.Tensor, **_: Any) -> torch.Tensor:
        return ids[..., None]

    def run(self, embeds: torch.Tensor, positions: torch.Tensor, *_: Any) -> torch.Tensor:
        return torch.cat([embeds, positions[..., None]], -1)

    def lm_head(self, hidden: torch.Tensor) -> torch.Tensor:
        token, place = hidden[..., 0].flatten(), hidden[..., 1].flatten()
        logits = self._noise[(7 * token + 3 * place) % len(self._noise)]
        for row, index in zip(logits, (place - 2).tolist(), strict=True):
            if index < len(self._script):
                row[self._script[index]] = 10.0
        return logits.reshape(*hidden.shape[:-1], -1)


@pytest.fixture
def grammar(reader: AnswerReader, write: Callable[..., str]) -> Grammar:
    learned = Grammar(reader)
    learned.learn(reader.encode(write(0)), **COUNTS)
    assert learned.learned
    return learned


@pytest.fixture
def vocab_size(actions: ActionTokenizer, split_tokenizer: Any, single_tokenizer: Any) -> int:
    tokenizers = {"vocab_tail": split_tokenizer, "byte_level": single_tokenizer}
    return len(tokenizers[actions.codebook])


@pytest.fixture
def answer_of(
    random_model: Any, reader: AnswerReader, write: Callable[..., str], vocab_size: int
) -> Callable[..., Any]:
    """Answer of a model that wants to write a script: (script, form, drafted, repeatable)."""

    def answer(script: Sequence[int], form: Any, drafted: bool, repeatable: bool = False) -> Any:
        model = _Scripted(random_model(0), script, vocab_size, reader.eos_id)
        decoder = Decoder(model, 1100, repeatable=repeatable)  # type: ignore[arg-type]
        draft = Draft(reader, [write(0), write(1)]) if drafted else None
        return decoder.generate(PROMPT, 1000, draft, form=form)

    return answer


def _is_well_formed(reader: AnswerReader, actions: ActionTokenizer, ids: Sequence[int]) -> bool:
    text = reader._decode(ids[:-1])
    found = parse_answer(text, STATS, "k", action_tokenizer=actions, rows=8)
    return ids[-1] == reader.eos_id and found.valid


def _departures(ids: list[int], write: Callable[..., str], reader: AnswerReader) -> Iterator[Any]:
    """Leave the form: a token replaced, left out or twice anywhere, no end, other rows or words."""
    for place in (0, 3, 15, 60, 120, 150, 160, 200, 240, 300, len(ids) - 3, len(ids) - 2):
        place = min(place, len(ids) - 2)
        yield [*ids[:place], 1, *ids[place + 1 :]]
        yield [*ids[:place], *ids[place + 1 :]]
        yield [*ids[: place + 1], *ids[place:]]
        yield [*ids[:place], reader.eos_id]
    yield ids[:-1]
    yield reader.encode(write(3, rows=7))
    yield reader.encode(write(3, rows=9))
    yield reader.encode(write(3, wording="Thus"))
    yield reader.encode("I cannot see it.")
    yield []


@pytest.mark.parametrize(
    ("repeatable", "every"),
    [
        (False, 7),
        (True, 19),
        pytest.param(False, 1, marks=pytest.mark.long),
        pytest.param(True, 1, marks=pytest.mark.long),
    ],
)
def test_an_argmax_that_leaves_the_form_is_overruled_alike_with_and_without_drafts(
    reader: AnswerReader,
    actions: ActionTokenizer,
    write: Callable[..., str],
    grammar: Grammar,
    answer_of: Callable[..., Any],
    repeatable: bool,
    every: int,
) -> None:
    ids = reader.encode(write(3))
    scripts = list(_departures(ids, write, reader))
    for script in scripts[::every]:
        if _is_well_formed(reader, actions, script or [0]):
            continue  # a digit twice, or a point left out
        plain = answer_of(script, grammar.begin(), False, repeatable)
        drafted = answer_of(script, grammar.begin(), True, repeatable)
        assert plain.ids == drafted.ids
        assert plain.overruled == drafted.overruled > 0
        assert _is_well_formed(reader, actions, plain.ids)
        assert drafted.forward_passes < plain.forward_passes


@MODES
def test_a_well_formed_answer_is_left_alone_passes_included(
    reader: AnswerReader,
    write: Callable[..., str],
    grammar: Grammar,
    answer_of: Callable[..., Any],
    repeatable: bool,
) -> None:
    script = reader.encode(write(4, points=7 if repeatable else 1))
    for drafted in (False, True):
        free = answer_of(script, (), drafted, repeatable)
        kept = answer_of(script, grammar.begin(), drafted, repeatable)
        assert kept.ids == free.ids == script
        assert kept.tokens_per_pass == free.tokens_per_pass
        assert kept.overruled == 0


def test_nothing_is_overruled_before_a_form_was_learned(
    reader: AnswerReader, write: Callable[..., str], answer_of: Callable[..., Any]
) -> None:
    script = reader.encode("I cannot see it.")
    result = answer_of(script, Grammar(reader).begin(), True)
    assert result.ids == script
    assert result.overruled == 0


def test_the_largest_allowed_logit_is_taken(
    random_model: Any,
    reader: AnswerReader,
    write: Callable[..., str],
    grammar: Grammar,
    answer_of: Callable[..., Any],
    vocab_size: int,
) -> None:
    script = reader.encode(write(3))
    state, place = grammar.begin(), 0
    while len(allowed(state)) < 100:
        state, place = advance(state, script[place]), place + 1
    result = answer_of([*script[:place], reader.eos_id], grammar.begin(), False)
    noise = _Scripted(random_model(0), [], vocab_size, reader.eos_id).lm_head(
        torch.tensor([[script[place - 1], place + 2]])
    )[0]
    assert result.ids[place] == max(allowed(state), key=noise.__getitem__)


def _wander(form: Any, eos: int, seed: int) -> list[int]:
    rng = np.random.default_rng(seed)
    ids: list[int] = []
    while not ids or ids[-1] != eos:
        ids.append(int(rng.choice(allowed(form))))
        form = advance(form, ids[-1])
        assert form
    return ids


def _count(reader: AnswerReader, ids: Sequence[int], group: int) -> int:
    read = reader.read(ids)
    assert read is not None
    return len(read.values[group])


def test_whatever_the_form_allows_is_well_formed(
    reader: AnswerReader, actions: ActionTokenizer, grammar: Grammar
) -> None:
    lengths = set()
    for seed in range(12):
        ids = _wander(grammar.begin(), reader.eos_id, seed)
        assert _is_well_formed(reader, actions, ids)
        lengths.add(_count(reader, ids, NUMBER))
    assert len(lengths) > 2, "trajectories differ in length"


def test_a_trajectory_cannot_go_on_for_ever(
    reader: AnswerReader,
    actions: ActionTokenizer,
    write: Callable[..., str],
    grammar: Grammar,
    answer_of: Callable[..., Any],
) -> None:
    text = write(3)
    script = reader.encode(text.replace("[[", "[[" + "[20, 20], [" * 40, 1))
    result = answer_of(script, grammar.begin(), True)
    assert _is_well_formed(reader, actions, result.ids)
    assert _count(reader, result.ids, NUMBER) <= 34


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("], [", "], [012, 3], [", 1),  # a number that no slot can hold
        lambda text: text[: len(text) // 2],
    ],
)
def test_an_answer_that_is_not_understood_in_whole_is_not_learned(
    reader: AnswerReader, write: Callable[..., str], change: Callable[[str], str]
) -> None:
    learner = Grammar(reader)
    learner.learn(reader.encode(change(write(0))), **{**COUNTS, "numbers": 12})
    assert not learner.learned


def test_a_single_point_does_not_teach_how_lists_go_on(
    reader: AnswerReader, write: Callable[..., str]
) -> None:
    learner = Grammar(reader)
    learner.learn(reader.encode(write(0, points=1)), **{**COUNTS, "numbers": 2})
    assert not learner.learned


def test_the_form_of_a_word_level_tokenizer_is_kept() -> None:
    actions = ActionTokenizer("byte_level")
    depth = [f"<DEPTH_{n}>" for n in range(128)]
    words = ["?", ".", ",", "[", "]", *depth, *map(str, range(256)), *actions.strings]
    words += "The depth map is and trace the action <DEPTH_START> <DEPTH_END> <end>".split()
    ids = {word: number for number, word in enumerate(dict.fromkeys(words))}
    pattern = re.compile("|".join(re.escape(w) for w in sorted(ids, key=len, reverse=True)))
    names = list(ids)
    reader = AnswerReader(
        lambda text: [ids[word] for word in pattern.findall(text)],
        lambda tokens: " ".join(names[token] for token in tokens),
        ids["<end>"],
        actions,
    )
    text = "The depth map is <DEPTH_START> <DEPTH_7> <DEPTH_127> <DEPTH_END> and the trace [ [ 0 ,"
    text += f" 255 ] , [ 10 , 9 ] ] and the action {actions.encode([[0.5, -1]] * 2)} ."
    learner = Grammar(reader)
    learner.learn(reader.encode(text), depth=2, numbers=4, bins=4)
    assert learner.learned
    for seed in range(5):
        answer = _wander(learner.begin(), reader.eos_id, seed)
        assert _count(reader, answer, DEPTH) == 2
        assert _count(reader, answer, BIN) == 4
        assert _count(reader, answer, NUMBER) % 2 == 0
