# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Exact greedy decoding, many tokens per pass (design section 7)."""

from molmoact_ros.decoding.cache import ContextTooLongError
from molmoact_ros.decoding.check import PassReport
from molmoact_ros.decoding.drafts import SOURCES, Draft
from molmoact_ros.decoding.engine import Decoder, StoppedError, TokenDraft, generate
from molmoact_ros.decoding.result import GenerationResult
from molmoact_ros.decoding.teacher import DepthTeacher
from molmoact_ros.decoding.tree import TokenTree

__all__ = [
    "SOURCES",
    "ContextTooLongError",
    "Decoder",
    "DepthTeacher",
    "Draft",
    "GenerationResult",
    "PassReport",
    "StoppedError",
    "TokenDraft",
    "TokenTree",
    "generate",
]
