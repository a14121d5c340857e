# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The mixture of experts learns whom to trust and how wide to draft."""

from collections.abc import Iterable, Sequence

import numpy as np

from molmoact_ros.decoding.drafts.expert_weights import Expert, Guess, Mixture

EXPERTS = (Expert("time", 0.5, 0.5, 8), Expert("row", 0.5, 0.5, 8))


def _guesses(*values: int | None) -> list[Guess]:
    return [(expert, value, 1.0) for expert, value in enumerate(values) if value is not None]


def _after(
    truth: Iterable[int],
    guesses: Iterable[Sequence[int | None]],
    sources: Sequence[str] = ("time", "row", "order"),
) -> Mixture:
    mixture = Mixture(EXPERTS, sources)
    for value, pair in zip(truth, guesses, strict=True):
        mixture.learn("here", "above", _guesses(*pair), value)
    return mixture


def test_the_better_expert_is_believed() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(50, 200, 60)
    mixture = _after(truth, [(int(rng.integers(256)), int(t)) for t in truth])
    best = mixture.candidates("here", "above", _guesses(90, 120))[0]
    assert (best.value, best.source) == (120, "row")
    assert best.probability > 0.8


def test_the_width_is_learned() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(50, 200, 200)
    widths = {}
    for spread in (0, 3):
        noisy = [(int(t + rng.integers(-spread, spread + 1)), None) for t in truth]
        found = _after(truth, noisy).candidates("here", "above", _guesses(100, None))
        widths[spread] = sum(c.probability > 0.05 for c in found)
        assert sum(c.probability for c in found) <= 1.0 + 1e-9
    assert widths[0] == 1
    assert widths[3] >= 5


def test_a_new_context_starts_from_its_parent() -> None:
    truth = list(range(60, 160))
    mixture = _after(truth, [(10, value + 2) for value in truth])
    assert mixture.candidates("elsewhere", "above", _guesses(10, 102))[0].value == 100
    assert mixture.candidates("elsewhere", "nowhere", _guesses(10, 102))[0].value in (10, 102)


def test_habits_are_forgotten() -> None:
    truth = list(range(60, 260))
    guesses = [(v, 0) if i < 120 else (0, v) for i, v in enumerate(truth)]
    assert _after(truth, guesses).candidates("here", "above", _guesses(50, 70))[0].value == 70


def test_switched_off_sources_are_not_used() -> None:
    mixture = _after([100] * 20, [(101, 100)] * 20, sources=("time",))
    assert {c.source for c in mixture.candidates("here", "above", _guesses(50, 70))} <= {"time"}
    assert all(c.value == 50 for c in mixture.candidates("here", "above", _guesses(50, 70)))
    assert mixture.candidates("here", "above", _guesses(None, 70)) == []


def test_long_learning_stays_finite() -> None:
    mixture = _after([5] * 3000, [(5, 9)] * 3000)
    best = mixture.candidates("here", "above", _guesses(5, 9))[0]
    assert best.value == 5
    assert 0.9 < best.probability <= 1.0


def test_an_expert_shares_its_belief_among_several_values() -> None:
    mixture = Mixture(EXPERTS, ("time", "row"))
    shared = [(0, 7, 0.75), (0, 9, 0.25), (1, 30, 1.0)]
    for _ in range(30):
        mixture.learn("here", "above", shared, 9)
    first, second = mixture.candidates("here", "above", shared)[:2]
    assert (first.value, second.value) == (7, 9), "shares are the expert's own to learn"
    assert first.probability + second.probability > 0.8, "and the expert is believed"
