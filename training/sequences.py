# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Token sequences of the answer formats, and the labels that fill them.

"trajectory" and "action" answer shorter questions that only training asks; "full" is what the
product asks (prompt P1, answer A1), "opening" the same cut behind the first action row: most of
what is to learn, for two thirds of the time. "steer" is the steering prompt (S1, A4).

All sequences of a format are equally long, so a batch is an array: a template of ids whose slots
are filled with coordinates, depth codes and action bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
from tokenizers import Tokenizer

from molmoact_ros.answer.actions import ActionTokenizer
from molmoact_ros.answer.prompts import reasoning_answer, steering_answer
from molmoact_ros.sim import CameraModel
from molmoact_ros.sim.tabletop import START_AREA

from . import tokenizer as vocabulary
from .data import IMAGE_SIZE, Frames
from .expert import GOAL_ABOVE_BLOCK, POINTS, ROWS, Labels, expert_labels
from .network import POOLED

COLORS = ("red", "green", "blue")
FORMATS = ("trajectory", "action", "opening", "full", "steer")
DIMENSIONS = ("x", "y", "z", "roll", "pitch", "yaw", "gripper")
DEPTH_CODES = 100
_COORDINATE, _CODE, _ACTION = "7", "<DEPTH_0>", vocabulary.ACTION_TOKENS[0]


def instruction(color: str) -> str:
    """Return the task's text for a colour."""
    return f"reach the {color} block"


@dataclass(frozen=True)
class Targets:
    """What the answers say about N frames, three colours each.

    Attributes:
        coordinates: int64 ``[N, 3, 10]``: five points x, y in 0..255.
        earlier: int64 ``[N, 3, 10]``, the same for a gripper that comes from somewhere else.
        actions: int64 ``[N, 3, 8, 7]`` action bytes.
        codes: int64 ``[N, 100]`` depth codes.
        goal_uv: float32 ``[N, 3, 2]`` where the reach ends in the image, 0..255.
        block_uv: float32 ``[N, 3, 2]`` centre of the block in the image, 0..255.
        gripper_uv: float32 ``[N, 2]`` grip point in the image, 0..255.
        goal: float32 ``[N, 3, 3]`` end of the reach, m.
        gripper: float32 ``[N, 3]`` grip point, m.
    """

    coordinates: np.ndarray
    earlier: np.ndarray
    actions: np.ndarray
    codes: np.ndarray
    goal_uv: np.ndarray
    block_uv: np.ndarray
    gripper_uv: np.ndarray
    goal: np.ndarray
    gripper: np.ndarray

    def __getitem__(self, index: np.ndarray) -> Targets:
        return Targets(*(getattr(self, field.name)[index] for field in fields(self)))

    def of_color(self, colors: np.ndarray) -> Targets:
        """Return the targets of one colour per frame, ``[N]``, as ``[N, 1, ...]``."""
        rows = np.arange(len(colors))
        chosen = {
            field.name: getattr(self, field.name)[rows, colors][:, None]
            for field in fields(self)
            if field.name not in ("codes", "gripper_uv", "gripper")
        }
        return replace(self, **chosen)


@dataclass(frozen=True)
class ActionScale:
    """q01 and q99 ``[7]`` of the actions; equal ones (rotations) give the middle byte.

    The gripper is outside of the scaling: 0 open is the middle byte, 1 closed the largest.
    """

    q01: np.ndarray
    q99: np.ndarray

    def encode(self, deltas: np.ndarray) -> np.ndarray:
        """Return action bytes ``[..., 7]`` of movements ``[..., 3]``, m; gripper open."""
        low, high = self.q01[:3], self.q99[:3]
        scaled = np.zeros((*deltas.shape[:-1], len(DIMENSIONS)))
        scaled[..., :3] = 2.0 * (deltas - low) / (high - low) - 1.0
        return ActionTokenizer("byte_level").encode_bins(scaled)


def fit_scale(frames: Frames) -> ActionScale:
    """Take q01 and q99 of the expert's movements, the first rows of all frames and colours."""
    deltas = np.concatenate(
        [expert_labels(frames.gripper, frames.blocks[:, c]).deltas[:, 0] for c in range(3)]
    )
    rest = np.zeros(3)
    return ActionScale(
        np.concatenate([np.quantile(deltas, 0.01, axis=0), rest, [0.0]]),
        np.concatenate([np.quantile(deltas, 0.99, axis=0), rest, [1.0]]),
    )


def make_targets(
    frames: Frames, codes: np.ndarray, camera: CameraModel, scale: ActionScale
) -> Targets:
    """Label frames; ``camera`` is the external camera at 126x126 px."""
    labels = [expert_labels(frames.gripper, frames.blocks[:, color]) for color in range(3)]
    low, high = np.array(START_AREA).T
    start = np.random.default_rng(len(frames)).uniform(low, high, (len(frames), 3))
    earlier = [expert_labels(start, frames.blocks[:, color]) for color in range(3)]
    goal = frames.blocks + GOAL_ABOVE_BLOCK
    return Targets(
        coordinates=_traces(labels, camera),
        earlier=_traces(earlier, camera),
        actions=scale.encode(np.stack([label.deltas for label in labels], axis=1)),
        codes=codes.reshape(-1, DEPTH_CODES).astype(np.int64),
        goal_uv=to_unit(camera.project(goal)).astype(np.float32),
        block_uv=to_unit(camera.project(frames.blocks)).astype(np.float32),
        gripper_uv=to_unit(camera.project(frames.gripper)).astype(np.float32),
        goal=goal.astype(np.float32),
        gripper=frames.gripper,
    )


def _traces(labels: list[Labels], camera: CameraModel) -> np.ndarray:
    points = np.stack([label.points for label in labels], axis=1)
    unit = np.rint(to_unit(camera.project(points))).clip(0, 255).astype(np.int64)
    return unit.reshape(len(unit), len(labels), 2 * POINTS)


def to_unit(pixels: np.ndarray) -> np.ndarray:
    """Scale pixels of the 126x126 image to the trajectory's 0..255 (spec 14)."""
    return pixels * (255.0 / (IMAGE_SIZE - 1))


class Format:
    """One question with its answer, as ids with slots.

    Attributes:
        prompts: int64 ``[3, Lp]``, one row per colour.
        answer: int64 ``[La]`` template, EOS last (not in "opening"); slots hold any value.
        coordinates: positions of the 10 coordinates in the answer.
        codes: positions of the depth codes in the answer (none in the short formats).
        actions: positions of the action bytes in the answer, row-major.
        last_color: position of the colour's last mention in the prompt.
    """

    def __init__(self, name: str, tokenizer: Tokenizer) -> None:
        """Build one of `FORMATS`."""
        self.name = name
        self.rows = {"trajectory": 0, "action": 1, "opening": 1}.get(name, ROWS)
        prompts = [tokenizer.encode(_prompt(name, color)).ids for color in COLORS]
        self.prompts = np.array(prompts)
        self.answer = np.array(
            [*tokenizer.encode(_answer(name)).ids, token_id(tokenizer, vocabulary.END_OF_TEXT)]
        )
        self.coordinates = self._find(tokenizer, _COORDINATE)
        self.codes = self._find(tokenizer, _CODE)
        self.actions = self._find(tokenizer, _ACTION)
        if name == "opening":
            self.actions = self.actions[: len(DIMENSIONS)]
            self.answer = self.answer[: self.actions[-1] + 2]
        red = token_id(tokenizer, "Ġred")
        self.last_color = int(np.flatnonzero(self.prompts[0] == red)[-1])

    def _find(self, tokenizer: Tokenizer, text: str) -> np.ndarray:
        return np.flatnonzero(self.answer == token_id(tokenizer, text))

    @property
    def prompt_length(self) -> int:
        """Tokens of the prompt."""
        return self.prompts.shape[1]


class Vocabulary:
    """Ids that training and decoding need."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Look up the ids."""
        self.tokenizer = tokenizer
        self.size = vocabulary.embedding_size(tokenizer)
        self.eos = token_id(tokenizer, vocabulary.END_OF_TEXT)
        self.numbers = np.array([tokenizer.encode(str(n)).ids[0] for n in range(256)])
        self.actions = token_id(tokenizer, vocabulary.ACTION_TOKENS[0]) + np.arange(256)
        self.depth = token_id(tokenizer, "<DEPTH_0>") + np.arange(128)
        self.formats = {name: Format(name, tokenizer) for name in FORMATS}

    @cached_property
    def prefix(self) -> np.ndarray:
        """BOS and the image string of one base view (spec 10.2), int64 ``[33]``."""
        start, end, patch, column = self.size + np.arange(4)
        row = [patch] * POOLED + [column]
        return np.array([self.eos, start, *(row * POOLED), end])

    def answers(self, form: Format, targets: Targets) -> np.ndarray:
        """Return the answers' ids ``[B, C, La]`` for C colours."""
        shape = targets.coordinates.shape[:2]
        ids = np.broadcast_to(form.answer, (*shape, len(form.answer))).copy()
        if len(form.coordinates):
            ids[:, :, form.coordinates] = self.numbers[targets.coordinates]
        if len(form.codes):
            ids[:, :, form.codes] = self.depth[targets.codes][:, None]
        if form.rows:
            rows = targets.actions[:, :, : form.rows].reshape(*shape, -1)
            ids[:, :, form.actions] = self.actions[rows]
        return ids


def token_id(tokenizer: Tokenizer, token: str) -> int:
    """Return the id of a token.

    Raises:
        KeyError: There is no such token.
    """
    found = tokenizer.token_to_id(token)
    if found is None:
        raise KeyError(token)
    return found


def _prompt(name: str, color: str) -> str:
    if name == "steer":
        head, end = vocabulary.STEER_PROMPT
        return head + instruction(color) + end
    head, middle, end = vocabulary.FULL_PROMPT
    ends = {"trajectory": vocabulary.TRAJECTORY_END, "action": vocabulary.ACTION_END}
    return head + instruction(color) + middle + instruction(color) + ends.get(name, end)


def _answer(name: str) -> str:
    trajectory = f"[{', '.join([f'[{_COORDINATE}, {_COORDINATE}]'] * POINTS)}]"
    row = f"[{', '.join([_ACTION] * len(DIMENSIONS))}]"
    actions = f"[{', '.join([row] * ROWS)}]"
    if name == "steer":
        return " " + steering_answer(actions)
    if name in ("opening", "full"):
        depth = f"<DEPTH_START>{_CODE * DEPTH_CODES}<DEPTH_END>"
        return " " + reasoning_answer(depth, trajectory, actions, 1)
    tail = "." if name == "trajectory" else vocabulary.FULL_ANSWER[-1] + row + "."
    return vocabulary.SHORT_ANSWER + trajectory + tail
