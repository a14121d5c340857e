# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Run the drills: `python -m benchmarks.fault_drill --help`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence

from . import drills
from .drill import DRILLS, Drill, Result, hold
from .results import write

assert drills  # importing them registers them


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the drills and return 0 when all that could be held were passed."""
    options = _parse(arguments)
    chosen = _choose(options)
    if options.list:
        for drill in chosen:
            mark = "quick" if drill.quick else ""
            print(f"{drill.name:32} {drill.group:16} {mark:6} {drill.title}")
        return 0
    load, begin = os.getloadavg()[0], time.monotonic()
    results = []
    for number, drill in enumerate(chosen, start=1):
        print(f"[{number}/{len(chosen)}] {drill.name}: {drill.title} ...", flush=True)
        results.append(hold(drill, options.quick, options.halts))
        _report(results[-1])
    seconds = time.monotonic() - begin
    counts = {o: sum(r.outcome == o for r in results) for o in ("passed", "failed", "skipped")}
    print(f"{', '.join(f'{n} {o}' for o, n in counts.items())} in {seconds:.0f} s")
    if options.out:
        settings = {"quick": options.quick, "halts": options.halts, "only": ", ".join(options.only)}
        print(write(results, {k: v for k, v in settings.items() if v}, seconds, load))
    return int(counts["failed"] > 0)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fault_drill",
        description="Faults against the real nodes; a process of its own judges every command.",
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="a selection of drills, shorter: about a minute")
    add("--list", action="store_true", help="list the drills and end")
    add("--only", action="append", default=[], metavar="NAME",
        help="only this drill, or those of this group; can be given several times")  # fmt: skip
    add("--halts", type=int, default=74, help="halts at random moments, in all (74)")
    add("--out", action="store_true", help="write benchmarks/results/fault_drill.{json,md}")
    options = parser.parse_args(arguments)
    known = {*DRILLS, *(drill.group for drill in DRILLS.values())}
    for name in options.only:
        if name not in known:
            parser.error(f"argument --only: no drill or group '{name}'; see --list")
    if options.halts < 3:
        parser.error("argument --halts: must be 3 or more, one for each load")
    return options


def _choose(options: argparse.Namespace) -> list[Drill]:
    chosen = [drill for drill in DRILLS.values() if drill.quick or not options.quick]
    if options.only:
        chosen = [drill for drill in DRILLS.values() if {drill.name, drill.group} & {*options.only}]
    return chosen


def _report(result: Result) -> None:
    figures = ", ".join(f"{name} {value}" for name, value in result.figures.items())
    print(f"    {result.outcome.upper()} in {result.seconds:.1f} s{figures and ': ' + figures}")
    for reason in result.reasons:
        print(f"    - {reason}")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
