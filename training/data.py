# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Frames of the tabletop with everything that can be known about them.

A frame is one scene, rendered once; its labels for all instructions follow from positions.
`make_frames` draws independent scenes: half of the grippers are anywhere, the rest where the expert
passes, and around the blocks. `episodes.py` adds frames of tasks at work.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from molmoact_ros.sim import CameraModel, Tabletop
from molmoact_ros.sim.expert import GOAL_ABOVE_BLOCK, expert_step
from molmoact_ros.sim.tabletop import START_AREA, draw_in

IMAGE_SIZE = 126
RENDER_SIZE = 2 * IMAGE_SIZE  # what the camera publishes; the processor halves it
DEPTH_SIZE = 40
_NEAR, _FAR = 0.6, 2.0  # m, range of the depth picture
_ANYWHERE = ((1.13, 1.43), (0.53, 0.97), (0.415, 0.62))
_FINGER_TIP = 0.02  # m below the grip point


@dataclass(frozen=True)
class Frames:
    """N frames.

    Attributes:
        images: uint8 `[N, 126, 126, 3]` RGB.
        depth: float16 `[N, 40, 40]`, 0 far .. 1 near.
        gripper: float32 `[N, 3]` grip point, m.
        fingers: float32 `[N]` m of each finger from the middle.
        blocks: float32 `[N, 3, 3]` centres of the red, green and blue block, m.
        camera_position: float32 `[N, 3]` of the camera, m.
        camera_rotation: float32 `[N, 3, 3]`, its optical frame to the base frame.
    """

    images: np.ndarray
    depth: np.ndarray
    gripper: np.ndarray
    fingers: np.ndarray
    blocks: np.ndarray
    camera_position: np.ndarray
    camera_rotation: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    def save(self, path: Path) -> None:
        """Write all arrays to one .npz file."""
        np.savez(path, **{field.name: getattr(self, field.name) for field in fields(self)})

    @staticmethod
    def load(path: Path) -> Frames:
        """Read what `save` wrote."""
        with np.load(path) as file:
            return Frames(**{field.name: file[field.name] for field in fields(Frames)})

    @staticmethod
    def join(parts: list[Frames]) -> Frames:
        """Put several sets behind each other."""
        return Frames(
            *(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Frames))
        )

    def project(self, points: np.ndarray) -> np.ndarray:
        """Return where points `[N, ..., 3]`, m, are in each picture, 0..255 (format.md 14)."""
        shape = (len(self), *(1,) * (points.ndim - 2), 3)
        away = points - self.camera_position.reshape(shape)
        local = np.einsum("n...i,nij->n...j", away, self.camera_rotation.astype(np.float64))
        pixels = local @ _camera_matrix().T
        return to_unit(pixels[..., :2] / pixels[..., 2:])

    def __getitem__(self, index: np.ndarray | slice) -> Frames:
        return Frames(*(getattr(self, field.name)[index] for field in fields(self)))


@cache
def _camera_matrix() -> np.ndarray:
    return Tabletop().camera(width=IMAGE_SIZE, height=IMAGE_SIZE).matrix


def to_unit(pixels: np.ndarray) -> np.ndarray:
    """Scale pixels of the 126x126 image to the trajectory's 0..255 (format.md 14)."""
    return pixels * (255.0 / (IMAGE_SIZE - 1))


def halve(rgb: np.ndarray) -> np.ndarray:
    """Shrink a camera image `[252, 252, 3]` as the processor does: mean of 2x2 pixels."""
    mean = rgb.reshape(IMAGE_SIZE, 2, IMAGE_SIZE, 2, 3).astype(np.float32).mean(axis=(1, 3))
    return np.rint(mean).astype(np.uint8)


def depth_picture(metres: np.ndarray) -> np.ndarray:
    """Turn depth `[H, W]`, m, into the teacher's picture `[40, 40]`: inverse depth, 0..1."""
    inverse = (1.0 / np.clip(metres, _NEAR, _FAR) - 1.0 / _FAR) / (1.0 / _NEAR - 1.0 / _FAR)
    size = (DEPTH_SIZE, DEPTH_SIZE)
    return cv2.resize(inverse.astype(np.float32), size, interpolation=cv2.INTER_AREA)


class FrameRecorder:
    """Collects frames one by one."""

    def __init__(self) -> None:
        """Start empty."""
        self._rows: list[tuple[np.ndarray, ...]] = []

    def add(self, tabletop: Tabletop, rgb: np.ndarray, metres: np.ndarray) -> None:
        """Keep a picture of the scene as it is now: colour and depth of the external camera."""
        blocks, camera = tabletop.block_places(), tabletop.camera()
        self._rows.append(
            (
                halve(rgb),
                depth_picture(metres).astype(np.float16),
                tabletop.ee_pose()[0].astype(np.float32),
                np.float32(tabletop.finger_opening()),
                blocks.astype(np.float32),
                camera.position.astype(np.float32),
                camera.rotation.astype(np.float32),
            )
        )

    def frames(self) -> Frames:
        """Return what was kept."""
        return Frames(*(np.stack(column) for column in zip(*self._rows, strict=True)))


def make_frames(count: int, seed: int, variation: str = "easy") -> Frames:
    """Render `count` independent scenes with open fingers."""
    rng = np.random.default_rng(seed)
    tabletop = Tabletop()
    recorder = FrameRecorder()
    for _ in tqdm(range(count), desc=f"frames, {variation}", mininterval=5):
        tabletop.reset(int(rng.integers(2**31)), variation)
        point = _draw_gripper(rng, tabletop.block_places(), tabletop.camera())
        tabletop.place_gripper(point)
        recorder.add(tabletop, *tabletop.render(width=RENDER_SIZE, height=RENDER_SIZE))
    tabletop.close()
    return recorder.frames()


def _draw_gripper(rng: np.random.Generator, blocks: np.ndarray, camera: CameraModel) -> np.ndarray:
    """Draw a grip point that no block is in the way of."""
    low, high = np.array(_ANYWHERE).T
    while True:
        goal = blocks[rng.integers(len(blocks))] + GOAL_ABOVE_BLOCK
        kind = rng.random()
        if kind < 0.35:
            point = draw_in(rng, _ANYWHERE)
        elif kind < 0.65:
            point = _on_the_way(rng, goal) + rng.normal(0.0, 0.008, 3)
        elif kind < 0.85:
            point = goal + rng.normal(0.0, (0.025, 0.025, 0.02))
        else:  # same place in the image, another depth: the hardest to distinguish
            ray = goal - camera.position
            ray /= np.linalg.norm(ray)
            point = goal + rng.uniform(-0.09, 0.05) * ray + rng.normal(0.0, 0.01, 3)
        if np.all(point >= low) and np.all(point <= high) and not _collides(point, blocks):
            return point


def _on_the_way(rng: np.random.Generator, goal: np.ndarray) -> np.ndarray:
    point = draw_in(rng, START_AREA)
    for _ in range(rng.integers(36)):
        point = point + expert_step(point, goal)
    return point


def _collides(point: np.ndarray, blocks: np.ndarray) -> bool:
    """Return whether a finger, 5 to 7 cm beside the grip point in y, is inside a block."""
    away = np.abs(point - blocks)
    low = point[2] - _FINGER_TIP < blocks[:, 2] + 0.02
    return bool(np.any(low & (away[:, 0] < 0.04) & (away[:, 1] > 0.024) & (away[:, 1] < 0.092)))
