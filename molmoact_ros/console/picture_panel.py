# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of a page: at most one on its way for each camera, so that a slow page gets fewer."""

from __future__ import annotations

import time
from collections.abc import Callable

from nicegui import events, ui

from .desk import MAX_LINE
from .drawing import MODEL, OLD, PERSON, STROKE, WAITING, path_svg, scaled
from .pictures import PictureFeed
from .readings import Answer
from .state import PICTURE_AGE, picture_shown
from .widgets import show

_GIVEN_UP = 1.0  # s after which a picture that a browser was offered counts as lost
_SLACK = 0.7  # of a period; cameras do not keep time exactly
_POINTER_EVENTS = ["pointerdown", "pointermove", "pointerup", "pointerleave", "pointercancel"]
# Movements without a button held are not sent at all.
_PRESSED = "(event) => (event.buttons || event.mouse_event_type !== 'pointermove') && emit(event)"
_DRAWING_PERIOD = 0.03  # s


class Picture:
    """One picture of a page, and the text below it."""

    def __init__(
        self,
        feed: PictureFeed,
        url: str,
        rate: float,
        kind: str = "",
        longest: float = PICTURE_AGE,
    ) -> None:
        """Add it to the page.

        Args:
            feed: Where it comes from.
            url: Where browsers get it.
            rate: Pictures per second at most.
            kind: Class of the frame.
            longest: s; an older picture is not live.
        """
        self.feed = feed
        self._longest = longest
        self.size = (0, 0)  # px, as the browser has it
        self._url = url
        self._period = 1.0 / rate
        self._due = 0.0
        self._last = 0  # number of the picture that was offered last
        self._offered: tuple[int, float, float] | None = None  # number, received, s
        self._shown_at: float | None = None
        with ui.element("div").classes(f"picture {kind}") as self.frame:
            self.image = ui.interactive_image(events=_POINTER_EVENTS, sanitize=False)
            self.image.on("loaded", self._on_loaded)
            with ui.element("div").classes("stamp unseen") as self._stamp:
                ui.label("NOT LIVE")
        self.caption = ui.label(f"no picture yet from {feed.topic}").classes("soft caption")

    def offer(self) -> None:
        """Let the browser get the newest picture, unless the last is still on its way."""
        now = time.monotonic()
        if self._offered is not None and now - self._offered[2] < _GIVEN_UP:
            return
        if now < self._due - _SLACK * self._period:
            return
        reading = self.feed.reading(now)
        if reading.number in (0, self._last):  # the browser would not load the same one again
            return
        self._last = reading.number
        self._due = max(self._due + self._period, now)
        self._offered = (reading.number, reading.received, now)
        taken = time.time() - (now - reading.received) - reading.delay  # s, to measure ages by
        self.image.set_source(f"{self._url}?n={reading.number}&taken={taken:.3f}")

    def refresh(self, now: float) -> None:
        """Write how old the picture is that the browser shows, and mark it where that is too old.

        Args:
            now: s.
        """
        reading = self.feed.reading(now)
        shown = picture_shown(reading, self._shown_at, now, self._longest)
        self.caption.set_text(shown.text)
        show(self.image, "stale", not shown.live)
        show(self._stamp, "unseen", shown.live)
        if not reading.problem:
            self.offer()  # one that was lost on the way

    def _on_loaded(self, event: events.GenericEventArguments) -> None:
        offered, self._offered = self._offered, None
        try:
            width, height = int(event.args["width"]), int(event.args["height"])
        except (KeyError, TypeError, ValueError):
            return
        self.size = (min(max(width, 0), 65_535), min(max(height, 0), 65_535))
        if offered is not None:
            self._shown_at = offered[1]
        self.offer()  # where a newer one has come meanwhile


class FirstPicture(Picture):
    """The first camera's picture: with the paths, and to draw on."""

    def __init__(
        self, feed: PictureFeed, url: str, rate: float, drawn: Callable[[list], None]
    ) -> None:
        """Add it to the page.

        Args:
            feed: Where it comes from.
            url: Where browsers get it.
            rate: Pictures per second at most.
            drawn: Takes the points (x, y) of a line when it is done.
        """
        super().__init__(feed, url, rate, "first")
        self._drawn = drawn
        self._stroke: list[tuple[float, float]] = []
        self._below = ""
        self.draws = False
        self.image.on("mouse", self._on_pointer, throttle=_DRAWING_PERIOD, js_handler=_PRESSED)

    def allow(self, on: bool) -> None:
        """Let the person draw, or not."""
        self.draws = on
        show(self.frame, "draws", on)
        if not on and self._stroke:
            self._stroke = []
            self._paint()

    def show_paths(
        self,
        answer: Answer | None,
        waiting: Answer | None,
        live: bool,
        line: tuple[tuple[float, float], ...],
        line_size: tuple[int, int],
    ) -> None:
        """Draw what is known over the picture.

        Args:
            answer: The last answer, whose path is drawn.
            waiting: The answer whose chunk waits for approval, which is drawn instead.
            live: Whether the answers are of the present; others are drawn in grey.
            line: The line that was sent, (x, y); drawn while it is not followed.
            line_size: Width and height of the picture that it was drawn on.
        """
        width, layers = self.size[0], []
        if line and not (answer and answer.drawn):
            layers.append(path_svg(scaled(line, line_size, self.size), STROKE, width, dashed=True))
        chosen = waiting or answer
        if chosen is not None:
            colour = WAITING if waiting else PERSON if chosen.drawn else MODEL
            colour = colour if live else OLD
            layers.append(path_svg(scaled(chosen.points, chosen.size, self.size), colour, width))
        self._below = "".join(layers)
        self._paint()

    def _paint(self) -> None:
        self.image.set_content(self._below + path_svg(self._stroke, STROKE, self.size[0]))

    def _on_pointer(self, event: events.GenericEventArguments) -> None:
        if not self.draws:
            return
        try:
            kind, buttons = event.args["mouse_event_type"], int(event.args["buttons"])
            point = float(event.args["image_x"]), float(event.args["image_y"])
        except (KeyError, TypeError, ValueError):
            return
        width, height = self.size
        x, y = min(max(point[0], 0.0), width - 1.0), min(max(point[1], 0.0), height - 1.0)
        # Fewer events come than the browser has, so a press may be seen first as a movement.
        if kind == "pointercancel":
            self._stroke = []
        elif kind in ("pointerdown", "pointermove") and buttons & 1:
            if len(self._stroke) < MAX_LINE:
                self._stroke.append((x, y))
        elif self._stroke:
            stroke, self._stroke = [*self._stroke, (x, y)], []
            self._drawn(stroke)
        self._paint()
