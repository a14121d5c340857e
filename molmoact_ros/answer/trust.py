# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Actions that cannot be trusted although each answer alone looks sound.

Users of released checkpoints report actions that stay near zero, or do not depend on the input,
while the trajectory in the same answers stays sensible. No single answer shows that; the last few
together do. The detectors compare actions with what moved besides them, so that a robot at rest at
its goal, or one that moves steadily through an unchanged scene, raises no alarm.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from molmoact_ros.answer.stats import ActionStats

# First words of what the detectors report.
DETECTORS = ("near_zero_actions", "input_independent_actions")

_THUMBNAIL = 16  # cells per side of the picture that is kept of each frame


@dataclass(frozen=True)
class TrustLimits:
    """Where the detectors draw the line.

    Attributes:
        chunks: Number of latest chunks that must agree before an alarm.
        near_zero: Share of half the range q99 - q01 below which a value counts as zero.
        path: Length of a predicted trajectory, 0..255 units, that clearly asks for motion.
        same_actions: Share of half the range within which values count as the same.
        moved_goal: Way between the ends of two trajectories, 0..255 units, that counts as
            another input.
        changed_scene: Mean change of brightness, 0..1, that counts as another input.
    """

    chunks: int = 8
    near_zero: float = 0.03
    path: float = 40.0
    same_actions: float = 0.016
    moved_goal: float = 25.0
    changed_scene: float = 0.08


@dataclass(frozen=True)
class ChunkRecord:
    """What the detectors remember of one chunk; T rows of D values, K points.

    Attributes:
        motion: float64 [T, D'], values of the scaled dimensions (no gripper) as shares of half
            their range around zero motion; a range of width zero counts as no motion.
        trajectory: float64 [K, 2], 0..255; K may be 0.
        scene: float32 [16, 16], brightness 0..1 of the first image.
    """

    motion: NDArray[np.float64]
    trajectory: NDArray[np.float64]
    scene: NDArray[np.float32]


def record_chunk(
    actions: NDArray[np.float64],
    stats: ActionStats,
    trajectory: NDArray[np.float64],
    image: NDArray[np.uint8],
) -> ChunkRecord:
    """Reduce one answer to what the detectors need.

    Args:
        actions: [T, D] in robot units.
        stats: Statistics that they were un-normalised with.
        trajectory: [K, 2] of the same answer, 0..255.
        image: RGB uint8 [H, W, 3] that it was inferred from.
    """
    return ChunkRecord(
        motion=stats.shares(actions),
        trajectory=np.asarray(trajectory, dtype=np.float64).reshape(-1, 2),
        scene=_thumbnail(image),
    )


def near_zero_actions(records: Sequence[ChunkRecord], limits: TrustLimits) -> bool:
    """Whether every record has actions near zero and yet a trajectory that asks for motion.

    Meant for delta action spaces; zero has no such meaning for absolute ones.
    """
    return all(
        record.motion.size > 0
        and np.abs(record.motion).max() < limits.near_zero
        and _length(record.trajectory) > limits.path
        for record in records
    )


def input_independent_actions(records: Sequence[ChunkRecord], limits: TrustLimits) -> bool:
    """Whether all records have the same actions although their inputs differ."""
    shapes = {record.motion.shape for record in records}
    if len(shapes) != 1 or 0 in next(iter(shapes)):
        return False
    motion = np.stack([record.motion for record in records])
    if not np.ptp(motion, axis=0).max() <= limits.same_actions:
        return False
    ends = [record.trajectory[-1] for record in records if len(record.trajectory)]
    scenes = np.stack([record.scene for record in records])
    return (
        _farthest(np.array(ends).reshape(-1, 2)) > limits.moved_goal
        or _farthest_scene(scenes) > limits.changed_scene
    )


class TrustMonitor:
    """Watches the last chunks of one policy."""

    def __init__(self, limits: TrustLimits | None = None, delta_actions: bool = True) -> None:
        """Start without memory.

        Args:
            limits: Where to draw the line; None: defaults.
            delta_actions: Whether actions are changes, so that zero means no motion.
        """
        self.limits = limits or TrustLimits()
        self._delta_actions = delta_actions
        self._records: deque[ChunkRecord] = deque(maxlen=self.limits.chunks)

    def reset(self) -> None:
        """Forget all chunks; call it when the instruction changes."""
        self._records.clear()

    def add(self, record: ChunkRecord) -> tuple[str, ...]:
        """Take one more chunk and return what is wrong with the last ones, a sentence each."""
        self._records.append(record)
        if len(self._records) < self.limits.chunks:
            return ()
        problems = []
        if self._delta_actions and near_zero_actions(self._records, self.limits):
            problems.append(
                f"near_zero_actions: the last {self.limits.chunks} chunks hardly move although "
                "their trajectories ask for motion; check unnorm_key and the checkpoint"
            )
        if input_independent_actions(self._records, self.limits):
            problems.append(
                f"input_independent_actions: the last {self.limits.chunks} chunks are the same "
                "although the input changed; check cameras, prompt and the checkpoint"
            )
        return tuple(problems)


def _thumbnail(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Green, the brightest part of luminance, is enough for a brightness."""
    size = (_THUMBNAIL, _THUMBNAIL)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)[..., 1] / np.float32(255)


def _length(points: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())


def _farthest(points: NDArray[np.float64]) -> float:
    """Largest distance between two of the points [N, 2]; 0 for fewer than two."""
    gaps = np.linalg.norm(points[:, None] - points[None], axis=-1)
    return float(gaps.max(initial=0.0))


def _farthest_scene(scenes: NDArray[np.float32]) -> float:
    """Largest mean brightness change between two scenes [N, 16, 16]."""
    changes = np.abs(scenes[:, None] - scenes[None]).mean(axis=(2, 3))
    return float(changes.max(initial=0.0))
