# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The steps of a training; what a step does depends on its number and the seed alone."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from .faults import FinetuneError
from .network import Trained
from .progress import Progress
from .samples import Samples
from .settings import FinetuneSettings

_WARM_UP = 0.03  # share of the steps
_FINAL = 0.01  # share of the rate at the end
_CLIP = 1.0
_DECAY = 0.01  # of matrices
_BETAS = (0.9, 0.98)


def make_optimizer(trained: Trained) -> torch.optim.AdamW:
    """Return AdamW for the weights that are trained; only matrices decay."""
    weights = list(trained.parameters.values())
    return torch.optim.AdamW(
        [
            {"params": [w for w in weights if w.ndim > 1], "weight_decay": _DECAY},
            {"params": [w for w in weights if w.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=0.0,
        betas=_BETAS,
    )


def learning_rate(settings: FinetuneSettings, step: int) -> float:
    """Return the rate at a step: linear warm-up, then a cosine."""
    assert settings.rate is not None
    warm = max(round(_WARM_UP * settings.steps), 1)
    if step < warm:
        return settings.rate * (step + 1) / warm
    along = (step - warm) / max(settings.steps - warm, 1)
    share = 0.5 * (1.0 + math.cos(math.pi * along))
    return settings.rate * (_FINAL + (1.0 - _FINAL) * share)


def drawn(count: int, settings: FinetuneSettings, step: int) -> np.ndarray:
    """Return which of `count` samples a step takes; each comes once before one comes twice."""
    numbers = range(step * settings.batch, (step + 1) * settings.batch)
    places = (divmod(number, count) for number in numbers)
    return np.array([_order(settings.seed, turn, count)[place] for turn, place in places])


@lru_cache(maxsize=2)
def _order(seed: int, turn: int, count: int) -> np.ndarray:
    return np.random.default_rng([seed, 1, turn]).permutation(count)


def run_step(
    trained: Trained,
    optimizer: torch.optim.Optimizer,
    samples: Samples,
    settings: FinetuneSettings,
    step: int,
) -> float:
    """Do one step and return its loss."""
    rng = np.random.default_rng([settings.seed, 0, step])
    torch.manual_seed(int(rng.integers(2**31)))  # of LoRA's dropout
    index = drawn(len(samples), settings, step)
    at_once = settings.at_once or settings.batch
    total = 0.0
    for start in range(0, len(index), at_once):
        part = index[start : start + at_once]
        loss = trained.loss(samples.batch(part, settings.steering, rng))
        loss = loss * (len(part) / len(index))
        loss.backward()
        total += float(loss.detach())
    torch.nn.utils.clip_grad_norm_(trained.parameters.values(), _CLIP)
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(settings, step)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return total


def run_steps(
    trained: Trained,
    optimizer: torch.optim.Optimizer,
    samples: Samples,
    settings: FinetuneSettings,
    progress: Progress,
    save_every: float,
    seen: Callable[[float], None],
) -> None:
    """Do all steps that are not done; Ctrl-C and SIGTERM end it after the present one.

    Args:
        trained: The network.
        optimizer: Of it.
        samples: To train on.
        settings: Of the training.
        progress: Where it stands; saved every `save_every` seconds and at the end.
        save_every: s.
        seen: Called with the loss of each step.

    Raises:
        FinetuneError: The loss is not finite, or the memory of a GPU does not suffice.
        KeyboardInterrupt: It was stopped; what is done is saved.
        WriteError: The state cannot be saved.
    """
    trained.model.train()
    start = saved = time.monotonic()
    before = progress.seconds
    with _stopping() as is_stopped:
        for step in range(progress.steps, settings.steps):
            try:
                loss = run_step(trained, optimizer, samples, settings, step)
            except torch.OutOfMemoryError as error:
                raise FinetuneError(
                    f"{trained.device} has too little memory at step {step}: give --at-once 1, a "
                    "smaller --lora, or end other programs that use it"
                ) from error
            if not math.isfinite(loss):
                raise FinetuneError(
                    f"the loss is not finite at step {step}: give a smaller --rate, and remove "
                    f"{progress.folder}"
                )
            progress.losses.append(loss)
            seen(loss)
            now = time.monotonic()
            progress.seconds = before + now - start
            if is_stopped() or now - saved >= save_every:
                progress.save(trained, optimizer)
                saved = time.monotonic()
            if is_stopped():
                raise KeyboardInterrupt
    progress.save(trained, optimizer)
    trained.model.eval()


@contextmanager
def _stopping() -> Iterator[Callable[[], bool]]:
    """Note Ctrl-C and SIGTERM: in the middle of a step they would leave half-changed weights.

    A second one acts at once. Elsewhere than in the main thread nothing is noted.
    """
    stopped: list[int] = []
    handlers: dict[int, Any] = {}

    def restore() -> None:
        for number, handler in handlers.items():
            signal.signal(number, handler)

    def note(number: int, frame: Any) -> None:
        stopped.append(number)
        restore()

    if threading.current_thread() is threading.main_thread():
        handlers = {n: signal.signal(n, note) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(stopped)
    finally:
        restore()
