# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether drafted decoding gives the ids of plain decoding, by number type, and what that costs.

    python -m benchmarks.agreement [--modes bfloat16 int8] [--device cuda] [--progress FOLDER]

Every picture is decoded four times: plain and drafted, each with `repeatable` (one block size, keys
in the order of positions) and with ordinary blocks. All of it takes about 40 minutes on one core;
with --progress it can be interrupted. Plain answers do not depend on drafts: where only drafts have
changed, the others can be taken out of the files of progress.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
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

MODES = {  # number type, quantisation, pictures
    "bfloat16": (torch.bfloat16, None, 100),
    "int8": (torch.bfloat16, "int8", 100),
    "float32": (torch.float32, None, 10),
    "int4": (torch.bfloat16, "int4", 10),
    "fp8": (torch.bfloat16, "fp8", 10),
}
CHECKPOINTS = (Path("checkpoints/tabletop"), Path("checkpoints/tabletop_tail"))
TABLE = "Same pictures, same weights, with and without drafts"
FIRST_SEED = 7000
COLORS = ("red", "green", "blue")
CAPACITY, MAX_NEW_TOKENS = 1024, 512
RUNS = ("repeatable plain", "repeatable drafted", "ordinary plain", "ordinary drafted")


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


@dataclass(frozen=True)
class Answer:
    """One answer: its ids, the passes that it took, and seconds."""

    ids: list[int]
    passes: int
    seconds: float


class Run:
    """Decodes with one kind of blocks, plain or with a draft of its own.

    Attributes:
        answers: All so far.
    """

    def __init__(self, decoder: Decoder, draft: Draft | None, earlier: Sequence[Answer]) -> None:
        """Go on behind earlier answers, from which the draft learns as when they were given."""
        self._decoder, self._draft = decoder, draft
        self.answers = list(earlier)
        if draft is not None:
            for answer in earlier:
                draft.begin()
                draft.extend(answer.ids)
                draft.observe(answer.ids)

    def answer(self, batch: Any, clock: Callable[[], float]) -> None:
        """Decode one picture."""
        start = clock()
        result = self._decoder.generate(batch, MAX_NEW_TOKENS, self._draft)
        self.answers.append(Answer(result.ids, result.forward_passes, clock() - start))
        if self._draft is not None:
            self._draft.observe(result.ids)

    @property
    def passes(self) -> float:
        """Mean of all answers."""
        return statistics.mean(answer.passes for answer in self.answers)

    @property
    def seconds(self) -> float:
        """Mean of all answers."""
        return statistics.mean(answer.seconds for answer in self.answers)

    def differs_from(self, other: Run) -> int:
        """Return the number of answers with other ids."""
        pairs = zip(self.answers, other.answers, strict=True)
        return sum(mine.ids != others.ids for mine, others in pairs)


def measure(
    checkpoint: Path,
    mode: str,
    scenes: Sequence[tuple[np.ndarray, str]],
    device: str,
    progress: Path | None = None,
) -> dict[str, Any]:
    """Return a row of the table.

    Args:
        checkpoint: Directory.
        mode: Of `MODES`.
        scenes: Pictures and instructions.
        device: Of the network.
        progress: File that holds all answers so far, read first and written after each picture.
    """
    dtype, quantization, _ = MODES[mode]
    model = MolmoActForActionReasoning.from_pretrained(
        checkpoint, dtype=dtype, quantization=quantization, device=device
    )
    processor = MolmoActProcessor.from_pretrained(checkpoint)
    tokenizer, actions = processor.tokenizer, ActionTokenizer(model.config.action_codebook)
    earlier = _read(progress)
    runs = {}
    for name in RUNS:
        draft = None
        if name.endswith("drafted"):
            draft = Draft.from_tokenizer(tokenizer, actions, tokenizer.eos_token_id)
        decoder = Decoder(model, CAPACITY, repeatable=name.startswith("repeatable"))
        runs[name] = Run(decoder, draft, earlier.get(name, [])[: len(scenes)])
    clock = time.process_time if device == "cpu" else time.perf_counter
    for number, (rgb, instruction) in enumerate(scenes):
        missing = [run for run in runs.values() if len(run.answers) <= number]
        if not missing:
            continue
        batch = processor(images=rgb, text=reasoning_prompt(instruction, 1))
        for run in missing:
            run.answer(batch, clock)
        if progress is not None:
            everything = {name: [asdict(a) for a in run.answers] for name, run in runs.items()}
            new = progress.with_suffix(".new")
            new.write_text(json.dumps(everything))
            new.replace(progress)  # never half a file
    plain, drafted, ordinary_plain, ordinary = (runs[name] for name in RUNS)
    return {
        "checkpoint": checkpoint.name,
        "mode": mode,
        "answers": len(scenes),
        "differ": drafted.differs_from(plain),
        "tokens": statistics.mean(float(len(answer.ids)) for answer in plain.answers),
        "passes": float(drafted.passes),
        "more passes": drafted.passes / ordinary.passes - 1.0,
        "s": drafted.seconds,
        "plain s": plain.seconds,
        "ordinary blocks: differ": ordinary.differs_from(ordinary_plain),
        "ordinary: passes": float(ordinary.passes),
        "ordinary: s": ordinary.seconds,
        "ordinary: plain s": ordinary_plain.seconds,
    }


def _read(progress: Path | None) -> dict[str, list[Answer]]:
    if progress is None or not progress.is_file():
        return {}
    content = json.loads(progress.read_text())
    return {name: [Answer(**answer) for answer in answers] for name, answers in content.items()}


def main() -> None:
    """Measure all modes and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--checkpoints", nargs="+", type=Path, default=CHECKPOINTS)
    parser.add_argument("--pictures", type=int, help="for each mode (default: 100, or 10)")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--progress", type=Path, metavar="FOLDER", help="keep all answers here and go on from them"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for mode in arguments.modes:
        scenes = pictures(arguments.pictures or MODES[mode][-1])
        for checkpoint in arguments.checkpoints:
            progress = arguments.progress
            if progress is not None:
                progress.mkdir(parents=True, exist_ok=True)
                progress = progress / f"{checkpoint.name}_{mode}.json"
            rows.append(measure(checkpoint, mode, scenes, arguments.device, progress))
            print(rows[-1], flush=True)
    print(_write(rows, arguments.device).read_text())


def _write(rows: list[dict[str, Any]], device: str) -> Path:
    return write_results(
        "agreement",
        "Drafted against plain decoding by number type",
        {TABLE: rows},
        {"device": device, "threads": 1, "pass costs": "default"},
        "`differ`: answers whose ids are not those of plain decoding, out of `answers`; without a"
        " word before it with `repeatable`, that is with one size of blocks and keys in the order"
        " of their positions. `more passes`: of drafted decoding, against ordinary blocks. `s`:"
        " seconds per answer with vision and prefill, of the processor where the device is the"
        " CPU. Ordinary blocks have 1 to 64 slots, chosen by default costs, and as plain"
        " decoding one.",
    )


if __name__ == "__main__":
    main()
