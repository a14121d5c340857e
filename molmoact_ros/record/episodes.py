# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Episodes as bags in a folder: begun, ended, kept or thrown away. No ROS in it, no thread.

A kept one is OUT/episode_0007/, with one MCAP file and metadata.yaml; one that is being recorded,
or has ended and waits for a decision, is in OUT/running/; OUT/unfinished/ has what a crash or a
signal left of others.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys.store import Typestore

from molmoact_ros.output_files import WriteError, writing

from . import notes
from .definitions import know

RUNNING, UNFINISHED = "running", "unfinished"
IDLE, RECORDING, ENDED = "idle", "recording", "ended"
_BAG_VERSION = 8  # read by Humble and everything later
_NAME = "episode_"
_MEGABYTE = 1_000_000


class EpisodeError(RuntimeError):
    """What was asked for is not possible now; the text gives the reason."""


class Episodes:
    """Records one episode after the other.

    Attributes:
        state: `IDLE`, `RECORDING`, or `ENDED`: to be kept or thrown away.
        name: Of the present or last episode.
        instruction: Of the present one.
        kept: Episodes kept since the start.
        counts: Messages of the present episode by topic.
        bytes: Of these.
    """

    def __init__(self, folder: Path, types: Typestore, min_free: int) -> None:
        """Open a folder.

        Args:
            folder: Is made where it does not exist.
            types: Message types.
            min_free: MB that the disk must have left for another episode.

        Raises:
            WriteError: The folder cannot be made.
        """
        self._folder = folder
        self._types = types
        self._min_free = min_free
        self._writer: Writer | None = None
        self._links: dict[str, Any] = {}
        self._began = 0.0
        self._seconds = 0.0
        self.state = IDLE
        self.name = ""
        self.instruction = ""
        self.kept = 0
        self.counts: dict[str, int] = {}
        self.bytes = 0
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)

    @property
    def seconds(self) -> float:
        """Length of the present episode."""
        return time.monotonic() - self._began if self.state == RECORDING else self._seconds

    def set_aside(self) -> list[Path]:
        """Move what an earlier recorder left behind to `UNFINISHED`; return where it is now."""
        moved = []
        for path in sorted((self._folder / RUNNING).glob(f"{_NAME}*")):
            place = self._free_place(path.name)
            with writing(place):
                place.parent.mkdir(exist_ok=True)
                os.rename(path, place)
            moved.append(place)
        return moved

    def begin(self, note: notes.BeginNote, now: int) -> str:
        """Begin an episode and return its name.

        Args:
            note: What it is about.
            now: Time of recording, ns.

        Raises:
            EpisodeError: Another one is not finished, there is no instruction, or no space.
            WriteError: It cannot be written.
        """
        if self.state == RECORDING:
            raise EpisodeError(f"{self.name} is being recorded: end it first")
        if self.state == ENDED:
            raise EpisodeError(f"{self.name} has ended: keep it or throw it away first")
        if not note.instruction.strip():
            raise EpisodeError("there is no instruction")
        free = shutil.disk_usage(self._folder).free // _MEGABYTE
        if free < self._min_free:
            raise EpisodeError(
                f"{self._folder} has {free} MB left, an episode needs min_free_space = "
                f"{self._min_free} MB"
            )
        self.name = f"{_NAME}{self._next_number():04d}"
        self.instruction, self.counts, self.bytes = note.instruction, {}, 0
        self._links = {}
        path = self._running()
        with writing(path):
            self._writer = Writer(path, version=_BAG_VERSION, storage_plugin=StoragePlugin.MCAP)
            self._writer.open()
        self.state, self._began = RECORDING, time.monotonic()
        for topic, text in (
            (notes.BEGIN_TOPIC, notes.note_text(note)),
            (notes.INSTRUCTION_TOPIC, note.instruction),
        ):
            self._put_text(topic, now, text)
        return self.name

    def write(self, topic: str, kind: str, now: int, data: bytes) -> None:
        """Write a serialized message; nothing where no episode is being recorded.

        Raises:
            WriteError: The disk is full, for example; the episode is lost and removed.
            LookupError: The type's definition is not installed.
        """
        if self.state != RECORDING:
            return
        assert self._writer is not None
        try:
            with writing(self._running()):
                if topic not in self._links:
                    know(self._types, kind)
                    link = self._writer.add_connection(topic, kind, typestore=self._types)
                    self._links[topic] = link
                self._writer.write(self._links[topic], now, data)
        except WriteError:
            self._lose()
            raise
        self.counts[topic] = self.counts.get(topic, 0) + 1
        self.bytes += len(data)

    def end(self, lost: Mapping[str, int], now: int) -> None:
        """End the episode; it waits to be kept or thrown away.

        Args:
            lost: Messages that DDS lost, by topic.
            now: Time of recording, ns.

        Raises:
            EpisodeError: None is being recorded.
            WriteError: The disk is full, for example; the episode is lost and removed.
        """
        if self.state != RECORDING:
            raise EpisodeError("no episode is being recorded")
        self._seconds = self.seconds
        note = notes.EndNote(True, round(self._seconds, 3), dict(self.counts), dict(lost))
        self._put_text(notes.END_TOPIC, now, notes.note_text(note))
        self._close()
        self.state = ENDED

    def keep(self) -> Path:
        """Keep the ended episode and return where it is.

        Raises:
            EpisodeError: There is none.
            WriteError: It cannot be moved.
        """
        self._require_ended()
        place = self._folder / self.name
        with writing(place):
            os.rename(self._running(), place)
        self.state = IDLE
        self.kept += 1
        return place

    def discard(self) -> None:
        """Throw the ended episode away.

        Raises:
            EpisodeError: There is none.
        """
        self._require_ended()
        shutil.rmtree(self._running(), ignore_errors=True)
        self.state = IDLE

    def close(self) -> Path | None:
        """Stop; an episode that nobody has kept is set aside, readable. Return where it is."""
        if self.state == RECORDING:
            try:
                self._close()
            except WriteError:
                return None
        is_left = self.state != IDLE
        self.state = IDLE
        return self.set_aside()[0] if is_left else None

    def _put_text(self, topic: str, now: int, text: str) -> None:
        message = self._types.types[notes.STRING](data=text)
        data = bytes(self._types.serialize_cdr(message, notes.STRING))
        counted = dict(self.counts)
        self.write(topic, notes.STRING, now, data)
        self.counts = counted

    def _close(self) -> None:
        assert self._writer is not None
        writer, self._writer = self._writer, None
        try:
            with writing(self._running()):
                writer.close()
        except WriteError:
            self._writer = writer
            self._lose()
            raise

    def _lose(self) -> None:
        """Remove what is left of an episode: a file without its end, and the space that it took."""
        writer, self._writer = self._writer, None
        if writer is not None:
            _quietly(writer.abort)
        shutil.rmtree(self._running(), ignore_errors=True)
        self.state = IDLE

    def _require_ended(self) -> None:
        if self.state != ENDED:
            raise EpisodeError("no episode has ended")

    def _running(self) -> Path:
        return self._folder / RUNNING / self.name

    def _next_number(self) -> int:
        names = [path.name for path in self._folder.glob(f"{_NAME}*")]
        names += [path.name for path in (self._folder / UNFINISHED).glob(f"{_NAME}*")]
        numbers = [name.removeprefix(_NAME).split(".")[0] for name in names]
        return max((int(number) for number in numbers if number.isdecimal()), default=0) + 1

    def _free_place(self, name: str) -> Path:
        place = self._folder / UNFINISHED / name
        number = 1
        while place.exists():
            number += 1
            place = self._folder / UNFINISHED / f"{name}.{number}"
        return place


def _quietly(act: Callable[[], None]) -> None:
    try:
        act()
    except OSError:
        pass
