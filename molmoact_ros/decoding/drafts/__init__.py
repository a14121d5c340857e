# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What may come next in an answer: its form, the answers before, the rows just decoded."""

from molmoact_ros.decoding.drafts.draft import SOURCES, Draft

from .answer_splitter import AnswerReader
from .grammar import Grammar

__all__ = ["SOURCES", "AnswerReader", "Draft", "Grammar"]
