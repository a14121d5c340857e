# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Checks of the engine on the machine where it shall run: exactness, speed and memory."""

from molmoact_ros.selfcheck.findings import Finding, Verdict
from molmoact_ros.selfcheck.released import RELEASED
from molmoact_ros.selfcheck.report import report_content, report_line, write_chart, write_json
from molmoact_ros.selfcheck.run import SelfCheck
from molmoact_ros.selfcheck.subjects import Subject, checkpoint_subject, random_subject

__all__ = [
    "RELEASED",
    "Finding",
    "SelfCheck",
    "Subject",
    "Verdict",
    "checkpoint_subject",
    "random_subject",
    "report_content",
    "report_line",
    "write_chart",
    "write_json",
]
