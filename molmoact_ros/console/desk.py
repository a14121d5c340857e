# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What all pages share: who is in control, what was sent, and the halt that is not confirmed yet.

Used in the web server's thread only, but for the question who is in control.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from molmoact_ros.answer.prompts import MAX_INSTRUCTION

from .control import Control
from .readings import Snapshot
from .robot import Robot
from .state import HaltRequest, after_halt, waiting_chunk

MAX_LINE = 500  # points of a drawn line
_HISTORY = 12
_SHORTEST_LINE = 8.0  # px from end to end of the box around it; less is a slip of the finger


class Desk:
    """Requests of pages; each method returns why it refuses, or an empty text.

    Attributes:
        control: Who may do more than halt.
        operators: Whether anybody may do anything.
        sent: The last instruction sent; None: none was.
        sent_at: s.
        history: Instructions that were sent, newest first.
        line: The line drawn last, (x, y) in pixels; empty: none.
        line_size: Width and height of the picture that it was drawn on.
        halt_request: A halt that is not confirmed yet.
    """

    def __init__(self, robot: Robot, *, operators: bool) -> None:
        self.control = Control()
        self.operators = operators
        self.sent: str | None = None
        self.sent_at = 0.0
        self.history: list[str] = []
        self.line: tuple[tuple[float, float], ...] = ()
        self.line_size = (0, 0)
        self.halt_request: HaltRequest | None = None
        self._robot = robot

    def take(self, snapshot: Snapshot) -> None:
        """Note what has become of requests."""
        request = self.halt_request
        if request is not None and not request.failure:
            for reply in snapshot.replies:
                if reply.request == "halt" and reply.at >= request.sent and reply.success is False:
                    self.halt_request = HaltRequest(request.sent, reply.message)
        self.halt_request = after_halt(snapshot, self.halt_request)

    def halt(self) -> str:
        """Halt; from any page."""
        if not self.operators:
            return "read only: this page cannot halt"
        self.halt_request = HaltRequest(time.monotonic())
        self._robot.trigger("halt")
        return ""

    def enable(self, page: str, on: bool) -> str:
        """Switch motion on or off."""
        if refusal := self._refusal(page):
            return refusal
        self._robot.enable(on)
        return ""

    def clear(self, page: str) -> str:
        """Take back a halt."""
        if refusal := self._refusal(page):
            return refusal
        self._robot.trigger("clear")
        return ""

    def approve(self, page: str, sequence: int | None, snapshot: Snapshot) -> str:
        """Approve the chunk whose line a page shows.

        Args:
            page: That asks.
            sequence: Of the chunk that it shows; None: it shows none.
            snapshot: What is known now.
        """
        if refusal := self._refusal(page):
            return refusal
        chunk = waiting_chunk(snapshot)
        if chunk is None:
            return "no chunk waits for approval"
        if chunk.sequence != sequence:
            return "a newer chunk has come: look at its line first"
        self._robot.trigger("approve")
        return ""

    def instruct(self, page: str, text: str) -> str:
        """Send an instruction; empty: the policy stops."""
        if refusal := self._refusal(page):
            return refusal
        text = " ".join(text.split())
        if len(text) > MAX_INSTRUCTION:
            return f"{len(text)} characters, at most {MAX_INSTRUCTION} are allowed"
        self._robot.instruct(text)
        self.sent, self.sent_at = text, time.monotonic()
        if text:
            self.history = [text, *(old for old in self.history if old != text)][:_HISTORY]
        return ""

    def steer(self, page: str, points: Sequence[tuple[float, float]], size: tuple[int, int]) -> str:
        """Send a drawn line; no points: no line any more."""
        if refusal := self._refusal(page):
            return refusal
        if points:
            spans = [max(axis) - min(axis) for axis in zip(*points, strict=True)]
            if max(spans) < _SHORTEST_LINE:
                return "too short for a line: draw from the gripper to where it should go"
        self._robot.steer(list(points[:MAX_LINE]), size)
        self.line, self.line_size = tuple(points[:MAX_LINE]), size
        return ""

    def _refusal(self, page: str) -> str:
        now = time.monotonic()
        if not self.operators:
            return "read only"
        if self.control.has(page, now):
            return ""
        holder = self.control.holder(now)
        return f"{holder.name} is in control" if holder else "take control first"
