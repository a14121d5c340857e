# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""When the policy looks again."""

import pytest

from molmoact_ros.policy.pacing import Pacing, pause_after_answer


@pytest.mark.parametrize("inference", [0.05, 0.3, 0.5, 0.7, 1.0, 12.0])
def test_the_pause_moves_the_robot_at_least_as_much_as_no_pause_would(inference: float) -> None:
    chunk = 0.8
    at_once = max(0.0, chunk - inference) / inference  # share of the time in which it moves
    after_it = chunk / (chunk + inference)
    pause = pause_after_answer(chunk, inference)
    assert pause in (0.0, chunk)
    assert (at_once if pause == 0.0 else after_it) >= min(1.0, max(at_once, after_it)) - 1e-9


def test_an_answer_that_is_not_executed_asks_for_no_pause() -> None:
    assert pause_after_answer(0.0, 1.0) == 0.0


def test_the_next_inference_waits_for_the_period_and_for_a_short_chunk() -> None:
    pacing = Pacing(chunk_seconds=1.0, period=lambda: 0.5)
    assert not pacing.is_early(100.0)
    pacing.started = 100.0
    assert pacing.is_early(100.4) and not pacing.is_early(100.5)
    pacing.note_chunk(100.9)  # the inference took about as long as its chunk
    assert pacing.is_early(101.8) and not pacing.is_early(101.9)
    assert not pacing.is_early(50.0), "the clock was reset"
    pacing.reset()
    assert not pacing.is_early(101.0)
