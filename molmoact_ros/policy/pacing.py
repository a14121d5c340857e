# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""When to look at the scene again, so that answers arrive before their actions are over."""

from __future__ import annotations

# A chunk of length T and inferences of length L: looking again at once moves for T - L of every
# L seconds, looking after the chunk for T of every T + L. The first is more while L / T < 0.618.
_WORTH_OVERLAPPING = 0.618


def pause_after_answer(chunk_seconds: float, inference_seconds: float) -> float:
    """Return how long to wait before the next look, s.

    An inference that takes about as long as the chunk before it lasts answers for an image from
    before the chunk's motion: when the answer comes, all of its rows are done already and the
    executor drops them. Then it is better to let the chunk end and to look after that.

    Args:
        chunk_seconds: how long the rows of the last answer are executed; 0 where they are not.
        inference_seconds: how long the last inference took.
    """
    overlaps = inference_seconds < _WORTH_OVERLAPPING * chunk_seconds
    return 0.0 if overlaps else chunk_seconds
