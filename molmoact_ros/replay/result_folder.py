# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Everything that a replay leaves behind, in one folder."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import cv2
from rosbags.typesys.store import Typestore

from molmoact_ros.viz import Film

from .pictures import depth_image, film_frame, overlay_picture
from .recording import ActionMeaning, Recording
from .run import Answer
from .tables import Tables


class Outputs:
    """Writes film, tables and bag while the replay runs; what was written is kept on an error."""

    def __init__(
        self, folder: Path, types: Typestore, meaning: ActionMeaning, rate: float, is_mcap: bool
    ) -> None:
        """Create the folder and its files.

        Args:
            folder: Must be new or empty.
            types: Message types, `types.message_types`.
            meaning: Of the actions.
            rate: Frames per second of the film.
            is_mcap: Storage of the bag: MCAP or sqlite3.

        Raises:
            FileExistsError: The folder holds something.
        """
        check_folder(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self._film = Film(folder / "replay", rate)
        self._film_size: tuple[int, int] | None = None
        self._tables = Tables(folder, meaning.names, meaning.step_period)
        self._recording = Recording(folder / "bag", types, meaning, is_mcap)
        self.folder = folder
        self.film: Path | None = None  # known at the end
        self.answers = 0
        self.untrusted = 0

    def __enter__(self) -> Outputs:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with ExitStack() as rest:  # each is closed, whatever happens to the others
            rest.push(self._recording)
            rest.push(self._tables)
            self.film = self._film.close()

    def write(self, answer: Answer) -> None:
        """Write one answer everywhere."""
        self.answers += 1
        self.untrusted += not answer.reasoning.valid
        self._tables.write(answer)
        self._recording.write(answer, overlay_picture(answer), depth_image(answer))
        frame = film_frame(answer)
        size = (frame.shape[1], frame.shape[0])
        self._film_size = self._film_size or size
        if size != self._film_size:  # the camera's resolution has changed
            frame = cv2.resize(frame, self._film_size, interpolation=cv2.INTER_AREA)
        self._film.add(frame)


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds something.

    Raises:
        FileExistsError: It does.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise FileExistsError(f"{folder} exists and is not empty; choose another by --out")
