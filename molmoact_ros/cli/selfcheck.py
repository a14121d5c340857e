# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""molmoact-selfcheck: is the engine exact on this machine, and as fast as the machine allows."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from molmoact_ros.output_files import reports_write_errors
from molmoact_ros.small_files import one_line

from .policy_arguments import positive

if TYPE_CHECKING:
    import torch

    from molmoact_ros.selfcheck.subjects import Subject

JSON_FILE = "selfcheck.json"
CHART_FILE = "selfcheck.png"
_RELEASED = ("7b-d", "7b-o")
_DTYPES = ("bfloat16", "float16", "float32")


@reports_write_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0: nothing is wrong, 1: something is, 78: wrong settings."""
    arguments = _parser().parse_args(argv)
    logging.getLogger("transformers").setLevel(logging.ERROR)
    # As in the policy node, and before torch is imported: its threads sleep while they wait.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from molmoact_ros.model.memory import MemoryShortError

    try:
        device = _device(arguments.device)
        subject = _subject(arguments, device)
        arguments.out.mkdir(parents=True, exist_ok=True)
    except (ValueError, RuntimeError) as error:
        print(f"molmoact-selfcheck: {one_line(error)}", file=sys.stderr)
        # Memory that others hold and a driver that fails may be better at another time.
        is_passing = isinstance(error, MemoryShortError) or not isinstance(error, ValueError)
        return 1 if is_passing else os.EX_CONFIG
    return _run(arguments, subject, device)


def _run(arguments: argparse.Namespace, subject: Subject, device: torch.device) -> int:
    from molmoact_ros.selfcheck.report import report_content, report_line, write_chart, write_json
    from molmoact_ros.selfcheck.run import SelfCheck

    settings = {
        "device": str(device),
        "dtype": str(subject.precision.dtype).removeprefix("torch."),
        "quantization": subject.precision.quantization,
    }
    print(f"{subject.name}, {subject.precision}, on {device}", flush=True)
    start = time.monotonic()
    findings = []
    compiled = device.type == "cuda" if arguments.compile is None else arguments.compile
    check = SelfCheck(subject, device, _show_progress, arguments.answers, compiled)
    for finding in check.run():
        findings.append(finding)
        _clear_progress()
        print(report_line(finding), flush=True)
    _clear_progress()
    seconds = time.monotonic() - start
    content = report_content(findings, subject.name, settings, _version(), seconds)
    write_json(arguments.out / JSON_FILE, content)
    missing = write_chart(arguments.out / CHART_FILE, content)
    print(missing or f"wrote {arguments.out / CHART_FILE}")
    print(f"wrote {arguments.out / JSON_FILE}")
    wrong = content["wrong"]
    print(f"WRONG: {', '.join(wrong)}" if wrong else "Nothing is wrong.")
    return 1 if wrong else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="molmoact-selfcheck",
        description="Check the engine on this machine: device, memory, attention kernels, CUDA "
        "graphs, whether drafted answers are those of plain decoding, bandwidth, times and memory. "
        f"Prints a line for each check with a verdict, and writes {JSON_FILE} and {CHART_FILE}. "
        "Nothing is downloaded unless a hub id is given.",
        epilog="Exit code: 0 when nothing is wrong, 1 when a check found something wrong or memory "
        "is too small, 78 when a setting is wrong. Takes up to 5 minutes for 7B on a GPU, half a "
        "minute for a shipped checkpoint on a CPU. Examples: molmoact-selfcheck; "
        "molmoact-selfcheck allenai/MolmoAct-7B-D-0812 --quantization int8",
    )
    add = parser.add_argument
    add(
        "checkpoint",
        metavar="CHECKPOINT",
        nargs="?",
        help="directory, or hub id owner/name (default: random weights, see --random)",
    )
    add(
        "--random",
        choices=_RELEASED,
        metavar="SIZE",
        help="random weights of a released size, made on the device: "
        f"{' or '.join(_RELEASED)} (default: {_RELEASED[0]} unless CHECKPOINT is given)",
    )
    add("--revision", help="branch, tag or commit of a hub id")
    add("--unnorm-key", metavar="KEY", help="entry of norm_stats (default: as in the profile)")
    add("--device", help="cuda, cuda:1, cpu ... (default: cuda where there is one, else cpu)")
    add("--dtype", choices=_DTYPES, help="number type (default: bfloat16, on the CPU float32)")
    add("--quantization", metavar="MODE", help="quantise the weights: int8, int4 or fp8")
    add(
        "--answers",
        type=positive,
        default=20,
        metavar="N",
        help="answers to decode with and without drafts, as far as there is time (default: 20)",
    )
    add(
        "--compile",
        action=argparse.BooleanOptionalAction,
        help="compile the network and measure its passes, too; takes a minute (default: on GPUs)",
    )
    add("--out", type=Path, default=Path("."), metavar="DIR", help="where to write (default: .)")
    return parser


def _device(name: str | None) -> torch.device:
    import torch

    from molmoact_ros.policy.preflight import existing_device

    return existing_device(name or ("cuda" if torch.cuda.is_available() else "cpu"))


def _subject(arguments: argparse.Namespace, device: torch.device) -> Subject:
    import torch

    from molmoact_ros.model.memory import Precision
    from molmoact_ros.policy.preflight import PolicyRequest
    from molmoact_ros.selfcheck.subjects import checkpoint_subject, random_subject

    dtype = arguments.dtype or ("float32" if device.type == "cpu" else "bfloat16")
    if arguments.checkpoint is None:
        precision = Precision(getattr(torch, dtype), arguments.quantization)
        return random_subject(arguments.random or _RELEASED[0], device, precision)
    if arguments.random is not None:
        raise ValueError("give a checkpoint or --random, not both")
    return checkpoint_subject(
        PolicyRequest(
            arguments.checkpoint,
            revision=arguments.revision,
            unnorm_key=arguments.unnorm_key,
            device=device,
            dtype=dtype,
            quantization=arguments.quantization,
        )
    )


def _version() -> str:
    try:
        return metadata.version("molmoact_ros")
    except metadata.PackageNotFoundError:  # run from the sources
        return "not installed"


def _show_progress(doing: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{doing} ...", end="", file=sys.stderr, flush=True)


def _clear_progress() -> None:
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
