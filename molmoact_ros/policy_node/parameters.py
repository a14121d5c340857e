# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The policy node's parameters, and what follows from them for cameras and actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from molmoact_ros.answer.prompts import MAX_INSTRUCTION
from molmoact_ros.control import ACTION_SPACES
from molmoact_ros.policy.pixels import MAX_IMAGE_PIXELS
from molmoact_ros.policy.types import MAX_OVERRULED, ActionFormat
from molmoact_ros.remote.exchange import JPEG
from molmoact_ros.ros.parameters import parameter
from molmoact_ros.ros.running import StartError

from .cameras import COMPRESSED, RAW

if TYPE_CHECKING:
    from molmoact_ros.answer import ActionStats
    from molmoact_ros.policy.checkpoint_profile import CheckpointProfile


@dataclass(frozen=True)
class PolicyParameters:
    """Parameters of the policy node; empty or 0 mostly means: as in the checkpoint's profile."""

    checkpoint: str = parameter(
        "", "Checkpoint directory, or a Hugging Face hub id; or give `server`."
    )
    server: str = parameter(
        "",
        "Policy server that computes instead of this machine, e.g. ws://gpu-pc:8750, or wss:// "
        "with TLS. What belongs to a network on this machine (revision, device, dtype, "
        "quantization, repeatable, threads) is the server's then.",
    )
    server_token_file: str = parameter(
        "",
        "File that holds the token which the server has given this robot; empty: the environment "
        "variable MOLMOACT_SERVER_TOKEN, or none.",
    )
    server_ca: str = parameter(
        "", "PEM file to verify the server's certificate by, with wss://; empty: the system's."
    )
    server_images: str = parameter(
        JPEG,
        "How pictures are sent to the server: as JPEG, or raw, which is about ten times as much "
        "and changes no bit of an answer.",
        choices=(JPEG, RAW),
    )
    server_timeout: float = parameter(
        10.0,
        "Longest wait for an answer of the server; a later one is dropped.",
        unit="s",
        limits=(0.1, 600.0),
    )
    robot_name: str = parameter(
        "",
        "Name by which the server knows this robot; empty: host and node, e.g. "
        "arm-pc/molmoact_policy.",
        max_length=64,
    )
    revision: str = parameter("", "Revision of a hub id (branch, tag or commit); empty: main.")
    unnorm_key: str = parameter(
        "", "Entry of the checkpoint's norm_stats; empty: the only one there is."
    )
    profile: str = parameter(
        "", "YAML file of the checkpoint's profile; empty: found by name or content."
    )
    device: str = parameter("cuda", "Torch device of the network, e.g. cuda, cuda:1 or cpu.")
    dtype: str = parameter(
        "bfloat16", "Precision of the weights.", choices=("float32", "bfloat16", "float16")
    )
    quantization: str = parameter(
        "",
        "Weights of fewer bits, to save GPU memory; empty: none.",
        choices=("", "int8", "int4", "fp8"),
    )
    repeatable: bool | None = parameter(
        None,
        "Drafts never change a token of an answer, in every number type; passes of full size cost "
        "little on a GPU, several times the time on a CPU. Not set: on GPUs.",
    )
    compile: bool = parameter(
        False,
        "Compile the network for passes (torch.compile, needs a C compiler): fewer kernels; not "
        "measured on a GPU. Takes a while when the node is configured.",
    )
    constrained: bool = parameter(
        False,
        "Keep answers to the form of the checkpoint's first well-formed one: rows, columns, "
        "wording and legal values. Tokens change only where an answer would leave that form.",
    )
    max_overruled: int = parameter(
        MAX_OVERRULED,
        "Tokens of a constrained answer that may be overruled; an answer with more is not valid.",
        limits=(0, 4096),
    )
    threads: int = parameter(0, "CPU threads of the network; 0: torch's choice.", limits=(0, 256))
    rows: int = parameter(
        0, "Action rows that an answer must have; 0: as in the profile.", limits=(0, 1000)
    )
    max_new_tokens: int = parameter(
        0, "Tokens of one answer at most; 0: as in the profile.", limits=(0, 4096)
    )
    action_decoding: str = parameter(
        "argmax",
        "Value of an action: the bin that the model wrote, or the mean over all its bins.",
        choices=("argmax", "expectation"),
    )
    cameras: tuple[str, ...] = parameter(
        (), "Names of the cameras in the checkpoint's order; empty: as in the profile."
    )
    image_topics: tuple[str, ...] = parameter(
        (), "One image topic per camera; empty: ~/<camera>/image (with /compressed)."
    )
    image_transport: str = parameter(
        RAW, "Kind of the image messages: Image or CompressedImage.", choices=(RAW, COMPRESSED)
    )
    max_image_pixels: int = parameter(
        MAX_IMAGE_PIXELS,
        "Largest width x height of an image, as its header declares it; larger ones are dropped "
        "before they are decoded. 4K has 8.3 million.",
        unit="px",
        limits=(10_000, 500_000_000),
    )
    max_camera_skew: float = parameter(
        0.05,
        "Largest difference between the stamps of two cameras' frames.",
        unit="s",
        limits=(0.0, 10.0),
    )
    max_image_age: float = parameter(
        0.5,
        "Largest age of a frame by the node's clock; older ones are not inferred from.",
        unit="s",
        limits=(0.01, 60.0),
    )
    execute_steps: int = parameter(
        0,
        "Rows of each chunk that the executor follows, as set there; 0: all. While a chunk lasts "
        "not much longer than an inference, the next look waits for its end.",
        limits=(0, 1000),
    )
    inference_period: float = parameter(
        0.0,
        "Least time between the starts of two inferences; 0: as fast as new frames allow.",
        unit="s",
        limits=(0.0, 3600.0),
        read_only=False,
    )
    instruction: str = parameter(
        "",
        "What to do; empty: wait for ~/instruction.",
        max_length=MAX_INSTRUCTION,
        read_only=False,
    )
    hint_steps: int = parameter(
        0,
        "Answers that follow a ~/trajectory_hint; 0: all until it is cleared.",
        limits=(0, 1000),
        read_only=False,
    )
    done_chunks: int = parameter(
        3,
        "Answers in a row that must ask for no motion until a goal of ~/execute_instruction is "
        "done; 0: never, a goal ends by its timeout or when it is cancelled.",
        limits=(0, 1000),
        read_only=False,
    )
    autostart: bool = parameter(
        True, "Configure and activate without a supervisor; motion is the executor's matter."
    )
    action_space: str = parameter(
        "",
        "What a row of actions means; empty: as in the profile.",
        choices=("", *ACTION_SPACES),
    )
    action_names: tuple[str, ...] = parameter(
        (), "Name of each action dimension; empty: as in the profile."
    )
    action_frame: str = parameter(
        "",
        "Frame of the actions, named in each chunk; the executor refuses those of another frame "
        "than its robot's. Empty: not named, the frame of the robot profile is meant.",
    )
    control_period: float = parameter(
        0.0,
        "Time between two rows of a chunk, as in the training data; 0: as in the profile.",
        unit="s",
        limits=(0.0, 10.0),
    )


def camera_topics(parameters: PolicyParameters, profile: CheckpointProfile) -> dict[str, str]:
    """Return the image topic of each camera, in the order in which the model sees them.

    Raises:
        StartError: Names are repeated, or there are more or fewer topics than cameras.
    """
    cameras, topics = parameters.cameras, parameters.image_topics
    if not cameras:
        cameras = profile.prompt.cameras
    if len(set(cameras)) != len(cameras):
        raise StartError(f"parameter 'cameras': names one camera twice: {', '.join(cameras)}")
    if not topics:
        end = "/compressed" if parameters.image_transport == COMPRESSED else ""
        topics = tuple(f"~/{camera}/image{end}" for camera in cameras)
    if len(topics) != len(cameras):
        raise StartError(
            f"parameter 'image_topics': {len(topics)} topics for the {len(cameras)} cameras "
            f"{', '.join(cameras)}"
        )
    return dict(zip(cameras, topics, strict=True))


def action_format(
    parameters: PolicyParameters, profile: CheckpointProfile, stats: ActionStats
) -> ActionFormat:
    """Return what the columns of the actions mean.

    Raises:
        StartError: The number of names is not that of the statistics, or the period is unknown.
    """
    space = parameters.action_space or profile.actions.action_space
    names = action_names(parameters, profile, stats)
    return ActionFormat(space, names, step_period(parameters, profile), parameters.action_frame)


def action_names(
    parameters: PolicyParameters, profile: CheckpointProfile, stats: ActionStats
) -> tuple[str, ...]:
    """Return the names of the columns of the actions.

    Raises:
        StartError: Their number is not that of the statistics.
    """
    names = parameters.action_names or profile.actions.names
    if len(names) != stats.dof:
        raise StartError(
            f"parameter 'action_names': {len(names)} names ({', '.join(names)}), "
            f"but '{stats.key}' has {stats.dof} action dimensions"
        )
    return names


def step_period(parameters: PolicyParameters, profile: CheckpointProfile) -> float:
    """Return the time between two rows of actions, s.

    Raises:
        StartError: It is not known.
    """
    period = parameters.control_period or profile.actions.control_period
    if period is None:
        raise StartError(
            "parameter 'control_period': give the time between two rows of actions; "
            f"the checkpoint's profile '{profile.name}' does not say"
        )
    return period
