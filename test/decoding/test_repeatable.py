# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Repeatable decoding: bit for bit the answer of plain decoding, where numbers are coarse too."""

import copy
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from molmoact_ros.decoding import Decoder, TokenTree, generate
from molmoact_ros.model import MolmoActForActionReasoning

VOCABULARY, TOKENS = 48, 40
RELAXED = settings(max_examples=12)
Make = Callable[[int, str, torch.dtype], MolmoActForActionReasoning]


@pytest.fixture(scope="module")
def model_in(random_model: Any) -> Make:
    """Small models in any number type. In bfloat16 logits are often equal or nearly so."""

    @cache
    def make(seed: int, variant: str, dtype: torch.dtype) -> MolmoActForActionReasoning:
        return copy.deepcopy(random_model(seed, variant)).to(dtype)

    return make


class _Branching:
    """Drafts what `truth` holds, behind wrong siblings, so that it is often a side branch."""

    def __init__(self, truth: list[int], seed: int) -> None:
        self._truth, self._known = truth, 0
        self._rng = np.random.default_rng(seed)

    def begin(self) -> None:
        self._known = 0

    def extend(self, tokens: Any) -> None:
        self._known += len(tokens)

    def propose(self, limit: int, provisional: Any = ()) -> TokenTree:
        known = self._known + len(provisional)
        tokens: list[int] = []
        parents: list[int] = []
        parent = -1
        for token in self._truth[known : known + int(self._rng.integers(1, 12))]:
            wrong = int(self._rng.integers(0, VOCABULARY))
            for sibling in (wrong, token) if self._rng.random() < 0.5 else (token,):
                tokens.append(sibling)
                parents.append(parent)
            parent = len(tokens) - 1
        count = min(limit, len(tokens))
        parents = parents[:count]
        return TokenTree(tuple(tokens[:count]), tuple(parents), ("x",) * count, (0.5,) * count)


@RELAXED
@given(
    seed=st.integers(0, 3),
    variant=st.sampled_from(["qwen_siglip", "olmo_clip"]),
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
    prompt=st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=12),
    draws=st.integers(0, 1000),
)
def test_drafts_change_no_bit(
    model_in: Any, seed: Any, variant: Any, dtype: Any, prompt: Any, draws: Any
) -> None:
    """Ids and probabilities: in float32 the latter show each difference in the order of a sum."""
    decoder = Decoder(model_in(seed, variant, dtype), 64, repeatable=True)
    batch = {"input_ids": torch.tensor([prompt])}
    ids = torch.arange(8)
    plain = decoder.generate(batch, TOKENS, probe_ids=ids)
    assert plain.forward_passes == len(plain.ids) - 1
    drafted = decoder.generate(batch, TOKENS, _Branching(plain.ids, draws), probe_ids=ids)
    assert drafted.ids == plain.ids
    assert drafted.ended == plain.ended
    assert sum(drafted.tokens_per_pass) == len(drafted.ids) - 1
    assert drafted.accepted.get("x", 0) <= drafted.drafted.get("x", 0)
    assert drafted.probes.keys() == plain.probes.keys()
    for position, probabilities in plain.probes.items():
        assert np.array_equal(drafted.probes[position], probabilities)


def test_a_side_branch_goes_on_as_the_main_path_of_the_next_pass(random_model: Any) -> None:
    """Its tokens wait for that pass; guesses for what follows them are asked for meanwhile."""
    decoder = Decoder(random_model(1), 64, repeatable=True)
    batch, plain = _long_answer(decoder)
    draft = _SideBranch(plain)
    drafted = decoder.generate(batch, TOKENS, draft)
    assert drafted.ids == plain
    # The root's own choice is certain, five more tokens and the choice behind them are not.
    assert drafted.tokens_per_pass[0] == 1
    assert draft.asked[:2] == [((), 1), (tuple(plain[2:8]), 2)]
    assert drafted.tokens_per_pass[1] == 7
    assert drafted.accepted == {"x": 6}


class _SideBranch:
    """Drafts once: a wrong token with a wrong sequel, and beside it six right ones."""

    def __init__(self, truth: list[int]) -> None:
        self._truth, self._known = truth, 0
        self.asked: list[tuple[tuple[int, ...], int]] = []

    def begin(self) -> None:
        self._known = 0

    def extend(self, tokens: Any) -> None:
        self._known += len(tokens)

    def propose(self, limit: int, provisional: Any = ()) -> TokenTree:
        self.asked.append((tuple(provisional), self._known))
        if len(self.asked) > 1:
            return TokenTree()
        wrong = (self._truth[1] + 1) % VOCABULARY
        tokens = (wrong, self._truth[1], 0, *self._truth[2:7])
        return TokenTree(tokens, (-1, -1, 0, 1, 3, 4, 5, 6), ("x",) * 8, (0.5,) * 8)


def test_every_pass_has_the_largest_size(
    random_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = Decoder(random_model(0), 64, block_sizes=(1, 4, 16), repeatable=True)
    assert list(decoder.pass_costs) == [16]
    assert list(decoder.warm_up(repeats=1)) == [16]


def test_who_does_not_ask_gets_it_on_gpus_only(random_model: Any) -> None:
    assert not Decoder(random_model(0), 64).repeatable
    batch = {"input_ids": torch.tensor([[5, 6, 7]])}
    expected = Decoder(random_model(0), 64, repeatable=True).generate(batch, 20).ids
    assert generate(random_model(0), batch, 20, repeatable=True).ids == expected


def test_provisional_tokens_beyond_the_limit_are_not_emitted(random_model: Any) -> None:
    decoder = Decoder(random_model(1), 64, repeatable=True)
    batch, truth = _long_answer(decoder)
    for limit in range(1, 10):
        result = decoder.generate(batch, limit, _SideBranch(truth))
        assert result.ids == truth[:limit]
        assert not result.ended


def _long_answer(decoder: Decoder) -> tuple[dict[str, torch.Tensor], list[int]]:
    for token in range(VOCABULARY):
        batch = {"input_ids": torch.tensor([[token, 5]])}
        ids = decoder.generate(batch, TOKENS).ids
        if len(ids) == TOKENS:
            return batch, ids
    raise AssertionError("all answers are short")
