# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which sequence numbers are accepted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from molmoact_ros.control.chunk import Refusal
from molmoact_ros.control.intake import SequenceGuard

Receive = Callable[..., list[str]]


@pytest.fixture
def receive() -> Receive:
    """Give a guard (sequence, time) pairs; the stamp of each image is its time. Return counters."""
    guard = SequenceGuard()

    def receive(*chunks: tuple[int, float]) -> list[str]:
        counters = []
        for sequence, time in chunks:
            try:
                guard.check(sequence, time, time)
                counters.append("ok")
            except Refusal as refusal:
                counters.append(refusal.counter.removeprefix("refused_"))
        return counters

    return receive


def test_rising_numbers_with_gaps(receive: Any) -> None:
    assert receive((5, 0.0), (6, 0.5), (9, 1.0), (10, 1.5)) == ["ok"] * 4


def test_repeated_and_going_back(receive: Any) -> None:
    counters = receive((5, 0.0), (5, 0.0), (6, 0.5), (6, 0.6), (4, 0.7), (7, 1.0))
    assert counters == ["ok", "sequence", "ok", "sequence", "sequence", "ok"]


def test_two_unrelated_glitches_are_no_second_policy(receive: Any) -> None:
    counters = receive((50, 0.0), (5, 0.2), (51, 0.4), (51, 0.5), (52, 0.8))
    assert counters == ["ok", "sequence", "ok", "sequence", "ok"]


def test_restarted_policy_is_accepted(receive: Any) -> None:
    again = [(sequence, 4.0 + 0.5 * sequence) for sequence in range(1, 8)]
    assert receive((4, 0.0), (5, 0.5), *again) == ["ok"] * 9


def test_restart_is_accepted_only_after_the_old_run_is_silent(receive: Any) -> None:
    assert receive((50, 0.0), (51, 0.5), (1, 1.0), (2, 3.0), (3, 3.5)) == [
        "ok", "ok", "sequence", "ok", "ok",
    ]  # fmt: skip


def test_two_fast_policies(receive: Any) -> None:
    counters = receive(*[((100 if i % 2 == 0 else 1) + i // 2, 0.1 * i) for i in range(20)])
    assert counters[:4] == ["ok", "sequence", "ok", "two_policies"]
    assert set(counters[4:]) == {"two_policies"}


def test_two_slow_policies_are_not_taken_for_restarts(receive: Any) -> None:
    counters = receive((10, 0.0), (11, 2.0), (3, 3.0), (12, 4.0), (4, 5.0), (13, 6.0), (5, 7.0))
    assert counters == ["ok", "ok", "sequence", "ok"] + ["two_policies"] * 3


def test_two_policies_that_count_alike(receive: Any) -> None:
    counters = receive((1, 0.0), (1, 0.1), (2, 0.5), (2, 0.6), (3, 1.0), (3, 1.1))
    assert counters == ["ok", "sequence", "ok", "two_policies", "two_policies", "two_policies"]


@pytest.mark.parametrize("survivor", [100, 1])
def test_either_may_go_on_alone(receive: Any, survivor: int) -> None:
    receive(*[((100 if i % 2 == 0 else 1) + i // 2, 0.1 * i) for i in range(20)])
    alone = receive(*[(survivor + 10 + i, 2.0 + 0.2 * i) for i in range(20)])
    assert alone[-1] == "ok" and alone.index("ok") <= 6


def test_policy_that_never_counts_moves_nothing(receive: Any) -> None:
    assert receive(*[(0, 0.3 * i) for i in range(10)]) == ["ok"] + ["sequence"] * 9


def test_old_image_is_refused() -> None:
    guard = SequenceGuard()
    guard.check(1, 5.0, 5.1)
    with pytest.raises(Refusal, match="older than that of the last chunk") as refusal:
        guard.check(2, 4.0, 5.5)
    assert refusal.value.counter == "refused_sequence"
