# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Diagrams of the report, drawn by matplotlib without a screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, NullFormatter

from molmoact_ros.control import RobotProfile

from .episode import Stretch

_COLUMNS = 4
_BLUE, _GREEN, _RED, _GREY = "#3b6fb6", "#2e8b57", "#c0392b", "#9aa5b1"
_CARTESIAN = ("x", "y", "z")
_IN_SIGHT = 2.0  # times the largest action: a limit further away is only written


def action_histograms(
    actions: np.ndarray, facts: dict[str, Any], profile: RobotProfile
) -> np.ndarray:
    """Return a histogram of each column ``[N, D]``, RGB uint8."""
    stats = facts["norm_stats"][facts["unnorm_key"]]["action"]
    names = facts["columns"]
    rows = -(-len(names) // _COLUMNS)
    figure = Figure(figsize=(11.6, 2.5 * rows), dpi=100, layout="constrained")
    for i, name in enumerate(names):
        axes = figure.add_subplot(rows, _COLUMNS, i + 1)
        axes.hist(actions[:, i], bins=40, color=_BLUE)
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.7)
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_title(name, fontsize=10, loc="left")
        axes.tick_params(labelsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
        if stats["mask"][i]:
            for key in ("q01", "q99"):
                axes.axvline(stats[key][i], color=_GREEN, linewidth=1.2)
        limit = _limit(profile, name)
        if limit is not None:
            axes.set_title(f"limit ±{limit:g}", fontsize=8, loc="right", color=_RED)
            if limit < _IN_SIGHT * float(np.abs(actions[:, i]).max()):
                for value in (-limit, limit):
                    axes.axvline(value, color=_RED, linewidth=1.2)
    return _drawn(figure)


def lengths(stretches: Sequence[Stretch], facts: dict[str, Any]) -> np.ndarray:
    """Return a bar for each episode, RGB uint8."""
    period = facts["control_period"]
    seconds = np.array([len(s.moments) for s in stretches]) * period
    idle = np.array([s.idle for s in stretches]) * period
    held = set(facts["split"]["held_out"])
    colours = [_GREEN if i in held else _BLUE for i in range(len(stretches))]
    figure = Figure(figsize=(11.6, 2.8), dpi=100, layout="constrained")
    axes = figure.add_subplot(1, 1, 1)
    places = np.arange(len(stretches))
    axes.set_xlim(-0.6, max(len(stretches) - 0.4, 9.6))  # few bars stay slim
    axes.bar(places, seconds, color=colours, width=0.8)
    axes.bar(places, idle, bottom=seconds, color=_GREY, width=0.8)
    axes.set_xlabel("episode")
    axes.set_ylabel("s")
    axes.set_xticks(places[:: max(len(places) // 20, 1)])
    kinds = ((_BLUE, "training"), (_GREEN, "held out"), (_GREY, "pauses, dropped"))
    axes.legend(
        handles=[Patch(color=colour, label=label) for colour, label in kinds],
        fontsize=8, ncols=3, loc="lower right", bbox_to_anchor=(1.0, 1.0), frameon=False,
    )  # fmt: skip
    return _drawn(figure)


def _limit(profile: RobotProfile, column: str) -> float | None:
    """Return what the profile allows a column to ask for in one step, in the column's unit."""
    action, limits = profile.action, profile.limits
    if not action.is_delta or (action.gripper is not None and column == action.gripper.column):
        return None
    for axis in action.used_axes:
        source = action.axes.get(axis)
        if column != (axis if source is None else source.column):
            continue
        scale = 1.0 if source is None else abs(source.scale)
        if not action.cartesian:
            return limits.joints[axis].max_step / scale
        limit = limits.linear if axis in _CARTESIAN else limits.angular
        return None if limit is None else limit.max_step / scale
    return None


def _drawn(figure: Figure) -> np.ndarray:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
