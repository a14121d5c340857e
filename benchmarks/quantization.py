# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What fewer bits do to a checkpoint's answers and to its success in the simulator.

    python -m benchmarks.quantization [--checkpoint checkpoints/tabletop] [--episodes 20]

The float32 network drives the first set of episodes; every mode answers the same pictures, and its
answers are compared with those of float32. Then every mode drives the same scenes itself. On a CPU
the modes show what the rounding does; what they save is in ``docs/checkpoints.md``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.report import write_results
from molmoact_ros.model import QUANTIZATIONS
from molmoact_ros.policy import MolmoActPolicy, Observation, Reasoning
from molmoact_ros.sim import Tabletop

STEP_SECONDS = 0.1
EXECUTED_STEPS = 8
CHUNKS = 7
REACHED_METRES = 0.05
FIRST_SEED = 7000
MODES: dict[str, tuple[str, str | None]] = {
    "float32": ("float32", None),
    "bfloat16": ("bfloat16", None),
    **{mode: ("bfloat16", mode) for mode in QUANTIZATIONS},
}


def load_quantized_policy(checkpoint: Path, mode: str) -> MolmoActPolicy:
    """Load the checkpoint in one of `MODES`."""
    dtype, quantization = MODES[mode]
    return MolmoActPolicy.from_pretrained(
        checkpoint, device="cpu", dtype=dtype, quantization=quantization
    )


def drive(policy: MolmoActPolicy, seed: int) -> tuple[list[tuple[Observation, Reasoning]], float]:
    """Reach for the block that the seed names.

    Returns:
        What was seen and answered, and the distance to the block at the end in m.
    """
    table = Tabletop(seed)
    color = Tabletop.colors[seed % len(Tabletop.colors)]
    seen = []
    try:
        for _ in range(CHUNKS):
            rgb, _ = table.render()
            observation = Observation({"camera": rgb}, f"reach the {color} block", stamp=table.time)
            reasoning = policy.infer(observation)
            seen.append((observation, reasoning))
            rows = reasoning.actions if reasoning.valid else np.zeros((EXECUTED_STEPS, 7))
            for row in rows[:EXECUTED_STEPS]:
                table.command_twist(row[:3] / STEP_SECONDS, np.zeros(3))
                table.step(STEP_SECONDS)
        return seen, table.distance(color)
    finally:
        table.close()


def compare(pairs: list[tuple[Reasoning, Reasoning]]) -> dict[str, Any]:
    """Compare answers with those of float32."""
    equal, first, metres = [], [], []
    for exact, other in pairs:
        length = max(len(exact.ids), len(other.ids))
        same = [a == b for a, b in zip(exact.ids, other.ids, strict=False)]
        equal.append(sum(same) / length)
        first.append((same.index(False) if False in same else len(same)) / length)
        if exact.valid and other.valid and exact.actions.shape == other.actions.shape:
            moved = (other.actions - exact.actions)[:, :3].sum(axis=0)
            metres.append(float(np.linalg.norm(moved)))
    return {
        "answers": len(pairs),
        "equal answers": float(np.mean([exact.ids == other.ids for exact, other in pairs])),
        "equal tokens": float(np.mean(equal)),
        "equal until": float(np.mean(first)),
        "valid": float(np.mean([other.valid for _, other in pairs])),
        "chunk end moves, mm": 1e3 * float(np.median(metres)) if metres else float("nan"),
    }


def main() -> None:
    """Run all modes and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoints/tabletop"))
    parser.add_argument("--episodes", type=int, default=20)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    seeds = range(FIRST_SEED, FIRST_SEED + arguments.episodes)
    reference: list[tuple[Observation, Reasoning]] = []
    agreement, success = [], []
    for mode in MODES:
        policy = load_quantized_policy(arguments.checkpoint, mode)
        runs = [drive(policy, seed) for seed in seeds]
        if mode == "float32":
            reference = [pair for seen, _ in runs for pair in seen]
        else:
            pairs = [(exact, policy.infer(observation)) for observation, exact in reference]
            agreement.append({"mode": mode, **compare(pairs)})
        distances = [distance for _, distance in runs]
        reached = sum(distance < REACHED_METRES for distance in distances)
        success.append(
            {
                "mode": mode,
                "episodes": len(distances),
                "within 5 cm": reached,
                "final distance, median mm": 1e3 * float(np.median(distances)),
            }
        )
        print(success[-1], agreement[-1:], flush=True)
    path = write_results(
        "quantization",
        f"Quantised weights ({arguments.checkpoint.name})",
        {
            "Answers to the same pictures, compared with float32": agreement,
            "Reaching the named block, each mode driving": success,
        },
        {"executed steps": EXECUTED_STEPS, "chunks": CHUNKS, "first seed": FIRST_SEED},
        "bfloat16 is what the quantised modes start from. A token that differs changes all that"
        " follow it, so equal tokens fall fast after the first difference (equal until: share of"
        " the answer before it). Chunk end: where 8 steps lead, median over the answers.",
    )
    print(path.read_text())


if __name__ == "__main__":
    main()
