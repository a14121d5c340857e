# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Runs the policy over a bag's images, with the same matching of frames as the node."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from molmoact_ros.answer import to_pixels
from molmoact_ros.policy.frame_matcher import Frame, FrameMatcher, NoMatch
from molmoact_ros.policy.pixels import (
    MAX_IMAGE_PIXELS,
    ImageError,
    rgb_from_compressed,
    rgb_from_image,
)
from molmoact_ros.policy.types import Observation, Reasoning

from .bag import COMPRESSED_IMAGE, Bag, Message


class ReplayPolicy(Protocol):
    """What is needed of `MolmoActPolicy`."""

    def infer(self, observation: Observation) -> Reasoning:
        """Look, think, act."""

    def relative_depth(self, depth_codes: np.ndarray) -> np.ndarray | None:
        """Depth codes to a map of relative depth."""


@dataclass(frozen=True)
class ReplaySettings:
    """What to replay.

    Attributes:
        image_topics: One per camera, in the order of the checkpoint's cameras.
        instruction: What to do; empty: from `instruction_topic`.
        instruction_topic: String topic of the bag.
        period: Least time between two inferences, s of the recording; 0: every frame.
        limit: Inferences at most; 0: no limit.
        max_camera_skew: Largest difference between the stamps of two cameras' frames, s.
        max_image_age: Largest age of a camera's newest frame when another one arrives, s.
        max_image_pixels: Pictures that declare more are not used.
    """

    image_topics: tuple[str, ...]
    instruction: str = ""
    instruction_topic: str = ""
    period: float = 0.0
    limit: int = 0
    max_camera_skew: float = 0.05
    max_image_age: float = 0.5
    max_image_pixels: int = MAX_IMAGE_PIXELS


@dataclass(frozen=True)
class ReplayAnswer:
    """One inference over a bag.

    Attributes:
        sequence: Counts up from 1.
        log_time: When the picture was recorded, ns.
        header: The picture's header.
        rgb: First camera's picture, RGB uint8 `[H, W, 3]`.
        instruction: What the policy was instructed to do.
        reasoning: The policy's answer.
        relative_depth: float `[h, w]`, 0..1, never metres; None where it is unknown.
    """

    sequence: int
    log_time: int
    header: Any
    rgb: np.ndarray
    instruction: str
    reasoning: Reasoning
    relative_depth: np.ndarray | None

    @property
    def stamp_ns(self) -> int:
        """When the picture was taken, ns."""
        return int(self.header.stamp.sec * 10**9 + self.header.stamp.nanosec)

    @property
    def trajectory_px(self) -> np.ndarray:
        """The trajectory, float64 `[K, 2]`, in pixels of `rgb`."""
        return to_pixels(self.reasoning.trajectory, (self.rgb.shape[1], self.rgb.shape[0]))


@dataclass(frozen=True)
class Unused:
    """Pictures that nothing was inferred from.

    Attributes:
        count: How many.
        reason: Why, in the latest case.
    """

    count: int
    reason: str


class Replay:
    """Iterates over the answers; counts what was not used and why."""

    def __init__(self, bag: Bag, policy: ReplayPolicy, settings: ReplaySettings) -> None:
        """Start at the beginning of the bag."""
        self._bag = bag
        self._policy = policy
        self._settings = settings
        self._matcher = FrameMatcher(
            settings.image_topics, settings.max_camera_skew, settings.max_image_age
        )
        self._kinds = {topic.name: topic.type for topic in bag.topics}
        self._instruction = settings.instruction
        self._next = -np.inf  # s; stamp from which on the next inference may start
        self.frames = 0  # pictures read so far, of all cameras
        self.unused: dict[str, Unused] = {}  # by the kind of reason

    @property
    def total_frames(self) -> int:
        """Pictures that the bag has of the chosen cameras."""
        topics = self._settings.image_topics
        return sum(topic.count for topic in self._bag.topics if topic.name in topics)

    def __iter__(self) -> Iterator[ReplayAnswer]:
        settings = self._settings
        names = [*settings.image_topics]
        if not settings.instruction:
            names.append(settings.instruction_topic)
        sequence = 0
        for message in self._bag.messages(names):
            if message.topic == settings.instruction_topic and not settings.instruction:
                self._instruction = message.content.data
                continue
            self.frames += 1
            images = self._take(message)
            if images is None:
                continue
            frames, pixels = images
            sequence += 1
            yield self._infer(message, frames, pixels, sequence)
            if sequence == settings.limit:
                return

    def _take(self, message: Message) -> tuple[Mapping[str, Frame], dict[str, np.ndarray]] | None:
        """Add a frame; return the set to infer from, or None and count why."""
        frame = self._frame(message)
        if frame is None:
            return None
        self._matcher.add(message.topic, frame)
        if not self._instruction:
            self._skip("no instruction", "there was no instruction yet")
            return None
        if self._is_early(frame.stamp):
            return None
        frames = self._matcher.take(frame.stamp)
        if isinstance(frames, NoMatch):
            if not frames.waiting:
                self._skip("no match", frames.reason)
            return None
        pixels = self._pixels(frames)
        return None if pixels is None else (frames, pixels)

    def _is_early(self, stamp: float) -> bool:
        """Whether the period since the last inference has not passed yet."""
        settings = self._settings
        if stamp < self._next - settings.period - settings.max_image_age:
            self._next = -np.inf  # time was reset, as by a simulator
        # Other cameras' frames of the same moment may be stamped a little earlier.
        return stamp < self._next - settings.max_camera_skew

    def _skip(self, kind: str, reason: str) -> None:
        count = self.unused[kind].count if kind in self.unused else 0
        self.unused[kind] = Unused(count + 1, reason)

    def _frame(self, message: Message) -> Frame | None:
        header = message.content.header
        stamp = header.stamp.sec + header.stamp.nanosec * 1e-9
        if stamp == 0.0:
            self._skip("zero stamp", f"{message.topic}: header.stamp is zero")
            return None
        compressed = self._kinds[message.topic] == COMPRESSED_IMAGE
        read = rgb_from_compressed if compressed else rgb_from_image
        limit = self._settings.max_image_pixels
        pixels = functools.partial(read, message.content, message.topic, limit)
        return Frame(stamp, header, pixels)

    def _pixels(self, frames: Mapping[str, Frame]) -> dict[str, np.ndarray] | None:
        try:
            return self._matcher.read(frames)
        except ImageError as error:
            self._skip("unreadable", str(error))
            return None

    def _infer(
        self,
        message: Message,
        frames: Mapping[str, Frame],
        pixels: dict[str, np.ndarray],
        sequence: int,
    ) -> ReplayAnswer:
        lead = frames[self._settings.image_topics[0]]
        self._next = lead.stamp + self._settings.period
        reasoning = self._policy.infer(Observation(pixels, self._instruction, stamp=lead.stamp))
        codes = reasoning.depth_codes
        return ReplayAnswer(
            sequence=sequence,
            log_time=message.log_time,
            header=lead.header,
            rgb=next(iter(pixels.values())),
            instruction=self._instruction,
            reasoning=reasoning,
            relative_depth=None if codes is None else self._policy.relative_depth(codes),
        )
