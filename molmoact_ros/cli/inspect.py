# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""molmoact-inspect: what a checkpoint is, what it needs, and what is wrong with it."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import math
import sys
from collections.abc import Sequence

from molmoact_ros.cli.table import format_bytes, format_list, format_table
from molmoact_ros.model import MolmoActConfig
from molmoact_ros.model.memory import CONTEXT_LENGTH, PRECISIONS, memory_need
from molmoact_ros.output_files import reports_write_errors
from molmoact_ros.policy.checkpoint_profile import GENERIC, CheckpointProfile
from molmoact_ros.policy.preflight import PolicyRequest, Preflight, check_policy


@reports_write_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0: nothing is wrong, 1: problems were found."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.checkpoint is None and arguments.params is None:
        parser.error("give a checkpoint or --params")
    logging.getLogger("transformers").setLevel(logging.ERROR)
    try:
        found = _look(arguments)
    except (ValueError, RuntimeError) as error:  # of the parameters
        print(f"molmoact-inspect: {error}", file=sys.stderr)
        return 1
    for title, body in _sections(found, arguments.context_length):
        print(f"{title}\n{body}\n")
    problems = [*found.problems, *found.warnings]
    if not problems:
        print("No problems.")
        return 0
    print(f"Problems ({len(problems)})\n{format_list(problems, '! ')}")
    return 1


def _look(arguments: argparse.Namespace) -> Preflight:
    if arguments.params is None:
        request = PolicyRequest(arguments.checkpoint, arguments.revision, None, arguments.profile)
        return check_policy(request)
    # Here and not above: only the parameters of the node need ROS.
    try:
        from molmoact_ros.policy_node.checkpoint import check_setup
        from molmoact_ros.policy_node.parameters import PolicyParameters
        from molmoact_ros.ros.parameters import read_parameters
    except ImportError as error:
        raise ValueError(f"--params needs ROS 2, which is not there: {error}") from error
    given = {key: getattr(arguments, key) for key in ("checkpoint", "revision", "profile")}
    parameters = read_parameters(arguments.params, arguments.node, PolicyParameters)
    changes = {key: value for key, value in given.items() if value is not None}
    return check_setup(dataclasses.replace(parameters, **changes))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="molmoact-inspect",
        description="Look into a MolmoAct checkpoint without running it: network, tensors, "
        "tokenizer, action statistics, the profile that would be chosen, memory, problems.",
        epilog="Exit code: 0 when nothing is wrong, 1 when there are problems. "
        "Examples: molmoact-inspect allenai/MolmoAct-7B-D-0812 --revision main; "
        "molmoact-inspect --params my_policy.yaml",
    )
    add = parser.add_argument
    add("checkpoint", metavar="PATH_OR_ID", nargs="?",
        help="directory, or hub id owner/name (with --params default: as there)")  # fmt: skip
    add("--params", metavar="FILE",
        help="parameters file of the policy node, to check whether it would start")  # fmt: skip
    add("--node", default="molmoact_policy", metavar="NAME",
        help="whose parameters in FILE, with its namespace if any (%(default)s)")  # fmt: skip
    add("--revision", help="branch, tag or commit of a hub id")
    add("--profile", metavar="FILE", help="profile to use instead of choosing one")
    add("--context-length", type=int, default=CONTEXT_LENGTH, metavar="N",
        help="tokens of prompt and answer for the memory table (%(default)s)")  # fmt: skip
    return parser


def _sections(found: Preflight, context_length: int) -> list[tuple[str, str]]:
    sections = [(f"Checkpoint {found.request.checkpoint}", _files(found))]
    profile = found.profile or GENERIC
    if found.config is not None:
        sections.append(("Network", _network(found.config)))
    if found.checks:
        sections.append(("Checks", _checks(found)))
    for stats in found.all_stats:
        names = profile.actions.names
        labels = names if len(names) == stats.dof else tuple(map(str, range(stats.dof)))
        rows = [("", "q01", "q99", "scaled")]
        for label, low, high, scaled in zip(labels, stats.q01, stats.q99, stats.mask, strict=True):
            rows.append((label, f"{low:.5g}", f"{high:.5g}", "yes" if scaled else "no"))
        sections.append((f"norm_stats '{stats.key}', {stats.dof} values", format_table(rows)))
    if found.profile is not None:
        sections.append(("Profile", _profile(profile, found.profile_reason)))
    if found.config is not None and found.tensors:
        sections.append(("Memory", _memory(found, found.config, context_length)))
    return sections


def _files(found: Preflight) -> str:
    rows = [("directory", str(found.directory or "not found"))]
    if found.tensors:
        stored = found.tensors.values()
        values = sum(math.prod(tensor.shape) for tensor in stored)
        kinds = sorted({str(tensor.dtype).removeprefix("torch.") for tensor in stored})
        size = format_bytes(sum(tensor.nbytes for tensor in stored))
        files = len({tensor.file for tensor in stored})
        rows.append(("weights", f"{len(found.tensors)} tensors, {values:,} values, {size}"))
        rows.append(("", f"{', '.join(kinds)}, {files} safetensors file{'s' * (files > 1)}"))
    if found.vqvae is None:
        rows.append(("depth decoder", "none: depth is published as codes, not as a picture"))
    else:
        values = sum(tensor.numel() for tensor in found.vqvae.state_dict().values())
        rows.append(("depth decoder", f"VQ-VAE, {values:,} values"))
    return format_table(rows, header=False)


def _network(config: MolmoActConfig) -> str:
    vit, adapter, llm = config.vit_config, config.adapter_config, config.llm_config
    height, width = vit.image_default_input_size
    kept = max(config.vit_layers) + 1
    sight = f"{width} x {height} px, patch {vit.image_patch_size}, {vit.hidden_act}"
    if vit.use_cls_token:
        sight += ", class token"
    language = f"vocabulary {llm.vocab_size}, rope base {llm.rope_theta:g}"
    for option, is_on in (
        ("qkv bias", llm.qkv_bias),
        (f"{llm.qk_norm_type} qk-norm", llm.use_qk_norm),
        ("norm after", llm.norm_after),
    ):
        language += f", {option}" if is_on else ""
    layers, heads = f"{kept} of {vit.num_hidden_layers}", vit.num_attention_heads
    llm_heads = f"{llm.num_attention_heads}/{llm.num_key_value_heads}"
    blocks = f"reads blocks {', '.join(map(str, config.vit_layers))}"
    bins = f"{config.n_action_bins} bins, codebook {config.action_codebook}"
    rows: list[tuple[object, ...]] = [
        ("part", "layers", "width", "heads", "details"),
        ("vision tower", layers, vit.hidden_size, heads, sight),
        ("adapter", 1, adapter.hidden_size, adapter.num_attention_heads, blocks),
        ("language model", llm.num_hidden_layers, llm.hidden_size, llm_heads, language),
        ("actions", "", "", "", bins),
    ]
    return format_table([tuple(map(str, row)) for row in rows])


def _checks(found: Preflight) -> str:
    rows = [("ok" if passed else "FAIL", name) for name, passed in found.checks.items()]
    return format_table(rows, header=False)


def _profile(profile: CheckpointProfile, reason: str) -> str:
    images, answer, actions = profile.images, profile.answer, profile.actions
    size = "unchanged"
    if images.size is not None:
        size = f"{images.size[0]} x {images.size[1]} px, {images.kernel}"
    elif images.longest_side is not None:
        size = f"longer side at most {images.longest_side} px, {images.kernel}"
    crop = f", centre crop of {images.crop_area:.0%} of the area" if images.crop_area < 1 else ""
    period = f"{actions.control_period:g} s" if actions.control_period else "set by the robot"
    gripper = actions.gripper.convention
    if actions.gripper.threshold is not None:
        gripper += f", closed above {actions.gripper.threshold:g}"
    rows = [
        ("name", f"{profile.name}: {profile.description}"),
        ("chosen because", reason),
        ("cameras", f"{', '.join(profile.prompt.cameras)} (prompt style {profile.prompt.style})"),
        ("images", size + crop),
        ("unnorm_key", answer.unnorm_key or "the only one, else to be given"),
        ("answer", f"rows {answer.rows or 'any'}, max_new_tokens {answer.max_new_tokens}"),
        ("actions", f"{actions.action_space}: {' '.join(actions.names)}"),
        ("control period", period),
        ("gripper", gripper),
    ]
    return format_table(rows, header=False)


def _memory(found: Preflight, config: MolmoActConfig, context_length: int) -> str:
    shapes = {name: tensor.shape for name, tensor in found.tensors.items()}
    rows: list[tuple[str, ...]] = [("mode", "weights", "KV cache", "together", "what is stored so")]
    for precision in PRECISIONS:
        need = memory_need(config, shapes, precision, context_length)
        mode, scope = precision.quantization, "matrices of the language model's blocks"
        if mode is None:
            mode, scope = str(precision.dtype).removeprefix("torch."), "everything"
        sizes = map(format_bytes, (need.weights, need.cache, need.total))
        rows.append((mode, *sizes, scope))
    note = f"Cache for {context_length} tokens; activations and CUDA itself come on top."
    return f"{format_table(rows)}\n  {note}"


if __name__ == "__main__":
    sys.exit(main())
