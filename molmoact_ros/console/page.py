# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One open page: its panels, and what a person does on it."""

from __future__ import annotations

import time

from nicegui import Client, events, ui

from .command_bar import CommandBar
from .desk import Desk
from .instruct_panel import InstructPanel
from .link import Link
from .panels import AnswersPanel, DiagnosticsPanel, ExecutorPanel, ForcePanel
from .parameters import ConsoleParameters
from .picture_panel import FirstPicture, Picture
from .pictures import PictureFeed
from .readings import Reply, Snapshot
from .robot import Robot
from .state import (
    ANSWER_AGE,
    answers_are_live,
    followed_text,
    halt_view,
    instruction_shown,
    missing,
    policy_is_live,
    waiting_chunk,
)
from .widgets import button, card, show


class ConsolePage:
    """Built for each browser tab; everything runs in the web server's thread."""

    def __init__(
        self, client: Client, robot: Robot, desk: Desk, parameters: ConsoleParameters, name: str
    ) -> None:
        """Build the page.

        Args:
            client: NiceGUI's side of the browser tab.
            robot: The robot.
            desk: What all pages share.
            parameters: The console's.
            name: Of this page, for others.
        """
        self.key = client.id
        self.name = name
        self._client = client
        self._robot = robot
        self._desk = desk
        self._parameters = parameters
        self._link = Link()
        self._refusal: Reply | None = None
        self._approvable: int | None = None  # the chunk whose line this page shows
        self._pictures: dict[PictureFeed, Picture] = {}
        self._first: FirstPicture | None = None
        self._draws = False
        ui.on("beat", self._on_beat)
        ui.on("halt", self._on_halt)
        self._build()

    def offer(self, feed: PictureFeed) -> None:
        """Let the page get a new picture."""
        picture = self._pictures.get(feed)
        if picture is not None and self._client.has_socket_connection:
            picture.offer()

    def refresh(self, snapshot: Snapshot) -> None:
        """Show what is known now, unless the page does not keep up."""
        if not self._client.has_socket_connection:
            return
        tick = self._link.next_tick(snapshot.now)
        if tick is None:
            return
        with self._client:
            self._show(snapshot)
            ui.run_javascript(f"molmoact.tick({tick})")

    def _build(self) -> None:
        operators = self._desk.operators
        with ui.element("header").classes("head"):
            ui.label(f"MolmoAct console · {self._robot.executor.lstrip('/')}").classes("title")
            self._holder = ui.label("").props("id=holder")
            self._take = button("Take control", lambda tick: self._take_control()).props("id=take")
            dark = ui.dark_mode(None)
            button("\u25d0", lambda tick: dark.set_value(not dark.value)).props(
                'aria-label="light or dark"'
            )
        self._missing = ui.label("").classes("missing unseen").props("id=missing role=alert")
        with ui.element("main").classes("console"):
            with ui.element("div").classes("column"):
                self._build_pictures(operators)
            with ui.element("div").classes("column"):
                self._instruct = InstructPanel(
                    self._parameters.quick_picks, self._send, operators=operators
                )
                self._executor = ExecutorPanel()
                self._force = ForcePanel()
            with ui.element("div").classes("column"):
                self._answers = AnswersPanel()
                self._diagnostics = DiagnosticsPanel()
        self._bar = CommandBar(self._order)

    def _build_pictures(self, operators: bool) -> None:
        with card("First camera"):
            self._first_place = ui.element("div")
            self._followed_line = ui.label("").classes("text").props("id=line")
            with ui.element("div").classes("row") as drawing:
                self._draw = button("Draw a line", lambda tick: self._set_draws(not self._draws))
                self._draw.props("id=draw")
                button("Clear the line", lambda tick: self._steer([], tick)).props("id=clear-line")
            show(drawing, "unseen", not operators)
        with card("Other pictures"):
            self._other_place = ui.element("div").classes("others")
        self._feeds: tuple[PictureFeed, ...] | None = None

    def _show_feeds(self, feeds: tuple[PictureFeed, ...]) -> None:
        """Build the pictures anew, when there are other cameras than before."""
        if feeds == self._feeds:
            return
        self._feeds, self._first = feeds, None
        self._pictures.clear()
        self._first_place.clear()
        self._other_place.clear()
        rate = self._parameters.picture_rate
        for number, feed in enumerate(feeds):
            if number == 0:
                with self._first_place:
                    self._first = FirstPicture(feed, "/picture/0", rate, self._drawn)
                    self._first.allow(self._draws)
                    self._pictures[feed] = self._first
                continue
            with self._other_place, ui.element("div"):
                ui.label(feed.topic.lstrip("/")).classes("soft")
                self._pictures[feed] = Picture(feed, f"/picture/{number}", rate)
        with self._other_place, ui.element("div"):
            ui.label("decoded depth, relative").classes("soft")
            self._pictures[self._robot.depth] = Picture(
                self._robot.depth, "/picture/depth", rate, longest=ANSWER_AGE
            )

    # What is shown.

    def _show(self, snapshot: Snapshot) -> None:
        now, control = snapshot.now, self._desk.control
        in_control, holder = control.has(self.key, now), control.holder(now)
        if not self._desk.operators:
            who = "Read only"
        elif in_control:
            who = "You are in control"
        else:
            who = f"In control: {holder.name}" if holder else "Nobody is in control"
        self._holder.set_text(who)
        show(self._take, "unseen", in_control or not self._desk.operators)
        problems = missing(snapshot, self._robot.policy, self._robot.executor)
        self._missing.set_text("\n".join(problems))
        show(self._missing, "unseen", not problems)
        self._show_pictures(snapshot)
        followed = instruction_shown(snapshot, self._desk.sent, self._desk.sent_at)
        self._instruct.refresh(followed, self._desk.history)
        self._executor.refresh(snapshot)
        self._answers.refresh(snapshot)
        self._diagnostics.refresh(snapshot, self._robot.policy, self._robot.executor)
        self._force.refresh(snapshot, self._robot.policy)
        self._bar.refresh(
            snapshot,
            halt_view(snapshot, self._desk.halt_request),
            waiting_chunk(snapshot),
            self._refusal,
            in_control=in_control,
            operators=self._desk.operators,
        )
        if self._draws and not in_control:
            self._set_draws(False)

    def _show_pictures(self, snapshot: Snapshot) -> None:
        self._show_feeds(self._robot.feeds)
        for picture in self._pictures.values():
            picture.refresh(snapshot.now)
        waiting = waiting_chunk(snapshot)
        last = snapshot.answers[-1] if snapshot.answers else None
        if self._first is not None:
            line, size = self._desk.line, self._desk.line_size
            self._first.show_paths(last, waiting, answers_are_live(snapshot), line, size)
            self._approvable = waiting.sequence if waiting else None
        text = followed_text(snapshot)
        if waiting is not None:
            text = f"Chunk {waiting.sequence} waits for approval: its line is yellow"
        elif self._desk.line and not (last and last.drawn):
            text = f"The drawn line (dashed) is not followed yet. {text}"
        self._followed_line.set_text(text)
        show(self._followed_line, "stale", not policy_is_live(snapshot))

    # What a person does.

    def _on_beat(self, event: events.GenericEventArguments) -> None:
        if not isinstance(event.args, int):
            return
        self._link.confirm(event.args)
        now = time.monotonic()
        if self._desk.control.beat(self.key, now) and self._link.is_fresh(event.args, now):
            if self._desk.operators:
                self._robot.beat()

    def _on_halt(self, _: events.GenericEventArguments) -> None:
        self._refuse("halt", self._desk.halt())

    def _take_control(self) -> None:
        self._desk.control.take(self.key, time.monotonic())

    def _set_draws(self, on: bool) -> None:
        self._draws = on and self._desk.control.has(self.key, time.monotonic())
        if on and not self._draws:
            self._refuse("draw", "take control first")
        if self._first is not None:
            self._first.allow(self._draws)
        self._draw.set_text("Drawing: press and drag" if self._draws else "Draw a line")
        show(self._draw, "main", self._draws)

    def _drawn(self, points: list[tuple[float, float]]) -> None:
        """Send a line that was drawn just now, and let no further touch draw another."""
        self._set_draws(False)
        if self._first is not None:
            refusal = self._desk.steer(self.key, points, self._first.size)
            self._refuse("line", refusal)

    def _steer(self, points: list[tuple[float, float]], tick: int) -> None:
        if self._is_late("line", tick):
            return
        self._refuse("line", self._desk.steer(self.key, points, (0, 0)))

    def _send(self, text: str, tick: int) -> None:
        if not self._is_late("instruction", tick):
            self._refuse("instruction", self._desk.instruct(self.key, text))

    def _order(self, name: str, tick: int) -> None:
        if self._is_late(name, tick):
            return
        if name == "clear":
            refusal = self._desk.clear(self.key)
        elif name == "approve":
            snapshot = self._robot.snapshot()
            refusal = self._desk.approve(self.key, self._approvable, snapshot)
        else:
            refusal = self._desk.enable(self.key, name == "enable")
        self._refuse(name, refusal)

    def _is_late(self, name: str, tick: int) -> bool:
        late = not self._link.is_fresh(tick, time.monotonic())
        if late:
            self._refuse(name, "it was on its way for too long: press again")
        return late

    def _refuse(self, name: str, reason: str) -> None:
        self._refusal = Reply(name, False, reason, time.monotonic()) if reason else None
