# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""report.html: whether the projection is right, what the actions are like, what was left out."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from molmoact_ros.answer import to_pixels
from molmoact_ros.control import RobotProfile
from molmoact_ros.output_files import write_picture, write_text
from molmoact_ros.viz import draw_overlay

from . import report_plots
from .collect import Built
from .episode import Stretch

_FOLDER = "report"
_HEIGHT = 360  # px of a picture at least, so that the line can be judged
_PER_EPISODE = 3
_MOST_EPISODES = 24  # with pictures
_STYLE = """body{font:15px/1.45 system-ui,sans-serif;max-width:1180px;margin:2em auto;padding:0 1em;
color:#222}h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em}table{border-collapse:collapse}
td,th{padding:.25em .8em;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}
td.n{text-align:right}img{max-width:100%}.row{display:flex;gap:8px;margin:.3em 0 1em}
.row img{width:33%;height:auto;border-radius:4px}.bad{color:#b00020;font-weight:600}
code{background:#f3f3f3;padding:0 .3em}"""


class Report:
    """Collects pictures while the data set is written.

    Attributes:
        motion_seen: For each step in which the end effector moved: whether the picture changed.
    """

    def __init__(self, folder: Path, profile: RobotProfile) -> None:
        """Start.

        Args:
            folder: Of the data set.
            profile: Of the robot, for the limits.
        """
        self._folder = folder
        self._profile = profile
        self._pictures: dict[str, list[str]] = {}
        self._agrees: list[bool] = []
        self.motion_seen: list[bool] = []

    def see(self, stretch: Stretch, step: int, rgb: np.ndarray) -> None:
        """Keep a picture of the first camera when it is one of those shown."""
        names = self._pictures.setdefault(stretch.name, [])
        if len(self._pictures) > _MOST_EPISODES or step not in _shown(len(stretch.moments)):
            return
        scale = max(_HEIGHT / rgb.shape[0], 1.0)
        large = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        count = stretch.traces.counts[step]
        points = to_pixels(stretch.traces.points[step, :count], (large.shape[1], large.shape[0]))
        seconds = stretch.stamps[step] - stretch.stamps[0]
        picture = draw_overlay(
            large, points, stretch.segment.instruction, f"{seconds:.1f} s | step {step}", "measured"
        )
        name = f"{_FOLDER}/{len(self._pictures):03d}_{step:05d}.jpg"
        (self._folder / _FOLDER).mkdir(exist_ok=True)
        write_picture(self._folder / name, picture)
        names.append(name)

    def checked(self, agrees: Sequence[bool], motion_seen: Sequence[bool]) -> None:
        """Count where the depth camera sees the end effector, and where the picture moves."""
        self._agrees += agrees
        self.motion_seen += motion_seen

    def write(self, built: Built, facts: dict[str, Any]) -> None:
        """Write report.html.

        Raises:
            WriteError: It cannot be written.
        """
        (self._folder / _FOLDER).mkdir(exist_ok=True)
        actions = np.concatenate([s.actions for s in built.stretches])
        write_picture(
            self._folder / _FOLDER / "actions.png",
            report_plots.action_histograms(actions, facts, self._profile),
        )
        write_picture(
            self._folder / _FOLDER / "lengths.png", report_plots.lengths(built.stretches, facts)
        )
        parts = [
            f"<h1>{_text(facts['unnorm_key'])}</h1>",
            self._summary(built, facts),
            "<h2>Is the projection right?</h2>",
            "<p>The white disc is the end effector now, the line its way to the end of the "
            "episode, both from the measured poses and the camera's calibration. The disc belongs "
            "between the finger tips; throw an episode away with <code>--drop NAME</code>.</p>",
            *self._episodes(built),
            "<h2>Actions</h2>",
            "<p>Blue: all steps, their number on a logarithmic axis. Green: q01 and q99, "
            "between which an answer can be anything; what "
            "is beyond is clipped. Red: what the robot's profile allows at most in one step.</p>",
            f'<img src="{_FOLDER}/actions.png" alt="histograms of the actions">',
            "<h2>Lengths</h2>",
            f'<img src="{_FOLDER}/lengths.png" alt="lengths of the episodes">',
        ]
        title = _text(facts["unnorm_key"])
        page = (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
            f"<style>{_STYLE}</style>\n" + "\n".join(parts) + "</html>\n"
        )
        write_text(self._folder / "report.html", page)

    def _summary(self, built: Built, facts: dict[str, Any]) -> str:
        outside = np.concatenate([s.traces.outside for s in built.stretches])
        dropped = built.dropped
        held = len(built.stretches) - built.training
        period = facts["control_period"]
        rows = [
            ("episodes", f"{len(built.stretches)}: {built.training} for training, {held} held out"),
            ("steps", f"{built.steps} of {period:g} s, {built.steps * period / 60:.1f} min"),
            ("actions", f"{facts['action_space']}: {', '.join(facts['columns'])}"),
            ("gripper", "{open:g} open, {closed:g} closed".format(**facts["gripper"])),
            ("end effector outside the picture", _share(outside)),
            ("picture changes where the end effector moves", _share(np.array(self.motion_seen))
             if self.motion_seen else "not checked: nothing moves"),
            ("depth camera sees the end effector", _share(np.array(self._agrees))
             if self._agrees else "not checked: no depth camera"),
            ("depth codes", "none" if facts["depth"] is None else facts["depth"]["source"]),
            ("dropped: failed episodes", str(dropped.failed)),
            ("dropped: thrown away by --drop", str(dropped.thrown_away)),
            ("dropped: steps of pauses", str(dropped.idle_steps)),
            ("dropped: steps of stretches that were too short", str(dropped.short_steps)),
            ("messages that DDS lost while recording",
             ", ".join(f"{k}: {v}" for k, v in built.lost.items()) or "none, or not known"),
            ("licence", facts["license"] or "not given"),
        ]  # fmt: skip
        body = "".join(f"<tr><td>{_text(k)}</td><td>{_text(v)}</td></tr>" for k, v in rows)
        return f"<table>{body}</table>"

    def _episodes(self, built: Built) -> list[str]:
        parts = []
        for number, stretch in enumerate(built.stretches):
            kind = "training" if number < built.training else "held out"
            share = stretch.traces.outside.mean()
            mark = f' <span class="bad">{share:.0%} outside</span>' if share else ""
            parts.append(
                f"<div><b>{number}</b> <code>{_text(stretch.name)}</code> "
                f"{_text(stretch.segment.instruction)}: {len(stretch.moments)} steps, {kind}, "
                f"{stretch.idle} idle steps dropped{mark}</div>"
            )
            pictures = self._pictures.get(stretch.name, [])
            images = "".join(f'<img src="{name}" alt="step">' for name in pictures)
            if images:
                parts.append(f'<div class="row">{images}</div>')
        hidden = len(built.stretches) - _MOST_EPISODES
        if hidden > 0:
            parts.append(f"<p>{hidden} more episodes are not shown.</p>")
        return parts


def _shown(steps: int) -> set[int]:
    return {int(i) for i in np.linspace(0, steps - 1, _PER_EPISODE + 1)[:-1]}


def _share(values: np.ndarray) -> str:
    return f"{int(values.sum())} of {len(values)} steps ({values.mean():.1%})"


def _text(value: Any) -> str:
    return html.escape(str(value))
