# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The training loop: stages of steps with Muon and AdamW, resumable inside a stage."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from .data import Frames
from .losses import Trainer
from .sequences import Targets, gripping

_SAVE_EVERY = 60.0  # s
_CLIP = 1.0
_WARM_UP = 20  # steps
_GRIPPING = 0.4  # of the frames of "pick", so many more where it is time to close or to lift
_BIAS = 1.5  # of new frames, the later ones are drawn more often


@dataclass(frozen=True)
class Stage:
    """One part of the curriculum.

    Attributes:
        name: Of the stage; names its files.
        steps: Optimizer steps.
        mix: Share of the steps per answer format (for reaching, or "full pick" for a kind of task),
            or of "vision" for the backbone alone.
        peak: Learning rate after the warm-up; it falls along a cosine to `final`.
        final: Learning rate at the end.
        recent: Share of the images that come from the newest frames (DAgger).
    """

    name: str
    steps: int
    mix: Mapping[str, float]
    peak: float
    final: float
    recent: float = 0.0


# Per step, so that every format takes about the same time.
IMAGES = {"vision": 32, "trajectory": 16, "action": 12, "opening": 6, "full": 5, "steer": 16}


class Optimizers:
    """Muon for the matrices of the blocks, AdamW for everything else."""

    def __init__(self, model: nn.Module, heads: nn.Module) -> None:
        """Split the parameters."""
        matrices: list[nn.Parameter] = []
        rest = list(heads.parameters())
        for name, parameter in model.named_parameters():
            inner = "blocks." in name or "image_pooling" in name or "image_projector" in name
            (matrices if inner and parameter.ndim == 2 else rest).append(parameter)
        self._all = [
            torch.optim.Muon(matrices, lr=1e-3, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(rest, lr=1e-3, weight_decay=0.0, betas=(0.9, 0.98)),
        ]
        self._parameters = [*matrices, *rest]

    def step(self, rate: float) -> None:
        """Apply the gradients and clear them."""
        nn.utils.clip_grad_norm_(self._parameters, _CLIP)
        for optimizer in self._all:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def state(self) -> list[dict[str, Any]]:
        """Return the state of both."""
        return [optimizer.state_dict() for optimizer in self._all]

    def load(self, state: list[dict[str, Any]]) -> None:
        """Restore what `state` returned."""
        for optimizer, part in zip(self._all, state, strict=True):
            optimizer.load_state_dict(part)


def learning_rate(stage: Stage, step: int) -> float:
    """Return the rate at a step: linear warm-up, then a cosine."""
    warm = min(1.0, (step + 1) / _WARM_UP)
    cosine = 0.5 * (1.0 + math.cos(math.pi * step / stage.steps))
    return warm * (stage.final + (stage.peak - stage.final) * cosine)


def run_stage(
    stage: Stage, trainer: Trainer, frames: Frames, targets: Targets, state: Path, new: int = 0
) -> float:
    """Train one stage, from where an interrupted run left it.

    Args:
        stage: What to do.
        trainer: Network and heads.
        frames: All frames.
        targets: Their labels.
        state: File of the stage's progress; complete when it returns.
        new: Number of newest frames, at the end of `frames`, for `stage.recent`.

    Returns:
        Wall time of the stage, s, interrupted parts included.
    """
    torch.manual_seed(0)
    optimizers = Optimizers(trainer.model, trainer.heads)
    first, before = _resume(state, trainer, optimizers)
    start = saved = time.monotonic()
    names, shares = list(stage.mix), np.array(list(stage.mix.values()))
    average: dict[str, float] = {}
    grips = gripping(frames)
    steps = range(first, stage.steps)
    with tqdm(steps, stage.name, stage.steps, initial=first, mininterval=10) as bar:
        for step in bar:
            # Seeded by the step, so that a resumed run sees what an unbroken one would.
            rng = np.random.default_rng([step, sum(stage.name.encode())])
            name = str(rng.choice(names, p=shares / shares.sum()))
            index = _draw(rng, len(frames), new, stage.recent, IMAGES[name.split()[0]])
            if name.endswith("pick"):
                index = _prefer(rng, index, grips)
            seed = int(rng.integers(2**31))
            if name == "vision":
                loss = trainer.vision_loss(frames, targets, index, seed)
            else:
                loss = trainer.loss(name, frames, targets, index, seed)
            loss.backward()
            optimizers.step(learning_rate(stage, step))
            average[name] = 0.95 * average.get(name, loss.item()) + 0.05 * loss.item()
            bar.set_postfix({k: f"{v:.3f}" for k, v in average.items()}, refresh=False)
            if time.monotonic() - saved > _SAVE_EVERY:
                saved = time.monotonic()
                _save(state, trainer, optimizers, step + 1, before + saved - start)
    seconds = before + time.monotonic() - start
    _save(state, trainer, optimizers, stage.steps, seconds)
    return seconds


def _draw(rng: np.random.Generator, total: int, new: int, recent: float, count: int) -> np.ndarray:
    fresh = rng.random(count) < (recent if new else 0.0)
    newest = total - 1 - (new * rng.random(count) ** _BIAS).astype(int)
    return np.where(fresh, newest, rng.integers(total, size=count))


def _prefer(rng: np.random.Generator, index: np.ndarray, some: np.ndarray) -> np.ndarray:
    """Replace a share of the frames `index` by ones out of `some`."""
    chosen = (rng.random(len(index)) < _GRIPPING) & bool(len(some))
    return np.where(chosen, rng.choice(some, len(index)) if len(some) else index, index)


def _save(path: Path, trainer: Trainer, optimizers: Optimizers, step: int, seconds: float) -> None:
    content = {
        "model": trainer.model.state_dict(),
        "heads": trainer.heads.state_dict(),
        "optimizers": optimizers.state(),
        "step": step,
        "seconds": seconds,
    }
    torch.save(content, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").replace(path)


def _resume(path: Path, trainer: Trainer, optimizers: Optimizers) -> tuple[int, float]:
    if not path.exists():
        return 0, 0.0
    content = torch.load(path, map_location="cpu", weights_only=True)
    trainer.model.load_state_dict(content["model"])
    trainer.heads.load_state_dict(content["heads"])
    optimizers.load(content["optimizers"])
    return content["step"], content["seconds"]
