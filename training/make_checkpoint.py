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
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from molmoact_ros.model import VqVae, load_vqvae
from molmoact_ros.sim import CameraModel, Tabletop

from .curriculum import DAGGER_EPISODES, ROUNDS
from .data import IMAGE_SIZE, Frames, make_frames
from .evaluate import (
    AnswerPolicy,
    SteeredPolicy,
    free_running,
    random_policy,
    run_episodes,
    run_expert,
    steering_lines,
)
from .export import export_checkpoint, norm_statistics
from .heads import Heads
from .losses import Trainer
from .network import build_network
from .sequences import Vocabulary, fit_scale, make_targets
from .tokenizer import build_tokenizer
from .train import run_stage
from .vqvae import encode_depth, measure_vqvae, train_vqvae

SEED = 0
TRAIN_FRAMES, TEST_FRAMES = 20000, 500
# Scenes of the three uses never overlap.
DAGGER_SEEDS, TEST_SEEDS = 5_000_000, 10_000
_AT_ONCE = 48  # episodes in lock step
DEFAULT_WORK = Path.home() / ".cache" / "molmoact_ros" / "training"
DEFAULT_OUT = Path(__file__).resolve().parents[1] / "checkpoints" / "tabletop"


class Run:
    """The state of one training run: its folder, what it has made, how long that took."""

    def __init__(self, work: Path) -> None:
        """Continue the run in ``work`` or begin one."""
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


def make_checkpoint(run: Run, out: Path, episodes: int) -> None:
    """Do everything that is not done yet."""
    test = run.frames("test", lambda: make_frames(TEST_FRAMES, seed=1))
    frames = run.frames("train", lambda: make_frames(TRAIN_FRAMES, seed=2))
    vqvae = run.vqvae(frames.depth)
    run.note("vqvae", measure_vqvae(vqvae, frames.depth, test.depth))
    camera = Tabletop().camera(width=IMAGE_SIZE, height=IMAGE_SIZE)
    scale = fit_scale(frames)
    stats = norm_statistics(frames, scale)
    tokenizer = build_tokenizer()
    vocab = Vocabulary(tokenizer)
    torch.manual_seed(SEED)
    model = build_network(vocab.size)
    trainer = Trainer(model, Heads(), vocab)
    policy = AnswerPolicy(model, vocab, stats)
    held_out = make_targets(test, encode_depth(vqvae, test.depth), camera, scale)
    targets = make_targets(frames, encode_depth(vqvae, frames.depth), camera, scale)
    new = 0
    for number, stages in enumerate(ROUNDS):
        if number:
            added = run.frames(f"dagger-{number}", partial(_dagger, policy, number))
            frames, new = Frames.join([frames, added]), len(added)
            targets = make_targets(frames, encode_depth(vqvae, frames.depth), camera, scale)
        for stage in stages:
            state = run.work / f"{stage.name}.pt"
            model.train()
            run.clock(stage.name, run_stage(stage, trainer, frames, targets, state, new))
            model.eval()
            if "full" in stage.mix and f"after {stage.name}" not in run.log:
                measured = free_running(policy, test[:100], held_out)
                closed, _ = run_episodes(policy, *_scenes(TEST_SEEDS + 1000, 48))
                run.note(f"after {stage.name}", {**measured, "closed_loop": closed.summary()})
                export_checkpoint(out, model, vqvae, tokenizer, stats)
    measured = free_running(policy, test[:200], held_out)
    result = _result(policy, AnswerPolicy(model, vocab, stats, "steer"), camera, episodes)
    run.note("result", {"free_running": measured, **result})
    export_checkpoint(out, model, vqvae, tokenizer, stats)
    _write_report(run, out)


def _dagger(policy: AnswerPolicy, number: int) -> Frames:
    """Collect frames that the present network runs into."""
    parts = []
    for start in range(0, DAGGER_EPISODES, _AT_ONCE):
        seeds, colors = _scenes(DAGGER_SEEDS + 10_000 * number + start, _AT_ONCE)
        _, frames = run_episodes(policy, seeds, colors, record=True, title=f"dagger {number}")
        assert frames is not None
        parts.append(frames)
    return Frames.join(parts)


def _scenes(first: int, count: int) -> tuple[list[int], np.ndarray]:
    return list(range(first, first + count)), np.arange(count) % 3


def _result(
    policy: AnswerPolicy, steer: AnswerPolicy, camera: CameraModel, episodes: int
) -> dict[str, Any]:
    """Measure on scenes that nothing was trained or selected on, with the baselines."""
    seeds, colors = _scenes(TEST_SEEDS, episodes)
    line = SteeredPolicy(steer, steering_lines(seeds, colors, camera))
    return {
        "closed_loop": run_episodes(policy, seeds, colors)[0].summary(),
        "other_instruction": run_episodes(policy, seeds, (colors + 1) % 3)[0].summary(),
        "line_against_words": run_episodes(line, seeds, colors)[0].summary(),
        "no_motion": run_episodes(None, seeds, colors)[0].summary(),
        "random": run_episodes(random_policy(SEED), seeds, colors)[0].summary(),
        "expert": run_expert(seeds, colors).summary(),
    }


def _write_report(run: Run, out: Path) -> None:
    report = {
        "made_by": "python -m training.make_checkpoint",
        "machine": {"processor": platform.machine(), "threads": torch.get_num_threads()},
        "torch": torch.__version__,
        "total_minutes": round(sum(run.log["seconds"].values()) / 60, 1),
        **run.log,
    }
    (out / "training.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK, help="data and progress")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="where the checkpoint goes")
    parser.add_argument("--episodes", type=int, default=50, help="of the final measurement")
    parser.add_argument("--threads", type=int, default=1, help="more than 1 only on idle cores")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    make_checkpoint(Run(options.work), options.out, options.episodes)


if __name__ == "__main__":
    main()
