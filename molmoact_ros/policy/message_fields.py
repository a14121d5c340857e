# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Answers as fields of messages but their headers, for ROS and for bags; free of ROS.

Numeric arrays are numpy arrays of the field's own type.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from molmoact_ros.answer import to_pixels

from .types import ActionFormat, Reasoning

_SOURCES = {"predicted": 0, "user": 1}  # SOURCE_* of Trajectory2D


def depth_fields(codes: np.ndarray | None) -> dict[str, Any]:
    """Return the fields of DepthTokens: codes uint8 `[rows, cols]`; None: no rows."""
    if codes is None:
        codes = np.empty((0, 0))
    rows, columns = codes.shape
    return {"rows": rows, "cols": columns, "codes": codes.astype(np.uint8).ravel()}


def trajectory_fields(points: np.ndarray, source: str, size: tuple[int, int]) -> dict[str, Any]:
    """Return the fields of Trajectory2D.

    Args:
        points: `[K, 2]` (x, y), 0..255 of the image.
        source: "predicted" or "user".
        size: Width and height of the image, px.
    """
    x, y = to_pixels(points, size).T.copy()
    sizes = {"image_width": size[0], "image_height": size[1]}
    return {**sizes, "x": x, "y": y, "source": _SOURCES[source]}


def chunk_fields(reasoning: Reasoning, form: ActionFormat, sequence: int) -> dict[str, Any]:
    """Return the fields of ActionChunk.

    Args:
        reasoning: The answer.
        form: What its columns mean.
        sequence: Number of the answer.
    """
    rows, columns = reasoning.actions.shape
    spread = np.empty(0) if reasoning.spread is None else reasoning.spread
    return {
        "action_space": form.action_space,
        "names": list(form.names),
        "horizon": rows,
        "dof": columns,
        "values": reasoning.actions.astype(np.float64).ravel(),
        "step_period": form.step_period,
        "sequence": sequence,
        "unnorm_key": reasoning.unnorm_key,
        "valid": reasoning.valid,
        "confidence": math.nan if reasoning.confidence is None else float(reasoning.confidence),
        "spread": spread.astype(np.float64).ravel(),
    }


def reasoning_fields(reasoning: Reasoning, instruction: str) -> dict[str, Any]:
    """Return the fields of ActionReasoning but depth, trajectory and actions."""
    sources = sorted(reasoning.drafted)
    accepted = [reasoning.accepted.get(source, 0) for source in sources]
    return {
        "instruction": instruction,
        "text": reasoning.text,
        "problems": list(reasoning.problems),
        "stage_names": list(reasoning.timings),
        "stage_seconds": np.array(list(reasoning.timings.values()), dtype=np.float64),
        "generated_tokens": len(reasoning.ids),
        "forward_passes": reasoning.forward_passes,
        "draft_sources": sources,
        "drafted_tokens": np.array([reasoning.drafted[s] for s in sources], dtype=np.uint32),
        "accepted_tokens": np.array(accepted, dtype=np.uint32),
        "overruled_tokens": reasoning.overruled,
    }
