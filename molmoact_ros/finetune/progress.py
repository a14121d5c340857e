# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The state of a training on disk, from which it goes on after a kill."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch

from molmoact_ros.output_files import writing

from .export import write_json
from .faults import FinetuneError
from .network import Trained

_SETTINGS, _STATE = "settings.json", "state.pt"


class Progress:
    """The folder of an unfinished training.

    Attributes:
        folder: OUT.partial.
        losses: Loss of each step so far.
        seconds: Time that the steps so far have taken.
        notes: What was measured before the first step.
    """

    def __init__(self, folder: Path, fingerprint: dict[str, Any]) -> None:
        """Go on in a folder, or begin one.

        Raises:
            FinetuneError: It is of a training with other arguments.
            WriteError: It cannot be written.
        """
        self.folder = folder
        self.losses: list[float] = []
        self.seconds = 0.0
        self.notes: dict[str, Any] = {}
        file = folder / _SETTINGS
        wanted = json.loads(json.dumps(fingerprint))
        if file.is_file() and (folder / _STATE).is_file():  # else nothing is lost
            before = _settings(file)
            differs = [key for key in wanted if before.get(key) != wanted[key]]
            if differs:
                changes = "; ".join(f"{k}: {before.get(k)}, now {wanted[k]}" for k in differs)
                raise FinetuneError(
                    f"{folder} was begun with other arguments ({changes}): give those, or remove "
                    "the folder to begin anew"
                )
            return
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        write_json(file, wanted)

    @property
    def steps(self) -> int:
        """Number of steps so far."""
        return len(self.losses)

    def load(self, trained: Trained, optimizer: torch.optim.Optimizer) -> None:
        """Restore what `save` has written, if there is any.

        Raises:
            FinetuneError: The file is broken.
        """
        path = self.folder / _STATE
        if not path.is_file():
            return
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            with torch.no_grad():
                for name, weights in trained.parameters.items():
                    weights.copy_(content["weights"][name])
            optimizer.load_state_dict(content["optimizer"])
        except (RuntimeError, KeyError, ValueError, OSError, EOFError) as error:
            raise FinetuneError(
                f"{path} is broken ({error}): remove {self.folder} to begin anew"
            ) from None
        self.losses, self.seconds = content["losses"], content["seconds"]
        self.notes = content["notes"]

    def save(self, trained: Trained, optimizer: torch.optim.Optimizer) -> None:
        """Write the state; a kill leaves the one before or this one.

        Raises:
            WriteError: It cannot be written; the state before is kept.
        """
        path = self.folder / _STATE
        content = {
            "weights": dict(trained.parameters),
            "optimizer": optimizer.state_dict(),
            "losses": self.losses,
            "seconds": self.seconds,
            "notes": self.notes,
        }
        beside = path.with_suffix(".tmp")
        with writing(path):
            try:
                with beside.open("wb") as file:
                    torch.save(content, file)
                    file.flush()
                    os.fsync(file.fileno())
            except (OSError, RuntimeError) as error:
                beside.unlink(missing_ok=True)
                # torch closes its archive after a full disk, and reports what is wrong with that.
                cause = error.__context__ if isinstance(error, RuntimeError) else error
                raise (cause if isinstance(cause, OSError) else error) from None
            beside.replace(path)


def _settings(file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise FinetuneError(
            f"{file} is broken ({error}): remove {file.parent} to begin anew"
        ) from None
