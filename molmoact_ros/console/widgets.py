# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Small pieces of the page: texts with an age, greyed when they are not live, and line charts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from nicegui import events, ui

_CHART_WIDTH, _CHART_HEIGHT = 100.0, 40.0


def card(title: str) -> ui.element:
    """Return a card with a heading; used as a context."""
    frame = ui.element("section").classes("card")
    with frame, ui.element("h2"):
        ui.label(title)
    return frame


def button(label: str, press: Callable[[int], None], kind: str = "plain") -> ui.button:
    """Return a button whose handler is given the page's tick at the time of the press."""
    made = ui.button(label, color=None).props("unelevated no-caps").classes(kind)
    on_stamped(made, "click", press)
    return made


def on_stamped(element: ui.element, event: str, handle: Callable[[int], None]) -> None:
    """Call a handler at an event with the page's tick at that time, -1 where it has none."""

    def take(given: events.GenericEventArguments) -> None:
        handle(given.args if isinstance(given.args, int) else -1)

    element.on(event, take, js_handler="() => emit(molmoact.stamp())")


def show(element: ui.element, name: str, on: bool) -> None:
    """Give an element a class, or take it away; nothing is sent where that is no change."""
    if on != (name in element.classes):
        element.classes(add=name) if on else element.classes(remove=name)


class Chart:
    """A line of the last values with a title that holds the newest."""

    def __init__(self, title: str, unit: str, digits: int) -> None:
        self._title, self._unit, self._digits = title, unit, digits
        with ui.element("div"):
            self._label = ui.label(title).classes("soft")
            self._svg = ui.html("", sanitize=False)

    def show(self, values: Sequence[float | None]) -> None:
        """Draw values, oldest first; None: unknown."""
        known = [value for value in values if value is not None and math.isfinite(value)]
        newest = f"{known[-1]:.{self._digits}f}{self._unit}" if known else "unknown"
        self._label.set_text(f"{self._title}: {newest}")
        self._svg.set_content(chart_svg(known))


def chart_svg(values: Sequence[float]) -> str:
    """Return finite values >= 0 as a line above zero; numbers only, hence safe as HTML."""
    top = max(values, default=0.0) * 1.1 or 1.0
    step = _CHART_WIDTH / max(len(values) - 1, 1)
    points = " ".join(
        f"{number * step:.1f},{_CHART_HEIGHT * (1.0 - max(value, 0.0) / top):.1f}"
        for number, value in enumerate(values)
    )
    return (
        f'<svg viewBox="0 0 {_CHART_WIDTH:g} {_CHART_HEIGHT + 1:g}" preserveAspectRatio="none">'
        f'<line x1="0" y1="{_CHART_HEIGHT:g}" x2="{_CHART_WIDTH:g}" y2="{_CHART_HEIGHT:g}"/>'
        f'<polyline points="{points}"/></svg>'
    )
