# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Tiny random models, tokenizers of both kinds, and a replay of known answers."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from golden_files import GOLDEN
from transformers import GenerationConfig

from molmoact_ros.answer import ActionTokenizer, DepthTokenizer
from molmoact_ros.decoding import Draft, TokenDraft, TokenTree
from molmoact_ros.decoding.drafts import AnswerReader
from molmoact_ros.model import MolmoActConfig, MolmoActForActionReasoning
from molmoact_ros.processing import MolmoActProcessor

EOS = 3


@pytest.fixture(scope="session")
def random_model() -> Callable[..., MolmoActForActionReasoning]:
    """Return a function that builds text-only models: (seed, variant, vocab_size=48)."""
    cache: dict[tuple, MolmoActForActionReasoning] = {}

    def build(seed: int, variant: str = "qwen_siglip", vocab_size: int = 48) -> Any:
        key = (seed, variant, vocab_size)
        if key not in cache:
            content = json.loads((GOLDEN / variant / "config.json").read_text())
            content["llm_config"] |= {"vocab_size": vocab_size, "num_hidden_layers": 2}
            content["image_patch_id"] = vocab_size + 2
            content["initializer_range"] = 0.2
            config = MolmoActConfig.from_dict(content)
            torch.manual_seed(seed)
            model = MolmoActForActionReasoning(config).eval()
            model.generation_config = GenerationConfig(eos_token_id=EOS)
            cache[key] = model
        return cache[key]

    return build


@pytest.fixture(scope="session")
def split_tokenizer() -> Any:
    """Return a tokenizer that writes one action in several tokens, merged with its neighbours."""
    return MolmoActProcessor.from_pretrained(GOLDEN / "qwen_siglip").tokenizer


@pytest.fixture(scope="session")
def single_tokenizer() -> Any:
    """Return a tokenizer with one token per action and fixed phrases as tokens of their own."""
    tokenizer = MolmoActProcessor.from_pretrained(GOLDEN / "qwen_siglip").tokenizer
    tokenizer.add_tokens(list(ActionTokenizer("byte_level").strings))
    tokenizer.add_tokens([" The depth map of the image is ", ", ", "], [", "[[", "]]."])
    return tokenizer


@pytest.fixture(params=["vocab_tail", "byte_level"])
def actions(request: pytest.FixtureRequest) -> ActionTokenizer:
    """Both codebooks."""
    return ActionTokenizer(request.param)


@pytest.fixture(scope="session")
def readers(split_tokenizer: Any, single_tokenizer: Any) -> dict[str, AnswerReader]:
    """Return a reader for each codebook, with a tokenizer that fits it."""
    tokenizers = {"vocab_tail": split_tokenizer, "byte_level": single_tokenizer}
    return {
        name: AnswerReader.from_tokenizer(t, ActionTokenizer(name), t.eos_token_id)
        for name, t in tokenizers.items()
    }


@pytest.fixture
def reader(actions: ActionTokenizer, readers: dict[str, AnswerReader]) -> AnswerReader:
    """Return the reader for `actions`."""
    return readers[actions.codebook]


@pytest.fixture
def write(actions: ActionTokenizer) -> Callable[..., str]:
    """Return a function that writes plausible answers, see `_answer`."""
    return partial(_answer, actions)


@pytest.fixture
def write_with() -> Callable[..., str]:
    """Return a function that writes answers with the action tokenizer that it is given."""
    return _answer


@pytest.fixture
def replay() -> Callable[[Draft, Sequence[int]], int]:
    """Return a function that counts the passes of a model that writes the given ids."""
    return _replay


class _ScriptedDraft:
    """A draft whose tree follows from how many tokens are known, and from the limit."""

    def __init__(self, tree: Callable[[int, int], TokenTree]) -> None:
        self._tree, self._known = tree, 0

    def begin(self) -> None:
        self._known = 0

    def extend(self, tokens: Sequence[int]) -> None:
        self._known += len(tokens)

    def propose(self, limit: int, provisional: Sequence[int] = ()) -> TokenTree:
        return self._tree(self._known + len(provisional), limit)


@pytest.fixture(scope="session")
def chain() -> Callable[[list[int]], TokenDraft]:
    """Return a function that makes drafts without branches, longer than the limit."""
    return lambda ids: _ScriptedDraft(lambda known, _: TokenTree.chain(ids[known:], "chain"))


@pytest.fixture(scope="session")
def twins() -> Callable[[list[int]], TokenDraft]:
    """Return a function that makes drafts with a wrong sibling before every right token."""

    def tree(ids: list[int]) -> TokenTree:
        tokens = [choice for token in ids for choice in ((token + 16) % 32, token)]
        parents = [2 * (node // 2) - 1 for node in range(len(tokens))]
        count = len(tokens)
        return TokenTree(tuple(tokens), tuple(parents), ("x",) * count, (1.0,) * count)

    return lambda ids: _ScriptedDraft(lambda known, limit: tree(ids[known : known + limit // 2]))


def _answer(
    actions: ActionTokenizer,
    seed: int = 0,
    *,
    points: int = 5,
    rows: int = 8,
    wording: str = "Based on these information",
) -> str:
    """Return a plausible answer: arbitrary depth and trajectory, rows that drift slowly."""
    rng = np.random.default_rng(seed)
    depth = DepthTokenizer().encode(rng.integers(0, 128, (10, 10)))
    trace = ", ".join(f"[{x}, {y}]" for x, y in rng.integers(0, 256, (points, 2)))
    values = np.cumsum(rng.normal(0, 0.02, (rows, 7)), axis=0)
    return (
        f" The depth map of the image is {depth}. The trajectory of the end effector is [{trace}]."
        f" {wording}, the action that the robot should take is {actions.encode(values)}."
    )


def _replay(draft: Draft, ids: Sequence[int], limit: int = 63) -> int:
    """Return the passes of a model that writes exactly `ids`; the first token is the prefill's."""
    draft.begin()
    draft.extend(ids[:1])
    known, passes = 1, 0
    while known < len(ids):
        tree = draft.propose(limit)
        assert len(tree) <= limit
        confirmed = len(tree.follow(_choices(tree, ids, known)))
        emitted = ids[known : known + confirmed + 1]
        draft.extend(emitted)
        known += len(emitted)
        passes += 1
    return passes


def _choices(tree: TokenTree, ids: Sequence[int], known: int) -> list[int]:
    """Return what a model chooses in each slot: the next of `ids` by depth, -1 after the end."""
    depths = [0]
    for parent in tree.parents:
        depths.append(depths[parent + 1] + 1)
    return [ids[known + d] if known + d < len(ids) else -1 for d in depths]
