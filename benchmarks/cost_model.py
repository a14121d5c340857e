# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What 7B-D would take per chunk on machines that were not at hand, by the cost model.

    python -m benchmarks.cost_model

The model is that of docs/performance.md; passes come from results/passes_by_change.json. Bandwidths
and 16-bit tensor rates are the makers' figures. int8 is not fused: each use of a matrix reads it,
writes a copy in bf16 and reads that. int4 is left out: its kernel is bound by neither figure.
"""

from __future__ import annotations

import json
from typing import Any

from benchmarks.report import RESULTS, write_results

BLOCKS = 28 * (3584 * (3584 + 2 * 512) + 3584 * 3584 + 3 * 3584 * 18944)  # weights of all layers
HEAD = 152064 * 3584
BYTES_STORED = {"bf16": 2.0, "int8": 1.0}  # per weight of the blocks
BYTES_MOVED = {"bf16": 2.0, "int8": 1.0 + 2.0 + 2.0}  # per weight and pass
VISION = 2 * 0.41e9 * 4 * 729  # operations for four crops
PROMPT_TOKENS = 959
CACHE_TOKENS = 2048  # that a KV cache holds
BANDWIDTH_SHARE = 0.8  # of the maker's figure that passes reach
COMPUTE_SHARE = 0.5
DRAFT_SECONDS = 0.0015  # of the host, per pass
MACHINES = {  # GB/s, 16-bit dense Tflop/s, GB of memory
    "H200": (4800, 990, 141),
    "RTX 4090": (1008, 165, 24),
    "RTX 5000 Ada": (576, 130, 32),
    "Jetson AGX Orin 64GB": (205, 42, 64),
}


def pass_seconds(weights: str, gigabytes: float, teraflops: float, slots: int) -> float:
    """Return the larger of reading all weights once and multiplying them with `slots` vectors."""
    read = (BLOCKS * BYTES_MOVED[weights] + HEAD * 2) / (gigabytes * 1e9 * BANDWIDTH_SHARE)
    multiply = 2 * (BLOCKS + HEAD) * slots / (teraflops * 1e12 * COMPUTE_SHARE)
    return max(read, multiply)


def prompt_seconds(machine: str) -> float:
    """Return vision and prefill of one prompt in bf16."""
    return (2 * BLOCKS * PROMPT_TOKENS + VISION) / (MACHINES[machine][1] * 1e12 * COMPUTE_SHARE)


def shared_pass_seconds(machine: str, answers: int, rows: int = 64) -> float:
    """Return a pass in bf16 over `rows` rows of `answers` robots, without the host's work.

    Each answer attends in a block of its own with all rows, to a cache of its own.
    """
    gigabytes, teraflops, _ = MACHINES[machine]
    cache = 28 * 2 * 4 * 128 * (CACHE_TOKENS + rows) * 2.0 * answers
    read = ((BLOCKS + HEAD) * 2 + cache) / (gigabytes * 1e9 * BANDWIDTH_SHARE)
    attention = 28 * 4 * 3584 * rows * (CACHE_TOKENS + rows) * answers
    multiply = (2 * (BLOCKS + HEAD) * rows + attention) / (teraflops * 1e12 * COMPUTE_SHARE)
    return max(read, multiply)


def row(machine: str, weights: str, tokens: float, passes: float) -> dict[str, Any]:
    """Projected seconds of one chunk."""
    gigabytes, teraflops, memory = MACHINES[machine]
    prompt = prompt_seconds(machine)
    block = pass_seconds(weights, gigabytes, teraflops, 64) + DRAFT_SECONDS
    one = pass_seconds(weights, gigabytes, teraflops, 1)
    needed = (BLOCKS * BYTES_STORED[weights] + 2 * HEAD * 2) / 1e9 + 1.6  # vision, cache, workspace
    return {
        "machine": machine,
        "weights": weights,
        "fits": "yes" if needed < memory else "no",
        "vision and prefill s": prompt,
        "pass(1) ms": 1e3 * one,
        "pass(64) ms": 1e3 * block,
        "plain s per chunk": prompt + one * (tokens - 1),
        "drafted s per chunk": prompt + block * passes,
    }


def main() -> None:
    """Write the table."""
    expert = json.loads((RESULTS / "passes_by_change.json").read_text())["tables"]
    rows = expert["Statistics of the scripted expert"]
    chosen = next(r for r in rows if r["answer"] == "A1" and r["executed steps"] == 4)
    table = [
        row(machine, weights, chosen["tokens"], chosen["passes"])
        for machine in MACHINES
        for weights in BYTES_STORED
    ]
    path = write_results(
        "cost_model",
        "PROJECTION: seconds per 8x7 chunk of 7B-D by the cost model",
        {"Not measured": table},
        {
            "passes": round(chosen["passes"], 1),
            "tokens": round(chosen["tokens"]),
            "share of bandwidth": BANDWIDTH_SHARE,
            "share of compute": COMPUTE_SHARE,
        },
        "None of these figures was measured. Two images, 959 prompt tokens, 4 executed steps.",
    )
    print(path.read_text())


if __name__ == "__main__":
    main()
