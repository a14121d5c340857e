# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The keyboard of molmoact-record."""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Callable

import pytest

from molmoact_ros.cli import record


class Acts:
    """Takes note of what the keys ask for, in the place of the recorder."""

    has_failed = False

    def __init__(self) -> None:
        self.done: queue.Queue[str] = queue.Queue()

    def begin(self) -> str:
        """Note a beginning."""
        self.done.put("begin")
        return "began"

    def keep(self) -> str:
        """Note an episode that is kept."""
        self.done.put("keep")
        return "kept"

    def end(self) -> str:
        """Note an episode that is decided on later."""
        self.done.put("end")
        return "ended"

    def discard(self) -> str:
        """Note an episode that is thrown away."""
        self.done.put("discard")
        return "discarded"

    @property
    def instruction(self) -> str:
        """Of the next episode."""
        return ""

    @instruction.setter
    def instruction(self, text: str) -> None:
        self.done.put(text)


@pytest.mark.parametrize(
    ("is_terminal", "typed"), [(True, "kbißx\x7f 1\nk"), (False, "k\n\nb\ni ß 1\nk\n")]
)
def test_keys_that_came_together_are_all_done_at_once(
    is_terminal: bool, typed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those that are typed while an episode is closed."""
    acts = Acts()
    reading, writing = os.pipe()
    with os.fdopen(reading) as keys, os.fdopen(writing, "w", encoding="utf-8") as keyboard:
        monkeypatch.setattr("sys.stdin", keys)
        thread = threading.Thread(target=record._keyboard, args=(acts, is_terminal))
        keyboard.write(typed)
        keyboard.flush()
        thread.start()
        try:
            assert [acts.done.get(timeout=60.0) for _ in range(4)] == [
                "keep",
                "begin",
                "ß 1",
                "keep",
            ]
        finally:
            acts.has_failed = True
            thread.join()


@pytest.mark.parametrize(
    ("run", "code"),
    [(lambda: record.main(["cell.yaml"]), 1), (lambda: record.run_recorder([]), 78)],
    ids=["molmoact-record", "recorder_node"],
)
def test_without_rosbags_it_names_what_to_install(
    run: Callable[[], int],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "rosbags", None)
    assert run() == code
    assert "pip install 'rosbags" in capsys.readouterr().err
