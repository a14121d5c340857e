# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whatever other robots do meanwhile, a robot gets the ids that it gets alone, bit for bit."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from typing import Any

import numpy as np
import pytest

from molmoact_ros.decoding import Draft
from molmoact_ros.decoding.tree import Node
from molmoact_ros.serve.batching import AnswerScheduler, LoadedCheckpoint, SessionSettings

from .conftest import OBSERVATIONS, TOKENS


class _Branching:
    """Drafts what `truth` holds, often behind wrong siblings, with chances that mean nothing."""

    learned = True

    def __init__(self, seed: int) -> None:
        self.truth: Sequence[int] = ()
        self._known = 0
        self._rng = np.random.default_rng(seed)

    def begin(self) -> None:
        self._known = 0

    def extend(self, tokens: Sequence[int]) -> None:
        assert list(self.truth[self._known :][: len(tokens)]) == list(tokens)
        self._known += len(tokens)

    def observe(self, ids: Sequence[int], executed_steps: int = 0) -> None:
        pass

    def grow(self, provisional: Sequence[int] = ()) -> Iterator[Node]:
        rng, known, parent, count = self._rng, self._known + len(provisional), -1, 0
        reach = 1.0
        for token in self.truth[known : known + int(rng.integers(1, 24))]:
            wrong = int(rng.integers(0, 400))
            for sibling in (wrong, token) if rng.random() < 0.4 else (token,):
                reach *= rng.uniform(0.8, 1.0)
                yield Node(int(sibling), parent, "x", reach)
                count += 1
            parent = count - 1


class _Cell:
    """One robot: a session, and what it waits for."""

    def __init__(self, scheduler: AnswerScheduler, made: list[_Branching]) -> None:
        self._scheduler, self._made = scheduler, made
        self.asked = -1
        self.future: Future | None = None
        self.open()

    def open(self) -> None:
        self.session = self._scheduler.open(SessionSettings(max_new_tokens=TOKENS))
        self.draft = self._made[-1]

    def ask(self, rng: Any, truths: list[tuple[int, ...]]) -> None:
        self.asked = int(rng.integers(len(OBSERVATIONS)))
        self.draft.truth = truths[self.asked]
        deadline = None if rng.random() < 0.3 else float(rng.uniform(0.0, 3.0))
        self.future = self.session.infer(OBSERVATIONS[self.asked], deadline)


def _interleave(
    checkpoint: LoadedCheckpoint,
    made: list[_Branching],
    truths: list[tuple[int, ...]],
    answers: int,
    seed: int,
) -> Counter[str]:
    """Decode so many answers of five robots that ask, cancel, leave and come as they like."""
    rng = np.random.default_rng(seed)
    scheduler = AnswerScheduler(checkpoint, max_sessions=5, clock=lambda: 1.0)
    cells = [_Cell(scheduler, made) for _ in range(5)]
    seen: Counter[str] = Counter()
    while seen["answers"] < answers:
        for cell in cells:
            if cell.future is None:
                if rng.random() < 0.3:
                    cell.ask(rng, truths)
            elif cell.future.done():
                assert cell.future.result().ids == truths[cell.asked]
                seen["answers"] += 1
                cell.future = None
            elif rng.random() < 0.02:
                seen["cancelled"] += 1
                cell.session.cancel()
                with pytest.raises(CancelledError):
                    cell.future.result()
                cell.ask(rng, truths)  # at once, while the old answer's rows may still be there
            elif rng.random() < 0.01:
                seen["left"] += 1
                cell.session.close()
                assert cell.future.cancelled()
                cell.future = None
                cell.open()
        step = scheduler.step()
        if step is not None and step.kind == "pass":
            seen["passes"] += 1
            seen["shared"] += step.answers > 1
            seen["full"] += step.rows == 64
    return seen


@pytest.mark.parametrize(
    ("variant", "dtype", "answers"),
    [
        ("qwen_siglip", "float32", 40),
        ("olmo_clip", "bfloat16", 40),
        *(
            pytest.param(variant, dtype, 400, marks=(pytest.mark.long, pytest.mark.timeout(1200)))
            for variant in ("qwen_siglip", "olmo_clip")
            for dtype in ("float32", "bfloat16")
        ),
    ],
)
def test_interleaved_answers_have_the_ids_of_a_robot_alone(
    load: Callable[..., LoadedCheckpoint],
    alone: Callable[..., list[tuple[int, ...]]],
    monkeypatch: pytest.MonkeyPatch,
    variant: str,
    dtype: str,
    answers: int,
) -> None:
    truths = alone(variant, dtype)
    assert len(set(truths)) > 2, "answers that are all alike would hide an exchange"
    made: list[_Branching] = []  # by the sessions; drafts are an input, as cameras are

    def make(*_: Any, **__: Any) -> _Branching:
        made.append(_Branching(len(made)))
        return made[-1]

    monkeypatch.setattr(Draft, "from_tokenizer", make)
    seen = _interleave(load(variant, dtype), made, truths, answers, seed=1)
    # The dice must have made what is to be tested.
    assert seen["cancelled"] > answers // 20 and seen["left"] > 0
    assert seen["shared"] > seen["passes"] // 2 and seen["full"] > 0
    assert seen["passes"] < answers * TOKENS // 3
