# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoint profiles: what the files of a checkpoint do not contain.

A profile is a YAML file in config/checkpoints. It names the cameras and their order, the image
size, the length of an answer, the meaning of the gripper value. `choose_profile` finds the one that
belongs to a checkpoint: in its folder, by name or by content; config/checkpoints/template.yaml
explains each key.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from molmoact_ros.answer.gripper_conventions import CONVENTIONS, GripperConverter
from molmoact_ros.answer.trajectory import GRID_MAX, clipped
from molmoact_ros.control import ACTION_SPACES
from molmoact_ros.processing.frames import KERNELS, centre_crop, fit_longest_side, resample
from molmoact_ros.share import share
from molmoact_ros.yaml_config import (
    ProfileError,
    build,
    read_yaml,
    require,
    require_choice,
    require_range,
)

PROMPT_STYLES = ("by_camera_count", "one_image", "several_images")
PROFILE_FILE = "checkpoint_profile.yaml"  # in the folder of a checkpoint
_TEMPLATE = "template.yaml"
_MAX_IMAGE_SIDE = 4096
_CENTRE = GRID_MAX / 2


@dataclass(frozen=True)
class MatchRule:
    """Which checkpoints a profile belongs to.

    Attributes:
        names: Patterns (* and ?) of the last part of a hub id or directory, any case.
        norm_stats: The keys of the checkpoint's norm_stats, all of them.
        vocab_size: Rows of its embedding; None: any.
    """

    names: tuple[str, ...] = ()
    norm_stats: tuple[str, ...] = ()
    vocab_size: int | None = None

    def fits_name(self, name: str) -> bool:
        """Whether the checkpoint's name matches a pattern."""
        return any(fnmatch.fnmatch(name.lower(), pattern.lower()) for pattern in self.names)

    def fits_content(self, norm_stats: Sequence[str], vocab_size: int) -> bool:
        """Whether statistics and vocabulary match; a rule without norm_stats never does."""
        return (
            bool(self.norm_stats)
            and set(self.norm_stats) == set(norm_stats)
            and self.vocab_size in (None, vocab_size)
        )


@dataclass(frozen=True)
class PromptSettings:
    """How the task is put to the model.

    Attributes:
        cameras: Roles of the cameras in prompt order; the first carries depth and trajectory.
        style: Wording of the prompt: for one image, for several, or by the number of cameras.
    """

    cameras: tuple[str, ...] = ("primary",)
    style: str = "by_camera_count"

    def __post_init__(self) -> None:
        require(bool(self.cameras), "cameras", "must name at least one camera")
        require(len(set(self.cameras)) == len(self.cameras), "cameras", "names one camera twice")
        require_choice(self, "style", PROMPT_STYLES)

    def n_images(self, given: int) -> int:
        """Return the number of images that the prompt's wording is for, when so many are given."""
        wording = {"by_camera_count": given, "one_image": 1, "several_images": 2}
        return wording[self.style]


@dataclass(frozen=True)
class ImagePreparation:
    """How a camera frame becomes a frame like those of the training data.

    Attributes:
        size: Width and height in pixels, aspect ignored; None: unchanged.
        longest_side: Instead of size: limit of the longer side in pixels, aspect kept, never
            enlarged; None: no limit.
        kernel: "bilinear" or "lanczos" as Pillow, "area" as OpenCV.
        crop_area: Share of the area that a centre crop keeps, 0 < share <= 1; the crop is scaled
            back to its size before.
    """

    size: tuple[int, int] | None = None
    longest_side: int | None = None
    kernel: str = "bilinear"
    crop_area: float = 1.0

    def __post_init__(self) -> None:
        sides = {"longest_side": self.longest_side}
        if self.size is not None:
            require(self.longest_side is None, "longest_side", "cannot be used beside size")
            sides |= {"size[0]": self.size[0], "size[1]": self.size[1]}
        for key, side in sides.items():
            if side is not None:
                require_range(key, side, 14, _MAX_IMAGE_SIDE, "pixels")
        require_choice(self, "kernel", KERNELS)
        require_range("crop_area", self.crop_area, 0.1, 1)

    def apply(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Resize and crop an RGB uint8 frame [H, W, 3]; the input is not changed."""
        size = self.size or (frame.shape[1], frame.shape[0])
        if self.longest_side is not None:
            size = fit_longest_side(size[0], size[1], self.longest_side)
        frame = resample(frame, size, self.kernel)
        if self.crop_area < 1:
            frame = resample(centre_crop(frame, self.crop_area), size, self.kernel)
        return frame

    def to_camera(self, points: ArrayLike) -> NDArray[np.float64]:
        """Points [K, 2], 0..255 of the prepared frame, as 0..255 of the camera's frame."""
        return _CENTRE + (np.asarray(points, dtype=np.float64) - _CENTRE) * self.crop_area**0.5

    def from_camera(self, points: ArrayLike) -> NDArray[np.float64]:
        """Return the inverse of `to_camera`; points outside the crop are moved to its border."""
        prepared = _CENTRE + (np.asarray(points, np.float64) - _CENTRE) / self.crop_area**0.5
        return clipped(prepared)


@dataclass(frozen=True)
class AnswerSettings:
    """What an answer must be like.

    Attributes:
        unnorm_key: Entry of norm_stats; None: the only one, else an error that lists them.
        rows: Action rows of an answer; None: any number.
        max_new_tokens: Limit of one answer.
    """

    unnorm_key: str | None = None
    rows: int | None = None
    max_new_tokens: int = 640

    def __post_init__(self) -> None:
        if self.rows is not None:
            require_range("rows", self.rows, 1, 1000)
        require_range("max_new_tokens", self.max_new_tokens, 1, 4096)


@dataclass(frozen=True)
class GripperSettings:
    """What the gripper value means; see `molmoact_ros.answer.gripper_conventions`.

    Attributes:
        convention: One of `CONVENTIONS`.
        threshold: Snap 0 open .. 1 closed to 0 or 1 here; None: continuous.
    """

    convention: str = "as_is"
    threshold: float | None = None

    def __post_init__(self) -> None:
        require_choice(self, "convention", CONVENTIONS)
        if self.threshold is not None:
            require(0 < self.threshold < 1, "threshold", f"must be 0..1, is {self.threshold}")
            fixed = self.convention not in ("as_is", "one_minus")
            require(not fixed, "threshold", f"{self.convention} has its own; leave it null")

    def converter(self) -> GripperConverter:
        """Return a converter with a memory of its own."""
        return GripperConverter(self.convention, self.threshold)


@dataclass(frozen=True)
class ActionSettings:
    """What an action row means.

    Attributes:
        action_space: ee_delta (m, rad a step), ee_pose (m, rad), joint_delta or joint_position.
        names: Names of the columns.
        control_period: Seconds between rows; None: not published, the robot's settings decide.
        gripper: Meaning of the column "gripper".
    """

    action_space: str = "ee_delta"
    names: tuple[str, ...] = ("x", "y", "z", "roll", "pitch", "yaw", "gripper")
    control_period: float | None = None
    gripper: GripperSettings = GripperSettings()

    def __post_init__(self) -> None:
        require_choice(self, "action_space", ACTION_SPACES)
        require(bool(self.names), "names", "must name at least one column")
        require(len(set(self.names)) == len(self.names), "names", "names one column twice")
        if self.control_period is not None:
            require_range("control_period", self.control_period, 0.001, 10, "s")

    def check_dof(self, dof: int) -> None:
        """Refuse statistics of another number of dimensions.

        Raises:
            ProfileError: Names and norm_stats do not fit together.
        """
        require(
            dof == len(self.names),
            "actions.names",
            f"has {len(self.names)} names, but norm_stats has {dof} dimensions",
        )


@dataclass(frozen=True)
class CheckpointProfile:
    """One file of config/checkpoints.

    Attributes:
        name: Short name, for messages.
        description: One sentence for a person.
        match: Which checkpoints it belongs to.
        prompt: Wording and cameras.
        images: Size and crop.
        answer: Length and statistics.
        actions: Meaning of the rows.
    """

    name: str
    description: str = ""
    match: MatchRule = MatchRule()
    prompt: PromptSettings = PromptSettings()
    images: ImagePreparation = ImagePreparation()
    answer: AnswerSettings = AnswerSettings()
    actions: ActionSettings = ActionSettings()


GENERIC = CheckpointProfile(
    name="generic", description="no profile fits: images unchanged, any number of rows"
)


def load_checkpoint_profile(path: str | Path) -> CheckpointProfile:
    """Read a profile.

    Raises:
        ProfileError: The file cannot be read, or a key is unknown, missing or wrong; the message
            begins with the file and the key's path.
    """
    try:
        content = read_yaml(path)
    except ProfileError as error:
        raise ProfileError("", f"checkpoint profile {error}") from None
    try:
        return build(CheckpointProfile, content)
    except ProfileError as error:
        raise ProfileError("", f"{path}: {error}") from None


def profile_directory() -> Path:
    """Return the folder of the profiles of published checkpoints."""
    return share() / "config" / "checkpoints"


def load_checkpoint_profiles(directory: Path | None = None) -> tuple[CheckpointProfile, ...]:
    """Read all profiles of a folder but the template; None: `profile_directory`."""
    files = sorted((directory or profile_directory()).glob("*.yaml"))
    return tuple(load_checkpoint_profile(file) for file in files if file.name != _TEMPLATE)


def choose_profile(
    checkpoint: str | Path,
    norm_stats: Mapping[str, Any] | None,
    vocab_size: int,
    profiles: Sequence[CheckpointProfile] | None = None,
    directory: Path | None = None,
) -> tuple[CheckpointProfile, str]:
    """Find the profile of a checkpoint: in its folder, by name, by content, else `GENERIC`.

    Args:
        checkpoint: Hub id or directory.
        norm_stats: `norm_stats` of its config.json.
        vocab_size: `llm_config.vocab_size` of its config.json.
        profiles: Candidates; None: those of `load_checkpoint_profiles`.
        directory: Where the files of a hub id are; None: not fetched, or `checkpoint` is local.

    Returns:
        The profile, and for the log why it was chosen.

    Raises:
        ProfileError: A profile is broken.
    """
    own = (directory or Path(checkpoint).expanduser()) / PROFILE_FILE
    if own.is_file():
        return load_checkpoint_profile(own), f"the checkpoint has the file {PROFILE_FILE}"
    candidates = load_checkpoint_profiles() if profiles is None else profiles
    name = Path(checkpoint).resolve().name if Path(checkpoint).exists() else Path(checkpoint).name
    keys = list(norm_stats or {})
    named = [profile for profile in candidates if profile.match.fits_name(name)]
    if len(named) == 1:
        return named[0], f"the checkpoint is called '{name}'"
    fitting = [p for p in named or candidates if p.match.fits_content(keys, vocab_size)]
    if len(fitting) == 1:
        return fitting[0], f"its norm_stats are {', '.join(fitting[0].match.norm_stats)}"
    if named or fitting:
        several = ", ".join(profile.name for profile in named or fitting)
        return GENERIC, f"several profiles fit ({several}): name one with the parameter profile"
    return GENERIC, f"neither its name '{name}' nor its norm_stats {keys} belong to a profile"
