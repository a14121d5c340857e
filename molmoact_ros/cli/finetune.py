# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""molmoact-finetune: a checkpoint trained on a data set of molmoact-dataset."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from molmoact_ros.output_files import reports_write_errors
from molmoact_ros.small_files import one_line

from .policy_arguments import duration, fail, not_negative, positive, share

_PACKAGES = "pip install 'molmoact_ros[finetune]', or peft pyarrow av matplotlib"


class _Terminal:
    """Shows lines and bars; see `molmoact_ros.finetune.run.Show`."""

    def line(self, name: str, text: str) -> None:
        """Print a line."""
        tqdm.write(f"{name + ':':<12} {text}")
        sys.stdout.flush()

    def bar(self, total: int, unit: str, name: str) -> Any:
        """Return a progress bar."""
        return tqdm(total=total, unit=unit, desc=name, dynamic_ncols=True)


@reports_write_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0: done, 1: an error or Ctrl-C, on stderr; then OUT was not made."""
    options = _parse(argv)
    try:
        import av  # noqa: F401
        import matplotlib  # noqa: F401
        import peft  # noqa: F401
        import pyarrow  # noqa: F401
    except ImportError as error:
        return fail(f"a package is missing: {error.name}: {_PACKAGES}")
    partial = options.out.with_name(options.out.name + ".partial")
    try:
        return _run(options)
    except (ValueError, RuntimeError, MemoryError) as error:
        return fail(one_line(error))
    except KeyboardInterrupt:
        kept = partial / "state.pt"
        done = f"give the same command again to go on from {partial}"
        return fail(f"stopped; {done if kept.exists() else 'nothing was trained yet'}")


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="molmoact-finetune",
        description="Train a checkpoint on a data set of molmoact-dataset. The result has the "
        "released layout and a profile that the policy node finds. See docs/own_robot.md.",
        epilog="A run that was stopped or killed goes on when the same command is given again.",
    )
    add = parser.add_argument
    add("--checkpoint", type=Path, required=True, metavar="DIR", help="folder to begin with")
    add("--data", type=Path, required=True, metavar="DIR", help="data set of molmoact-dataset")
    add("-o", "--out", type=Path, required=True, help="new folder of the checkpoint")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--lora", type=positive, metavar="RANK",
        help="train adapters of this rank and merge them (default: 32 above 100 M)")  # fmt: skip
    which.add_argument("--all-weights", action="store_true",
        help="train all weights (default: up to 100 M)")  # fmt: skip
    add("--steps", type=positive, default=2000, help="optimizer steps (default: 2000)")
    add("--batch", type=positive, default=16, help="samples of a step (default: 16)")
    add("--at-once", type=positive, metavar="N",
        help="samples computed at once (default: 1 above 100 M weights)")  # fmt: skip
    add("--rate", type=_rate,
        help="learning rate (default: 0.0005, for all of many weights 0.00001)")  # fmt: skip
    add("--steering", type=share, default=0.25, metavar="SHARE",
        help="share of the samples that follow a drawn line (default: 0.25)")  # fmt: skip
    add("--rows", type=positive, metavar="N",
        help="action rows of an answer (default: as the checkpoint, else 8)")  # fmt: skip
    add("--new-actions", action="store_true",
        help="allow another action space or number of columns than the checkpoint's")  # fmt: skip
    add("--answers", type=not_negative, default=48, metavar="N",
        help="held-out steps that are answered before and after (default: 48)")  # fmt: skip
    add("--device", default="auto", help="cpu, cuda or cuda:N (default: cuda if there is one)")
    add("--precision", choices=("auto", "float32", "bfloat16"), default="auto",
        help="of matrix products (default: bfloat16 where the device multiplies it)")  # fmt: skip
    add("--seed", type=not_negative, default=0, help="of the samples' order and noise (default: 0)")
    add("--save-every", type=duration, default=60.0, metavar="SECONDS",
        help="between two saves of the progress (default: 60)")  # fmt: skip
    return parser.parse_args(argv)


def _run(options: argparse.Namespace) -> int:
    from molmoact_ros.finetune.plan import make_plan
    from molmoact_ros.finetune.run import finetune
    from molmoact_ros.finetune.settings import FinetuneSettings

    device = _device(options.device)
    settings = FinetuneSettings(
        checkpoint=options.checkpoint,
        data=options.data,
        out=options.out,
        lora=0 if options.all_weights else options.lora,
        steps=options.steps,
        batch=options.batch,
        at_once=options.at_once,
        rate=options.rate,
        steering=options.steering,
        rows=options.rows,
        device=device,
        bfloat16=_is_bfloat16(options.precision, device),
        new_actions=options.new_actions,
        seed=options.seed,
        answers=options.answers,
    )
    show = _Terminal()
    plan = make_plan(settings)
    held, kind = len(plan.held_out), plan.settings
    show.line("checkpoint", f"{options.checkpoint}, {plan.values:,} weights")
    show.line("data", f"{options.data}, {len(plan.training)} episodes, {held} held out")
    show.line("trained", f"LoRA of rank {kind.lora}" if kind.lora else "all weights")
    report = finetune(plan, show, options.save_every)
    show.line("speed", f"{report['samples_per_second']} samples/s, {report['minutes']} min")
    show.line("written", f"{options.out}; look at it with molmoact-inspect {options.out}")
    return 0


def _device(wanted: str) -> str:
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise ValueError(f"--device {wanted}: give cpu, cuda or cuda:N") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"--device {wanted}: there is no CUDA device; give --device cpu")
    return wanted


def _is_bfloat16(wanted: str, device: str) -> bool:
    if wanted != "auto":
        return wanted == "bfloat16"
    import torch

    return device != "cpu" or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _rate(text: str) -> float:
    value = float(text)
    if not 0.0 < value < 1.0:
        raise argparse.ArgumentTypeError(f"{text} is not a learning rate, 0..1")
    return value


if __name__ == "__main__":
    sys.exit(main())
