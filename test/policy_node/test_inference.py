# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The inference thread: failures, and answers that stay away, in the diagnostics."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from molmoact_ros.policy.frame_matcher import Frame, FrameMatcher
from molmoact_ros.policy.pacing import Pacing
from molmoact_ros.policy.task import TaskDesk
from molmoact_ros.policy.types import Reasoning
from molmoact_ros.policy_node import inference as inference_module
from molmoact_ros.policy_node.diagnostics import inference_status
from molmoact_ros.policy_node.inference import Inference
from molmoact_ros.ros.diagnostics import Diagnosis, Level

PATIENCE = 60.0  # s
ANSWER = Reasoning(
    None, np.zeros((0, 2)), "predicted", np.zeros((1, 7)), False, (), None, None, "key", "", (), 1
)


class Node:
    """A node with a clock that the test sets; what it logs is kept."""

    def __init__(self) -> None:
        self.time, self.failed = 1000.0, ""
        self.lines: list[str] = []
        log = SimpleNamespace(**dict.fromkeys(("debug", "error", "warning"), self._log))
        self.get_logger = lambda: log

    def get_clock(self) -> Any:
        """Return the clock."""
        return SimpleNamespace(now=lambda: SimpleNamespace(nanoseconds=int(self.time * 1e9)))

    def fail(self, reason: str) -> None:
        """Keep the reason."""
        self.failed = reason

    def _log(self, line: str, **_: Any) -> None:
        self.lines.append(line)


class Bench:
    """An inference whose policy does what the test wants, each time it is asked."""

    def __init__(self, max_age: float = 1e6) -> None:
        self.node = Node()
        self.desk = TaskDesk("close the box")
        self.act: Callable[[], None] = lambda: None
        self.asked = self.published = self.shown = 0
        self.matcher = FrameMatcher(("camera",), 0.1, max_age)
        policy: Any = SimpleNamespace(infer=self._infer)
        pacing = Pacing(0.8, lambda: 0.0)
        self.inference = Inference(
            cast(Any, self.node), policy, self.desk, self.matcher, pacing, self._publish
        )
        outputs = SimpleNamespace(publish_seconds=0.0, overlay_seconds=0.0)
        self.session: Any = SimpleNamespace(inference=self.inference, outputs=outputs)

    def _infer(self, observation: Any, is_obsolete: Callable[[], bool]) -> Reasoning:
        self.asked += 1
        self.act()
        return ANSWER

    def _publish(self, answer: Any) -> None:
        self.published += 1

    def show(self) -> None:
        """Add a picture of now, newer than the one before; the clock stands still meanwhile."""
        pixels = np.zeros((2, 2, 3), np.uint8)
        self.shown += 1
        stamp = self.node.time + 1e-6 * self.shown
        header = SimpleNamespace(stamp=stamp)
        self.matcher.add("camera", Frame(stamp, header, lambda: pixels))

    def until(self, ready: Callable[[], bool], show: bool = True) -> None:
        """Show pictures until something holds."""
        end = time.monotonic() + PATIENCE
        while not ready():
            assert time.monotonic() < end
            if show:
                self.show()
            time.sleep(0.002)

    @property
    def status(self) -> Diagnosis:
        """What the diagnostics report now."""
        return inference_status(self.session, self.desk.task, True)


@pytest.fixture
def max_age() -> float:
    """Largest age of a frame, s; none in most tests."""
    return 1e6


@pytest.fixture
def bench(max_age: float) -> Iterator[Bench]:
    made = Bench(max_age)
    made.inference.start()
    yield made
    made.inference.stop()
    made.act = lambda: None
    made.inference.thread.join(PATIENCE)


def fail() -> None:
    raise RuntimeError("CUDA error: an illegal memory access was encountered")


def test_failures_are_an_error_until_the_next_answer(bench: Bench) -> None:
    bench.until(lambda: bench.published > 0)
    bench.act = fail
    bench.until(lambda: bench.inference.failures_since_answer >= 2)
    status = bench.status
    assert status.level is Level.ERROR
    assert "inferences failed since the last answer: RuntimeError: CUDA error" in status.message
    assert int(status.values["failures"]) >= 2
    assert any("CUDA error" in line for line in bench.node.lines)
    bench.act = lambda: None
    count = bench.published
    bench.until(lambda: bench.published > count + 1)
    assert bench.status.level is Level.OK
    assert not bench.node.failed


def test_a_pass_that_takes_much_longer_than_the_others_is_an_error(bench: Bench) -> None:
    hangs, released = threading.Event(), threading.Event()

    def take(seconds: float) -> None:
        bench.node.time += seconds

    def hang() -> None:
        hangs.set()
        assert released.wait(PATIENCE)

    bench.act = lambda: take(8.0)
    bench.until(lambda: bench.published >= 3)
    bench.act = hang
    bench.until(hangs.is_set)
    limit = float(bench.status.values["overdue after [s]"])
    assert limit == pytest.approx(3 * 8.0 + 0.8, abs=0.3)  # by the longest, and the chunk
    take(limit - 1.0)
    assert bench.status.level is Level.OK
    take(2.0)
    status = bench.status
    assert status.level is Level.ERROR
    assert "frames arrive, but no answer for" in status.message
    released.set()
    count = bench.published
    bench.act = lambda: None
    bench.until(lambda: bench.published > count)
    assert bench.status.level is Level.OK


def test_the_first_answer_may_take_longer_and_is_then_a_warning(bench: Bench) -> None:
    released = threading.Event()

    def hang() -> None:
        assert released.wait(PATIENCE)

    bench.act = hang
    bench.until(lambda: bench.asked > 0)
    bench.node.time += 59.0
    assert bench.status.level is Level.OK
    bench.node.time += 2.0
    assert bench.status.level is Level.WARN
    released.set()


@pytest.mark.parametrize("max_age", [1.0])
def test_without_frames_or_instruction_no_answer_is_owed(bench: Bench) -> None:
    bench.until(lambda: bench.published > 0)
    bench.node.time += 1000.0
    bench.until(lambda: bench.inference.waiting_for.startswith("camera 'camera'"), show=False)
    bench.until(lambda: bench.inference.silence == 0.0, show=False)  # noted just after that
    assert bench.status.level is Level.OK
    bench.desk.follow("")
    bench.until(lambda: bench.inference.waiting_for == "instruction")
    bench.node.time += 1000.0
    assert bench.status.level is Level.OK


def test_missing_frames_are_no_fault_just_after_the_start() -> None:
    bench = Bench()
    bench.inference.start()
    try:
        bench.until(lambda: bench.inference.waiting_for != "", show=False)
        assert bench.node.lines == []
        bench.node.time += inference_module.GRACE
        bench.until(lambda: bool(bench.node.lines), show=False)
        assert bench.node.lines[0] == "no inference: camera 'camera': no frame has arrived"
    finally:
        bench.inference.stop()
        bench.inference.thread.join(PATIENCE)


def test_nothing_but_failures_for_long_ends_the_process(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference_module, "_HOPELESS", 0.0)
    ended: list[tuple[int, str]] = []
    monkeypatch.setattr(
        bench.node, "fail", lambda why: ended.append((bench.inference.failures_since_answer, why))
    )
    bench.act = fail
    bench.until(lambda: bool(ended))
    failures, reason = ended[0]
    assert failures >= 5  # fewer are not hopeless
    assert "every inference has failed" in reason
