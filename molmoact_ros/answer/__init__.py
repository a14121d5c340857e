# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The answer's grammar: prompts, depth, trajectory and action texts, and their parsing."""

from molmoact_ros.answer.actions import ActionTokenizer
from molmoact_ros.answer.depth import DepthTokenizer, normalize_depth
from molmoact_ros.answer.parse import Answer, parse_answer
from molmoact_ros.answer.prompts import (
    reasoning_answer,
    reasoning_prompt,
    steering_answer,
    steering_prompt,
)
from molmoact_ros.answer.stats import ActionStats
from molmoact_ros.answer.trajectory import from_pixels, to_pixels, trajectory_text

__all__ = [
    "ActionStats",
    "ActionTokenizer",
    "Answer",
    "DepthTokenizer",
    "from_pixels",
    "normalize_depth",
    "parse_answer",
    "reasoning_answer",
    "reasoning_prompt",
    "steering_answer",
    "steering_prompt",
    "to_pixels",
    "trajectory_text",
]
