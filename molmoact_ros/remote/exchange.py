# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a policy gets and gives as messages, and back; and whether robot and server fit together.

Both ends use it: the robot the functions named after messages it sends, the server the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from molmoact_ros.answer import ActionStats
from molmoact_ros.policy.checkpoint_profile import GENERIC, CheckpointProfile
from molmoact_ros.policy.pixels import ImageError, check_size, jpeg_from_rgb, rgb_from_compressed
from molmoact_ros.policy.types import Observation, Reasoning
from molmoact_ros.yaml_config import ProfileError, build

from .fields import WireError, plain
from .wire import Answer, Difference, Hello, Infer, Limits, Picture, Statistics

JPEG = "jpeg"  # as which a robot sends its pictures; else raw
_JPEG = b"\xff\xd8\xff"
_MAX_PROBLEMS = 64
_MAX_PROBLEM = 2000  # characters


def package_version() -> str:
    """Return the version of this package, for messages."""
    try:
        return metadata.version("molmoact_ros")
    except metadata.PackageNotFoundError:  # run from the sources
        return "not installed"


def infer_message(
    sequence: int,
    observation: Observation,
    *,
    jpeg: bool,
    depth: bool = False,
) -> Infer:
    """Return an observation as a message.

    Args:
        sequence: Its number.
        observation: Images and instruction.
        jpeg: Whether images are compressed; then answers differ a little from those for raw ones.
        depth: Whether the decoded depth is wanted.

    Raises:
        ValueError: There is no image, or one that is not RGB uint8 or cannot be encoded.
    """
    if not observation.images:
        raise ValueError("The observation has no image; the policy needs at least one camera")
    for name, image in observation.images.items():
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(
                f"Image '{name}' is {image.dtype} {list(image.shape)}, not RGB uint8 [H, W, 3]"
            )
    pictures = tuple(
        Picture(name, jpeg=jpeg_from_rgb(image)) if jpeg else Picture(name, rgb=image)
        for name, image in observation.images.items()
    )
    hint = observation.trajectory_hint
    return Infer(
        sequence=sequence,
        pictures=pictures,
        instruction=observation.instruction,
        hint=None if hint is None else np.asarray(hint, np.float64),
        stamp=observation.stamp,
        seconds_left=observation.seconds_left,
        depth=depth,
    )


def observation_of(infer: Infer, limits: Limits) -> Observation:
    """Return what a message shows, with its JPEGs decoded.

    Raises:
        ImageError: A picture is too large, no JPEG or broken, or two have one name.
    """
    images = {picture.camera: _pixels(picture, limits) for picture in infer.pictures}
    if len(images) != len(infer.pictures):
        raise ImageError("two pictures have the name of one camera")
    return Observation(images, infer.instruction, infer.hint, infer.stamp, infer.seconds_left)


def answer_message(
    sequence: int,
    reasoning: Reasoning,
    *,
    depth: NDArray[np.float32] | None = None,
    drafts_learn: bool = True,
    form_learned: bool | None = None,
) -> Answer:
    """Return an answer as a message.

    Args:
        sequence: Of the `Infer`.
        reasoning: The answer.
        depth: Relative depth [h, w], 0..1; None: not wanted, or there is no decoder.
        drafts_learn: `MolmoActPolicy.drafts_learn`.
        form_learned: Whether such answers are kept to a form; None: not constrained.
    """
    spread, confidence = reasoning.spread, reasoning.confidence
    return Answer(
        sequence=sequence,
        depth_codes=reasoning.depth_codes,
        trajectory=np.asarray(reasoning.trajectory, np.float64).reshape(-1, 2),
        trajectory_source=reasoning.trajectory_source,
        actions=np.asarray(reasoning.actions, np.float64),
        valid=reasoning.valid,
        problems=tuple(text[:_MAX_PROBLEM] for text in reasoning.problems[:_MAX_PROBLEMS]),
        confidence=None if confidence is None else float(confidence),
        spread=None if spread is None else np.asarray(spread, np.float64),
        unnorm_key=reasoning.unnorm_key,
        text=reasoning.text,
        ids=np.asarray(reasoning.ids, np.int32),
        forward_passes=reasoning.forward_passes,
        tokens_per_pass=np.asarray(reasoning.tokens_per_pass, np.int32),
        drafted=dict(reasoning.drafted),
        accepted=dict(reasoning.accepted),
        overruled=reasoning.overruled,
        timings=dict(reasoning.timings),
        depth=None if depth is None else np.rint(depth * 255).astype(np.uint8),
        drafts_learn=drafts_learn,
        form_learned=form_learned,
    )


def reasoning_of(answer: Answer) -> Reasoning:
    """Return the answer of a message."""
    return Reasoning(
        depth_codes=answer.depth_codes,
        trajectory=answer.trajectory,
        trajectory_source="user" if answer.trajectory_source == "user" else "predicted",
        actions=answer.actions,
        valid=answer.valid,
        problems=answer.problems,
        confidence=answer.confidence,
        spread=answer.spread,
        unnorm_key=answer.unnorm_key,
        text=answer.text,
        ids=tuple(answer.ids.tolist()),
        forward_passes=answer.forward_passes,
        drafted=answer.drafted,
        accepted=answer.accepted,
        tokens_per_pass=tuple(answer.tokens_per_pass.tolist()),
        overruled=answer.overruled,
        timings=answer.timings,
    )


def profile_of(content: Mapping[str, Any]) -> CheckpointProfile:
    """Return a checkpoint profile of a message.

    Raises:
        WireError: A key is unknown, missing or wrong.
    """
    try:
        return build(CheckpointProfile, content)
    except ProfileError as error:
        raise WireError("profile", str(error)) from None


def profile_message(profile: CheckpointProfile) -> dict[str, Any]:
    """Return a checkpoint profile as messages have it."""
    return plain(profile)


def statistics_message(stats: ActionStats) -> Statistics:
    """Return action statistics as messages have them."""
    return Statistics(key=stats.key, q01=stats.q01, q99=stats.q99, mask=stats.mask)


def statistics_of(message: Statistics) -> ActionStats:
    """Return the action statistics of a message."""
    return ActionStats(message.q01, message.q99, message.mask, message.key)


def differences(hello: Hello, own: CheckpointProfile, stats: ActionStats) -> tuple[Difference, ...]:
    """Return what a robot is made for and a checkpoint is not; a server refuses it with them.

    Args:
        hello: Of the robot.
        own: Profile that the server has for its checkpoint; `GENERIC` describes none.
        stats: Entry of norm_stats that the robot's actions will be un-normalised with.
    """
    found = []
    known = own != GENERIC
    if known and hello.cameras and len(hello.cameras) != len(own.prompt.cameras):
        found.append(Difference("cameras", _listed(hello.cameras), _listed(own.prompt.cameras)))
    if known and hello.action_space not in ("", own.actions.action_space):
        found.append(Difference("action space", hello.action_space, own.actions.action_space))
    if hello.action_names and len(hello.action_names) != stats.dof:
        names = own.actions.names if known and len(own.actions.names) == stats.dof else ()
        server = _listed(names) if names else str(stats.dof)
        found.append(
            Difference(
                "action dimensions",
                _listed(hello.action_names),
                f"{server} of '{stats.key[:100]}'",
            )
        )
    return tuple(found)


@dataclass
class _Jpeg:
    """A JPEG as `policy.pixels` reads it."""

    data: bytes
    format: str = "jpeg"


def _pixels(picture: Picture, limits: Limits) -> NDArray[np.uint8]:
    name, most = f"camera '{picture.camera}'", limits.picture_pixels
    if picture.rgb is not None:
        height, width = picture.rgb.shape[:2]
        check_size((width, height), picture.rgb.nbytes, name, most)
        return picture.rgb.copy()  # that of the message is read-only
    assert picture.jpeg is not None  # one of the two is there
    if not picture.jpeg.startswith(_JPEG):
        raise ImageError(f"{name}: its {len(picture.jpeg)} bytes are no JPEG")
    return rgb_from_compressed(_Jpeg(picture.jpeg), name, most)


def _listed(names: tuple[str, ...]) -> str:
    return f"{len(names)} ({', '.join(names)})"[:900]
