# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the policy shall do: an instruction, typed or picked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nicegui import ui

from molmoact_ros.answer.prompts import MAX_INSTRUCTION

from .state import Shown
from .widgets import button, card, on_stamped, show


class InstructPanel:
    """Input, quick picks and history."""

    def __init__(
        self, picks: Sequence[str], send: Callable[[str, int], None], *, operators: bool
    ) -> None:
        """Add it to the page.

        Args:
            picks: Instructions that are offered.
            send: Takes an instruction and the page's tick.
            operators: Whether anything can be sent.
        """
        self._send = send
        self._history: list[str] = []
        with card("Instruction"):
            self._followed = ui.label("").classes("text").props("id=followed")
            with ui.element("div").classes("row") as self._inputs:
                self._text = ui.input(placeholder="what to do, e.g. reach the red block").props(
                    f'outlined dense maxlength={MAX_INSTRUCTION} aria-label="instruction"'
                )
                on_stamped(self._text, "keydown.enter", self._typed)
                button("Send", self._typed, "main").props("id=send")
                button("Stop the policy", lambda tick: send("", tick)).props("id=stop")
            with ui.element("div").classes("row") as self._picks:
                for pick in picks:
                    self._offer(pick)
            self._past_title = ui.label("sent before").classes("soft unseen")
            self._past = ui.element("div").classes("row")
        if not operators:
            for element in (self._inputs, self._picks, self._past):
                show(element, "unseen", True)

    def refresh(self, followed: Shown, history: list[str]) -> None:
        """Show what is followed, and what was sent before."""
        self._followed.set_text(f"Follows: {followed.text}")
        show(self._followed, "stale", not followed.live)
        if history == self._history:
            return
        self._history = list(history)
        show(self._past_title, "unseen", not history)
        self._past.clear()
        with self._past:
            for text in history:
                self._offer(text)

    def _offer(self, text: str) -> None:
        button(text, lambda tick: self._send(text, tick))

    def _typed(self, tick: int) -> None:
        self._send(str(self._text.value or ""), tick)
