# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Many robots on one network: passes, latency and success, one after the other beside them.

    python -m benchmarks.fleet [--robots 1 2 4 8 16] [--answers 24] [--progress FOLDER]

Each robot is the tabletop's closed loop (molmoact_ros.evaluate.in_process) in scenes of its own;
all share one checkpoint, one scheduler and passes of 64 rows. Every robot is served together with
the others and alone: ids, motions and pictures must be the same. Passes are counted; seconds
follow from costs of a pass and a prefill, so the latency of a machine that was not at hand is a
projection (benchmarks.cost_model). With --progress a run can be interrupted.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from benchmarks.cost_model import prompt_seconds, shared_pass_seconds
from benchmarks.fleet_paced import (
    load_stream,
    questions,
    save_stream,
    serve_paced,
    serve_paced_in_turn,
    summary,
)
from benchmarks.fleet_robots import (
    EXECUTED_STEPS,
    FIRST_SEED,
    Robot,
    Served,
    serve_saturated,
)
from benchmarks.report import write_results
from molmoact_ros.decoding.blocks import DEFAULT_COSTS
from molmoact_ros.policy.loaded_checkpoint import LoadedCheckpoint
from molmoact_ros.policy.preflight import PolicyRequest, check_policy
from molmoact_ros.policy.types import Observation
from molmoact_ros.serve.batching import AnswerScheduler, SessionSettings, Step
from molmoact_ros.sim.tasks import KINDS

ROWS = 64
CONTEXT_LENGTH = 512  # holds prompt and answer of this checkpoint
VLLM_OMNI = {1: 152, 2: 297, 4: 589, 8: 1164}  # ms, GR00T, its issue 6567
PACED_ROBOTS, PACED_ANSWERS = 8, 8  # that ask at a rate; of each
PROJECTED = ("H200", "RTX 5000 Ada")  # machines of benchmarks.cost_model


@dataclass(frozen=True)
class Run:
    """Robots that were served together.

    Attributes:
        prefills: Whether each step was a prefill, else it was a pass.
        answers: In each step.
        spans: By robot and answer: steps before the question and at the answer.
        ids: By robot and answer.
        passes: By robot and answer: passes that it took part in.
        episodes: By robot: successes of finished episodes.
        host_ms: CPU time of a pass besides the network, mean.
    """

    prefills: list[bool]
    answers: list[int]
    spans: list[list[tuple[int, int]]]
    ids: list[list[list[int]]]
    passes: list[list[int]]
    episodes: list[list[bool]]
    host_ms: float

    @property
    def total(self) -> int:
        """Passes of the network."""
        return self.prefills.count(False)

    def latencies(self, prefill: float, pass_seconds: Callable[[int], float]) -> list[float]:
        """Return the time of each answer but each robot's first, by the costs of the steps."""
        costs = [
            prefill if is_prefill else pass_seconds(answers)
            for is_prefill, answers in zip(self.prefills, self.answers, strict=True)
        ]
        at = np.concatenate(([0.0], np.cumsum(costs)))
        return [float(at[e] - at[s]) for spans in self.spans for s, e in spans[1:]]


class _Timed:
    """A scheduler's passes, with the CPU time that they take."""

    def __init__(self, scheduler: AnswerScheduler) -> None:
        self._pass, self.seconds = scheduler._pass, 0.0
        scheduler._pass = self  # type: ignore[assignment]

    def __call__(self, blocks: Any) -> Any:
        start = time.process_time()
        result = self._pass(blocks)
        result[0].argmax(-1)
        self.seconds += time.process_time() - start
        return result


def serve(
    checkpoint: LoadedCheckpoint, numbers: Sequence[int], kind: str, answers: int
) -> tuple[Run, list[Served]]:
    """Serve these robots together, saturated."""
    scheduler = AnswerScheduler(checkpoint, max_sessions=len(numbers), rows_per_pass=ROWS)
    timed = _Timed(scheduler)
    step, spent = scheduler.step, 0.0

    def measured() -> Step | None:
        nonlocal spent
        start = time.process_time()
        done = step()
        if done is not None and done.kind == "pass":
            spent += time.process_time() - start
        return done

    scheduler.step = measured  # type: ignore[method-assign]
    robots = [Robot(number, checkpoint.profile, kind, answers) for number in numbers]
    steps, served = serve_saturated(scheduler, robots)
    prefills = [step.kind == "prefill" for step in steps]
    run = Run(
        prefills=prefills,
        answers=[step.answers for step in steps],
        spans=[robot.spans for robot in served],
        ids=[[list(answer.ids) for answer in robot.answers] for robot in served],
        passes=[[answer.forward_passes for answer in robot.answers] for robot in served],
        episodes=[robot.episodes for robot in served],
        host_ms=1e3 * (spent - timed.seconds) / prefills.count(False),
    )
    return run, served


def kept(path: Path | None, make: Callable[[], Run]) -> Run:
    """Return a run of earlier, or make and keep it."""
    if path is not None and path.exists():
        return Run(**json.loads(path.read_text()))
    run = make()
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(run)))
    return run


def one_after_the_other(alone: Sequence[Run], prefill: float, seconds: float) -> list[float]:
    """Return the latencies of a server that takes one question at a time, first come first served.

    Each robot asks again at once, so that between two answers of a robot all others get one.
    """
    services = [[prefill + passes * seconds for passes in run.passes[0]] for run in alone]
    rounds = list(zip(*services, strict=True))
    latencies = []
    for before, now in itertools.pairwise(rounds):
        for robot in range(len(now)):
            # Those behind it in the round before, those ahead of it in this one, and its own.
            latencies.append(sum(before[robot + 1 :]) + sum(now[: robot + 1]))
    return latencies


def passes_row(robots: int, run: Run, alone: Sequence[Run]) -> dict[str, Any]:
    """Return a row of the table of passes."""
    apart = [one.total for one in alone]
    answers = sum(len(ids) for ids in run.ids)
    differ = sum(
        ids != other
        for mine, one in zip(run.ids, alone, strict=True)
        for ids, other in zip(mine, one.ids[0], strict=True)
    )
    ends = [success for episodes in run.episodes for success in episodes]
    ends_alone = [success for one in alone for success in one.episodes[0]]
    passes = [count for counts in run.passes for count in counts[1:]]
    return {
        "robots": robots,
        "answers": answers,
        "different ids": differ,
        "passes in total": run.total,
        "one after the other": sum(apart),
        "times those of one robot": run.total / float(np.mean(apart)),
        "passes per answer": run.total / answers,
        "passes an answer takes part in": float(np.mean(passes)),
        "answers in a pass": float(
            np.mean([a for a, p in zip(run.answers, run.prefills, strict=True) if not p])
        ),
        "success": f"{sum(ends)} of {len(ends)}",
        "success one after the other": f"{sum(ends_alone)} of {len(ends_alone)}",
        "host ms per pass": run.host_ms,
    }


def latency_rows(robots: int, run: Run, alone: Sequence[Run]) -> list[dict[str, Any]]:
    """Return rows of projected latency, one for each machine."""
    rows = []
    for machine in PROJECTED:
        prefill, host = prompt_seconds(machine), run.host_ms / 1e3
        shared = run.latencies(prefill, partial(_together_seconds, machine, host))
        apart = one_after_the_other(alone, prefill, _alone_seconds(machine, alone))
        rows.append(
            {
                "machine": machine,
                "robots": robots,
                "p50 ms": 1e3 * float(np.quantile(shared, 0.5)),
                "p95 ms": 1e3 * float(np.quantile(shared, 0.95)),
                "one after the other p50 ms": 1e3 * float(np.quantile(apart, 0.5)),
                "one after the other p95 ms": 1e3 * float(np.quantile(apart, 0.95)),
                "GR00T, vLLM-Omni ms": VLLM_OMNI.get(robots, "-"),
            }
        )
    return rows


def unit_row(robots: int, run: Run, alone: Sequence[Run]) -> dict[str, Any]:
    """Return latency in units of a pass over one row, by the default costs; prefills left out."""
    cost = DEFAULT_COSTS[ROWS]
    shared = run.latencies(0.0, lambda answers: cost)
    apart = one_after_the_other(alone, 0.0, cost)
    return {
        "robots": robots,
        "p50": float(np.quantile(shared, 0.5)),
        "p95": float(np.quantile(shared, 0.95)),
        "one after the other p50": float(np.quantile(apart, 0.5)),
        "one after the other p95": float(np.quantile(apart, 0.95)),
    }


def paced_rows(
    checkpoint: LoadedCheckpoint,
    streams: Sequence[Sequence[Observation]],
    alone: Sequence[Run],
    host_ms: float,
    rates: Sequence[float],
) -> list[dict[str, Any]]:
    """Return rows for robots that ask at given rates, in virtual time of an H200."""
    machine, prefill = PROJECTED[0], prompt_seconds(PROJECTED[0])
    count = min(PACED_ANSWERS, *(len(stream) for stream in streams))
    one = _alone_seconds(machine, alone)
    services = [[prefill + passes * one for passes in run.passes[0]] for run in alone]

    def cost(step: Step) -> float:
        if step.kind == "prefill":
            return prefill
        return _together_seconds(machine, host_ms / 1e3, step.answers)

    rows = []
    for rate in rates:
        asked = questions(len(streams), count, rate)
        about = {"robots": len(streams), "questions per s and robot": rate}
        for name, found in (
            (
                "together, by deadline",
                serve_paced(checkpoint, streams, asked, cost, by_deadline=True),
            ),
            ("together", serve_paced(checkpoint, streams, asked, cost, by_deadline=False)),
            ("one after the other", serve_paced_in_turn(services, asked)),
        ):
            rows.append({**about, "served": name, **summary(found)})
    return rows


def _together_seconds(machine: str, host: float, answers: int) -> float:
    return shared_pass_seconds(machine, answers) + host


def _alone_seconds(machine: str, alone: Sequence[Run]) -> float:
    return shared_pass_seconds(machine, 1) + float(np.mean([run.host_ms for run in alone])) / 1e3


def memory_row(checkpoint: LoadedCheckpoint, observation: Observation) -> dict[str, Any]:
    """Return what a session takes, by the process's memory before and after 15 more."""
    process = psutil.Process()

    def used(sessions: int) -> float:
        scheduler = AnswerScheduler(checkpoint, max_sessions=sessions, rows_per_pass=ROWS)
        opened = [scheduler.open(SessionSettings()) for _ in range(sessions)]
        futures = [session.infer(observation) for session in opened]
        while scheduler.step() is not None:
            pass
        for future in futures:
            future.result()
        return process.memory_info().rss / 1e6

    used(1)
    before = used(1)
    capacity = CONTEXT_LENGTH + ROWS
    llm = checkpoint.model.config.llm_config
    values = 2 * llm.num_hidden_layers * llm.num_key_value_heads * llm.head_dim
    return {
        "measured MB per session": (used(16) - before) / 15,
        "of it KV cache MB": values * capacity * checkpoint.model.dtype.itemsize / 1e6,
        "KV cache of 7B-D in bf16, 2048 tokens, MB": 28 * 2 * 4 * 128 * (2048 + ROWS) * 2 / 1e6,
    }


def main() -> None:
    """Run the fleets and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoints/tabletop"))
    parser.add_argument("--robots", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--answers", type=int, default=24, help="of each robot")
    parser.add_argument("--task", choices=KINDS, default="reach")
    parser.add_argument("--rates", type=float, nargs="*", default=[0.5, 1.0])
    parser.add_argument("--progress", type=Path, help="folder to go on from after an interruption")
    parser.add_argument("--name", default="fleet", help="of the results")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    request = PolicyRequest(
        arguments.checkpoint, device="cpu", dtype="float32", context_length=CONTEXT_LENGTH
    )
    checkpoint = LoadedCheckpoint.from_preflight(check_policy(request))
    camera = checkpoint.profile.prompt.cameras[0]
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.progress or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)

        def run(numbers: Sequence[int], name: str) -> Run:
            def make() -> Run:
                made, served = serve(checkpoint, numbers, arguments.task, arguments.answers)
                if len(numbers) == 1:
                    save_stream(folder / f"seen{numbers[0]}.npz", served[0].observations)
                return made

            return kept(folder / f"{name}.json", make)

        together: dict[int, Run] = {}
        alone: list[Run] = []
        for n in sorted(arguments.robots):
            together[n] = run(range(n), f"together{n}")
            alone += [run([number], f"alone{number}") for number in range(len(alone), n)]
        paced = max((n for n in together if n <= PACED_ROBOTS), default=min(together))
        streams = [load_stream(folder / f"seen{n}.npz", camera) for n in range(paced)]
    passes = [passes_row(n, found, alone[:n]) for n, found in together.items()]
    units = [unit_row(n, found, alone[:n]) for n, found in together.items()]
    latency = [r for n, found in together.items() for r in latency_rows(n, found, alone[:n])]
    at_rates = paced_rows(
        checkpoint, streams, alone[:paced], together[paced].host_ms, arguments.rates
    )
    tables: dict[str, list[dict[str, Any]]] = {
        "Saturated: each robot asks again at once": passes,
        f"Saturated: latency in passes of one row (a pass of {ROWS} rows costs"
        f" {DEFAULT_COSTS[ROWS]}), prefills left out": units,
        "NOT MEASURED: saturated latency of 7B-D in bf16 by the cost model": latency,
        "Memory": [memory_row(checkpoint, streams[0][0])],
    }
    if at_rates:
        title = f"NOT MEASURED: robots that ask at a rate, 7B-D in bf16 on an {PROJECTED[0]}"
        tables[f"{title} by the cost model"] = at_rates
    path = write_results(
        arguments.name,
        "Many robots on one network",
        tables,
        {
            "checkpoint": arguments.checkpoint.name,
            "dtype": "float32",
            "device": "cpu, eager passes, 1 thread",
            "task": arguments.task,
            "answers of each robot": arguments.answers,
            "seeds from": FIRST_SEED,
            "executed steps": EXECUTED_STEPS,
            "rows per pass": ROWS,
            "context length": CONTEXT_LENGTH,
        },
        NOTES,
    )
    print(path.read_text())


NOTES = """\
`passes in total` are the network's passes after the prefills, each with rows of all answers that
run; `one after the other` is what the same robots take when each is served alone, in the same run:
each robot's first answer, when its drafts know nothing, counts in both. `different ids`: answers
that are not those of the robot alone, bit for bit. The worlds wait while their robot waits, so
equal ids mean equal motions. Latency leaves out each robot's first answer. `host ms`: CPU time per
pass besides the network (drafts of all answers, layout, acceptance), on one core of this machine;
the projections add it to each pass. In the table by rate a robot's chunk ends 0.3 to 1.5 s after
its question, drawn; an answer after that is late. The pictures are those of the saturated run.
GR00T's figures are another network on another machine: what compares is how they grow with the
robots."""

if __name__ == "__main__":
    main()
