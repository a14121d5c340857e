# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What will be trained on what, checked before anything large is read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from molmoact_ros.answer import ActionStats
from molmoact_ros.control import ACTION_SPACES
from molmoact_ros.policy.checkpoint_profile import (
    GENERIC,
    ActionSettings,
    CheckpointProfile,
    GripperSettings,
    MatchRule,
    PromptSettings,
)
from molmoact_ros.policy.preflight import PolicyRequest, Preflight, check_policy
from molmoact_ros.yaml_config import ProfileError

from .answers import Writer
from .demonstrations import DESCRIPTION, Description
from .faults import FinetuneError
from .network import SMALL, find_vqvae
from .settings import FinetuneSettings

DEFAULT_ROWS = 8  # as in the public code
_RATES = {"lora": 5e-4, "small": 5e-4, "all": 1e-5}


@dataclass(frozen=True)
class Plan:
    """A training that can begin.

    Attributes:
        settings: With nothing left open.
        description: Of the data set.
        found: The checkpoint: configuration, tensors, processor.
        profile: Of the checkpoint that is made, but for `max_new_tokens`.
        norm_stats: Of the checkpoint that is made.
        stats: The entry of the data set.
        writer: Of the answers.
        fingerprint: What a resumed training must have in common with the one before.
    """

    settings: FinetuneSettings
    description: Description
    found: Preflight
    profile: CheckpointProfile
    norm_stats: dict[str, Any]
    stats: ActionStats
    writer: Writer
    fingerprint: dict[str, Any]

    @property
    def source(self) -> Path:
        """Folder of the checkpoint to begin with."""
        assert self.found.directory is not None
        return self.found.directory

    @property
    def training(self) -> list[int]:
        """Numbers of the episodes to train on."""
        return list(self.description.content["split"]["training"])

    @property
    def held_out(self) -> list[int]:
        """Numbers of the other episodes."""
        return list(self.description.content["split"]["held_out"])

    @property
    def values(self) -> int:
        """Number of the network's parameters."""
        return sum(t.nbytes // t.dtype.itemsize for t in self.found.tensors.values())


def make_plan(settings: FinetuneSettings) -> Plan:
    """Check checkpoint and data set.

    Raises:
        FinetuneError: They do not fit together, or one of them cannot be used.
    """
    if settings.out.exists():
        raise FinetuneError(f"{settings.out} exists; choose another folder by -o")
    description = Description.read(settings.data)
    found = check_policy(PolicyRequest(settings.checkpoint))
    if found.problems:
        raise FinetuneError(f"{settings.checkpoint}: {'; '.join(found.problems)}")
    assert found.directory and found.config and found.processor and found.profile
    _check_depth(description, found.directory)
    rows = settings.rows or found.profile.answer.rows or DEFAULT_ROWS
    _check_episodes(description, rows)
    try:
        profile = _tuned_profile(found.profile, description, rows, settings)
    except ProfileError as error:
        raise FinetuneError(f"{description.folder / DESCRIPTION}: {error}") from None
    key = str(description.content["unnorm_key"])
    norm_stats = {**(found.config.norm_stats or {}), **description.content["norm_stats"]}
    try:
        stats = ActionStats.from_norm_stats(norm_stats, key)
        profile.actions.check_dof(stats.dof)
    except ValueError as error:
        raise FinetuneError(f"{description.folder / DESCRIPTION}: {error}") from None
    tokenizer = found.processor.tokenizer
    writer = Writer(
        tokenizer.backend_tokenizer, found.config.action_codebook, int(tokenizer.eos_token_id)
    )
    values = sum(t.nbytes // t.dtype.itemsize for t in found.tensors.values())
    lora = (0 if values <= SMALL else 32) if settings.lora is None else settings.lora
    kind = "lora" if lora else "small" if values <= SMALL else "all"
    settings = replace(
        settings,
        lora=lora,
        rows=rows,
        rate=settings.rate or _RATES[kind],
        at_once=settings.at_once or (settings.batch if values <= SMALL else 1),
    )
    return Plan(
        settings, description, found, profile, norm_stats, stats, writer,
        {**settings.content(), "data_sha256": description.sha256,
         "checkpoint_sha256": _checkpoint_sha256(found)},
    )  # fmt: skip


def profile_yaml(profile: CheckpointProfile) -> str:
    """Return the file of a profile."""
    images, answer, actions = profile.images, profile.answer, profile.actions
    content = {
        "name": profile.name,
        "description": profile.description,
        "prompt": {"cameras": list(profile.prompt.cameras), "style": profile.prompt.style},
        "images": {
            "size": list(images.size) if images.size else None,
            "longest_side": images.longest_side,
            "kernel": images.kernel,
            "crop_area": images.crop_area,
        },
        "answer": {
            "unnorm_key": answer.unnorm_key,
            "rows": answer.rows,
            "max_new_tokens": answer.max_new_tokens,
        },
        "actions": {
            "action_space": actions.action_space,
            "names": list(actions.names),
            "control_period": actions.control_period,
            "gripper": {
                "convention": actions.gripper.convention,
                "threshold": actions.gripper.threshold,
            },
        },
    }
    head = "# Written by molmoact-finetune; config/checkpoints/template.yaml explains the keys.\n"
    return head + yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def _tuned_profile(
    before: CheckpointProfile, data: Description, rows: int, settings: FinetuneSettings
) -> CheckpointProfile:
    facts, file = data.content, data.folder / DESCRIPTION
    space, columns = facts["action_space"], tuple(facts["columns"])
    if space not in ACTION_SPACES:
        raise FinetuneError(
            f"{file}: action_space '{space}' is not one of {', '.join(ACTION_SPACES)}"
        )
    known = (before.actions.action_space, len(before.actions.names))
    if before is not GENERIC and not settings.new_actions and known != (space, len(columns)):
        raise FinetuneError(
            f"{file}: its actions are {space} of {len(columns)} columns, those of "
            f"{settings.checkpoint} {known[0]} of {known[1]}: give --new-actions if the network "
            "shall learn them anew, or make the data set with another --robot"
        )
    gripper = facts["gripper"]
    if gripper["column"] != columns[-1] or {gripper["open"], gripper["closed"]} != {0.0, 1.0}:
        raise FinetuneError(
            f"{file}: the gripper is {gripper}, but it must be the last column, with 0 and 1 for "
            "open and closed either way round: change action.gripper of the robot's profile and "
            "make the data set again"
        )
    # The network goes on writing what it wrote for a closed gripper; the profile converts it.
    wrote_closed_as_one = before.actions.gripper.convention == "as_is"
    as_is = wrote_closed_as_one == (gripper["closed"] > gripper["open"])
    convention = GripperSettings(
        "as_is" if as_is else "one_minus", before.actions.gripper.threshold
    )
    return replace(
        before,
        name=str(facts["unnorm_key"]),
        description=f"{Path(settings.checkpoint).name} tuned on {data.folder.resolve().name}",
        match=MatchRule(),
        prompt=PromptSettings(tuple(facts["cameras"])),
        answer=replace(before.answer, unnorm_key=str(facts["unnorm_key"]), rows=rows),
        actions=ActionSettings(space, columns, float(facts["control_period"]), convention),
    )


def _check_depth(data: Description, checkpoint: Path) -> None:
    file = data.folder / DESCRIPTION
    depth, vqvae = data.content["depth"], find_vqvae(checkpoint)
    again = f"make the data set again with molmoact-dataset --checkpoint {checkpoint}"
    if depth is None:
        raise FinetuneError(f"{file}: the data set has no depth codes: {again}")
    if vqvae is None:
        raise FinetuneError(f"{checkpoint} has no vae-final.safetensors or vae-final.pt")
    if depth["vqvae_sha256"] != hashlib.sha256(vqvae.read_bytes()).hexdigest():
        raise FinetuneError(
            f"{file}: its depth codes are of another VQ-VAE than {vqvae}, where they mean "
            f"something else: {again}"
        )


def _check_episodes(data: Description, rows: int) -> None:
    file = data.folder / DESCRIPTION
    training = data.content["split"]["training"]
    lengths = [int(data.content["episodes"][number]["steps"]) for number in training]
    if not lengths:
        raise FinetuneError(f"{file}: no episode is for training: record more, or --held-out 0")
    if max(lengths) < rows:
        raise FinetuneError(
            f"{file}: the longest training episode has {max(lengths)} steps, an answer {rows} "
            "rows: record longer episodes, or give fewer --rows"
        )


def _checkpoint_sha256(found: Preflight) -> str:
    assert found.directory is not None
    digest = hashlib.sha256((found.directory / "config.json").read_bytes())
    for name, tensor in sorted(found.tensors.items()):
        digest.update(f"{name} {tensor.shape} {tensor.version}".encode())
    return digest.hexdigest()
