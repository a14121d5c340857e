# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One answer between its passes: what the next one looks at, and what is kept of it.

Whoever runs the passes asks for guesses, decides how many rows the answer gets, has them laid out,
and hands the logits back; whether the pass holds other answers as well makes no difference here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from torch import Tensor

from molmoact_ros.decoding.drafts.grammar import State
from molmoact_ros.decoding.tree import (
    EMPTY_TREE,
    Node,
    TokenTree,
    block_layout,
    count_sources,
)

from .generation_result import GenerationResult
from .progress import Progress
from .static_cache import StaticCache


class TokenDraft(Protocol):
    """What a decoder of one answer needs; `molmoact_ros.decoding.Draft` is the real one."""

    def begin(self) -> None:
        """Begin a new answer."""

    def extend(self, tokens: Sequence[int]) -> None:
        """Take note of tokens that were emitted, after all earlier ones."""

    def propose(self, limit: int, provisional: Sequence[int] = ()) -> TokenTree:
        """At most `limit` guesses of what follows the tokens emitted so far, likeliest first.

        Where `provisional` tokens follow the emitted ones, the guesses are about what follows
        those; they are not certain yet, so nothing is to be learned from them.
        """


class GrowingDraft(TokenDraft, Protocol):
    """What a decoder of many answers needs: guesses one by one, as far as they get rows."""

    def grow(self, provisional: Sequence[int] = ()) -> Iterator[Node]:
        """Yield the nodes that `propose` returns, each when it is asked for."""


class Block(NamedTuple):
    """An answer's rows of a pass.

    Attributes:
        tokens: token id of each slot.
        depths: depth of each slot below the root, which gives its position.
        visible: bool [S, S], which slots each slot sees.
    """

    tokens: list[int]
    depths: list[int]
    visible: np.ndarray


class RunningAnswer:
    """One answer, from its prefill to its end.

    Attributes:
        cache: keys and values of prompt and answer.
        progress: the answer so far.
    """

    def __init__(
        self,
        cache: StaticCache,
        max_new_tokens: int,
        *,
        eos: frozenset[int],
        vocab_size: int,
        repeatable: bool,
        draft: TokenDraft | None = None,
        probe_ids: Tensor | None = None,
        form: State = (),
    ) -> None:
        """Begin with a cache that holds the prompt; arguments as for `Decoder.generate`.

        Args:
            cache: of this answer alone.
            max_new_tokens: most tokens to emit, EOS included.
            eos: tokens that end an answer.
            vocab_size: the head writes tokens below.
            repeatable: whether to take tokens from slots alone whose keys lie in order.
            draft: guesses; None: none.
            probe_ids: int64 [P], on the network's device, see GenerationResult.
            form: what the answer may be.
        """
        self.cache = cache
        self.progress = Progress(form=form)
        self._max_new_tokens = max_new_tokens
        self._eos, self._vocab_size = eos, vocab_size
        self._repeatable = repeatable
        self._draft = draft
        self._probe_ids = probe_ids
        self._tree = EMPTY_TREE

    @property
    def ended(self) -> bool:
        """Whether the answer has reached its end token."""
        return bool(self.progress.ids) and self.progress.ids[-1] in self._eos

    @property
    def done(self) -> bool:
        """Whether no further pass is needed."""
        return self.ended or len(self.progress.ids) >= self._max_new_tokens

    def begin(self, logits: Tensor) -> None:
        """Take the first token from the prefill's logits [1, E]."""
        choices = [int(logits.argmax(-1))]
        self.progress.overrule(EMPTY_TREE, choices, logits)
        self._emit(choices, logits, [0])
        if self._draft is not None:
            self._draft.begin()
            self._draft.extend(self.progress.ids)

    def propose(self, limit: int) -> TokenTree:
        """Return at most ``limit`` guesses of what follows the tokens that are known already."""
        draft, known = self._draft, self.progress.provisional
        if draft is None or not self._drafts:
            return EMPTY_TREE
        count = limit - len(known)
        return draft.propose(count, known.tokens).cut(count)

    def grow(self, draft: GrowingDraft, nodes: list[Node]) -> Iterator[float]:
        """Yield the chance of each further row to be confirmed, first those of known tokens.

        Args:
            draft: of this answer.
            nodes: receives the guesses, those behind the known tokens.
        """
        known = self.progress.provisional
        yield from known.reach
        if self._drafts:
            for node in draft.grow(known.tokens):
                nodes.append(node)
                yield node.reach

    def lay_out(self, guesses: TokenTree, rows: int, size: int | None = None) -> Block:
        """Return the block of the next pass: the last token, what is known, then the guesses.

        Args:
            guesses: of `propose`; those that do not fit are left.
            rows: slots that may be used, 1 or more.
            size: slots of the block, padded; None: those that are used.
        """
        known = self.progress.provisional.cut(rows - 1)
        tree = guesses.cut(rows - 1 - len(known)).within(self._vocab_size)
        count_sources(tree.sources, self.progress.drafted)
        if self._repeatable:
            tree = tree.main_path_first().behind(known)
        self._tree = tree
        size = len(tree) + 1 if size is None else size
        depths, visible = block_layout(tree.parents, size)
        padding = [0] * (size - 1 - len(tree))
        return Block([self.progress.ids[-1], *tree.tokens, *padding], depths, visible)

    def accept(self, choices: list[int], logits: Tensor) -> None:
        """Keep what the pass over the last block confirms.

        Args:
            choices: the argmax of each row.
            logits: [S, E] of the same rows.
        """
        progress, tree = self.progress, self._tree
        progress.overrule(tree, choices, logits)
        path = tree.follow(choices)
        # A main path's node i is in slot i + 1 and at depth i + 1: its keys are in order.
        certain = [n for i, n in enumerate(path) if n == i] if self._repeatable else path
        slots = [0, *(node + 1 for node in certain)]
        remaining = self._max_new_tokens - len(progress.ids)
        emitted = self._until_end([choices[slot] for slot in slots][:remaining])
        slots = slots[: len(emitted)]
        self.cache.keep(slots)
        self._emit(emitted, logits, slots)
        progress.tokens_per_pass.append(len(emitted))
        count_sources((tree.sources[node] for node in path[: len(emitted)]), progress.accepted)
        progress.provisional = tree.promised(path[len(certain) :], choices)
        if self._draft is not None:
            self._draft.extend(emitted)

    def result(self, seconds: dict[str, float]) -> GenerationResult:
        """Return what the answer has become; ``seconds`` by stage."""
        progress = self.progress
        return GenerationResult(
            ids=progress.ids,
            ended=self.ended,
            forward_passes=len(progress.tokens_per_pass),
            tokens_per_pass=tuple(progress.tokens_per_pass),
            drafted=progress.drafted,
            accepted=progress.accepted,
            overruled=progress.overruled,
            seconds=seconds,
            probes=progress.probabilities(self._probe_ids),
        )

    @property
    def _drafts(self) -> bool:
        """Whether a guess can save a pass: behind the last token that may come, none can."""
        return self._max_new_tokens - len(self.progress.ids) > 1

    def _emit(self, tokens: list[int], logits: Tensor, slots: list[int]) -> None:
        progress = self.progress
        positions = list(range(len(progress.ids), len(progress.ids) + len(tokens)))
        progress.append(tokens, slots)
        if self._probe_ids is not None:
            # All rows, as naming a few would send their numbers to the device and wait for it.
            progress.probes.append((positions, slots, logits.index_select(-1, self._probe_ids)))

    def _until_end(self, tokens: list[int]) -> list[int]:
        for count, token in enumerate(tokens, start=1):
            if token in self._eos:
                return tokens[:count]
        return tokens
