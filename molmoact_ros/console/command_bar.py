# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The bar that is always in view: halt, enable, disable, clear, approve, and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from nicegui import ui

from .readings import Answer, Reply, Snapshot
from .state import HaltView, age_text
from .widgets import button, show

_KINDS = ("pending", "failed", "confirmed")
_ORDERS = {"enable": "Enable", "disable": "Disable", "clear": "Clear halt"}


class CommandBar:
    """Buttons at the lower edge."""

    def __init__(self, order: Callable[[str, int], None]) -> None:
        """Add it to the page.

        Args:
            order: Takes enable, disable, clear or approve, and the page's tick.
        """
        with ui.element("nav").classes("bar"), ui.element("div").classes("inner"):
            with ui.element("div").classes("row"):
                self._halt = ui.button("HALT", color=None).props("unelevated id=halt")
                self._halt.classes("halt").on("click", js_handler="() => molmoact.halt()")
            with ui.element("div").classes("row only-live"):
                self._orders = [
                    button(label, partial(order, name)).props(f"id={name}")
                    for name, label in _ORDERS.items()
                ]
                self._approve = button("Approve", partial(order, "approve")).props("id=approve")
            self._halt_text = ui.label("").classes("reply text").props("id=halted role=status")
            self._reply = ui.label("").classes("reply soft").props("id=reply role=status")

    def refresh(
        self,
        snapshot: Snapshot,
        halt: HaltView,
        waiting: Answer | None,
        refusal: Reply | None,
        *,
        in_control: bool,
        operators: bool,
    ) -> None:
        """Show what can be asked for, and what became of the last request.

        Args:
            snapshot: What is known now.
            halt: Of the halt button.
            waiting: The answer whose chunk waits for approval.
            refusal: Of this page's last request by the console itself.
            in_control: Whether this page may do more than halt.
            operators: Whether any page may do anything.
        """
        for kind in _KINDS:
            show(self._halt, kind, halt.kind == kind)
        show(self._halt_text, "bad", halt.kind in _KINDS)
        self._halt.set_text("HALTED" if halt.kind == "confirmed" else "HALT")
        self._halt.set_enabled(operators)
        text = halt.text or "Esc or space halts"
        self._halt_text.set_text(text if operators else "Read only: this page cannot halt.")
        for each in self._orders:
            each.set_enabled(operators and in_control)
        self._approve.set_enabled(operators and in_control and waiting is not None)
        show(self._approve, "main", waiting is not None)
        self._approve.set_text(f"Approve {waiting.sequence}" if waiting else "Approve")
        replies = [*snapshot.replies, *([refusal] if refusal else [])]
        if replies:
            last = max(replies, key=lambda reply: reply.at)
            age = age_text(snapshot.now - last.at)
            verdict = {True: "done", False: "REFUSED", None: "asked"}[last.success]
            self._reply.set_text(f"{last.request}: {verdict}: {last.message} ({age})")
            show(self._reply, "bad", last.success is False)
