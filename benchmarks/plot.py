# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Draws passes per chunk over a rollout from results/closed_loop.json (needs matplotlib).

python -m benchmarks.plot [--results closed_loop] [--out docs/images/passes.png]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

from benchmarks.report import RESULTS  # noqa: E402

STEP_SECONDS = 0.1


def main() -> None:
    """Draw the plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--results", default="closed_loop")
    parser.add_argument("--out", type=Path, default=Path("docs/images/passes.png"))
    arguments = parser.parse_args()
    content = json.loads((RESULTS / f"{arguments.results}.json").read_text())
    rows = content["tables"][next(iter(content["tables"]))]
    plain = [row["tokens"] - 1 for row in rows if row["code"] == "now"]
    figure, axes = pyplot.subplots(figsize=(7, 3.2))
    rollouts = content["config"]["passes per chunk"].items()
    for (label, episodes), tokens in zip(rollouts, plain, strict=True):
        passes = [count for episode in episodes for count in episode]
        steps = int(label.split()[1])
        seconds = [number * steps * STEP_SECONDS for number in range(len(passes))]
        (line,) = axes.plot(seconds, passes, marker=".", label=label)
        about = f"{label.partition(',')[0]}, plain decoding"
        axes.axhline(tokens, color=line.get_color(), linestyle="--", label=about)
    axes.set(xlabel="simulated time over all episodes (s)", ylabel="passes per chunk", yscale="log")
    axes.set_ylim(top=2000)
    axes.legend(fontsize=8, ncols=2, loc="upper right")
    figure.tight_layout()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out, dpi=120)
    print(arguments.out)


if __name__ == "__main__":
    main()
