# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Token sequences of the answer formats, and the labels that fill them.

"trajectory" and "action" answer shorter questions of training alone; "full" is what the
product asks (prompt P1, answer A1), "opening" the same cut behind the first action row: most of
what is to learn, for two thirds of the time. "steer" is the steering prompt (S1, A4).

`molmoact_ros.finetune.answers` writes them; questions are here, and what the simulator answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
from tokenizers import Tokenizer

from molmoact_ros.answer.actions import ActionTokenizer
from molmoact_ros.answer.prompts import reasoning_answer, steering_answer
from molmoact_ros.finetune.answers import DEPTH_CODES, Answers, Content, Weights, Writer
from molmoact_ros.sim import Task
from molmoact_ros.sim.expert import (
    GOAL_ABOVE_BLOCK,
    HELD,
    OPEN,
    POINTS,
    ROWS,
    Scenes,
    expert_labels,
)
from molmoact_ros.sim.scene import BLOCK_HALF_SIZE, COLORS, TABLE_HEIGHT
from molmoact_ros.sim.tabletop import START_AREA

from . import tokenizer as vocabulary
from .data import Frames
from .network import POOLED

FORMATS = ("trajectory", "action", "opening", "full", "steer")
TAIL_FORMATS = FORMATS[1:]
DIMENSIONS = ("x", "y", "z", "roll", "pitch", "yaw", "gripper")
MOVING = np.array([True] * 3 + [False] * 4)  # whose neighbouring values are nearly as good
# Tasks whose prompts differ in the colour alone.
GROUPS = (("reach", ""), ("pick", ""), ("push", "left"), ("push", "right"))
_IN_THE_AIR = TABLE_HEIGHT + BLOCK_HALF_SIZE + 0.012  # m, centre of a block that something holds
_AROUND = (0.03, 0.04, 0.025)  # m from the goal
_ABOVE = 0.05  # m beside the block
_EMPTY = 0.012  # m of each finger from the middle; with a block between them they are further out
_MARK = "\0"


def group_of(task: Task) -> int:
    """Return the index of a task's group."""
    return GROUPS.index((task.kind, task.side))


@dataclass(frozen=True)
class Places:
    """Where things are in N frames, C = 3 colours.

    Attributes:
        goal_uv: float32 `[N, C, 2]` where the reach ends in the image, 0..255.
        block_uv: float32 `[N, C, 2]` centre of the block in the image, 0..255.
        gripper_uv: float32 `[N, 2]` grip point in the image, 0..255.
        goal: float32 `[N, C, 3]` end of the reach, m.
        gripper: float32 `[N, 3]` grip point, m.
    """

    goal_uv: np.ndarray
    block_uv: np.ndarray
    gripper_uv: np.ndarray
    goal: np.ndarray
    gripper: np.ndarray


@dataclass(frozen=True)
class Targets(Places):
    """What the answers contain about N frames, G groups of tasks, C = 3 colours each.

    Attributes:
        coordinates: uint8 `[N, G, C, 10]`: five points x, y in 0..255.
        earlier: uint8 `[N, 1, C, 10]`, a reach by a gripper that comes from somewhere else.
        actions: uint8 `[N, G, C, 8, 7]` action bytes.
        codes: uint8 `[N, 100]` depth codes.
    """

    coordinates: np.ndarray
    earlier: np.ndarray
    actions: np.ndarray
    codes: np.ndarray

    def __getitem__(self, index: np.ndarray | slice) -> Targets:
        return Targets(*(getattr(self, field.name)[index] for field in fields(self)))

    @staticmethod
    def join(parts: list[Targets]) -> Targets:
        """Put several sets behind each other."""
        return Targets(
            *(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Targets))
        )

    def of_group(self, group: int, misleading: int = 0) -> Batch:
        """Return the targets of one group of tasks, three colours per frame.

        Args:
            group: Which of `GROUPS`.
            misleading: The group whose trajectories `Batch.misleading` holds.
        """
        places = {field.name: getattr(self, field.name) for field in fields(Places)}
        return Batch(
            **places,
            coordinates=self.coordinates[:, group].astype(np.int64),
            misleading=self.coordinates[:, misleading].astype(np.int64),
            actions=self.actions[:, group].astype(np.int64),
            codes=self.codes.astype(np.int64),
        )


@dataclass(frozen=True)
class Batch(Places):
    """Targets of B frames and C instructions of one group; fields as in `Targets` without G.

    Attributes:
        misleading: `[B, C, 10]`, coordinates of another group.
    """

    coordinates: np.ndarray
    misleading: np.ndarray
    actions: np.ndarray
    codes: np.ndarray

    def of_color(self, colors: np.ndarray) -> Batch:
        """Return the targets of one colour per frame, `[B]`: C becomes 1."""
        rows = np.arange(len(colors))
        per_color = ("coordinates", "misleading", "actions", "goal_uv", "block_uv", "goal")
        return replace(
            self, **{name: getattr(self, name)[rows, colors][:, None] for name in per_color}
        )


@dataclass(frozen=True)
class ActionScale:
    """q01 and q99 `[7]` of the actions; equal ones (rotations) mean zero.

    The gripper is outside of the scaling: 0 open is the middle byte, 1 closed the largest.

    Attributes:
        q01: First percentile `[7]`, m.
        q99: 99th percentile `[7]`, m.
        still: Bytes written for roll, pitch and yaw, which mean no rotation whatever they are.
    """

    q01: np.ndarray
    q99: np.ndarray
    still: tuple[int, int, int] = (127, 127, 127)

    def encode(self, deltas: np.ndarray, closed: np.ndarray) -> np.ndarray:
        """Return action bytes `[..., 7]` of movements `[..., 3]`, m, and gripper `[...]`."""
        low, high = self.q01[:3], self.q99[:3]
        scaled = np.zeros((*deltas.shape[:-1], len(DIMENSIONS)))
        scaled[..., :3] = 2.0 * (deltas - low) / (high - low) - 1.0
        scaled[..., -1] = closed
        encoded = ActionTokenizer("byte_level").encode_bins(scaled)
        encoded[..., 3:6] = self.still
        return encoded


def _scenes(frames: Frames, color: int, kind: str = "") -> Scenes:
    """Return what labels are made of: the fingers hold the block where it is in the air.

    How far the fingers are open is five pixels, and the network hardly sees it. Labels do without:
    a chunk of a pick that begins around the block closes first and then rises, open or not; one
    that begins above it opens first and then goes down.
    """
    block = frames.blocks[:, color]
    away = np.abs(block + GOAL_ABOVE_BLOCK - frames.gripper)
    above = (away[:, :2] < _ABOVE).all(axis=1) & (away[:, 2] > _AROUND[2]) & (kind == "pick")
    shut = above | (block[:, 2] > _IN_THE_AIR)
    return Scenes(frames.gripper, np.where(shut, HELD, OPEN), block)


def gripping(frames: Frames) -> np.ndarray:
    """Return the frames whose gripper is around a block, and as often those that decide the rest.

    These are the ones that hold a block, and the ones whose closed fingers hold none.
    """
    away = np.abs(frames.blocks + GOAL_ABOVE_BLOCK - frames.gripper[:, None])
    around = np.flatnonzero((away < _AROUND).all(axis=-1).any(axis=-1))
    held = np.flatnonzero((frames.blocks[..., 2] > _IN_THE_AIR).any(axis=-1))
    empty = np.flatnonzero(frames.fingers < _EMPTY)
    return np.concatenate(
        [around, *(np.tile(some, len(around) // max(1, len(some))) for some in (held, empty))]
    )


def reach_movements(frames: Frames) -> np.ndarray:
    """Return the expert's next movements `[3 N, 3]`, m, to all three blocks."""
    labels = [expert_labels("reach", "", _scenes(frames, color)) for color in range(3)]
    return np.concatenate([label.deltas[:, 0] for label in labels])


def fit_scale(frames: Frames, still: tuple[int, int, int] = (127, 127, 127)) -> ActionScale:
    """Take q01 and q99 of the expert's movements when it reaches."""
    deltas, rest = reach_movements(frames), np.zeros(3)
    return ActionScale(
        np.concatenate([np.quantile(deltas, 0.01, axis=0), rest, [0.0]]),
        np.concatenate([np.quantile(deltas, 0.99, axis=0), rest, [1.0]]),
        still,
    )


def make_targets(
    frames: Frames,
    codes: np.ndarray,
    scale: ActionScale,
    groups: Sequence[tuple[str, str]] = GROUPS,
) -> Targets:
    """Label frames, whose depth pictures have these codes `[N, 10, 10]`."""
    coordinates, actions = [], []
    for kind, side in groups:
        labels = [expert_labels(kind, side, _scenes(frames, color, kind)) for color in range(3)]
        coordinates.append(_traces(frames, [label.points for label in labels]))
        moves = np.stack([label.deltas for label in labels], axis=1)
        closed = np.stack([label.closed for label in labels], axis=1)
        actions.append(scale.encode(moves, closed).astype(np.uint8))
    goal = frames.blocks + GOAL_ABOVE_BLOCK
    return Targets(
        coordinates=np.stack(coordinates, axis=1),
        earlier=_earlier(frames)[:, None],
        actions=np.stack(actions, axis=1),
        codes=codes.reshape(-1, DEPTH_CODES),
        goal_uv=frames.project(goal).astype(np.float32),
        block_uv=frames.project(frames.blocks).astype(np.float32),
        gripper_uv=frames.project(frames.gripper).astype(np.float32),
        goal=goal.astype(np.float32),
        gripper=frames.gripper,
    )


def _earlier(frames: Frames) -> np.ndarray:
    low, high = np.array(START_AREA).T
    start = np.random.default_rng(len(frames)).uniform(low, high, (len(frames), 3))
    open_fingers = np.full(len(frames), OPEN)
    labels = [
        expert_labels("reach", "", Scenes(start, open_fingers, frames.blocks[:, color]))
        for color in range(3)
    ]
    return _traces(frames, [label.points for label in labels])


def _traces(frames: Frames, points: list[np.ndarray]) -> np.ndarray:
    unit = np.rint(frames.project(np.stack(points, axis=1))).clip(0, 255).astype(np.uint8)
    return unit.reshape(len(unit), len(points), 2 * POINTS)


class Format:
    """A question of training or of the product, for one group of tasks.

    Attributes:
        name: One of `FORMATS`.
        prompts: int64 `[3, Lp]`, one row per colour.
        last_color: position of the colour's last mention in the prompt.
        form: The fixed part of its answers; that of "opening" ends behind the first row.
    """

    def __init__(self, name: str, group: int, writer: Writer) -> None:
        """Build one of `FORMATS` for one of `GROUPS`."""
        self.name = name
        kind, side = GROUPS[group]
        words = [Task(kind, color, side).instruction for color in COLORS]
        self.prompts = np.array([writer.encode(_prompt(name, text)) for text in words])
        red = token_id(writer.tokenizer, "Ġred")
        self.last_color = int(np.flatnonzero(self.prompts[0] == red)[-1])
        rows = {"trajectory": 0, "action": 1, "opening": 1}.get(name, ROWS)
        self.form = writer.form(
            _answer(name), rows, len(DIMENSIONS), chunk=name != "action", whole=name != "opening"
        )

    @property
    def rows(self) -> int:
        """Number of action rows in the answer."""
        return self.form.rows

    @property
    def prompt_length(self) -> int:
        """Tokens of the prompt."""
        return self.prompts.shape[1]

    def content(self, targets: Batch) -> Content:
        """Return what the answers shall contain, `[B, C, ...]`."""
        some = len(self.form.coordinates)
        shape = targets.coordinates.shape[:2]
        codes = np.broadcast_to(targets.codes[:, None], (*shape, DEPTH_CODES))
        bins = targets.actions[:, :, : self.rows].reshape(*shape, -1)
        return Content(targets.coordinates[..., :some], codes, bins)


class Vocabulary:
    """The ids and formats of the first checkpoint.

    Attributes:
        writer: Of its answers.
        formats: Per name the questions of `GROUPS`, of the first ones only where the others are
            not learned.
        longest_answer: Where decoding gives up.
        weights: Of the tokens of answers.
    """

    codebook = "byte_level"
    names: tuple[str, ...] = FORMATS
    groups = len(GROUPS)
    longest_answer = 260
    weights = Weights()

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Look up the ids."""
        self.tokenizer = tokenizer
        self.size = vocabulary.embedding_size(tokenizer)
        self.eos = token_id(tokenizer, vocabulary.END_OF_TEXT)
        self.writer = Writer(tokenizer, self.codebook, self.eos)
        self.formats = {
            name: [Format(name, group, self.writer) for group in range(self.groups)]
            for name in self.names
        }

    @cached_property
    def prefix(self) -> np.ndarray:
        """BOS and the image string of one base view (format.md 10.2), int64 `[33]`."""
        start, end, patch, column = self.size + np.arange(4)
        row = [patch] * POOLED + [column]
        return np.array([self.eos, start, *(row * POOLED), end])

    def prompts(self, name: str, tasks: Sequence[Task]) -> np.ndarray:
        """Return the prompts `[B, Lp]` of tasks of one kind in the format `name`."""
        forms = self.formats[name]
        return np.stack([forms[group_of(t)].prompts[COLORS.index(t.color)] for t in tasks])

    def answers(self, form: Format, targets: Batch, fed: Content | None = None) -> Answers:
        """Write answers `[B, C, La]` for C colours.

        Args:
            form: Their format.
            targets: What they shall contain.
            fed: What their ids hold instead.
        """
        wanted = form.content(targets)
        return self.writer.write(form.form, fed or wanted, wanted, MOVING, self.weights)


class TailVocabulary(Vocabulary):
    """The ids of the `vocab_tail` checkpoint, and its formats for reaching."""

    codebook = "vocab_tail"
    names = TAIL_FORMATS
    groups = 1
    longest_answer = 480
    weights = Weights(value=0.5)  # each is several tokens


def token_id(tokenizer: Tokenizer, token: str) -> int:
    """Return the id of a token.

    Raises:
        KeyError: There is no such token.
    """
    found = tokenizer.token_to_id(token)
    if found is None:
        raise KeyError(token)
    return found


def _prompt(name: str, instruction: str) -> str:
    if name == "steer":
        head, end = vocabulary.STEER_PROMPT
        return head + instruction + end
    head, middle, end = vocabulary.FULL_PROMPT
    ends = {"trajectory": vocabulary.TRAJECTORY_END, "action": vocabulary.ACTION_END}
    return head + instruction + middle + instruction + ends.get(name, end)


def _answer(name: str) -> str:
    """Return the answer of a format up to its actions, with any values in its slots."""
    trajectory = f"[{', '.join(['[7, 7]'] * POINTS)}]"
    if name == "steer":
        return " " + steering_answer(_MARK).partition(_MARK)[0]
    if name in ("opening", "full"):
        depth = f"<DEPTH_START>{'<DEPTH_0>' * DEPTH_CODES}<DEPTH_END>"
        return " " + reasoning_answer(depth, trajectory, _MARK, 1).partition(_MARK)[0]
    tail = "." if name == "trajectory" else vocabulary.FULL_ANSWER[-1]
    return vocabulary.SHORT_ANSWER + trajectory + tail
