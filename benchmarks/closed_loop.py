# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Passes per answer of a checkpoint that drives the simulated arm, plain decoding beside it.

    python -m benchmarks.closed_loop [--checkpoint checkpoints/tabletop] [--episodes 4]

Every picture is answered twice, with drafts and without; the ids must be equal. The rows of the
drafted answer are carried out, `executed steps` of them, before the next picture.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.report import write_results
from benchmarks.scripted import PARTS, part_of_tokens, passes_by_part
from molmoact_ros.answer import ActionTokenizer, parse_answer, reasoning_prompt
from molmoact_ros.decoding import Decoder, Draft, GenerationResult
from molmoact_ros.decoding.drafts import AnswerReader
from molmoact_ros.decoding.drafts.reader import ReadAnswer
from molmoact_ros.decoding.drafts.template import BIN, DEPTH, NUMBER
from molmoact_ros.model import MolmoActForActionReasoning
from molmoact_ros.processing import MolmoActProcessor
from molmoact_ros.sim import Tabletop

COLORS = ("red", "green", "blue")
STEP_SECONDS = 0.1
MAX_NEW_TOKENS = 512
FIRST_SEED = 5000


@dataclass(frozen=True)
class Inference:
    """One picture, answered with drafts (`result`) and without (`plain`); CPU seconds of each."""

    result: GenerationResult
    plain: GenerationResult
    read: ReadAnswer | None
    seconds: float
    plain_seconds: float


class ClosedLoop:
    """A checkpoint, the simulator, and the decoder between them."""

    def __init__(self, checkpoint: Path) -> None:
        """Load the checkpoint in float32."""
        self._model = MolmoActForActionReasoning.from_pretrained(checkpoint, dtype=torch.float32)
        self._processor = MolmoActProcessor.from_pretrained(checkpoint)
        self._actions = ActionTokenizer(self._model.config.action_codebook)
        self._eos = self._processor.tokenizer.eos_token_id
        self._reader = AnswerReader.from_tokenizer(
            self._processor.tokenizer, self._actions, self._eos
        )
        self._decoder = Decoder(self._model, 1024)

    def new_draft(self) -> Draft:
        """A draft that has seen nothing; like the policy's it lives on from episode to episode."""
        return Draft.from_tokenizer(self._processor.tokenizer, self._actions, self._eos)

    def episode(
        self, seed: int, executed_steps: int, seconds: float, draft: Draft
    ) -> list[Inference]:
        """Reach for one block; the colour follows from the seed."""
        table = Tabletop(seed)
        instruction = f"reach the {COLORS[seed % 3]} block"
        inferences = []
        for _ in range(round(seconds / STEP_SECONDS / executed_steps)):
            rgb, _ = table.render()
            batch = self._processor(images=rgb, text=reasoning_prompt(instruction, 1))
            inference = self._infer(batch, draft)
            inferences.append(inference)
            draft.observe(inference.result.ids, executed_steps)
            for row in self._rows(inference.result)[:executed_steps]:
                table.command_twist(row[:3] / STEP_SECONDS, np.zeros(3))
                table.step(STEP_SECONDS)
        table.close()
        return inferences

    def _infer(self, batch: Any, draft: Draft) -> Inference:
        generate = self._decoder.generate
        plain_seconds, plain = _cpu_seconds(lambda: generate(batch, MAX_NEW_TOKENS))
        seconds, result = _cpu_seconds(lambda: generate(batch, MAX_NEW_TOKENS, draft))
        return Inference(result, plain, self._reader.read(result.ids), seconds, plain_seconds)

    def _rows(self, result: GenerationResult) -> np.ndarray:
        answer = parse_answer(
            self._processor.decode(result.ids),
            self._model.config.norm_stats,
            mode="strict",
            action_tokenizer=self._actions,
        )
        return answer.actions if answer.valid else np.zeros((8, 7))


def summarize(inferences: list[Inference], executed_steps: int) -> dict[str, Any]:
    """A row of the table."""
    results = [inference.result for inference in inferences]
    passes = [result.forward_passes for result in results]
    row: dict[str, Any] = {"executed steps": executed_steps, "answers": len(results)}
    row["different ids"] = sum(i.result.ids != i.plain.ids for i in inferences)
    row["tokens"] = float(np.mean([len(result.ids) for result in results]))
    row["passes"] = float(np.mean(passes))
    row["p95"] = float(np.quantile(passes, 0.95))
    row["most"] = max(passes)
    row |= _mean_parts(inferences)
    row["tokens/pass"] = (row["tokens"] - 1) / row["passes"]
    row["CPU s"] = float(np.mean([inference.seconds for inference in inferences]))
    row["plain CPU s"] = float(np.mean([inference.plain_seconds for inference in inferences]))
    return row


def acceptance(inferences: list[Inference], executed_steps: int) -> dict[str, Any]:
    """Drafted and accepted tokens per answer, by source."""
    row: dict[str, Any] = {"executed steps": executed_steps}
    for source in ("grammar", "time", "row", "order"):
        drafted = sum(inference.result.drafted.get(source, 0) for inference in inferences)
        accepted = sum(inference.result.accepted.get(source, 0) for inference in inferences)
        row[f"{source} accepted"] = accepted / len(inferences)
        row[f"{source} drafted"] = drafted / len(inferences)
    return row


def changes(episodes: list[list[Inference]], executed_steps: int) -> dict[str, Any]:
    """How alike successive answers were, which is what drafts live on."""
    equal: dict[str, list[float]] = {"depth codes": [], "coordinates": [], "bins, shifted": []}
    for episode in episodes:
        reads = [inference.read for inference in episode]
        for old, new in zip(reads, reads[1:], strict=False):
            if old is None or new is None:
                continue
            skip = executed_steps * new.columns
            pairs = (
                ("depth codes", old.values[DEPTH], new.values[DEPTH]),
                ("coordinates", old.values[NUMBER], new.values[NUMBER]),
                ("bins, shifted", old.values[BIN][skip:], new.values[BIN]),
            )
            for name, before, after in pairs:
                same = [a == b for a, b in zip(before, after, strict=False)]
                if same:
                    equal[name].append(float(np.mean(same)))
    row = {f"{name} equal": float(np.mean(v)) if v else "-" for name, v in equal.items()}
    maps = {i.read.values[DEPTH] for e in episodes for i in e if i.read is not None}
    count = sum(len(episode) for episode in episodes)
    return {"executed steps": executed_steps, **row, "different depth maps": len(maps) / count}


def _mean_parts(inferences: list[Inference]) -> dict[str, float]:
    rows = [
        passes_by_part(inference.result, part_of_tokens(inference.read))
        for inference in inferences
        if inference.read is not None
    ]
    return {part: float(np.mean([row[part] for row in rows])) for part in PARTS}


def _cpu_seconds(work: Callable[[], GenerationResult]) -> tuple[float, GenerationResult]:
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def main() -> None:
    """Run the episodes and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoints/tabletop"))
    parser.add_argument("--episodes", type=int, default=4, help="per number of executed steps")
    parser.add_argument("--seconds", type=float, default=5.0, help="simulated, per episode")
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--name", default="closed_loop", help="of the results")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    loop = ClosedLoop(arguments.checkpoint)
    tables: dict[str, list[dict[str, Any]]] = {"Passes": [], "Sources": [], "Changes": []}
    rollouts = {}
    for steps in arguments.steps:
        draft = loop.new_draft()
        episodes = [
            loop.episode(FIRST_SEED + number, steps, arguments.seconds, draft)
            for number in range(arguments.episodes)
        ]
        inferences = [inference for episode in episodes for inference in episode]
        tables["Passes"].append(summarize(inferences, steps))
        tables["Sources"].append(acceptance(inferences, steps))
        tables["Changes"].append(changes(episodes, steps))
        rollouts[str(steps)] = [[i.result.forward_passes for i in e] for e in episodes]
    path = write_results(
        arguments.name,
        f"Decoding in closed loop ({arguments.checkpoint.name})",
        {
            "Passes per answer, by the part in which a pass ended": tables["Passes"],
            "Tokens per answer that each source drafted and that were accepted": tables["Sources"],
            "How much successive answers differ": tables["Changes"],
        },
        {
            "episodes": arguments.episodes,
            "seconds": arguments.seconds,
            "block": 64,
            "passes per chunk": rollouts,
        },
        "`different ids`: answers that plain greedy decoding of the same picture, in the same run,"
        " gave differently. `different depth maps`: share of answers whose depth map is not a"
        " repetition of another one; a model that repeats maps flatters the passes. The first"
        " answer of all, when nothing is known yet, is counted too.",
    )
    print(path.read_text())


if __name__ == "__main__":
    main()
