# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Everything that can be learned of a checkpoint without running it.

Reading goes on after a fault, so that one look shows all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch

from molmoact_ros.answer import N_BINS, ActionStats, ActionTokenizer
from molmoact_ros.model import (
    CheckpointError,
    MolmoActConfig,
    MolmoActForActionReasoning,
    VqVae,
    load_config,
    load_vqvae,
)
from molmoact_ros.model.files import checkpoint_directory, read_json
from molmoact_ros.model.loading import check_fit
from molmoact_ros.model.safetensors_files import StoredTensor, list_tensors
from molmoact_ros.policy import CHECKPOINT_FILES, VQVAE_FILES
from molmoact_ros.processing import MolmoActProcessor
from molmoact_ros.processing.tokenizer import DEPTH_TOKENS
from molmoact_ros.profile import GENERIC, CheckpointProfile, choose_profile, load_profile

_IMAGE_TOKENS = ("<im_start>", "<im_end>", "<im_patch>", "<im_col>", "<|image|>", "<im_low>")

Result = TypeVar("Result")


@dataclass
class Inspection:
    """What was found; a part is None where it could not be read.

    Attributes:
        directory: local files.
        config: config.json.
        tensors: of the weight files, by name.
        processor: tokenizer and image settings.
        checks: tokenizer checks by name, true when passed.
        stats: usable entries of norm_stats.
        profile: the profile that would be chosen.
        profile_reason: why.
        vqvae: depth decoder; None also where the checkpoint has none.
        problems: everything that is wrong, a sentence each.
    """

    directory: Path | None = None
    config: MolmoActConfig | None = None
    tensors: dict[str, StoredTensor] = field(default_factory=dict)
    processor: MolmoActProcessor | None = None
    checks: dict[str, bool] = field(default_factory=dict)
    stats: list[ActionStats] = field(default_factory=list)
    profile: CheckpointProfile = GENERIC
    profile_reason: str = ""
    vqvae: VqVae | None = None
    problems: list[str] = field(default_factory=list)

    def attempt(self, step: Callable[[], Result]) -> Result | None:
        """Run a step; its error becomes a problem and its result None."""
        try:
            return step()
        except ValueError as error:
            self.problems.append(str(error))
            return None

    def check(self, name: str, passed: bool, problem: str) -> None:
        """Note a check; the problem is reported when it did not pass."""
        self.checks[name] = passed
        if not passed:
            self.problems.append(problem)


def inspect_checkpoint(
    path_or_id: str, revision: str | None = None, profile: str | None = None
) -> Inspection:
    """Look at a checkpoint.

    Args:
        path_or_id: directory or hub id.
        revision: branch, tag or commit of a hub id.
        profile: file of a profile; None: choose one.
    """
    found = Inspection()
    directory = found.attempt(lambda: checkpoint_directory(path_or_id, revision, CHECKPOINT_FILES))
    if directory is None:
        return found
    found.directory = directory
    found.config = found.attempt(lambda: load_config(directory))
    found.tensors = found.attempt(lambda: list_tensors(directory)) or {}
    found.processor = found.attempt(lambda: MolmoActProcessor.from_pretrained(directory))
    _read_vqvae(found, directory)
    if found.config is not None:
        if found.tensors:
            _check_weights(found, found.config, directory)
        _read_profile(found, found.config, path_or_id, profile)
        _read_stats(found, found.config)
        if found.processor is not None:
            _check_tokenizer(found, found.config, found.processor, directory)
    return found


def _read_vqvae(found: Inspection, directory: Path) -> None:
    files = [directory / name for name in VQVAE_FILES if (directory / name).is_file()]
    if files:
        found.vqvae = found.attempt(lambda: load_vqvae(files[0]))


def _check_weights(found: Inspection, config: MolmoActConfig, directory: Path) -> None:
    def compare() -> None:
        with torch.device("meta"):
            network = MolmoActForActionReasoning(config)
        check_fit(network, found.tensors, directory)

    found.attempt(compare)


def _read_profile(
    found: Inspection, config: MolmoActConfig, path_or_id: str, profile: str | None
) -> None:
    if profile is not None:
        found.profile = found.attempt(lambda: load_profile(profile)) or GENERIC
        found.profile_reason = "given on the command line"
        return
    vocab_size = config.llm_config.vocab_size
    chosen = found.attempt(lambda: choose_profile(path_or_id, config.norm_stats, vocab_size))
    if chosen is not None:
        found.profile, found.profile_reason = chosen


def _read_stats(found: Inspection, config: MolmoActConfig) -> None:
    stats: dict[str, Any] = config.norm_stats or {}
    if not stats:
        found.problems.append(
            "norm_stats are absent from config.json: actions can not be turned into robot units"
        )
    for key in stats:
        entry = found.attempt(partial(ActionStats.from_norm_stats, stats, key))
        if entry is not None:
            found.stats.append(entry)
    if found.profile is GENERIC:
        return
    wanted = found.profile.answer.unnorm_key
    for entry in found.stats:
        if wanted in (None, entry.key):
            found.attempt(partial(found.profile.actions.check_dof, entry.dof))
    if wanted is not None and stats and wanted not in stats:
        found.problems.append(
            f"profile {found.profile.name} asks for answer.unnorm_key {wanted!r}, but norm_stats "
            f"has {', '.join(stats)}"
        )


def _check_tokenizer(
    found: Inspection, config: MolmoActConfig, processor: MolmoActProcessor, directory: Path
) -> None:
    tokenizer = processor.tokenizer
    vocabulary = tokenizer.get_vocab()
    rows = config.llm_config.vocab_size
    depth = [vocabulary[token] for token in DEPTH_TOKENS]
    found.check(
        "depth tokens can be written by the head and survive decoding",
        max(depth) < rows and processor.decode(depth) == "".join(DEPTH_TOKENS),
        "the tokenizer's depth tokens are beyond the head or are skipped as special tokens",
    )
    image = [vocabulary.get(token) for token in _IMAGE_TOKENS]
    found.check(
        f"image tokens start at the embedding size {rows}",
        image == list(range(rows, rows + len(image))),
        f"the image tokens {', '.join(_IMAGE_TOKENS)} have the ids {image}; they must count up "
        f"from llm_config.vocab_size {rows}",
    )
    found.check(
        f"image_patch_id {config.image_patch_id} is <im_patch>",
        config.image_patch_id == vocabulary.get("<im_patch>"),
        f"image_patch_id is {config.image_patch_id}, but <im_patch> is {vocabulary['<im_patch>']}",
    )
    found.check(
        f"{N_BINS} action bins",
        config.n_action_bins == N_BINS,
        f"n_action_bins is {config.n_action_bins}; only {N_BINS} are supported",
    )
    actions = found.attempt(lambda: ActionTokenizer(config.action_codebook))
    if actions is not None:
        found.check(
            f"all {N_BINS} action strings ({actions.codebook}) survive tokenizing",
            _round_trips(processor, actions, rows),
            f"some {actions.codebook} action strings change when they are tokenized and decoded",
        )
    _check_end(found, directory, tokenizer.eos_token_id, rows)


def _round_trips(processor: MolmoActProcessor, actions: ActionTokenizer, rows: int) -> bool:
    text = " [" + ", ".join(actions.strings) + "]."
    ids = processor.tokenizer.encode(text, add_special_tokens=False)
    return processor.decode(ids) == text and max(ids) < rows


def _check_end(found: Inspection, directory: Path, eos: int | None, rows: int) -> None:
    try:
        ends = read_json(directory, "generation_config.json").get("eos_token_id")
    except CheckpointError as error:
        found.problems.append(str(error))
        return
    ends = ends if isinstance(ends, list) else [ends]
    found.check(
        f"end-of-sequence token {eos} is the same in tokenizer and generation_config.json",
        eos in ends and eos is not None and eos < rows,
        f"generation_config.json ends answers at {ends}, the tokenizer's eos_token is {eos}",
    )
