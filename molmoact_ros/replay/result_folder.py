# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The folder of a replay: `replay.mp4`, `answers.csv`, `actions.csv` and `bag`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from rosbags.typesys.store import Typestore

from molmoact_ros.policy.types import ActionFormat
from molmoact_ros.viz import OverlayVideo, depth_picture, draw_overlay

from .recording import Recording
from .run import ReplayAnswer
from .tables import ACTION_COLUMNS, ANSWER_COLUMNS, Table, action_rows, answer_row


class ResultFolder:
    """Writes all results while the replay runs; what was written is kept on an error.

    Attributes:
        folder: Its path.
        video: Path of the video; None before the end, and where OpenCV has no encoder.
        answers: Answers so far.
        untrusted: Those among them that are not trusted.
    """

    def __init__(
        self, folder: Path, types: Typestore, form: ActionFormat, rate: float, is_mcap: bool
    ) -> None:
        """Create the folder and its files.

        Args:
            folder: Must be new or empty.
            types: Message types, `types.message_types`.
            form: Of the actions.
            rate: Frames per second of the video.
            is_mcap: Storage of the bag: MCAP or sqlite3.

        Raises:
            FileExistsError: The folder is not empty.
            WriteError: A file cannot be written.
        """
        check_folder(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.video: Path | None = None
        self.answers = 0
        self.untrusted = 0
        self._form = form
        self._overlay = OverlayVideo(folder / "replay", rate, "")
        with ExitStack() as files:  # each is closed, whatever happens to the others
            enter = files.enter_context
            self._recording = enter(Recording(folder / "bag", types, form, is_mcap))
            self._answers = enter(Table(folder / "answers.csv", ANSWER_COLUMNS))
            columns = (*ACTION_COLUMNS, *form.names)
            self._actions = enter(Table(folder / "actions.csv", columns))
            self._files = files.pop_all()

    def __enter__(self) -> ResultFolder:
        return self

    def __exit__(self, *_: object) -> None:
        with self._files:
            self.video = self._overlay.close()

    def write(self, answer: ReplayAnswer) -> None:
        """Write one answer everywhere.

        Raises:
            WriteError: A file cannot be written.
        """
        reasoning, rgb = answer.reasoning, answer.rgb
        self.answers += 1
        self.untrusted += not reasoning.valid
        self._answers.write(answer_row(answer))
        for row in action_rows(answer, self._form.step_period):
            self._actions.write(row)
        trust = "" if reasoning.valid else ": not trusted"
        label, source = f"chunk {answer.sequence}{trust}", reasoning.trajectory_source
        overlay = draw_overlay(rgb, answer.trajectory_px, answer.instruction, label, source)
        relative, size = answer.relative_depth, (rgb.shape[1], rgb.shape[0])
        depth = None if relative is None else depth_picture(relative, size)
        self._recording.write(answer, overlay, depth)
        self._overlay.instruction, self._overlay.depth = answer.instruction, depth
        self._overlay.plan(reasoning.trajectory, label, source)
        self._overlay.add(rgb)


def check_folder(folder: Path) -> None:
    """Refuse a folder that is not empty.

    Raises:
        FileExistsError: It holds something, or it is a file.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise FileExistsError(f"{folder} exists and is not empty; choose another by --out")
