# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The policy of a checkpoint on this machine, as the parameters ask for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from molmoact_ros.faults import DeviceLostError
from molmoact_ros.ros.running import StartError, StartFault
from molmoact_ros.small_files import one_line

from .parameters import PolicyParameters, action_names, camera_topics, step_period

if TYPE_CHECKING:
    from molmoact_ros.model.loading import LoadProgress
    from molmoact_ros.policy import MolmoActPolicy
    from molmoact_ros.policy.preflight import Preflight


def check_setup(parameters: PolicyParameters) -> Preflight:
    """Check everything that files and parameters show before a weight is read; takes seconds.

    Args:
        parameters: Of the policy node.

    Returns:
        What was found; its problems are why the node would refuse to start.

    Raises:
        StartError: There is nothing to look at.
    """
    if parameters.server:
        raise StartError(
            f"parameter 'server': the checkpoint is that of '{parameters.server}'; look at it there"
        )
    checkpoint = checkpoint_path(parameters)
    # torch's threads wait for each other busily, which takes the cores from cameras and executor:
    # a third more CPU for the same answers. Read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Loading torch takes seconds: wrong parameters were refused before, and signals work meanwhile.
    from molmoact_ros.policy.preflight import PolicyRequest, check_policy

    request = PolicyRequest(
        checkpoint,
        revision=parameters.revision or None,
        unnorm_key=parameters.unnorm_key or None,
        profile=parameters.profile or None,
        device=parameters.device,
        dtype=parameters.dtype,
        quantization=parameters.quantization or None,
        max_new_tokens=parameters.max_new_tokens or None,
        n_images=len(parameters.cameras) or None,
        instruction=parameters.instruction,
    )
    return check_policy(request, lambda found: _problems(parameters, found))


def load_node_policy(
    parameters: PolicyParameters,
    progress: Callable[[LoadProgress], None] | None = None,
    warn: Callable[[str], None] = lambda text: None,
) -> MolmoActPolicy:
    """Check the checkpoint and the parameters, and load.

    Args:
        parameters: Which one, and how it is loaded.
        progress: Called while weights are loaded.
        warn: Called with each thing that is wrong and yet no reason to refuse.

    Raises:
        DeviceLostError: The device failed for good.
        StartError: The checkpoint is missing, broken, or does not fit the parameters or this
            machine.
        StartFault: It cannot be read now, or memory is short.
    """
    found = check_setup(parameters)
    for warning in found.warnings:
        warn(warning)
    if found.problems:
        may_pass = set(found.problems) <= set(found.passing)
        raise (StartFault if may_pass else StartError)(_joined(parameters, found.problems))
    import torch

    from molmoact_ros.policy import MolmoActPolicy

    if parameters.threads:
        torch.set_num_threads(parameters.threads)
    try:
        return MolmoActPolicy.from_preflight(
            found,
            progress,
            rows=parameters.rows or None,
            max_new_tokens=parameters.max_new_tokens or None,
            action_decoding=parameters.action_decoding,
            repeatable=parameters.repeatable,
            compile=parameters.compile,
            constrained=parameters.constrained,
            max_overruled=parameters.max_overruled,
        )
    except (StartError, DeviceLostError):
        raise  # the first from `progress`
    except (OSError, ValueError, RuntimeError, MemoryError) as error:
        # All was well a moment ago: a disk, a file that changes, memory that others took.
        raise StartFault(_joined(parameters, [one_line(error)])) from error


def checkpoint_path(parameters: PolicyParameters) -> str | Path:
    """Return the directory or hub id.

    Raises:
        StartError: None is given, or there is no such directory.
    """
    checkpoint = parameters.checkpoint
    if not checkpoint:
        raise StartError(
            "parameter 'checkpoint': give a checkpoint directory or a hub id, or, with parameter "
            "'server', the address of a policy server"
        )
    try:
        os.fsencode(checkpoint)
    except UnicodeEncodeError as error:
        raise StartError(
            f"parameter 'checkpoint': '{checkpoint}' cannot be the name of a file in this locale: "
            "set LC_ALL=C.UTF-8"
        ) from error
    try:
        directory = Path(checkpoint).expanduser()
    except RuntimeError as error:  # ~somebody
        raise StartError(f"parameter 'checkpoint': '{checkpoint}': {error}") from error
    if directory.is_dir():
        return directory
    # A hub id is "owner/name"; anything else can only be a directory.
    if checkpoint.count("/") != 1 or checkpoint[0] in "/.~":
        raise StartError(f"parameter 'checkpoint': there is no directory '{checkpoint}'")
    return checkpoint


def _problems(parameters: PolicyParameters, found: Preflight) -> list[str]:
    """Return why the parameters do not fit a checkpoint."""
    profile, stats = found.profile, found.stats
    problems: list[str] = []

    def attempt(step: Callable[[], object]) -> None:
        try:
            step()
        except StartError as error:
            problems.append(str(error))

    if profile is not None:
        attempt(lambda: camera_topics(parameters, profile))
        attempt(lambda: step_period(parameters, profile))
        if stats is not None:
            attempt(lambda: action_names(parameters, profile, stats))
    return problems


def _joined(parameters: PolicyParameters, problems: list[str]) -> str:
    """Return one sentence of all problems, those of parameters first."""
    own = [problem for problem in problems if problem.startswith("parameter '")]
    rest = []
    for problem in problems:
        if problem.startswith("instruction "):
            own.append(f"parameter 'instruction': {problem}")
        elif problem not in own:
            rest.append(problem)
    if rest:
        own.append(f"checkpoint '{parameters.checkpoint}': {'; '.join(rest)}")
    return "; ".join(own)
