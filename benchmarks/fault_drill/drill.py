# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a drill is, and how one is run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from molmoact_ros.demo.domains import Domain, reserve_domain
from molmoact_ros.demo.processes import private_environment


class Unavailable(Exception):
    """The drill cannot be held on this machine; the text is the reason."""


class Stuck(Exception):
    """What had to happen did not happen in time; the text is what."""


@dataclass
class Attempt:
    """One run of one drill.

    Attributes:
        folder: For files; removed afterwards.
        quick: Whether to be short.
        halts: That are drilled in all.
        figures: What was measured.
        failures: Sentences; empty: passed.
    """

    folder: Path
    quick: bool
    halts: int
    figures: dict[str, Any] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    _domains: list[Domain] = field(default_factory=list)

    def end(self) -> None:
        """Release what was reserved."""
        for domain in self._domains:
            domain.release()

    def check(self, condition: bool, text: str) -> bool:
        """Note a failure where the condition does not hold, and return the condition."""
        if not condition:
            self.failures.append(text)
        return condition

    def environment(self, images: bool = False) -> dict[str, str]:
        """Return settings of a graph that no other drill sees; with `images` raw ones arrive."""
        self._domains.append(reserve_domain())
        settings = private_environment(self._domains[-1].number)
        names = ("ROS_DOMAIN_ID", "ROS_AUTOMATIC_DISCOVERY_RANGE", "PYTHONUNBUFFERED")
        shared = {"OMP_NUM_THREADS": "1"}
        return shared | (settings if images else {name: settings[name] for name in names})


@dataclass(frozen=True)
class Drill:
    """One drill.

    Attributes:
        name: As given on the command line.
        group: The module that it stands in.
        title: What is done.
        run: Does it.
        quick: Whether it belongs to the short selection.
    """

    name: str
    group: str
    title: str
    run: Callable[[Attempt], None]
    quick: bool


@dataclass(frozen=True)
class Result:
    """What came of a drill; `outcome` is passed, failed or skipped."""

    drill: Drill
    outcome: str
    seconds: float
    reasons: tuple[str, ...]
    figures: Mapping[str, Any]


DRILLS: dict[str, Drill] = {}


def drill(quick: bool = False) -> Callable[[Callable[[Attempt], None]], Callable[[Attempt], None]]:
    """Register a function as a drill; the first line of its docstring is the title."""

    def register(run: Callable[[Attempt], None]) -> Callable[[Attempt], None]:
        assert run.__doc__ is not None
        title = run.__doc__.splitlines()[0].rstrip(".")
        group = run.__module__.rsplit(".", 1)[-1]
        DRILLS[run.__name__] = Drill(run.__name__, group, title, run, quick)
        return run

    return register


def hold(drill: Drill, quick: bool, halts: int) -> Result:
    """Run a drill."""
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"{drill.name}_") as folder:
        attempt = Attempt(Path(folder), quick, halts)
        try:
            drill.run(attempt)
        except Unavailable as reason:
            seconds = time.monotonic() - begin
            return Result(drill, "skipped", seconds, (str(reason),), attempt.figures)
        except Stuck as error:
            attempt.failures.insert(0, str(error))
        except Exception as error:  # noqa: BLE001 - a drill that breaks off has not been passed
            attempt.failures.insert(0, f"the drill broke off: {type(error).__name__}: {error}")
        finally:
            attempt.end()
    reasons = tuple(attempt.failures)
    outcome = "failed" if reasons else "passed"
    return Result(drill, outcome, time.monotonic() - begin, reasons, attempt.figures)
