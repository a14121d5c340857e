# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which page is in control. Nobody is put in control without asking for it while others look on.

Only the page in control instructs, steers, enables, clears and approves; every page can halt.
"""

from __future__ import annotations

from dataclasses import dataclass

_LOST = 5.0  # s without a beat after which a page counts as gone


@dataclass(frozen=True)
class Page:
    """An open page.

    Attributes:
        key: Of the browser's tab; survives a reload.
        name: For a person.
        beat: s of its last beat.
    """

    key: str
    name: str
    beat: float


class Control:
    """The open pages, and which of them is in control. Times are s of `time.monotonic`."""

    def __init__(self) -> None:
        self._pages: dict[str, Page] = {}
        self._holder: str | None = None

    def open(self, key: str, name: str, now: float) -> None:
        """Add a page; it is in control if nobody was when it was opened."""
        self._forget(now)
        self._pages[key] = Page(key, name, now)
        if self._holder is None:
            self._holder = key

    def close(self, key: str) -> None:
        """Remove a page; what it controlled is controlled by nobody."""
        self._pages.pop(key, None)
        if self._holder == key:
            self._holder = None

    def beat(self, key: str, now: float) -> bool:
        """Note that a page lives; return whether it is in control."""
        self._forget(now)
        page = self._pages.get(key)
        if page is None:
            return False
        self._pages[key] = Page(key, page.name, now)
        return self._holder == key

    def take(self, key: str, now: float) -> None:
        """Put an open page in control, whoever was."""
        self._forget(now)
        if key in self._pages:
            self._holder = key

    def release(self, key: str) -> None:
        """Take a page out of control."""
        if self._holder == key:
            self._holder = None

    def has(self, key: str, now: float) -> bool:
        """Return whether a page is in control."""
        self._forget(now)
        return self._holder == key

    def holder(self, now: float) -> Page | None:
        """Return the page in control; changes nothing, so that any thread may ask."""
        page = self._pages.get(self._holder or "")
        return page if page is not None and now - page.beat <= _LOST else None

    def _forget(self, now: float) -> None:
        """Take a page out of control that has not beaten for a while; it is still open."""
        if self.holder(now) is None:
            self._holder = None
