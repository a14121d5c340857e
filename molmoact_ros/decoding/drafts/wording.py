# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The published wordings of answers, a first guess until the checkpoint's own was read.

format.md 11; A1 and A2 are in part inferred, so these are never more than drafts.
"""

from __future__ import annotations

import numpy as np

from molmoact_ros.answer import ActionTokenizer, DepthTokenizer

_ACTION = "the action that the robot should take is {actions}."
_WORDINGS = (
    " The depth map of the image is {depth}. The trajectory of the end effector is {trajectory}."
    " Based on these information, " + _ACTION,
    " The depth map of the first image is {depth}. The trajectory of the end effector in the first"
    " image is {trajectory}. Based on these information, along with other images from different"
    " camera views as additional information, " + _ACTION,
    " The depth map of the image is {depth}. The trajectory of the left end effector is"
    " {trajectory}. The trajectory of the right end effector is {trajectory}. Based on this"
    " information, " + _ACTION,
    " Based on the image and the annotated trajectory of the end effector, " + _ACTION,
)


def example_answers(actions: ActionTokenizer, rows: int, columns: int) -> list[str]:
    """One answer per published wording, with arbitrary values: 5 points, rows x columns actions."""
    depth = DepthTokenizer()
    fields = {
        "depth": depth.encode(np.zeros((depth.rows, depth.cols), dtype=np.int64)),
        "trajectory": "[" + ", ".join(["[100, 100]"] * 5) + "]",
        "actions": actions.encode(np.zeros((rows, columns) if rows > 1 else columns)),
    }
    return [wording.format(**fields) for wording in _WORDINGS]
