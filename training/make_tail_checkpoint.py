# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Makes the `vocab_tail` checkpoint: `python -m training.make_tail_checkpoint`.

It continues the first checkpoint's training behind its reach stages, from that run's work folder:
frames, VQ-VAE and the network. It is interrupted and continued like `make_checkpoint`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from molmoact_ros.model import load_vqvae

from .data import Frames
from .evaluate import AnswerPolicy, draw_tasks, free_running, run_episodes
from .export import export_checkpoint, norm_statistics
from .heads import Heads
from .losses import TailTrainer
from .make_checkpoint import DEFAULT_WORK, SEED, TEST_SEEDS, Run
from .network import build_network
from .sequences import GROUPS, TailVocabulary, Targets, Vocabulary, fit_scale, make_targets
from .tail_tokenizer import build_tail_tokenizer
from .tokenizer import build_tokenizer
from .train import Stage, run_stage
from .vqvae import encode_depth
from .warm_start import warm_start

BEFORE = "dagger-3"  # stage of the first checkpoint
FRAMES = ("train", "dagger-1", "dagger-2", "dagger-3")
STAGES = (
    Stage("spelling", 200, {"action": 0.7, "opening": 0.3}, peak=2e-3, final=1e-3),
    Stage("rows", 160, {"opening": 0.2, "steer": 0.2, "full": 0.6}, peak=1.5e-3, final=8e-4),
    Stage("whole", 1300, {"opening": 0.25, "full": 0.75}, peak=1e-3, final=1e-5),
    Stage("last", 600, {"opening": 0.15, "full": 0.85}, peak=5e-4, final=1e-5, recent=0.5),
)
DEFAULT_TAIL_WORK = DEFAULT_WORK.parent / "training_tail"
DEFAULT_OUT = Path(__file__).resolve().parents[1] / "checkpoints" / "tabletop_tail"


def make_tail_checkpoint(run: Run, base: Path, out: Path, episodes: int) -> None:
    """Do everything that is not done yet.

    Args:
        run: Work folder of this training.
        base: Work folder of the first checkpoint's training, at least behind stage `BEFORE`.
        out: Where the checkpoint goes.
        episodes: Of the final measurement.
    """
    parts = [Frames.load(base / f"frames_{name}.npz") for name in FRAMES]
    test = Frames.load(base / "frames_test.npz")
    vqvae = load_vqvae(base / "vqvae.safetensors")
    scale = fit_scale(parts[0])
    stats = norm_statistics(parts[0], scale)
    frames = Frames.join(parts)
    driven = sum(map(len, parts[1:]))
    del parts

    def label(some: Frames) -> Targets:
        return make_targets(some, encode_depth(vqvae, some.depth), scale, GROUPS[:1])

    targets, held_out = label(frames), label(test)
    vocab = TailVocabulary(build_tail_tokenizer())
    torch.manual_seed(SEED)
    model, heads = build_network(vocab.size, codebook="vocab_tail"), Heads()
    warm_start(model, heads, base / f"{BEFORE}.pt", Vocabulary(build_tokenizer()), vocab)
    trainer = TailTrainer(model, heads, vocab)
    policy = AnswerPolicy(model, vocab, stats)
    for stage in STAGES:
        model.train()
        state = run.work / f"{stage.name}.pt"
        run.clock(stage.name, run_stage(stage, trainer, frames, targets, state, driven))
    model.eval()
    export_checkpoint(out, model, vqvae, vocab.tokenizer, stats)
    measured = free_running(policy, test[:50], held_out[:50])
    seeds = range(TEST_SEEDS, TEST_SEEDS + episodes)
    closed, _ = run_episodes(policy, seeds, draw_tasks("reach", seeds))
    run.note("result", {"free_running": measured, "closed_loop": closed.summary()})
    run.write_report(out, "training.make_tail_checkpoint")


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=DEFAULT_TAIL_WORK, help="progress")
    parser.add_argument("--base", type=Path, default=DEFAULT_WORK, help="of make_checkpoint")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="where the checkpoint goes")
    parser.add_argument("--episodes", type=int, default=100, help="of the final measurement")
    parser.add_argument("--threads", type=int, default=1, help="more than 1 only on idle cores")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_default_device(options.device)
    make_tail_checkpoint(Run(options.work), options.base, options.out, options.episodes)


if __name__ == "__main__":
    main()
