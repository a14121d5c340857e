# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Everything that can be known of a policy before the first of its weights is read.

Node, commands and `MolmoActPolicy.from_pretrained` all begin here, so that what is wrong is
reported after seconds and not after minutes of loading. Reading goes on after a fault, so that one
look shows all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from molmoact_ros.answer import ActionStats, ActionTokenizer
from molmoact_ros.answer.actions import N_BINS
from molmoact_ros.model import (
    CheckpointError,
    MolmoActConfig,
    MolmoActForActionReasoning,
    VqVae,
    load_config,
    load_vqvae,
)
from molmoact_ros.model.files import checkpoint_directory
from molmoact_ros.model.loading import (
    ModelPlan,
    choose_precision,
    load_generation_config,
    plan_model,
)
from molmoact_ros.model.memory import CONTEXT_LENGTH, MemoryShortError, Precision
from molmoact_ros.model.safetensors_files import StoredTensor, list_tensors
from molmoact_ros.processing import MolmoActProcessor
from molmoact_ros.processing.tokenizer import DEPTH_TOKENS
from molmoact_ros.small_files import one_line

from .checkpoint_profile import (
    GENERIC,
    PROFILE_FILE,
    CheckpointProfile,
    choose_profile,
    load_checkpoint_profile,
)
from .model_input import WARM_UP_SIZE, model_input

CHECKPOINT_FILES = ("*.json", "*.jinja", PROFILE_FILE, "*.safetensors", "vae-final.*")
_SMALL_FILES = ("*.json", "*.jinja", PROFILE_FILE)
_VQVAE_FILES = ("vae-final.safetensors", "vae-final.pt")
_IMAGE_TOKENS = ("<im_start>", "<im_end>", "<im_patch>", "<im_col>", "<|image|>", "<im_low>")

Result = TypeVar("Result")


@dataclass(frozen=True)
class PolicyRequest:
    """Which policy is wanted, and how it shall run.

    Attributes:
        checkpoint: Directory, or hub id "owner/name".
        revision: Branch, tag or commit of a hub id.
        unnorm_key: Entry of norm_stats; None: as in the profile, or the only one.
        profile: The checkpoint's profile or its file; None: found by name or content.
        device: Torch device of the network; None: only the checkpoint itself is looked at.
        dtype: Of the weights in memory.
        quantization: None, or a mode of `molmoact_ros.model.quantization`.
        max_new_tokens: Limit of one answer; None: as in the profile.
        context_length: Tokens of prompt and answer together.
        n_images: Images of an observation; None: as in the profile.
        instruction: What the policy will be asked for; empty: not known yet.
    """

    checkpoint: str | Path
    revision: str | None = None
    unnorm_key: str | None = None
    profile: CheckpointProfile | str | Path | None = None
    device: str | torch.device | None = None
    dtype: str | torch.dtype | None = "bfloat16"
    quantization: str | None = None
    max_new_tokens: int | None = None
    context_length: int = CONTEXT_LENGTH
    n_images: int | None = None
    instruction: str = ""


@dataclass
class Preflight:
    """What was found; a part is None where it is absent or could not be read.

    Attributes:
        request: What was asked for.
        directory: Local files.
        config: config.json.
        tensors: Of the weight files, by name.
        processor: Tokenizer and image settings.
        checks: Tokenizer checks by name, true when passed.
        all_stats: Usable entries of norm_stats.
        stats: The entry that the policy will use.
        profile: The checkpoint's profile.
        profile_reason: Why this one.
        vqvae: Depth decoder.
        plan: The network without memory, which fits the tensors.
        device: Of the request, where it exists.
        precision: Of the request, where it is to be had and there is enough memory.
        problems: Why the policy cannot run, a sentence each.
        passing: Those of the problems that may be gone at another start: memory that others take, a
            device or driver that fails.
        warnings: What else is wrong, though this policy may run.
    """

    request: PolicyRequest
    directory: Path | None = None
    config: MolmoActConfig | None = None
    tensors: dict[str, StoredTensor] = field(default_factory=dict)
    processor: MolmoActProcessor | None = None
    checks: dict[str, bool] = field(default_factory=dict)
    all_stats: list[ActionStats] = field(default_factory=list)
    stats: ActionStats | None = None
    profile: CheckpointProfile | None = None
    profile_reason: str = ""
    vqvae: VqVae | None = None
    plan: ModelPlan | None = None
    device: torch.device | None = None
    precision: Precision | None = None
    problems: list[str] = field(default_factory=list)
    passing: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def attempt(self, step: Callable[[], Result]) -> Result | None:
        """Run a step; its error becomes a problem and its result None."""
        try:
            return step()
        except ValueError as error:
            self.problems.append(str(error))
            if isinstance(error, MemoryShortError):
                self.passing.append(str(error))
        except (RuntimeError, OSError) as error:  # of torch, of the driver
            self.problems.append(one_line(error))
            self.passing.append(one_line(error))
        return None

    def check(self, name: str, passed: bool, problem: str) -> None:
        """Note a check; the problem is reported when it did not pass."""
        self.checks[name] = passed
        if not passed:
            self.problems.append(problem)

    def require(self) -> None:
        """Raise CheckpointError with all problems unless there are none."""
        if self.problems:
            raise CheckpointError("; ".join(self.problems))


def check_policy(
    request: PolicyRequest, also: Callable[[Preflight], Iterable[str]] = lambda found: ()
) -> Preflight:
    """Look at a checkpoint and at what is asked of it; no weight is read or made room for.

    Args:
        request: What is wanted.
        also: Called when the settings are read; returns further problems, which the caller's own
            settings have with them. Large files are fetched from the hub only without problems.
    """
    found = Preflight(request)
    checkpoint, revision = request.checkpoint, request.revision
    found.directory = found.attempt(
        lambda: checkpoint_directory(checkpoint, revision, _SMALL_FILES)
    )
    if found.directory is None:
        return found
    _read_settings(found, found.directory)
    found.problems += also(found)
    is_fetched = not Path(checkpoint).expanduser().is_dir()
    if is_fetched and found.problems:
        return found
    if is_fetched:
        found.attempt(lambda: checkpoint_directory(checkpoint, revision, CHECKPOINT_FILES))
    _read_weights(found, found.directory)
    found.warnings = [text for text in found.warnings if text not in found.problems]
    return found


def _read_settings(found: Preflight, directory: Path) -> None:
    found.config = found.attempt(lambda: load_config(directory))
    found.processor = found.attempt(lambda: MolmoActProcessor.from_pretrained(directory))
    if found.config is None:
        return
    _choose_profile(found, found.config)
    _read_stats(found, found.config)
    if found.processor is not None:
        _check_tokenizer(found, found.config, found.processor)
        _check_images(found, found.config, found.processor)
        if found.request.device is not None:
            _check_prompt(found, found.config, found.processor)


def _read_weights(found: Preflight, directory: Path) -> None:
    found.tensors = found.attempt(lambda: list_tensors(directory)) or {}
    files = [directory / name for name in _VQVAE_FILES if (directory / name).is_file()]
    if files:
        found.vqvae = found.attempt(lambda: load_vqvae(files[0]))
    config, request = found.config, found.request
    if config is not None and found.tensors:
        found.plan = found.attempt(
            lambda: plan_model(MolmoActForActionReasoning, directory, config, found.tensors)
        )
    _check_end(found, directory)
    if request.device is None:
        return
    device = found.device = found.attempt(lambda: existing_device(str(request.device)))
    plan = found.plan
    if plan is not None and device is not None:
        found.precision = found.attempt(
            lambda: choose_precision(
                plan, device, request.dtype, request.quantization, request.context_length
            )
        )


def _choose_profile(found: Preflight, config: MolmoActConfig) -> None:
    wanted = found.request.profile
    if isinstance(wanted, CheckpointProfile):
        found.profile, found.profile_reason = wanted, "it is given"
    elif wanted is not None:
        found.profile = found.attempt(lambda: load_checkpoint_profile(wanted))
        found.profile_reason = f"it is given: {wanted}"
    else:
        vocab_size = config.llm_config.vocab_size
        chosen = found.attempt(
            lambda: choose_profile(
                found.request.checkpoint, config.norm_stats, vocab_size, directory=found.directory
            )
        )
        if chosen is not None:
            found.profile, found.profile_reason = chosen


def _read_stats(found: Preflight, config: MolmoActConfig) -> None:
    stats, request = config.norm_stats or {}, found.request
    if not stats:
        found.problems.append(
            "norm_stats are absent from config.json: actions cannot be turned into robot units"
        )
        return
    profile = found.profile or GENERIC
    key = request.unnorm_key or profile.answer.unnorm_key
    if request.device is not None and found.profile is not None:
        found.stats = found.attempt(partial(ActionStats.from_norm_stats, stats, key))
        if found.stats is not None and profile is not GENERIC:
            found.attempt(partial(profile.actions.check_dof, found.stats.dof))
    for entry in stats:
        try:
            usable = ActionStats.from_norm_stats(stats, entry)
            found.all_stats.append(usable)
            if profile is not GENERIC and key in (None, entry):
                profile.actions.check_dof(usable.dof)
        except ValueError as error:
            found.warnings.append(str(error))
    if request.device is None and key is not None and key not in stats:
        found.warnings.append(
            f"profile {profile.name} asks for answer.unnorm_key {key!r}, but norm_stats "
            f"has {', '.join(stats)}"
        )


def _check_tokenizer(
    found: Preflight, config: MolmoActConfig, processor: MolmoActProcessor
) -> None:
    tokenizer = processor.tokenizer
    id_of = tokenizer.backend_tokenizer.token_to_id  # None where there is no such token
    rows = config.llm_config.vocab_size
    depth = [id_of(token) for token in DEPTH_TOKENS]
    found.check(
        "depth tokens can be written by the head and survive decoding",
        max(depth) < rows and processor.decode(depth) == "".join(DEPTH_TOKENS),
        "the tokenizer's depth tokens are beyond the head or are skipped as special tokens",
    )
    image = [id_of(token) for token in _IMAGE_TOKENS]
    found.check(
        f"image tokens start at the embedding size {rows}",
        image == list(range(rows, rows + len(image))),
        f"the image tokens {', '.join(_IMAGE_TOKENS)} have the ids {image}; they must count up "
        f"from llm_config.vocab_size {rows}",
    )
    found.check(
        f"image_patch_id {config.image_patch_id} is <im_patch>",
        config.image_patch_id == id_of("<im_patch>"),
        f"image_patch_id is {config.image_patch_id}, but <im_patch> is {id_of('<im_patch>')}",
    )
    found.check(
        f"{N_BINS} action bins",
        config.n_action_bins == N_BINS,
        f"n_action_bins is {config.n_action_bins}; only {N_BINS} are supported",
    )
    actions = found.attempt(lambda: ActionTokenizer(config.action_codebook))
    if actions is None:
        return
    found.check(
        f"all {N_BINS} action strings ({actions.codebook}) survive tokenizing",
        _round_trips(processor, actions, rows),
        f"some {actions.codebook} action strings change when they are tokenized and decoded",
    )
    if found.request.instruction:
        found.attempt(
            lambda: processor.check_instruction(found.request.instruction, actions.strings)
        )


def _round_trips(processor: MolmoActProcessor, actions: ActionTokenizer, rows: int) -> bool:
    text = " [" + ", ".join(actions.strings) + "]."
    ids = processor.tokenizer.encode(text, add_special_tokens=False)
    return processor.decode(ids) == text and max(ids) < rows


def _check_images(found: Preflight, config: MolmoActConfig, processor: MolmoActProcessor) -> None:
    vit, settings = config.vit_config, processor.settings
    crops = (settings.crop_size, settings.crop_size)
    found.check(
        f"crops of {crops[0]} x {crops[1]} px in patches of {settings.patch_size} px",
        (vit.image_default_input_size, vit.image_patch_size) == (crops, settings.patch_size),
        f"preprocessor_config.json makes crops of {crops} px in patches of {settings.patch_size} "
        f"px, config.json wants {vit.image_default_input_size} px and {vit.image_patch_size} px",
    )


def _check_prompt(found: Preflight, config: MolmoActConfig, processor: MolmoActProcessor) -> None:
    """Refuse a prompt that leaves no room for an answer; it is the one of the warm-up."""
    profile, request = found.profile or GENERIC, found.request
    roles = profile.prompt.cameras
    n_images = request.n_images or len(roles)
    if profile is not GENERIC and n_images != len(roles):
        found.warnings.append(
            f"the number of cameras is {n_images}, profile {profile.name} was trained with "
            f"{len(roles)}: {', '.join(roles)}"
        )
    images = [np.zeros((*WARM_UP_SIZE, 3), np.uint8)] * n_images
    refused = any(problem.startswith("instruction ") for problem in found.problems)
    instruction = "wait" if refused else request.instruction or "wait"
    prompt = found.attempt(lambda: model_input(processor, profile, images, instruction, None))
    answer = request.max_new_tokens or profile.answer.max_new_tokens
    length = 0 if prompt is None else prompt["input_ids"].shape[1]
    if length + answer > request.context_length:
        found.problems.append(
            f"{n_images} images and their prompt take {length} tokens, an answer up to {answer} "
            f"(max_new_tokens), and together there is room for {request.context_length}: shorten "
            "the instruction, lower max_new_tokens or use fewer cameras"
        )


def _check_end(found: Preflight, directory: Path) -> None:
    """Compare the ends of answers; a checkpoint may end them by another token than its eos."""
    if found.config is None or found.processor is None:
        return
    try:
        generation = load_generation_config(directory)
    except CheckpointError as error:
        found.problems.append(str(error))
        return
    if generation is None:
        found.warnings.append(f"{directory}: generation_config.json is missing")
    end = getattr(generation, "eos_token_id", None)
    if end is None:
        end = getattr(found.config, "eos_token_id", None)
    ends = end if isinstance(end, list) else [end]
    eos, rows = found.processor.tokenizer.eos_token_id, found.config.llm_config.vocab_size
    name = f"end-of-sequence token {eos} is the same in tokenizer and generation_config.json"
    found.checks[name] = eos in ends and eos is not None and eos < rows
    if ends == [None]:
        found.problems.append(
            f"{directory}: neither generation_config.json nor config.json has an eos_token_id: "
            "answers would never end"
        )
    elif not found.checks[name]:
        found.warnings.append(
            f"generation_config.json ends answers at {ends}, the tokenizer's eos_token is {eos}"
        )


def existing_device(name: str) -> torch.device:
    """Return a device of this machine.

    Raises:
        ValueError: There is none of this name.
    """
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"device '{name}' is unknown; cuda, cuda:1 and cpu are known") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError("device is 'cuda', but torch finds no CUDA GPU; use device 'cpu'")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"device is '{name}', but torch finds {torch.cuda.device_count()} GPUs")
    return device
