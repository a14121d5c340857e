# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Exact greedy decoding, many tokens per pass."""

from molmoact_ros.decoding.check import PassReport
from molmoact_ros.decoding.drafts import SOURCES, AnswerReader, Draft, Grammar
from molmoact_ros.decoding.engine import Decoder, generate
from molmoact_ros.decoding.running_answer import RunningAnswer, TokenDraft
from molmoact_ros.decoding.tree import TokenTree
from molmoact_ros.faults import StoppedError

from .generation_result import GenerationResult
from .static_cache import ContextTooLongError

__all__ = [
    "SOURCES",
    "AnswerReader",
    "ContextTooLongError",
    "Decoder",
    "Draft",
    "GenerationResult",
    "Grammar",
    "PassReport",
    "RunningAnswer",
    "StoppedError",
    "TokenDraft",
    "TokenTree",
    "generate",
]
