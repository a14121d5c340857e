# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The answer's grammar: prompts, depth, trajectory and action texts, and their parsing."""

from molmoact_ros.answer.actions import CODEBOOKS, N_BINS, ActionTokenizer
from molmoact_ros.answer.depth import DepthTokenizer, find_depth_spans, normalize_depth
from molmoact_ros.answer.parse import Answer, parse_answer
from molmoact_ros.answer.prompts import (
    reasoning_answer,
    reasoning_prompt,
    steering_answer,
    steering_prompt,
)
from molmoact_ros.answer.stats import ActionStats, select_unnorm_key
from molmoact_ros.answer.trajectory import (
    from_pixels,
    parse_trajectories,
    to_pixels,
    trajectory_text,
)

__all__ = [
    "CODEBOOKS",
    "N_BINS",
    "ActionStats",
    "ActionTokenizer",
    "Answer",
    "DepthTokenizer",
    "find_depth_spans",
    "from_pixels",
    "normalize_depth",
    "parse_answer",
    "parse_trajectories",
    "reasoning_answer",
    "reasoning_prompt",
    "select_unnorm_key",
    "steering_answer",
    "steering_prompt",
    "to_pixels",
    "trajectory_text",
]
