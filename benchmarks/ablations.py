# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Ablations: success in the simulator by inference and execution settings, in simulated time.

    python -m benchmarks.ablations [--task reach pick push] [--episodes 50] [--rows shipped int ...]

The results are written after every row; rows that are there already, of the same checkpoint and
scenes, are kept: a run can be split, and go on after an interruption. `--again` measures anew.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.report import RESULTS, write_results
from benchmarks.with_and_without_drafts import TwinActor, load_float32_policy
from molmoact_ros.evaluate.episode import Episode, make_episodes
from molmoact_ros.evaluate.in_process import InProcess, Timing
from molmoact_ros.evaluate.results import EpisodeResult, summary
from molmoact_ros.evaluate.workers import Setting, run_episodes, tabletop_robot
from molmoact_ros.model import QUANTIZATIONS
from molmoact_ros.sim import VARIATIONS
from molmoact_ros.sim.tasks import KINDS

NAME = "ablations"
FIRST_SEED = 200_000
OVERLAP_SECONDS = 0.3  # of an inference that overlaps with the chunk before it
MIN_CONFIDENCE = 0.867  # that benchmarks.calibration recommends
CAPTION = "Success by choice and task"
DRAFTS = "drafts off"


@dataclass(frozen=True)
class Variant:
    """One row of the table: what differs from the first one.

    Attributes:
        name: Of the row.
        series: Of the episodes.
        execute_steps: Rows of each chunk that are executed.
        answer_seconds: Simulated duration of an inference; 0: the world waits.
        policy: Arguments of the policy.
        execution: Changes to the robot profile's execution.
    """

    name: str
    series: str = "policy"
    execute_steps: int = 8
    answer_seconds: float = 0.0
    policy: Mapping[str, Any] = field(default_factory=dict)
    execution: Mapping[str, Any] = field(default_factory=dict)


VARIANTS = (
    Variant("as shipped: argmax, 8 executed steps, float32"),
    Variant("expectation over the bins", policy={"action_decoding": "expectation"}),
    *(Variant(f"executed steps {n}", execute_steps=n) for n in (4, 2, 1)),
    *(
        Variant(
            f"inference of {OVERLAP_SECONDS} s overlaps, {text}",
            answer_seconds=OVERLAP_SECONDS,
            execution={"blend_steps": steps},
        )
        for text, steps in (("blended over 1 step", 1.0), ("not blended", 0.0))
    ),
    Variant("inference of 0.5 s, stop and look", answer_seconds=0.5),
    Variant("bfloat16", policy={"dtype": "bfloat16"}),
    *(Variant(mode, policy={"dtype": "bfloat16", "quantization": mode}) for mode in QUANTIZATIONS),
    *(
        Variant(
            f"{mode}, answers kept to their form",
            policy={"dtype": "bfloat16", "quantization": mode, "constrained": True},
        )
        for mode in ("int4", "fp8")
    ),
    Variant(
        f"chunks with a confidence below {MIN_CONFIDENCE} refused",
        execution={"min_confidence": MIN_CONFIDENCE},
    ),
    Variant("other colour named, judged by it", series="swapped"),
    Variant("other colour named, judged by the first", series="wrong-instruction"),
    Variant("line drawn to another block than named", series="steered"),
    Variant("expert", series="expert"),
    Variant("random", series="random"),
)
ROWS = (*(variant.name for variant in VARIANTS), DRAFTS)


def measure(
    variant: Variant, episodes: Sequence[Episode], arguments: argparse.Namespace
) -> list[EpisodeResult]:
    """Run the episodes of one row."""
    setting = Setting(
        checkpoint=arguments.checkpoint,
        in_process=True,
        seconds=arguments.seconds,
        execute_steps=variant.execute_steps,
        answer_seconds=variant.answer_seconds,
        logs=Path(),
        videos=None,
        domain=0,
        policy=variant.policy,
        execution=variant.execution,
    )
    runs = run_episodes(setting, episodes, arguments.workers)
    return list(tqdm(runs, desc=variant.name, total=len(episodes), unit="episode", mininterval=5))


def row(variant: Variant, results: Sequence[EpisodeResult]) -> dict[str, Any]:
    """Return one row of the table for one task."""
    s = summary(results)
    low, high = s["success_95_percent"]
    figures = {
        "choice": variant.name,
        "task": results[0].task,
        "success": f"{s['successes']} of {s['episodes']}",
        "95 % interval": f"{low:.0%} to {high:.0%}",
        "within 5 cm": f"{s['within_5_cm_of_named_block']:.0%}",
        "final distance cm": 100 * s["final_distance_median_m"],
        "line error of 255": s.get("line_error_median", "-"),
        "time s": s["seconds_median"],
        "path cm": 100 * s["path_length_median_m"],
        "answers": s["answers_median"],
        "refused": f"{s['refused_answers']} of {s['answers']}",
        "passes": s["passes_per_answer"],
    }
    return {name: "-" if value != value else value for name, value in figures.items()}  # NaN


def compare_drafts(arguments: argparse.Namespace) -> dict[str, Any]:
    """Answer the same pictures with and without drafts, and count ids that differ."""
    actor = TwinActor(load_float32_policy(arguments.checkpoint))
    timing = Timing(arguments.seconds, answer_seconds=0.0)
    tasks = [
        episode
        for kind in arguments.task
        for episode in make_episodes("policy", kind, FIRST_SEED, arguments.twin_episodes)
    ]
    with closing(InProcess(actor, tabletop_robot(), timing)) as cell:
        for episode in tqdm(tasks, desc=DRAFTS, unit="episode", mininterval=5):
            cell.run(episode)
    answers = actor.answers
    count = len(answers)
    return {
        "episodes": len(tasks),
        "answers": count,
        "tokens": sum(len(a.drafted.ids) for a in answers),
        "answers with other ids": sum(a.differs for a in answers),
        "passes with drafts": sum(a.drafted.forward_passes for a in answers) / count,
        "passes without": sum(a.plain.forward_passes for a in answers) / count,
        "CPU s with drafts": sum(a.seconds for a in answers) / count,
        "CPU s without": sum(a.plain_seconds for a in answers) / count,
    }


def main() -> None:
    """Measure the requested rows that have no result yet."""
    arguments = _parse()
    stored = {} if arguments.again else _stored(arguments)
    for variant in VARIANTS:
        if variant.name not in arguments.rows:
            continue
        for kind in arguments.task:
            key = f"{variant.name} | {kind}"
            if key in stored:
                continue
            episodes = make_episodes(
                variant.series, kind, FIRST_SEED, arguments.episodes, arguments.variation
            )
            stored[key] = row(variant, measure(variant, episodes, arguments))
            _write(arguments, stored)
    if DRAFTS in arguments.rows and DRAFTS not in stored:
        stored[DRAFTS] = compare_drafts(arguments)
    print(_write(arguments, stored).read_text())


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0] if __doc__ else None,
        epilog="rows: " + "; ".join(ROWS),
    )
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoints/tabletop"))
    parser.add_argument("--task", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--variation", choices=VARIATIONS, default="easy")
    parser.add_argument("--episodes", type=int, default=50, help="per row and task (50)")
    parser.add_argument("--twin-episodes", type=int, default=4, help=f"of '{DRAFTS}' per task (4)")
    parser.add_argument("--seconds", type=float, default=20.0, help="simulated, at most (20)")
    parser.add_argument("--workers", type=int, default=1, help="processes side by side (1)")
    parser.add_argument(
        "--rows", nargs="+", default=[""], metavar="TEXT", help="whose names hold a text (all)"
    )
    parser.add_argument("--again", action="store_true", help="forget what was measured before")
    parser.add_argument("--name", default=NAME, help=f"of the results ({NAME})")
    arguments = parser.parse_args()
    arguments.rows = [name for name in ROWS if any(text in name for text in arguments.rows)]
    if not arguments.rows:
        parser.error(f"argument --rows: no such row; there are: {'; '.join(ROWS)}")
    return arguments


def _config(arguments: argparse.Namespace) -> dict[str, Any]:
    weights = (arguments.checkpoint / "model.safetensors").read_bytes()
    return {
        "checkpoint": arguments.checkpoint.name,
        "weights sha256": hashlib.sha256(weights).hexdigest()[:12],
        "variation": arguments.variation,
        "first seed": FIRST_SEED,
        "time limit s": arguments.seconds,
    }


def _stored(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what an earlier run has measured under the same conditions."""
    path = RESULTS / f"{arguments.name}.json"
    if not path.is_file():
        return {}
    config = json.loads(path.read_text(encoding="utf-8"))["config"]
    rows = config.pop("rows")
    return rows if config == _config(arguments) else {}


def _write(arguments: argparse.Namespace, stored: Mapping[str, Any]) -> Path:
    order = {variant.name: number for number, variant in enumerate(VARIANTS)}
    rows = [value for key, value in stored.items() if key != DRAFTS]
    rows.sort(key=lambda value: (order[value["choice"]], KINDS.index(value["task"])))
    tables = {CAPTION: rows} if rows else {}
    if DRAFTS in stored:
        tables["Drafts on and off, the same pictures"] = [stored[DRAFTS]]
    return write_results(
        arguments.name,
        f"Ablations ({arguments.checkpoint.name}, {arguments.variation})",
        tables,
        {**_config(arguments), "rows": dict(stored)},
        "Simulated time, one process (molmoact_ros.evaluate.in_process). Unless a row states"
        " otherwise the world waits while the policy thinks. Success and 95 % Wilson interval;"
        " time, answers: median over successes; final distance: from the gripper to the block that"
        " success is about; a line is followed when the gripper comes to rest within 25 of 255"
        " units of its end.",
    )


if __name__ == "__main__":
    main()
