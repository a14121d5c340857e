# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The messages between a robot and a policy server, version 1.

The robot connects by websocket and sends `Hello`; the server answers `Welcome` or `Refusal`, after
which it closes. Then, each in a binary message of its own:

* `Infer`: what the cameras show. One answer is computed for a session at a time, for its newest
  `Infer`: another one cancels the one before. Each is answered by one `Answer` or one `Error` with
  its sequence, in any order with other messages.
* `Cancel`: an `Infer` is not wanted any more, as if it had never been sent. Answered by `Error` of
  kind "stopped", or by the `Answer` that was already on its way.
* `Ping`: answered by `Pong` at once, also while an answer is computed; a robot that misses it gives
  the connection up. The websocket's own ping does not serve: a proxy on the way would answer it.

No clock of the server ever counts: stamps are the robot's, and what the server measures are
durations. `session` names one start of one robot's node: a connection with the session of another
one takes its place, so that a robot returns although the server has not noticed yet that its line
was cut; a connection with the robot's name and another session is refused while the first is alive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from molmoact_ros.answer.prompts import MAX_INSTRUCTION

from .fields import (
    WireError,
    array,
    blob,
    flag,
    items,
    number,
    optional,
    part,
    table,
    text,
    whole,
    wire,
)

PROTOCOL = 1
"""Number of this version: both ends have the same, or the connection is refused.

`codec.decode` reads it before anything else of `Hello` and `Welcome`; `Refusal` stays as it is in
all versions, so that each end can report why.
"""

MAX_MESSAGE = 64 << 20  # bytes that a server may accept at most
MAX_SMALL_MESSAGE = 1 << 20  # bytes of any message but `Infer`
MAX_SEQUENCE = 2**53
MAX_PICTURES = 8
_MAX_SIDE = 16_384  # px
_MAX_ROWS = 1000
_MAX_COLUMNS = 64
_MAX_TOKENS = 4097  # of an answer, its end included
_NAME = text(64)
_LINE = text(256)
_SENTENCES = items(text(2000), 64)
_SEQUENCE = whole(0, MAX_SEQUENCE)
_SECONDS = number(0.0, 1e6)
_LONGEST = 1e12  # s; a stamp counts from 1970 or from a start
_PROFILE = table(lambda value, path: value, 16)  # read by `yaml_config.build`, strictly

# Kinds of refusals: those after which nothing but another setting helps, and those that pass.
LASTING = ("protocol", "token", "settings", "profile")
PASSING = ("loading", "full", "session", "fault")
# Kinds of errors. "observation": it cannot be used; "stopped": as was asked for; "limit": too many
# or too large requests; "memory": too little this time; "fault": the server's own.
ERRORS = ("observation", "stopped", "limit", "memory", "fault")


@dataclass(frozen=True)
class SessionSettings:
    """What of a policy is one robot's own choice, as the policy node's parameters of these names.

    Attributes:
        unnorm_key: Entry of norm_stats; empty: as in the profile, or the only one.
        rows: Action rows that an answer must have; 0: as in the profile.
        max_new_tokens: Limit of one answer; 0: as in the profile.
        action_decoding: "argmax" or "expectation".
        constrained: Whether answers are kept to the form of the first well-formed one.
        max_overruled: Tokens of a constrained answer that may be overruled.
    """

    unnorm_key: str = wire(_LINE, "")
    rows: int = wire(whole(0, _MAX_ROWS), 0)
    max_new_tokens: int = wire(whole(0, 4096), 0)
    action_decoding: str = wire(text(16, ("argmax", "expectation")), "argmax")
    constrained: bool = wire(flag(), False)
    max_overruled: int = wire(whole(0, 4096), 8)


@dataclass(frozen=True)
class Hello:
    """Robot to server, first: who connects, and what its executor and cameras are made for.

    Attributes:
        protocol: `PROTOCOL` of the robot.
        package: Version of its package, for messages.
        robot: Its name.
        session: Of this start of its node; the same when it connects again.
        token: That the server has given the robot; empty: none.
        profile: Checkpoint profile of the robot (`policy.checkpoint_profile`), by keys; None: the
            server's own for its checkpoint.
        cameras: Names in the order in which pictures come; empty: as in the profile.
        action_space: Empty: whatever the profile has.
        action_names: One for each action dimension; empty: as in the profile.
        settings: What of the policy is the robot's choice.
    """

    protocol: int = wire(whole(0, 1_000_000))
    package: str = wire(_NAME)
    robot: str = wire(_NAME)
    session: str = wire(_NAME)
    token: str = wire(text(512), "", show=False)
    profile: dict[str, Any] | None = wire(optional(_PROFILE), None)
    cameras: tuple[str, ...] = wire(items(_NAME, MAX_PICTURES), ())
    action_space: str = wire(_NAME, "")
    action_names: tuple[str, ...] = wire(items(_NAME, _MAX_COLUMNS), ())
    settings: SessionSettings = wire(part(SessionSettings), SessionSettings())


@dataclass(frozen=True)
class Limits:
    """What one robot may ask of a server.

    Attributes:
        message_bytes: Of an `Infer`.
        picture_pixels: Width x height of a picture.
        requests_per_second: `Infer` in the long run; more are answered by an `Error` "limit".
    """

    message_bytes: int = wire(whole(1, MAX_MESSAGE), 32 << 20)
    picture_pixels: int = wire(whole(1, 500_000_000), 16_000_000)
    requests_per_second: float = wire(number(0.01, 10_000.0), 30.0)


@dataclass(frozen=True)
class Passes:
    """What the server found out about its network's passes (`decoding.PassReport`).

    Attributes:
        captured: Whether passes run as CUDA graphs.
        seconds: That the check took.
        warnings: What is not as it should be.
        compiled: Whether the network's blocks are a compiled function.
        compile_seconds: That compiling took.
    """

    captured: bool = wire(flag())
    seconds: float = wire(_SECONDS)
    warnings: tuple[str, ...] = wire(_SENTENCES, ())
    compiled: bool = wire(flag(), False)
    compile_seconds: float = wire(_SECONDS, 0.0)


@dataclass(frozen=True)
class Statistics:
    """Range of each action dimension (`answer.ActionStats`); D is their number.

    Attributes:
        key: Entry of norm_stats.
        q01: float32 [D].
        q99: float32 [D].
        mask: bool [D].
    """

    key: str = wire(_LINE)
    q01: np.ndarray = wire(array("<f4", (1, _MAX_COLUMNS), finite=True))
    q99: np.ndarray = wire(array("<f4", (1, _MAX_COLUMNS), finite=True))
    mask: np.ndarray = wire(array("|b1", (1, _MAX_COLUMNS)))

    def __post_init__(self) -> None:
        if not len(self.q01) == len(self.q99) == len(self.mask):
            raise WireError("q01", "q01, q99 and mask must have one value per action dimension")


@dataclass(frozen=True)
class Welcome:
    """Server to robot: the session is open.

    Attributes:
        protocol: `PROTOCOL` of the server.
        package: Version of its package.
        checkpoint: Name of what it serves, for people.
        device: Where it computes, e.g. "cuda:0".
        precision: Of the weights, e.g. "bfloat16" or "int8".
        weights_bytes: Of the weights in memory.
        repeatable: Whether drafts cannot change an id.
        profile: Checkpoint profile of this session, by keys.
        statistics: That actions are un-normalised with.
        reserved: Texts that an instruction must not hold: of reserved tokens and of actions.
        limits: For this robot.
        resumed: Whether drafts and trust monitor of the session are those of its last connection.
        passes: None where they were not checked.
    """

    protocol: int = wire(whole(0, 1_000_000))
    package: str = wire(_NAME)
    checkpoint: str = wire(_LINE)
    device: str = wire(_NAME)
    precision: str = wire(_NAME)
    weights_bytes: int = wire(whole(0, 1 << 50))
    repeatable: bool = wire(flag())
    profile: dict[str, Any] = wire(_PROFILE)
    statistics: Statistics = wire(part(Statistics))
    reserved: tuple[str, ...] = wire(items(_LINE, 4096))
    limits: Limits = wire(part(Limits))
    resumed: bool = wire(flag(), False)
    passes: Passes | None = wire(optional(part(Passes)), None)


@dataclass(frozen=True)
class Difference:
    """A thing that robot and server do not agree on.

    Attributes:
        name: What it is, e.g. "cameras".
        robot: The robot's value, as text.
        server: The server's.
    """

    name: str = wire(_NAME)
    robot: str = wire(text(1000))
    server: str = wire(text(1000))

    def __str__(self) -> str:
        return f"{self.name}: the robot has {self.robot}, the server has {self.server}"


@dataclass(frozen=True)
class Refusal:
    """Server to robot: no session; the connection is closed after it.

    Attributes:
        kind: One of `LASTING` or `PASSING`.
        sentence: Why, and what to do.
        differences: What robot and server do not agree on, each with both values.
    """

    kind: str = wire(text(16, LASTING + PASSING))
    sentence: str = wire(text(2000))
    differences: tuple[Difference, ...] = wire(items(part(Difference), 16), ())

    def __str__(self) -> str:
        return "; ".join([self.sentence, *map(str, self.differences)])


@dataclass(frozen=True)
class Picture:
    """One camera's picture, raw or as JPEG.

    Attributes:
        camera: Name.
        rgb: uint8 [H, W, 3], None for a JPEG.
        jpeg: The file, None for a raw picture.
    """

    camera: str = wire(_NAME)
    rgb: np.ndarray | None = wire(optional(array("|u1", (1, _MAX_SIDE), (1, _MAX_SIDE), 3)), None)
    jpeg: bytes | None = wire(optional(blob(MAX_MESSAGE)), None)

    def __post_init__(self) -> None:
        if (self.rgb is None) == (self.jpeg is None):
            raise WireError("", "a picture has either rgb or jpeg")


@dataclass(frozen=True)
class Infer:
    """Robot to server: look, think, act.

    Attributes:
        sequence: Larger than that of every `Infer` before in this session.
        pictures: In the order of the profile's cameras.
        instruction: What to do.
        hint: float64 [K, 2] (x, y), 0..255 of the first picture: a path to follow; None: none.
        stamp: s by the robot's clock, when the pictures were taken; only differences of two of them
            count. None: not known.
        seconds_left: Until the robot has done what it was last sent, s: the server answers first
            whose time is up first. None: nothing is being done.
        depth: Whether the decoded depth is wanted.
    """

    sequence: int = wire(_SEQUENCE)
    pictures: tuple[Picture, ...] = wire(items(part(Picture), MAX_PICTURES, least=1))
    instruction: str = wire(text(MAX_INSTRUCTION))
    hint: np.ndarray | None = wire(optional(array("<f8", (1, 1000), 2, finite=True)), None)
    stamp: float | None = wire(optional(number(-_LONGEST, _LONGEST)), None)
    seconds_left: float | None = wire(optional(number(0.0, 1e6)), None)
    depth: bool = wire(flag(), False)


@dataclass(frozen=True)
class Answer:
    """Server to robot: `policy.types.Reasoning`, where its fields are explained, and more.

    Attributes:
        sequence: Of the `Infer`.
        timings: Seconds by stage, of the server: "total" from the arrival of the request until its
            answer, "queue" how much of that it waited.
        depth: uint8 [h, w], 0..255 for the relative depth 0..1; None: not wanted, or no decoder.
        drafts_learn: Whether the answer before could be learned from.
        form_learned: Whether answers of this kind are kept to a form; None: not constrained.
    """

    sequence: int = wire(_SEQUENCE)
    depth_codes: np.ndarray | None = wire(optional(array("|u1", 10, 10)))
    trajectory: np.ndarray = wire(array("<f8", (0, 1000), 2))
    trajectory_source: str = wire(text(16, ("predicted", "user")))
    actions: np.ndarray = wire(array("<f8", (0, 4096), (0, _MAX_COLUMNS)))
    valid: bool = wire(flag())
    problems: tuple[str, ...] = wire(_SENTENCES)
    confidence: float | None = wire(optional(number(0.0, 1.0)))
    spread: np.ndarray | None = wire(optional(array("<f8", (0, 4096), (0, _MAX_COLUMNS))))
    unnorm_key: str = wire(_LINE)
    text: str = wire(text(65_536))
    ids: np.ndarray = wire(array("<i4", (0, _MAX_TOKENS)))
    forward_passes: int = wire(whole(0, 1_000_000))
    tokens_per_pass: np.ndarray = wire(array("<i4", (0, _MAX_TOKENS)))
    drafted: dict[str, int] = wire(table(whole(0, 1_000_000), 32))
    accepted: dict[str, int] = wire(table(whole(0, 1_000_000), 32))
    overruled: int = wire(whole(0, 4096))
    timings: dict[str, float] = wire(table(_SECONDS, 32))
    depth: np.ndarray | None = wire(optional(array("|u1", (1, 512), (1, 512))), None)
    drafts_learn: bool = wire(flag(), True)
    form_learned: bool | None = wire(optional(flag()), None)

    def __post_init__(self) -> None:
        if self.valid == bool(self.problems):
            raise WireError("valid", "an answer is valid where it has no problems, and not else")
        if self.spread is not None and self.spread.shape != self.actions.shape:
            raise WireError("spread", "must have the shape of the actions")


@dataclass(frozen=True)
class Error:
    """Server to robot: no answer.

    Attributes:
        sequence: Of the `Infer`; None: the message could not be read, and the connection ends.
        kind: One of `ERRORS`.
        sentence: Why.
    """

    sequence: int | None = wire(optional(_SEQUENCE))
    kind: str = wire(text(16, ERRORS))
    sentence: str = wire(text(2000))


@dataclass(frozen=True)
class Cancel:
    """Robot to server: the answer to this `Infer` is not wanted any more."""

    sequence: int = wire(_SEQUENCE)


@dataclass(frozen=True)
class Ping:
    """Robot to server: answer with `Pong` of the same number."""

    number: int = wire(_SEQUENCE)


@dataclass(frozen=True)
class Pong:
    """Server to robot: the answer to `Ping`."""

    number: int = wire(_SEQUENCE)


FROM_ROBOT = (Infer, Cancel, Ping)
"""After `Hello`."""
FROM_SERVER = (Answer, Error, Pong)
"""After `Welcome`."""
