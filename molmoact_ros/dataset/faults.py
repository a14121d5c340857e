# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a recording: one sentence that names the file and the time."""

from __future__ import annotations

from pathlib import Path


class DataError(ValueError):
    """A recording cannot be used."""

    def __init__(self, path: Path, problem: str, time: float | None = None) -> None:
        """Name what is wrong.

        Args:
            path: The bag.
            problem: What is wrong, and what to do.
            time: Stamp at which it is, s; None: no single moment.
        """
        moment = "" if time is None else f" at {time:.3f} s"
        super().__init__(f"{path}{moment}: {problem}")


class DataErrors(ValueError):
    """Several recordings cannot be used; one line each."""
