# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What commands share: the arguments of a policy, loading it with progress, numbers, failing."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from molmoact_ros.policy.pixels import MAX_IMAGE_PIXELS

if TYPE_CHECKING:
    from molmoact_ros.model.loading import LoadProgress
    from molmoact_ros.policy import MolmoActPolicy
    from molmoact_ros.policy.preflight import PolicyRequest, Preflight


def add_policy_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that `load_policy` reads."""
    add = parser.add_argument
    add("--checkpoint", required=True, metavar="PATH_OR_ID", help="directory, or hub id owner/name")
    add_loading_arguments(parser)
    add("--unnorm-key", metavar="KEY", help="entry of norm_stats (default: that of the profile)")
    add("--repeatable", action=argparse.BooleanOptionalAction,
        help="drafts never change an id, in every number type (default: on GPUs)")  # fmt: skip
    add("--constrained", action="store_true",
        help="keep answers to the form of the first well-formed one (default: no)")  # fmt: skip
    add("--max-new-tokens", type=int, metavar="N", help="limit of the answer's length")


def add_loading_arguments(parser: argparse.ArgumentParser) -> None:
    """Add those of them that do not depend on what is asked."""
    add = parser.add_argument
    add("--revision", help="branch, tag or commit of a hub id")
    add("--profile", metavar="FILE", help="profile to use instead of choosing one")
    add("--device", help="cuda, cuda:1, cpu ... (default: cuda where there is one, else cpu)")
    add("--dtype", help="number type of the weights (default: bfloat16, on the CPU float32)")
    add("--quantization", metavar="MODE", help="quantise the weights (default: no)")


def add_image_limit(parser: argparse._ActionsContainer) -> None:
    """Add `--max-image-pixels`, as the policy node's parameter."""
    add = parser.add_argument
    add("--max-image-pixels", type=positive, default=MAX_IMAGE_PIXELS, metavar="PIXELS",
        help="largest width x height of an image, by its header (%(default)s)")  # fmt: skip


def load_policy(
    arguments: argparse.Namespace,
    n_images: int | None = None,
    instruction: str = "",
    also: Callable[[Preflight], Iterable[str]] = lambda found: (),
) -> MolmoActPolicy:
    """Check everything that can be checked before, and load; on a terminal with progress.

    Args:
        arguments: Those of `add_policy_arguments`.
        n_images: Images that the policy will be given; None: those of the profile.
        instruction: What it will be instructed to do; empty: not known yet.
        also: Returns further problems, see `molmoact_ros.policy.preflight.check_policy`.

    Raises:
        CheckpointError: A file is missing or broken, or an argument does not fit the checkpoint or
            this machine.
    """
    from molmoact_ros.policy import MolmoActPolicy
    from molmoact_ros.policy.preflight import check_policy

    request = replace(
        loading_request(arguments),
        unnorm_key=arguments.unnorm_key,
        max_new_tokens=arguments.max_new_tokens,
        n_images=n_images,
        instruction=instruction,
    )
    found = check_policy(request, also)
    for warning in found.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    progress = show_progress if sys.stderr.isatty() else None
    names = ("max_new_tokens", "repeatable", "constrained")
    settings = {name: getattr(arguments, name) for name in names}
    return MolmoActPolicy.from_preflight(found, progress, **settings)


def loading_request(arguments: argparse.Namespace) -> PolicyRequest:
    """Return which policy is wanted, by the arguments of `add_loading_arguments`."""
    import torch

    from molmoact_ros.policy.preflight import PolicyRequest

    device = arguments.device or ("cuda" if torch.cuda.is_available() else "cpu")
    return PolicyRequest(
        arguments.checkpoint,
        revision=arguments.revision,
        profile=arguments.profile,
        device=device,
        dtype=arguments.dtype or ("float32" if device == "cpu" else "bfloat16"),
        quantization=arguments.quantization,
    )


def positive(text: str) -> int:
    """Read the number of an argument that must be 1 or more."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, is {value}")
    return value


def not_negative(text: str) -> int:
    """Read the number of an argument that must be 0 or more."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"must be 0 or more, is {value}")
    return value


def share(text: str) -> float:
    """Read the number of an argument that is a share, 0..1."""
    value = float(text)
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"{text} is not a share, 0..1")
    return value


def duration(text: str) -> float:
    """Read the number of an argument that is a time, s, 0 or more."""
    value = float(text)
    if not 0.0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a time in s, 0 or more")
    return value


def fail(reason: str) -> int:
    """Report why a command ends, and return its exit code."""
    print(f"error: {reason}", file=sys.stderr)
    return 1


def show_progress(progress: LoadProgress) -> None:
    """Show on a terminal how far loading is."""
    end = "\n" if progress.bytes_done == progress.bytes_total else ""
    print(f"\rloading {progress} ", end=end, file=sys.stderr, flush=True)
