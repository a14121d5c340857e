# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where an episode begins and ends in a bag: the recorder's notes, the instruction, or a list."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from molmoact_ros.yaml_config import ProfileError, build, read_yaml, require

from .bag.recorded import Recorded
from .faults import DataError

_EPOCH = 1e8  # s; larger times are stamps, smaller ones count from the beginning of the bag


@dataclass(frozen=True)
class Cut:
    """An entry of a list of times.

    Attributes:
        bag: Name of the bag, patterns (* and ?) allowed.
        start: s from the beginning of the bag, or a stamp.
        end: Likewise.
        instruction: Of the episode; empty: the instruction topic's.
        failed: Whether the task failed: it is counted, and left out.
    """

    bag: str
    start: float
    end: float
    instruction: str = ""
    failed: bool = False

    def __post_init__(self) -> None:
        """Refuse what ends before it begins."""
        require(self.start < self.end, "end", f"{self.end} is not after start = {self.start}")

    def is_of(self, bag: Path) -> bool:
        """Return whether it is a part of a bag."""
        return fnmatch.fnmatch(bag.stem, self.bag)


@dataclass(frozen=True)
class Segment:
    """One episode in a bag.

    Attributes:
        start: s, stamp.
        end: s, stamp.
        instruction: Of the episode.
        failed: Whether it is left out as failed.
    """

    start: float
    end: float
    instruction: str
    failed: bool = False


def load_cuts(path: Path) -> tuple[Cut, ...]:
    """Read a list of times.

    Raises:
        ProfileError: Names the file and the place.
    """
    content = read_yaml(path)
    try:
        is_list = isinstance(content, list) and bool(content)
        require(is_list, "", "must be a list of {bag, start, end, instruction}")
        return tuple(build(Cut, item, f"[{i}]") for i, item in enumerate(content))
    except ProfileError as error:
        raise ProfileError(path.name, str(error)) from None


def segments(recorded: Recorded, cuts: Sequence[Cut]) -> list[Segment]:
    """Return the episodes of a bag.

    Raises:
        DataError: There is no instruction.
    """
    if cuts:
        parts = [_segment(recorded, cut) for cut in cuts if cut.is_of(recorded.path)]
        parts.sort(key=lambda part: part.start)
        for part, later in zip(parts, parts[1:], strict=False):
            if later.start < part.end:
                raise DataError(recorded.path, "--cuts: two parts overlap here", later.start)
        return parts
    if recorded.begin is not None:
        if recorded.end is None:
            raise DataError(
                recorded.path, "the recorder did not keep this episode (it has no note of its end)"
                ": leave it out"
            )  # fmt: skip
        failed = not recorded.end.success
        return [Segment(recorded.start, recorded.stop, recorded.begin.instruction, failed)]
    found = []
    moments = [*recorded.instructions, (recorded.stop, "")]
    for (start, text), (end, _) in zip(moments, moments[1:], strict=False):
        if text.strip() and end > start:
            found.append(Segment(start, end, text.strip()))
    if not found:
        raise DataError(
            recorded.path, f"no instruction on {recorded.settings.instruction}: record that topic, "
            "or give times and instructions with --cuts FILE", recorded.start
        )  # fmt: skip
    return found


def _segment(recorded: Recorded, cut: Cut) -> Segment:
    offset = 0.0 if cut.start > _EPOCH else recorded.start
    start, end = cut.start + offset, cut.end + offset
    if start >= recorded.stop or end <= recorded.start:
        raise DataError(recorded.path, f"--cuts: it ends at {recorded.stop:.3f} s", start)
    text = cut.instruction
    for time, instruction in recorded.instructions:
        if not cut.instruction and time <= start:
            text = instruction
    if not text.strip() and not cut.failed:
        raise DataError(recorded.path, "--cuts: no instruction for this part", start)
    return Segment(start, end, text.strip(), cut.failed)
