# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Makes the small checkpoint from nothing, stage by stage: `python -m training.make_checkpoint`.

Every stage leaves a file in the work folder and is skipped when that file is complete, so an
interrupted run continues where it was. Wall times and results go into training.json beside the
checkpoint.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from molmoact_ros.finetune.answers import STILL
from molmoact_ros.model import VqVae, load_vqvae

from .curriculum import ROUNDS, Drive, Round
from .data import Frames, make_frames
from .drive import drive_product
from .episodes import make_task_frames
from .evaluate import (
    AnswerPolicy,
    draw_tasks,
    free_running,
    run_episodes,
)
from .export import export_checkpoint, norm_statistics
from .heads import Heads
from .losses import Trainer
from .network import build_network
from .sequences import Targets, Vocabulary, fit_scale, make_targets
from .tokenizer import build_tokenizer
from .train import run_stage
from .vqvae import encode_depth, measure_vqvae, train_vqvae

SEED = 0
TRAIN_FRAMES, TEST_FRAMES, VARIED_FRAMES, TASK_EPISODES = 20000, 500, 6000, 1000
# Scenes of the three uses never overlap.
DAGGER_SEEDS, SELECTION_SEEDS, TEST_SEEDS = 5_000_000, 11_000, 10_000
DEFAULT_WORK = Path.home() / ".cache" / "molmoact_ros" / "training"
DEFAULT_OUT = Path(__file__).resolve().parents[1] / "checkpoints" / "tabletop"


class Run:
    """The state of one training run: its folder, what it has made, how long that took."""

    def __init__(self, work: Path) -> None:
        """Continue the run in `work` or begin one."""
        self.work = work
        work.mkdir(parents=True, exist_ok=True)
        self._log = work / "log.json"
        self.log: dict[str, Any] = (
            json.loads(self._log.read_text()) if self._log.exists() else {"seconds": {}}
        )

    def note(self, name: str, content: Any) -> None:
        """Keep a result."""
        self.log[name] = content
        self._log.write_text(json.dumps(self.log, indent=2) + "\n")
        print(f"{name}: {content}", flush=True)

    def clock(self, name: str, seconds: float) -> None:
        """Keep the wall time of a stage."""
        self.note("seconds", {**self.log["seconds"], name: round(seconds, 1)})

    def frames(self, name: str, make: Callable[[], Frames]) -> Frames:
        """Return the frames of a file; make them first when it is not there."""
        path = self.work / f"frames_{name}.npz"
        if not path.exists():
            start = time.monotonic()
            part = path.with_suffix(".part.npz")
            make().save(part)
            part.replace(path)
            self.clock(f"frames {name}", time.monotonic() - start)
        return Frames.load(path)

    def vqvae(self, depth: np.ndarray) -> VqVae:
        """Return the depth VQ-VAE; train it first when it is not there."""
        path = self.work / "vqvae.safetensors"
        if not path.exists():
            start = time.monotonic()
            save_file(train_vqvae(depth, SEED).state_dict(), path)
            self.clock("vqvae", time.monotonic() - start)
        return load_vqvae(path)

    def write_report(self, out: Path, module: str) -> None:
        """Write training.json beside the checkpoint that `module` has made."""
        report = {
            "made_by": f"python -m {module}",
            "machine": {"processor": platform.machine(), "threads": torch.get_num_threads()},
            "torch": torch.__version__,
            "total_minutes": round(sum(self.log["seconds"].values()) / 60, 1),
            **self.log,
        }
        (out / "training.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def make_checkpoint(run: Run, out: Path, episodes: int) -> None:
    """Do everything that is not done yet."""
    test = run.frames("test", lambda: make_frames(TEST_FRAMES, seed=1))
    frames = run.frames("train", lambda: make_frames(TRAIN_FRAMES, seed=2))
    vqvae = run.vqvae(frames.depth)
    run.note("vqvae", measure_vqvae(vqvae, frames.depth, test.depth))
    scale = fit_scale(frames, STILL[:3])
    stats = norm_statistics(frames, scale)
    tokenizer = build_tokenizer()
    vocab = Vocabulary(tokenizer)
    torch.manual_seed(SEED)
    model = build_network(vocab.size)
    trainer = Trainer(model, Heads(), vocab)
    policy = AnswerPolicy(model, vocab, stats)
    steer = AnswerPolicy(model, vocab, stats, "steer")

    def label(some: Frames) -> Targets:
        return make_targets(some, encode_depth(vqvae, some.depth), scale)

    def export(folder: Path) -> Path:
        export_checkpoint(folder, model, vqvae, tokenizer, stats)
        return folder

    held_out, targets, new = label(test), label(frames), 0
    for number, part in enumerate(ROUNDS):
        added = _added_frames(run, part, number, policy, export)
        if added:
            # Tasks at work stay "recent": they are few among the frames, and closing hands fewer.
            begun = any(earlier.rendered for earlier in ROUNDS[:number])
            new = len(added[-1]) + (new if begun else 0)
            frames = Frames.join([frames, *added])
            targets = Targets.join([targets, *(label(some) for some in added)])
        for stage in part.stages:
            state = run.work / f"{stage.name}.pt"
            model.train()
            run.clock(stage.name, run_stage(stage, trainer, frames, targets, state, new))
            model.eval()
            if "full" in stage.mix and f"after {stage.name}" not in run.log:
                measured = free_running(policy, test[:100], held_out[:100])
                whole = stage.name.startswith("tasks")
                closed = _closed_loop(policy, steer, SELECTION_SEEDS, 32, whole)
                run.note(f"after {stage.name}", {**measured, "closed_loop": closed})
                export(out)
    measured = free_running(policy, test[:200], held_out[:200])
    closed = _closed_loop(policy, steer, TEST_SEEDS, episodes, True)
    run.note("result", {"free_running": measured, "closed_loop": closed})
    export(out)
    run.write_report(out, "training.make_checkpoint")


def _added_frames(
    run: Run, part: Round, number: int, policy: AnswerPolicy, export: Callable[[Path], Path]
) -> list[Frames]:
    """Return the frames that a round begins with, rendered or driven to."""
    added = []
    if part.rendered:
        varied = partial(make_frames, VARIED_FRAMES, seed=5, variation="varied")
        added.append(run.frames("varied", varied))
        added.append(run.frames("tasks", partial(make_task_frames, TASK_EPISODES, seed=3)))
    first, name = DAGGER_SEEDS + 10_000 * number, f"dagger-{number}"
    if part.drives:
        added.append(run.frames(name, partial(_drive, policy, part.drives, first)))
    if part.product_drives:
        driver, drives = run.work / "driver", part.product_drives
        added.append(run.frames(name, lambda: drive_product(export(driver), drives, first)))
    return added


def _drive(policy: AnswerPolicy, drives: Sequence[Drive], first: int) -> Frames:
    """Collect frames that the present network runs into."""
    parts = []
    for drive in drives:
        seeds = range(first, first + drive.episodes)
        first += drive.episodes
        _, frames = run_episodes(
            policy,
            seeds,
            draw_tasks(drive.kind, seeds),
            variation=drive.variation,
            record=True,
            title=f"drive {drive.kind}, {drive.variation}",
        )
        assert frames is not None
        parts.append(frames)
    return Frames.join(parts)


def _closed_loop(
    policy: AnswerPolicy, steer: AnswerPolicy, first: int, count: int, all_tasks: bool
) -> dict[str, Any]:
    """Measure success on `count` scenes per row."""
    seeds = range(first, first + count)
    reach = draw_tasks("reach", seeds)

    result = {
        "reach": run_episodes(policy, seeds, reach)[0].summary(),
        "line against words": run_episodes(steer, seeds, reach, steered=True)[0].summary(),
    }
    if all_tasks:
        rows = (("reach", "varied"), ("pick", "easy"), ("push", "easy"), ("pick", "varied"))
        for kind, variation in rows:
            tasks = draw_tasks(kind, seeds)
            episodes, _ = run_episodes(policy, seeds, tasks, variation=variation)
            result[f"{kind}, {variation}"] = episodes.summary()
    return result


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK, help="data and progress")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="where the checkpoint goes")
    parser.add_argument("--episodes", type=int, default=50, help="of the final measurement")
    parser.add_argument("--threads", type=int, default=1, help="more than 1 only on idle cores")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_default_device(options.device)
    make_checkpoint(Run(options.work), options.out, options.episodes)


if __name__ == "__main__":
    main()
