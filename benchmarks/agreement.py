# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether drafted and plain decoding agree when numbers are coarse: bf16 and quantised weights.

    python -m benchmarks.agreement [--checkpoint checkpoints/tabletop] [--pictures 40]

In float32 they must agree. In coarser modes a pass over 64 tokens rounds otherwise than a pass
over one, so a near tie may fall the other way; this counts how often, and how near the ties were.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.report import write_results
from molmoact_ros.answer import ActionTokenizer, reasoning_prompt
from molmoact_ros.decoding import Decoder, Draft
from molmoact_ros.model import MolmoActForActionReasoning
from molmoact_ros.processing import MolmoActProcessor
from molmoact_ros.sim import Tabletop

MODES = {
    "float32": (torch.float32, None),
    "bfloat16": (torch.bfloat16, None),
    "int8": (torch.bfloat16, "int8"),
    "int4": (torch.bfloat16, "int4"),
}
FIRST_SEED = 7000
COLORS = ("red", "green", "blue")


def pictures(count: int) -> list[tuple[np.ndarray, str]]:
    """Pictures of a gripper that glides through a few scenes, and instructions."""
    found: list[tuple[np.ndarray, str]] = []
    rng = np.random.default_rng(FIRST_SEED)
    for seed in range(FIRST_SEED, FIRST_SEED + count // 10 + 1):
        table = Tabletop(seed)
        velocity = rng.uniform(-0.1, 0.1, 3)
        for _ in range(10):
            found.append((table.render()[0], f"reach the {COLORS[seed % 3]} block"))
            table.command_twist(velocity, np.zeros(3))
            table.step(0.4)
        table.close()
    return found[:count]


def compare(
    checkpoint: Path, mode: str, scenes: Sequence[tuple[np.ndarray, str]]
) -> tuple[dict[str, Any], list[list[int]]]:
    """A row of the table, and the plain answers."""
    dtype, quantization = MODES[mode]
    model = MolmoActForActionReasoning.from_pretrained(
        checkpoint, dtype=dtype, quantization=quantization
    )
    processor = MolmoActProcessor.from_pretrained(checkpoint)
    actions = ActionTokenizer(model.config.action_codebook)
    draft = Draft.from_tokenizer(processor.tokenizer, actions, processor.tokenizer.eos_token_id)
    decoder = Decoder(model, 1024)
    answers, same, common, total = [], 0, 0, 0
    gaps: list[float] = []
    for rgb, instruction in scenes:
        batch = processor(images=rgb, text=reasoning_prompt(instruction, 1))
        plain = decoder.generate(batch, 512).ids
        drafted = decoder.generate(batch, 512, draft).ids
        draft.observe(drafted)
        answers.append(plain)
        same += plain == drafted
        common += _common_length(plain, drafted)
        total += len(plain)
        gaps += _gaps(model, batch, plain)
    row = {
        "mode": mode,
        "answers": len(scenes),
        "equal answers": same,
        "tokens before the first difference": common / total,
        "tokens equal on the same text": 1 - len(gaps) / total,
        "largest gap where not": max(gaps, default=0.0),
    }
    return row, answers


def _common_length(a: Sequence[int], b: Sequence[int]) -> int:
    pairs = zip(a, b, strict=False)
    return next((i for i, (x, y) in enumerate(pairs) if x != y), min(len(a), len(b)))


@torch.no_grad()
def _gaps(model: MolmoActForActionReasoning, batch: Any, ids: Sequence[int]) -> list[float]:
    """Where one pass over the whole text chooses other tokens than `ids`: by how much in logits."""
    prompt = batch["input_ids"]
    whole = torch.cat([prompt, torch.tensor([list(ids)], dtype=prompt.dtype)], dim=1)
    images = {key: batch[key] for key in ("images", "pooled_patches_idx", "image_masks")}
    logits = model(whole, **images).logits[0, prompt.shape[1] - 1 : -1]
    chosen = logits.gather(1, torch.tensor(ids)[:, None])[:, 0]
    differs = logits.argmax(-1) != torch.tensor(ids)
    return (logits.max(-1).values - chosen)[differs].tolist()


def main() -> None:
    """Compare all modes and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoints/tabletop"))
    parser.add_argument("--pictures", type=int, default=40)
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    scenes = pictures(arguments.pictures)
    rows, exact = [], None
    for mode in arguments.modes:
        row, answers = compare(arguments.checkpoint, mode, scenes)
        exact = exact or answers
        pairs = list(zip(exact, answers, strict=True))
        row[f"answers as in {arguments.modes[0]}"] = sum(a == b for a, b in pairs)
        agreed = sum(_common_length(a, b) for a, b in pairs) / sum(len(a) for a in exact)
        row[f"tokens before differing from {arguments.modes[0]}"] = agreed
        rows.append(row)
    path = write_results(
        "agreement",
        "Drafted against plain decoding by number type",
        {"Same pictures, same weights, with and without drafts": rows},
        {"checkpoint": arguments.checkpoint.name, "pictures": arguments.pictures},
        "After their first difference the two ways of decoding see different texts, so what follows"
        " is not compared. `same text`: one pass over plain decoding's whole answer chooses the"
        " same tokens; the gap is that of its logits between its choice and plain decoding's.",
    )
    print(path.read_text())


if __name__ == "__main__":
    main()
