# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a training is asked for."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

PARTIAL = ".partial"


@dataclass(frozen=True)
class FinetuneSettings:
    """What is trained on what, and how.

    Attributes:
        checkpoint: Folder of the checkpoint to begin with.
        data: Folder of the data set.
        out: Folder of the checkpoint to make.
        lora: Rank of the adapters; 0: all weights; None: by the size of the network.
        steps: Optimizer steps.
        batch: Samples of a step.
        at_once: Samples that are computed at once; the gradients of a step are added up.
        rate: Learning rate after the warm-up; it falls along a cosine to a hundredth.
        steering: Share of the samples that follow a drawn line.
        rows: Action rows of an answer; None: as in the checkpoint's profile, else 8.
        device: "cpu", "cuda" or "cuda:N".
        bfloat16: Whether matrices are multiplied in bfloat16.
        new_actions: Whether another action space than the checkpoint's is allowed.
        seed: Of the order of the samples and all that is random.
        answers: Held-out steps that are answered before and after.
    """

    checkpoint: Path
    data: Path
    out: Path
    lora: int | None = None
    steps: int = 2000
    batch: int = 16
    at_once: int | None = None
    rate: float | None = None
    steering: float = 0.25
    rows: int | None = None
    device: str = "cpu"
    bfloat16: bool = False
    new_actions: bool = False
    seed: int = 0
    answers: int = 48

    @property
    def partial(self) -> Path:
        """Folder of the progress, beside the place of the checkpoint."""
        return self.out.with_name(self.out.name + PARTIAL)

    def content(self) -> dict[str, Any]:
        """Return what a resumed training must have in common with the one before."""
        values = {**asdict(self), "checkpoint": str(self.checkpoint), "data": str(self.data)}
        del values["out"], values["at_once"], values["device"]
        return values
