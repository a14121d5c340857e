# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whatever is drafted, the ids are those of plain greedy decoding."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from molmoact_ros.answer import ActionTokenizer
from molmoact_ros.decoding import Decoder, Draft, TokenTree, generate

VOCABULARY, EOS = 48, 3
PROMPTS = st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=20)
MODELS = st.tuples(st.integers(0, 3), st.sampled_from(["qwen_siglip", "olmo_clip"]))
RELAXED = settings(max_examples=20)


class _Arbitrary:
    """Drafts trees that hypothesis makes: in part the true continuation, in part anything."""

    def __init__(self, truth: list[int], data: st.DataObject) -> None:
        self._truth, self._data, self._known = truth, data, 0

    def begin(self) -> None:
        self._known = 0

    def extend(self, tokens: Any) -> None:
        assert self._truth[self._known : self._known + len(tokens)] == list(tokens)
        self._known += len(tokens)

    def propose(self, limit: int, provisional: Any = ()) -> TokenTree:
        count = self._data.draw(st.integers(0, 20), "nodes")
        depths, tokens, parents = {-1: 0}, [], []
        for node in range(count):
            parent = self._data.draw(st.integers(max(-1, node - 3), node - 1), "parent")
            depths[node] = depths[parent] + 1
            position = self._known + depths[parent]
            true = self._truth[position] if position < len(self._truth) else 0
            wrong = st.integers(-2, VOCABULARY + 5)
            tokens.append(self._data.draw(st.one_of(st.just(true), wrong), "token"))
            parents.append(parent)
        return TokenTree(tuple(tokens), tuple(parents), ("x",) * count, (0.5,) * count)


def _plain(model: Any, prompt: list[int], count: int) -> Any:
    return generate(model, {"input_ids": torch.tensor([prompt])}, count)


@RELAXED
@given(data=st.data(), which=MODELS, prompt=PROMPTS, count=st.integers(1, 25))
def test_any_tree_leaves_the_ids_alone(
    random_model: Any, data: Any, which: Any, prompt: Any, count: Any
) -> None:
    model = random_model(*which)
    longer = _plain(model, prompt, count + 15).ids
    batch = {"input_ids": torch.tensor([prompt])}
    drafted = generate(model, batch, count, _Arbitrary(longer, data))
    assert drafted.ids == longer[:count]
    assert drafted.ended == (longer[: len(drafted.ids)][-1] == EOS)
    assert drafted.forward_passes < len(drafted.ids)
    assert sum(drafted.tokens_per_pass) == len(drafted.ids) - 1
    for source, accepted in drafted.accepted.items():
        assert accepted <= drafted.drafted[source]


@RELAXED
@given(which=MODELS, prompt=PROMPTS, other=PROMPTS, cut=st.integers(0, 30), kind=st.integers(0, 4))
def test_the_answer_to_another_prompt_does_no_harm(
    random_model: Any, chain: Any, which: Any, prompt: Any, other: Any, cut: Any, kind: Any
) -> None:
    model = random_model(*which)
    plain, previous = _plain(model, prompt, 30), _plain(model, other, 30)
    decoder = Decoder(model, capacity=80)
    batch = {"input_ids": torch.tensor([prompt])}
    ids = (previous.ids, previous.ids[:cut], plain.ids[:cut], plain.ids * 4, [0] * 500)[kind]
    assert decoder.generate(batch, 30, chain(ids)).ids == plain.ids


def test_a_perfect_draft_needs_one_pass_per_block(random_model: Any, chain: Any) -> None:
    model = random_model(1, "qwen_siglip")
    prompt = next(p for p in range(48) if len(_plain(model, [p, 5], 200).ids) == 200)
    plain = _plain(model, [prompt, 5], 200)
    batch = {"input_ids": torch.tensor([[prompt, 5]])}
    result = Decoder(model, 210).generate(batch, 200, chain(plain.ids))
    assert result.ids == plain.ids
    assert result.forward_passes == 4  # 199 tokens, 64 per pass
    assert result.accepted == {"chain": 196}


@pytest.mark.parametrize("variant", ["qwen_siglip", "olmo_clip"])
def test_a_draft_of_another_vocabulary_does_no_harm(
    random_model: Any, split_tokenizer: Any, variant: str
) -> None:
    """The tokenizer knows far more ids than the model has embeddings for."""
    model = random_model(0, variant)
    draft = Draft.from_tokenizer(split_tokenizer, ActionTokenizer(), split_tokenizer.eos_token_id)
    decoder = Decoder(model, 100)
    for seed in range(5):
        prompt = torch.randint(48, (1, 10), generator=torch.Generator().manual_seed(seed))
        plain = generate(model, {"input_ids": prompt}, 60)
        drafted = decoder.generate({"input_ids": prompt}, 60, draft)
        assert drafted.ids == plain.ids
        draft.observe(drafted.ids, executed_steps=3)


@RELAXED
@given(which=MODELS, prompts=st.lists(PROMPTS, min_size=2, max_size=3))
def test_a_decoder_forgets_the_answer_before(
    random_model: Any, chain: Any, which: Any, prompts: Any
) -> None:
    model = random_model(*which)
    decoder = Decoder(model, 70)
    for prompt in prompts:
        plain = _plain(model, prompt, 20)
        result = decoder.generate({"input_ids": torch.tensor([prompt])}, 20, chain(plain.ids))
        assert result.ids == plain.ids
