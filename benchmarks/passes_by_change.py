# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Passes per 8x7 answer at the token structure of MolmoAct-7B-D, for known rates of change.

    python -m benchmarks.passes_by_change [--answers 30] [--vocabulary FOLDER]

Synthetic answers in the real Qwen byte pairs are replayed through the real decoder by a scripted
model. See benchmarks/synthetic.py for what changes between frames.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.random import Generator

from benchmarks.qwen_bpe import EOS, HEAD, load_qwen_bpe
from benchmarks.report import write_results
from benchmarks.scripted import ScriptedModel, part_of_tokens, passes_by_part
from benchmarks.synthetic import Frame, RecordedStream, Stream, SweepStream, answer_text
from molmoact_ros.answer import ActionTokenizer
from molmoact_ros.decoding import SOURCES, Decoder, Draft
from molmoact_ros.decoding.drafts import AnswerReader
from molmoact_ros.decoding.drafts.wording import example_answers

PROMPT_TOKENS = 959  # two images and P2
WARM_ANSWERS = 3  # of each rollout, not counted: a robot is warm after its first seconds
SEED = 7

NewStream = Callable[[Generator], Stream]


class Replay:
    """Replays rollouts of answers and counts."""

    def __init__(self, vocabulary: Path | None, answers: int) -> None:
        bpe = load_qwen_bpe(vocabulary)
        self._actions = ActionTokenizer()
        self._reader = AnswerReader(bpe.encode, bpe.decode, EOS, self._actions)
        self._examples = example_answers(self._actions, 8, 7)
        self._answers = answers
        self._model = ScriptedModel(HEAD, EOS)
        self._decoder = Decoder(cast(Any, self._model), PROMPT_TOKENS + 640)

    def run(
        self,
        new_stream: NewStream,
        executed_steps: int,
        style: str = "A1",
        sources: Iterable[str] = SOURCES,
    ) -> dict[str, Any]:
        """Mean figures over one rollout."""
        stream = new_stream(np.random.default_rng(SEED))
        draft = Draft(self._reader, self._examples, sources=sources)
        frames: list[Frame] = []
        rows = []
        for number in range(WARM_ANSWERS + self._answers):
            frames.append(stream.next())
            ids = self._reader.encode(answer_text(frames[-1], self._actions, style))
            batch = self._model.script([1] * PROMPT_TOKENS, ids)
            result = self._decoder.generate(batch, 640, draft)
            if result.ids != ids:
                raise RuntimeError("drafted decoding changed the answer")
            read = self._reader.read(ids)
            draft.observe(result.ids, executed_steps)
            if number < WARM_ANSWERS or read is None:
                continue
            parts = passes_by_part(result.tokens_per_pass, part_of_tokens(read))
            rows.append({"tokens": len(ids), "passes": result.forward_passes, **parts})
        row = {key: float(np.mean([r[key] for r in rows])) for key in rows[0]}
        row["most"] = max(r["passes"] for r in rows)
        row["tokens/pass"] = (row["tokens"] - 1) / row["passes"]
        return row | change_statistics(frames, executed_steps)


def change_statistics(frames: list[Frame], executed_steps: int) -> dict[str, float]:
    """How alike successive frames are: depth codes, xyz of the shifted chunk, xyz of rows."""
    depth = [np.mean(a.depth == b.depth) for a, b in zip(frames, frames[1:], strict=False)]
    moved = []
    for old, new in zip(frames, frames[1:], strict=False):
        rows = np.minimum(np.arange(len(old.bins)) + executed_steps, len(old.bins) - 1)
        moved.append(np.abs(new.bins[:, :3] - old.bins[rows, :3]))
    steps = np.array([np.abs(np.diff(frame.bins[:, :3], axis=0)) for frame in frames])
    return {
        "depth equal": float(np.mean(depth)),
        "xyz equal": float(np.mean(np.array(moved) == 0)),
        "xyz within 4": float(np.mean(np.array(moved) <= 4)),
        "rows equal": float(np.mean(steps == 0)),
    }


def main() -> None:
    """Run all scenarios and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--answers", type=int, default=30, help="counted answers per scenario")
    parser.add_argument("--vocabulary", type=Path, help="keep the fetched packages here")
    arguments = parser.parse_args()
    replay = Replay(arguments.vocabulary, arguments.answers)

    def recorded(steps: int) -> NewStream:
        return lambda rng: RecordedStream(rng, steps)

    def sweep(steps: int, move: int, rate: float) -> NewStream:
        return lambda rng: SweepStream(rng, steps, move, rate)

    expert = [
        {"answer": style, "executed steps": steps, **replay.run(recorded(steps), steps, style)}
        for style in ("A1", "A3")
        for steps in (1, 2, 4, 8)
    ]
    bins = [
        {"bins move": f"±{move}", "executed steps": n, **replay.run(sweep(n, move, 0.15), n)}
        for n in (1, 8)
        for move in (0, 1, 2, 4, 8)
    ]
    depth = [
        {"depth codes change": f"{rate:.0%}", **replay.run(sweep(4, 1, rate), 4)}
        for rate in (0.05, 0.15, 0.37, 0.60)
    ]
    ablation = [
        {"without": off or "-", **replay.run(recorded(8), 8, sources=SOURCES - {off})}
        for off in ("", "grammar", "time", "row", "order")
    ]
    path = write_results(
        "passes_by_change",
        "Passes per 8x7 vocab_tail answer (replay at 7B-D's token structure)",
        {
            "Statistics of the scripted expert": expert,
            "Bins moving from row to row and from frame to frame (15 % of depth codes)": bins,
            "Depth codes changing to random others (bins ±1)": depth,
            "One source switched off (expert statistics, 8 executed steps)": ablation,
        },
        {"answers per scenario": arguments.answers, "block": 64, "seed": SEED},
        "Plain greedy decoding needs one pass per token less one. A pass counts for the part of the"
        " answer in which it ended, where the draft was wrong or ran out. `most`: the worst answer."
        " The last columns state how much the answers changed.",
    )
    print(path.read_text())


if __name__ == "__main__":
    main()
