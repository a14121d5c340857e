# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether the confidence of an answer predicts its error against the expert's chunk.

    python -m benchmarks.calibration [--task reach pick push] [--episodes 20]

The policy drives; every answer is compared with what the scripted expert would do from the same
state. Writes results/calibration.{json,md} and a reliability plot (needs matplotlib).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.report import write_results
from benchmarks.with_and_without_drafts import load_float32_policy
from molmoact_ros.answer import ActionStats
from molmoact_ros.answer.confidence import NEAR_BINS
from molmoact_ros.evaluate.actors import Look, PolicyActor
from molmoact_ros.evaluate.episode import make_episodes
from molmoact_ros.evaluate.in_process import InProcess, Timing
from molmoact_ros.evaluate.workers import tabletop_robot
from molmoact_ros.policy.types import Reasoning
from molmoact_ros.sim import VARIATIONS, Tabletop, expert
from molmoact_ros.sim.tasks import KINDS

FIRST_SEED = 300_000
BINS = 8  # of the table, with equally many answers each
BAD_METRES = 0.03  # between the ends of the two chunks: an answer with another goal
BAD_GRIPPER_ROWS = 3  # rows in which the gripper does the opposite
SACRIFICE = 0.02  # share of the good answers that a threshold may refuse
_ACTION_BINS = 255  # between -1 and 1


@dataclass(frozen=True)
class Sample:
    """One valid answer beside the expert's.

    Attributes:
        confidence: As the policy reports it.
        observed: Share of the values that lie within `NEAR_BINS` bins of the expert's: what the
            confidence estimates.
        metres: Between the ends of the two chunks, all rows carried out.
        gripper_rows: Rows in which the gripper does the opposite.
        task: Kind.
        variation: Look of the scene.
    """

    confidence: float
    observed: float
    metres: float
    gripper_rows: int
    task: str
    variation: str

    @property
    def is_bad(self) -> bool:
        """Whether executing it would be a mistake."""
        return self.metres > BAD_METRES or self.gripper_rows >= BAD_GRIPPER_ROWS


class Comparison:
    """An observer of episodes that compares every answer with the expert's."""

    def __init__(self, stats: ActionStats) -> None:
        """Compare values in units of `stats`."""
        scale = 0.5 * (stats.q99 - stats.q01).astype(np.float64)
        bin_width = 2.0 / _ACTION_BINS
        # A rotation that never happened has no range; rounding must not count.
        self._near = np.where(stats.mask, scale, 1.0) * bin_width * (NEAR_BINS + 0.5) + 1e-6
        self.samples: list[Sample] = []
        self.invalid = 0

    def __call__(self, look: Look, reasoning: Reasoning) -> None:
        """Take one answer."""
        if not reasoning.valid or reasoning.confidence is None:
            self.invalid += 1
            return
        wanted = self._expert_chunk(look)
        rows = min(len(wanted), len(reasoning.actions))
        given, wanted = reasoning.actions[:rows], wanted[:rows]
        way = (given - wanted)[:, :3].sum(axis=0)
        self.samples.append(
            Sample(
                confidence=reasoning.confidence,
                observed=float((np.abs(given - wanted) <= self._near).mean()),
                metres=float(np.linalg.norm(way)),
                gripper_rows=int(((given[:, -1] > 0.5) != (wanted[:, -1] > 0.5)).sum()),
                task=look.episode.task.kind,
                variation=look.episode.variation,
            )
        )

    def _expert_chunk(self, look: Look) -> np.ndarray:
        """Return the expert's rows `[T, 7]` from where gripper and block are now."""
        now, task = look.moment, look.episode.task
        block = now.blocks[Tabletop.colors.index(task.color)]
        scenes = expert.Scenes(now.gripper[None], np.array([now.fingers]), block[None])
        labels = expert.expert_labels(task.kind, task.side, scenes)
        deltas, closed = labels.deltas[0], labels.closed[0]
        rotation = np.zeros((len(deltas), 3))
        return np.concatenate([deltas, rotation, closed[:, None]], axis=1)


def by_confidence(samples: Sequence[Sample], bins: int = BINS) -> list[dict[str, Any]]:
    """Return the table: answers of like confidence, and how good they were."""
    ordered = sorted(samples, key=lambda sample: sample.confidence)
    rows = []
    for part in np.array_split(np.arange(len(ordered)), min(bins, len(ordered))):
        group = [ordered[i] for i in part]
        metres = [sample.metres for sample in group]
        rows.append(
            {
                "confidence": f"{group[0].confidence:.3f} to {group[-1].confidence:.3f}",
                "mean": float(np.mean([s.confidence for s in group])),
                "values near the expert's": float(np.mean([s.observed for s in group])),
                "answers": len(group),
                "chunk end, median mm": 1e3 * float(np.median(metres)),
                "p90 mm": 1e3 * float(np.quantile(metres, 0.9)),
                "bad": float(np.mean([s.is_bad for s in group])),
            }
        )
    return rows


def by_threshold(samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """Return what thresholds would refuse, for shares of the good answers that they may cost."""
    good = np.array([s.confidence for s in samples if not s.is_bad])
    bad = np.array([s.confidence for s in samples if s.is_bad])
    if not len(good):
        return []
    rows = []
    for share in (0.005, 0.01, SACRIFICE, 0.05, 0.1, 0.2):
        least = float(np.quantile(good, share))
        caught = float((bad < least).mean()) if len(bad) else float("nan")
        rows.append(
            {
                "min_confidence": least,
                "good answers refused": float((good < least).mean()),
                "bad answers refused": caught,
            }
        )
    return rows


def recommended(samples: Sequence[Sample]) -> float | None:
    """Return the threshold that costs `SACRIFICE` of the good answers, where there is one.

    None: it would not refuse five times as large a share of the bad ones.
    """
    rows = [r for r in by_threshold(samples) if r["good answers refused"] <= SACRIFICE]
    if not rows or not rows[-1]["bad answers refused"] >= 5 * SACRIFICE:
        return None
    return round(float(rows[-1]["min_confidence"]), 3)


def rank_correlation(samples: Sequence[Sample]) -> float:
    """Return Spearman's rank correlation of confidence and error of the chunk's end."""
    pairs = np.array([(s.confidence, s.metres) for s in samples])
    ranks = pairs.argsort(axis=0).argsort(axis=0)
    return float(np.corrcoef(ranks.T)[0, 1])


def plot(samples: Sequence[Sample], least: float | None, path: Path) -> None:
    """Draw reliability, and error over confidence."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = by_confidence(samples)
    means = [row["mean"] for row in rows]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.6))
    observed = [row["values near the expert's"] for row in rows]
    lowest = min(*means, *observed) - 0.05
    left.plot([lowest, 1], [lowest, 1], color="grey", linestyle="--", linewidth=1)
    left.plot(means, observed, marker="o")
    left.set(
        xlabel="confidence", ylabel=f"values within {NEAR_BINS} bins of the expert's",
        title="reliability", xlim=(lowest, 1), ylim=(lowest, 1),
    )  # fmt: skip
    for kind in dict.fromkeys(s.task for s in samples):
        of_kind = [s for s in samples if s.task == kind]
        right.scatter(
            [s.confidence for s in of_kind], [1e3 * s.metres for s in of_kind], s=6, label=kind
        )
    right.axhline(1e3 * BAD_METRES, color="grey", linestyle="--", linewidth=1)
    if least is not None:
        right.axvline(least, color="red", linewidth=1, label=f"min_confidence {least}")
    right.set(xlabel="confidence", ylabel="chunk end from the expert's (mm)", title="error")
    right.set_yscale("log")
    right.legend(fontsize=8)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    print(path)


def main() -> None:
    """Drive, compare, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoints/tabletop"))
    parser.add_argument("--task", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--variation", nargs="+", choices=VARIATIONS, default=list(VARIATIONS))
    parser.add_argument("--episodes", type=int, default=20, help="per task and variation (20)")
    parser.add_argument("--seconds", type=float, default=12.0, help="simulated, at most (12)")
    parser.add_argument("--name", default="calibration", help="of the results (calibration)")
    parser.add_argument("--plot", type=Path, default=Path("docs/images/calibration.png"))
    arguments = parser.parse_args()
    policy = load_float32_policy(arguments.checkpoint)
    compare = Comparison(policy.stats)
    timing = Timing(arguments.seconds, answer_seconds=0.0)
    episodes = [
        episode
        for variation in arguments.variation
        for kind in arguments.task
        for episode in make_episodes("policy", kind, FIRST_SEED, arguments.episodes, variation)
    ]
    with closing(InProcess(PolicyActor(policy), tabletop_robot(), timing, compare)) as cell:
        for episode in tqdm(episodes, unit="episode", mininterval=5):
            cell.run(episode)
    samples = compare.samples
    least = recommended(samples)
    plot(samples, least, arguments.plot)
    print(_write(arguments, compare, least).read_text())


def _write(arguments: argparse.Namespace, compare: Comparison, least: float | None) -> Path:
    samples = compare.samples
    groups = [
        {
            "task": kind,
            "scenes": variation,
            "answers": len(group),
            "mean confidence": float(np.mean([s.confidence for s in group])),
            "values near the expert's": float(np.mean([s.observed for s in group])),
            "bad": float(np.mean([s.is_bad for s in group])),
        }
        for variation in arguments.variation
        for kind in arguments.task
        if (group := [s for s in samples if (s.task, s.variation) == (kind, variation)])
    ]
    advice = (
        f"Recommended `min_confidence`: {least}."
        if least is not None
        else "No `min_confidence` is recommended: at a price of"
        f" {SACRIFICE:.0%} of the good answers it would refuse too few of the bad ones."
    )
    return write_results(
        arguments.name,
        f"Confidence and error ({arguments.checkpoint.name})",
        {
            "By confidence": by_confidence(samples),
            "By threshold": by_threshold(samples) or [{"min_confidence": "-"}],
            "By task": groups,
        },
        {
            "episodes per task and variation": arguments.episodes,
            "first seed": FIRST_SEED,
            "answers": len(samples),
            "answers not trusted, left out": compare.invalid,
            "rank correlation of confidence and error": round(rank_correlation(samples), 3),
            "min_confidence": least,
        },
        f"{advice} Confidence: mean probability within {NEAR_BINS} bins of the most probable one;"
        " reliable where it equals the share of values that near the expert's. Bad: the chunk ends"
        f" more than {100 * BAD_METRES:.0f} cm from the expert's, or the gripper does the opposite"
        f" in {BAD_GRIPPER_ROWS} of 8 rows or more. The expert is one way of many: an answer that"
        " differs can be good.",
    )


if __name__ == "__main__":
    main()
