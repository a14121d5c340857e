# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A training from the first look at the files to the finished checkpoint."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import torch

from molmoact_ros.model import MolmoActForActionReasoning
from molmoact_ros.model.loading import load_model
from molmoact_ros.model.memory import free_bytes
from molmoact_ros.output_files import write_text, writing
from molmoact_ros.policy.checkpoint_profile import PROFILE_FILE, CheckpointProfile

from .demonstrations import Demonstrations, read_demonstrations
from .estimate import Need, training_need
from .export import write_json, write_tuned
from .faults import FinetuneError
from .held_out import measure
from .loop import make_optimizer, run_step, run_steps
from .losses import AnswerLoss
from .network import SMALL, Trained
from .plan import Plan, profile_yaml
from .plot import plot_losses
from .progress import Progress
from .samples import Samples

_CHECKPOINT = "checkpoint"
_TRIED = 3  # steps by which the time is measured
_RAW_SHARE = 0.4  # of the free memory, that pictures may take before they are compressed
_COMPRESSED = 8  # times smaller, at least


class Show(Protocol):
    """How a person sees what is going on."""

    def line(self, name: str, text: str) -> None:
        """Print a line."""

    def bar(self, total: int, unit: str, name: str) -> Any:
        """Return a context with a progress bar as `tqdm` has it."""


def finetune(plan: Plan, show: Show, save_every: float) -> dict[str, Any]:
    """Train, and write the checkpoint.

    Args:
        plan: What is trained on what.
        show: Where progress goes.
        save_every: s between two saves of the state.

    Returns:
        The report, as in training.json of the checkpoint.

    Raises:
        FinetuneError: It does not fit into the memory, or its files are broken.
        KeyboardInterrupt: It was stopped; a training that has begun is saved.
        WriteError: The disk is full; what was saved before is kept.
    """
    settings = plan.settings
    device = torch.device(settings.device)
    progress = Progress(settings.partial, plan.fingerprint)
    data = _read(plan, show)
    samples, profile = _samples(plan, data)
    need = _check_memory(plan, samples, device, show)
    trained = _load(plan, device)
    optimizer = make_optimizer(trained)
    progress.load(trained, optimizer)
    if progress.steps:
        show.line("resumed", f"at step {progress.steps} of {settings.steps}")
    else:
        seconds = _time_steps(trained, samples, plan)
        left = settings.steps * seconds
        speed = f"{settings.batch / seconds:.1f} samples/s, about {_time(left)} in all"
        show.line("time", f"{seconds:.2f} s a step of {settings.batch} samples, {speed}")
        before = _measured(plan, data, samples, profile, trained, show, "before")
        progress.notes["before"] = before
        progress.save(trained, optimizer)
    with show.bar(settings.steps, "step", "training") as bar:
        bar.update(progress.steps)
        average: list[float] = progress.losses[-50:]

        def seen(loss: float) -> None:
            average.append(loss)
            bar.set_postfix(loss=f"{np.mean(average[-50:]):.3f}", refresh=False)
            bar.update()

        run_steps(trained, optimizer, samples, settings, progress, save_every, seen)
    after = _measured(plan, data, samples, profile, trained, show, "after")
    report = _report(plan, samples, progress, need, after)
    _write(plan, trained, profile, progress, report)
    return report


def _read(plan: Plan, show: Show) -> Demonstrations:
    description = plan.description
    free, size = free_bytes(torch.device("cpu")), description.picture_bytes
    compressed = free is not None and size > _RAW_SHARE * free
    if free is not None and size / _COMPRESSED > _RAW_SHARE * free:
        raise FinetuneError(
            f"{description.folder}: its pictures need {size / _COMPRESSED / 1e9:.1f} GB of memory, "
            f"{free / 1e9:.1f} GB are free: use a computer with more, or make a smaller data set"
        )
    total = description.steps * len(description.content["image_keys"])
    with show.bar(total, "picture", "reading") as bar:
        return read_demonstrations(description, compressed, bar.update)


def _samples(plan: Plan, data: Demonstrations) -> tuple[Samples, CheckpointProfile]:
    """Return samples and the profile, whose answers have room for the longest of them."""
    assert plan.found.processor is not None
    arguments = (plan.stats, plan.found.processor, plan.writer)
    samples = Samples(data, plan.training, plan.profile, *arguments)
    if not len(samples):
        raise FinetuneError(
            f"{plan.description.folder}: the policy moved the robot in every step: record some "
            "in which a person does"
        )
    some = np.random.default_rng(0).integers(len(samples), size=64)
    longest = samples.batch(some, 0.0, np.random.default_rng(0)).answers.ids.shape[1]
    room = min(32 * -(-5 * longest // (4 * 32)), 4096)
    answer = replace(plan.profile.answer, max_new_tokens=room)
    return samples, replace(plan.profile, answer=answer)


def _check_memory(plan: Plan, samples: Samples, device: torch.device, show: Show) -> Need:
    settings, config = plan.settings, plan.found.config
    assert plan.found.plan is not None and config is not None
    batch = samples.batch([0], 0.0, np.random.default_rng(0))
    sizes = (settings.at_once or 1, batch.ids.shape[1], len(batch.predicts), batch.images.shape[1])
    shapes = {name: tensor.shape for name, tensor in plan.found.tensors.items()}
    large = plan.values > SMALL
    dtype, model = _dtype(plan, device), plan.found.plan.model
    need = training_need(model, config, shapes, settings.lora or 0, dtype, sizes, large)
    free = free_bytes(device)
    show.line("memory", f"{need.total / 1e9:.1f} GB on {device}" +
              ("" if free is None else f", {free / 1e9:.1f} GB are free"))  # fmt: skip
    if free is not None and need.total > free:
        advice = "use a device with more memory"
        if not settings.lora:
            advice = f"give --lora instead of --all-weights, or {advice}"
        elif settings.at_once and settings.at_once > 1:
            advice = f"give --at-once 1, or {advice}"
        raise FinetuneError(
            f"{settings.checkpoint}: its training needs {need.total / 1e9:.1f} GB on {device}, "
            f"{free / 1e9:.1f} GB are free: {advice}"
        )
    return need


def _dtype(plan: Plan, device: torch.device) -> torch.dtype:
    """Return the type of the weights: whole where they are trained, else as they are used."""
    half = plan.settings.lora and plan.values > SMALL and device.type == "cuda"
    return torch.bfloat16 if half else torch.float32


def _load(plan: Plan, device: torch.device) -> Trained:
    model = load_model(
        MolmoActForActionReasoning, plan.source, config=plan.found.config,
        dtype=_dtype(plan, device), device=device, revision=None, quantization=None, progress=None,
    )  # fmt: skip
    torch.manual_seed(plan.settings.seed)  # of the adapters
    return Trained(
        model,
        AnswerLoss(plan.writer, device),
        plan.settings.lora or 0,
        plan.settings.bfloat16,
        recompute=plan.values > SMALL,
    )


def _time_steps(trained: Trained, samples: Samples, plan: Plan) -> float:
    """Return the time of a step, s; the weights stay as they are."""
    settings = replace(plan.settings, rate=0.0)
    optimizer = torch.optim.SGD(trained.parameters.values(), lr=0.0)
    trained.model.train()
    times = []
    for step in range(_TRIED):
        start = time.monotonic()
        run_step(trained, optimizer, samples, settings, step)  # type: ignore[arg-type]
        times.append(time.monotonic() - start)
    trained.model.eval()
    return min(times)


def _measured(
    plan: Plan, data: Demonstrations, samples: Samples, profile: CheckpointProfile,
    trained: Trained, show: Show, when: str,
) -> dict[str, Any]:  # fmt: skip
    count = plan.settings.answers
    if not plan.held_out or not count:
        return {"answers": 0}
    with show.bar(count, "answer", f"held out, {when}") as bar:
        found = measure(trained, plan, data, samples, profile, bar.update)
    show.line(when, _words(found))
    return found


def _words(found: dict[str, Any]) -> str:
    text = f"{found['valid']:.0%} of {found['answers']} answers valid"
    if "action_error" not in found:
        return text
    errors = ", ".join(f"{name} {value:g}" for name, value in found["action_error"].items())
    return (
        f"{text}; action error {errors}; trajectory {found['trajectory_error']:g} of 255 "
        f"({found['trajectory_error_px']:g} px)"
    )


def _report(
    plan: Plan, samples: Samples, progress: Progress, need: Need, after: dict[str, Any]
) -> dict[str, Any]:
    settings = plan.settings
    return {
        "made_by": "molmoact-finetune",
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "settings": plan.fingerprint,
        "data": {
            "episodes": len(plan.training),
            "held_out": len(plan.held_out),
            "samples": len(samples),
            "left_out": samples.left_out,
            "license": plan.description.content.get("license", ""),
        },
        "memory_gb": round(need.total / 1e9, 2),
        "minutes": round(progress.seconds / 60, 1),
        "samples_per_second": round(settings.steps * settings.batch / progress.seconds, 2),
        "loss": round(float(np.mean(progress.losses[-50:])), 4),
        "before": progress.notes.get("before", {}),
        "after": after,
    }


def _write(
    plan: Plan, trained: Trained, profile: CheckpointProfile, progress: Progress,
    report: dict[str, Any],
) -> None:  # fmt: skip
    """Write the checkpoint beside its place, then move it there."""
    folder = progress.folder / _CHECKPOINT
    out = plan.settings.out
    with writing(folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    write_tuned(folder, plan.source, trained.changes(), plan.norm_stats)
    write_text(folder / PROFILE_FILE, profile_yaml(profile))
    write_json(folder / "training.json", report)
    write_json(folder / "losses.json", [round(loss, 5) for loss in progress.losses])
    plot_losses(folder / "losses.png", progress.losses)
    with writing(out):
        os.rename(folder, out)
        shutil.rmtree(progress.folder)


def _time(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds > 5400 else f"{seconds / 60:.0f} min"
