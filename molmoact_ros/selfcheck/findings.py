# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a check has found, and how figures become findings."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from molmoact_ros.decoding import GenerationResult, PassReport

# An 8x7 answer of 7B-D and its passes at 4 executed steps (benchmarks/results/passes_by_change.md).
CHUNK_TOKENS, CHUNK_PASSES = 434, 42
_UNSETTLED = 3  # answers


class Verdict(Enum):
    """Whether something is as it must be."""

    OK = "ok"
    WRONG = "WRONG"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        name: Of the check; does not change between versions of the report.
        verdict: Whether it is as it must be; figures that cannot be wrong are ok.
        text: What was found, for a person.
        values: The same for programs: JSON values, units in the names.
    """

    name: str
    verdict: Verdict
    text: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """A picture that was decoded twice.

    Attributes:
        plain: One token per pass.
        drafted: With a draft.
    """

    plain: GenerationResult
    drafted: GenerationResult

    @property
    def first_difference(self) -> int | None:
        """Position of the first token that differs; None: no token differs."""
        plain, drafted = self.plain.ids, self.drafted.ids
        for position, (a, b) in enumerate(zip(plain, drafted, strict=False)):
            if a != b:
                return position
        return None if len(plain) == len(drafted) else min(len(plain), len(drafted))


def numbers_finding(difference: float, close: bool, dtype: str) -> Finding:
    """Judge the device against the CPU.

    Args:
        difference: Largest difference of logits, as a share of the largest logit.
        close: Whether that is rounding.
        dtype: Number type of both.
    """
    return Finding(
        "numbers",
        Verdict.OK if close else Verdict.WRONG,
        f"one block, two vision blocks and adapter, {dtype}: logits differ from the CPU's by "
        f"{difference:.2g} of the largest",
        {"difference": _finite(difference)},
    )


def capture_finding(report: PassReport) -> Finding:
    """Judge captured passes against eager ones.

    Args:
        report: Of a decoder that is not repeatable, and so looked at nothing else.
    """
    values = {"captured": report.captured, "difference": _finite(report.difference)}
    if report.warnings:
        return Finding("capture", Verdict.WRONG, "; ".join(report.warnings), values)
    if report.difference is None:
        text = "passes run without CUDA graphs on this device"
        return Finding("capture", Verdict.NOT_MEASURED, text, values)
    text = f"captured and eager passes differ by {report.difference:.2g} of the largest logit"
    return Finding("capture", Verdict.OK, text, values)


def compiled_finding(
    report: PassReport, seconds: float, compiled_seconds: float, kernels: int | None
) -> Finding:
    """Judge compiled passes against ordinary ones, both of the largest block.

    Args:
        report: Of a repeatable decoder that shall compile.
        seconds: Of an ordinary pass.
        compiled_seconds: Of a compiled one.
        kernels: That a compiled pass starts on a GPU; None where they were not counted.
    """
    values: dict[str, Any] = {
        "compiled": report.compiled,
        "compile_seconds": report.compile_seconds,
        "difference": _finite(report.difference),
        "seconds": seconds,
        "compiled_seconds": compiled_seconds,
        "gpu_kernels": kernels,
    }
    if report.warnings:
        # A machine without a compiler is in order; what compiled and then differs is not.
        verdict = Verdict.WRONG if report.compile_seconds else Verdict.NOT_MEASURED
        return Finding("compiled", verdict, "; ".join(report.warnings), values)
    text = (
        f"a pass takes {1e3 * compiled_seconds:.3g} ms compiled, {1e3 * seconds:.3g} ms otherwise; "
        f"compiled in {report.compile_seconds:.0f} s"
    )
    if kernels is not None:
        text += f", {kernels} kernels and copies on the GPU"
    return Finding("compiled", Verdict.OK, text, values)


def rows_finding(report: PassReport, size: int) -> Finding:
    """Judge whether a token's logits depend on its slot.

    Args:
        report: Of a repeatable decoder.
        size: Slots of its blocks.
    """
    unequal = report.unequal_slots
    if unequal is None:
        return Finding("rows", Verdict.NOT_MEASURED, "no slot was compared")
    values = {"slots": size, "compared": report.compared_slots, "unequal": list(unequal)}
    if unequal:
        named = ", ".join(map(str, unequal))
        text = (
            f"a token's logits depend on its slot (slots {named} of {size}): drafted answers may "
            "differ from plain ones"
        )
        return Finding("rows", Verdict.WRONG, text, values)
    text = (
        f"a token has the same logits, bit for bit, alone and in {report.compared_slots} slots of "
        f"a drafted block of {size}"
    )
    return Finding("rows", Verdict.OK, text, values)


def drafts_finding(comparisons: Sequence[Comparison], wanted: int) -> Finding:
    """Judge drafted answers against plain ones.

    Args:
        comparisons: All that there was time for.
        wanted: How many there should be.
    """
    if not comparisons:
        return Finding("drafts", Verdict.NOT_MEASURED, "no answer was compared")
    found = [comparison.first_difference for comparison in comparisons]
    differing = [position for position in found if position is not None]
    plain = sum(len(comparison.plain.ids) for comparison in comparisons)
    passes = sum(comparison.drafted.forward_passes for comparison in comparisons)
    values = {
        "answers": len(comparisons),
        "differ": len(differing),
        "first_differences": differing,
        "tokens": plain,
        "drafted_passes": passes,
    }
    text = (
        f"{len(differing)} of {len(comparisons)} drafted answers differ from the plain ones "
        f"({plain} tokens, {passes} drafted passes)"
    )
    if len(comparisons) < wanted:
        text += f"; there was no time for the other {wanted - len(comparisons)}"
    return Finding("drafts", Verdict.WRONG if differing else Verdict.OK, text, values)


def passes_finding(
    seconds: Mapping[int, float], bytes_per_pass: int, bandwidth: float | None
) -> Finding:
    """Describe what a pass takes by its slots.

    Args:
        seconds: By slots.
        bytes_per_pass: Weights that every pass reads.
        bandwidth: Of a copy on the device, bytes read and written per second; None: not known.
    """
    times = ", ".join(f"{size}: {1e3 * value:.3g} ms" for size, value in sorted(seconds.items()))
    text = f"a pass by its slots {times}; {bytes_per_pass / 1e9:.3g} GB of weights"
    values: dict[str, Any] = {
        "seconds": {str(size): value for size, value in sorted(seconds.items())},
        "bytes_per_pass": bytes_per_pass,
    }
    if bandwidth is not None:
        bound = bytes_per_pass / bandwidth
        shares = {size: bound / value for size, value in sorted(seconds.items())}
        values |= {
            "bound_seconds": bound,
            "share_of_bandwidth": {str(size): share for size, share in shares.items()},
        }
        text += (
            f", {1e3 * bound:.3g} ms at the bandwidth of a copy, of which one slot reaches "
            f"{shares[1]:.0%} and {max(shares)} reach {shares[max(shares)]:.0%}"
        )
    return Finding("passes", Verdict.OK, text, values)


def answers_finding(comparisons: Sequence[Comparison], peak_bytes: int) -> Finding:
    """Describe what an answer takes.

    A drafted answer of `CHUNK_TOKENS` is estimated by its passes, where answers were cut: those of
    random weights never end.

    Args:
        comparisons: Answers of one network.
        peak_bytes: Most memory while they were decoded.
    """
    # The first answers are drafted without any experience, and include what happens once.
    settled = comparisons[min(_UNSETTLED, len(comparisons) - 1) :]
    if not settled:
        return Finding("answers", Verdict.NOT_MEASURED, "no answer was decoded")
    drafted = [comparison.drafted for comparison in settled]
    stages = {
        stage: statistics.median(result.seconds[stage] for result in drafted)
        for stage in ("vision", "prefill")
    }
    passes = statistics.mean(result.forward_passes for result in drafted)
    per_pass = statistics.median(
        result.seconds["decode"] / max(1, result.forward_passes) for result in drafted
    )
    values: dict[str, Any] = {
        "vision_seconds": stages["vision"],
        "prefill_seconds": stages["prefill"],
        "seconds_per_drafted_pass": per_pass,
        "tokens": statistics.mean(len(result.ids) for result in drafted),
        "passes": passes,
        "peak_bytes": peak_bytes,
    }
    text = f"vision {1e3 * stages['vision']:.3g} ms, prefill {1e3 * stages['prefill']:.3g} ms, "
    if all(result.ended for result in drafted):
        answer = statistics.median(sum(result.seconds.values()) for result in drafted)
        plain = statistics.median(sum(pair.plain.seconds.values()) for pair in settled)
        values |= {"answer_seconds": answer, "plain_answer_seconds": plain, "estimated": False}
        text += (
            f"an answer of {values['tokens']:.0f} tokens in {passes:.1f} passes {answer:.3g} s, "
            f"plain {plain:.3g} s"
        )
    else:
        plain_pass = statistics.median(
            pair.plain.seconds["decode"] / max(1, pair.plain.forward_passes) for pair in settled
        )
        once = stages["vision"] + stages["prefill"]
        values |= {
            "answer_seconds": once + CHUNK_PASSES * per_pass,
            "plain_answer_seconds": once + (CHUNK_TOKENS - 1) * plain_pass,
            "estimated": True,
        }
        text += (
            f"a chunk of 8x7 would take {values['answer_seconds']:.3g} s ({CHUNK_TOKENS} tokens in "
            f"{CHUNK_PASSES} passes, without the time of drafting), plain "
            f"{values['plain_answer_seconds']:.3g} s"
        )
    return Finding(
        "answers", Verdict.OK, f"{text}; at most {peak_bytes / 1e9:.3g} GB of memory", values
    )


def _finite(value: float | None) -> float | None:
    """JSON has no infinity and no NaN."""
    return value if value is not None and abs(value) < float("inf") else None
