# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Passes per answer of a checkpoint that drives the simulated arm, plain decoding beside it.

    python -m benchmarks.closed_loop [--checkpoints checkpoints/tabletop] [--episodes 4]

Every picture is answered twice, with drafts and without; the ids must be equal but for ties. The
rows of the drafted answer are carried out by the executor, `executed steps` of them, before the
next picture (molmoact_ros.evaluate.in_process; the world waits while the policy thinks). Passes
have their default costs, as on a GPU.
"""

from __future__ import annotations

import argparse
import json
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import write_results
from benchmarks.scripted import PARTS, part_of_tokens, passes_by_part
from benchmarks.with_and_without_drafts import TwinActor, TwinAnswer, load_float32_policy
from molmoact_ros.decoding.drafts import AnswerReader
from molmoact_ros.decoding.drafts.answer_splitter import ReadAnswer
from molmoact_ros.decoding.drafts.template import BIN, DEPTH, NUMBER
from molmoact_ros.evaluate.episode import make_episodes
from molmoact_ros.evaluate.in_process import InProcess, Timing
from molmoact_ros.evaluate.workers import tabletop_robot
from molmoact_ros.policy import MolmoActPolicy
from molmoact_ros.sim.tasks import KINDS

FIRST_SEED = 600_000
ANSWERS = 5  # of each episode that count: later ones repeat what the arm already reached
_PASSES = "Passes per answer, by the part in which a pass ended"


@dataclass(frozen=True)
class Inference:
    """One picture's two answers, and the drafted one split into its parts."""

    twin: TwinAnswer
    read: ReadAnswer | None


def drive(
    policy: MolmoActPolicy, kinds: list[str], count: int, executed_steps: int, seconds: float
) -> list[list[Inference]]:
    """Run `count` episodes of each kind of task; return the inferences by episode.

    The draft is new at first and, like the node's, lives on from episode to episode.
    """
    eos = policy.processor.tokenizer.eos_token_id
    reader = AnswerReader.from_tokenizer(policy.processor.tokenizer, policy.action_tokenizer, eos)
    actor = TwinActor(_forgetful(policy), executed_steps)
    timing = Timing(seconds, answer_seconds=0.0)
    episodes = []
    with closing(InProcess(actor, tabletop_robot(executed_steps), timing)) as cell:
        for kind in kinds:
            for episode in make_episodes("policy", kind, FIRST_SEED, count):
                actor.answers.clear()
                cell.run(episode)
                episodes.append([Inference(a, reader.read(a.drafted.ids)) for a in actor.answers])
    return episodes


def _forgetful(policy: MolmoActPolicy) -> MolmoActPolicy:
    """Return the same policy with a draft that has seen nothing."""
    return MolmoActPolicy(
        policy.model, policy.processor, depth=policy.depth, profile=policy.profile
    )


def counted(episodes: list[list[Inference]]) -> list[Inference]:
    """Return the first answers of each episode, without the very first and repeated pictures."""
    pictures: set[int] = set()
    found = []
    for episode in episodes:
        for number, inference in enumerate(episode):
            if pictures and number < ANSWERS and inference.twin.picture not in pictures:
                found.append(inference)
            pictures.add(inference.twin.picture)
    return found


def summarize(
    checkpoint: str, episodes: list[list[Inference]], executed_steps: int
) -> dict[str, Any]:
    """Return a row of the table."""
    inferences = counted(episodes)
    results = [inference.twin.drafted for inference in inferences]
    passes = [result.forward_passes for result in results]
    row: dict[str, Any] = {"code": "now", "checkpoint": checkpoint}
    row |= {"executed steps": executed_steps, "answers": len(results)}
    row["different ids"] = sum(inference.twin.differs for inference in inferences)
    row["learned from"] = f"{np.mean([i.read is not None for i in inferences]):.0%}"
    row["tokens"] = float(np.mean([len(result.ids) for result in results]))
    row["passes"] = float(np.mean(passes))
    row["p95"] = float(np.quantile(passes, 0.95))
    row["most"] = max(passes)
    row |= _mean_parts(inferences)
    row["very first"] = episodes[0][0].twin.drafted.forward_passes
    row["CPU s"] = float(np.mean([inference.twin.seconds for inference in inferences]))
    row["plain CPU s"] = float(np.mean([i.twin.plain_seconds for i in inferences]))
    return row


def acceptance(
    checkpoint: str, episodes: list[list[Inference]], executed_steps: int
) -> dict[str, Any]:
    """Return drafted and accepted tokens per answer, by source."""
    inferences = counted(episodes)
    row: dict[str, Any] = {"checkpoint": checkpoint, "executed steps": executed_steps}
    for source in ("grammar", "time", "row", "order"):
        drafted = sum(i.twin.drafted.drafted.get(source, 0) for i in inferences)
        accepted = sum(i.twin.drafted.accepted.get(source, 0) for i in inferences)
        row[f"{source} accepted"] = accepted / len(inferences)
        row[f"{source} drafted"] = drafted / len(inferences)
    return row


def changes(
    checkpoint: str, episodes: list[list[Inference]], executed_steps: int
) -> dict[str, Any]:
    """Return how alike successive answers were, which is what drafts live on."""
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
    about = {"checkpoint": checkpoint, "executed steps": executed_steps}
    return {**about, **row, "different depth maps": len(maps) / count}


def _mean_parts(inferences: list[Inference]) -> dict[str, float]:
    rows = [
        passes_by_part(inference.twin.drafted.tokens_per_pass, part_of_tokens(inference.read))
        for inference in inferences
        if inference.read is not None
    ]
    return {part: float(np.mean([row[part] for row in rows])) if rows else 0.0 for part in PARTS}


def main() -> None:
    """Run the episodes and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    shipped = [Path("checkpoints/tabletop"), Path("checkpoints/tabletop_tail")]
    parser.add_argument("--checkpoints", type=Path, nargs="+", default=shipped)
    parser.add_argument("--task", nargs="+", choices=KINDS, default=["reach"])
    parser.add_argument(
        "--episodes", type=int, default=20, help="per task and number of executed steps"
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="simulated, per episode")
    parser.add_argument("--steps", type=int, nargs="+", default=[4])
    parser.add_argument("--before", type=Path, help="results of an earlier code, for the table")
    parser.add_argument("--name", default="closed_loop", help="of the results")
    arguments = parser.parse_args()
    tables: dict[str, list[dict[str, Any]]] = {_PASSES: [], "Sources": [], "Changes": []}
    rollouts = {}
    for checkpoint in arguments.checkpoints:
        policy = load_float32_policy(checkpoint)
        for steps in arguments.steps:
            episodes = drive(policy, arguments.task, arguments.episodes, steps, arguments.seconds)
            found = checkpoint.name, episodes, steps
            tables[_PASSES].append(summarize(*found))
            tables["Sources"].append(acceptance(*found))
            tables["Changes"].append(changes(*found))
            passes = [[i.twin.drafted.forward_passes for i in episode] for episode in episodes]
            rollouts[f"{checkpoint.name}, {steps} executed steps"] = passes
    if arguments.before is not None:
        rows = json.loads(arguments.before.read_text())["tables"][_PASSES]
        earlier = [row | {"code": "before"} for row in rows if row["code"] == "now"]
        tables[_PASSES][:0] = earlier
    path = write_results(
        arguments.name,
        "Decoding in closed loop",
        {
            _PASSES: tables[_PASSES],
            "Tokens per answer that each source drafted and that were accepted": tables["Sources"],
            "How much successive answers differ": tables["Changes"],
        },
        {
            "tasks": ", ".join(arguments.task),
            "episodes": arguments.episodes,
            "seeds from": FIRST_SEED,
            "seconds": arguments.seconds,
            "block": 64,
            "passes per chunk": rollouts,
        },
        f"Mean of the first {ANSWERS} answers of each episode, without repeated pictures; the very"
        " first answer, when nothing is known yet, stands apart. `different ids`: answers that"
        " plain greedy decoding of the same picture, in the same run, gave differently. `learned"
        " from`: answers whose form the drafts could read. `different depth maps`: share of answers"
        " whose depth map is not a repetition of another one; a model that repeats maps flatters"
        " the passes.",
    )
    print(path.read_text())


if __name__ == "__main__":
    main()
