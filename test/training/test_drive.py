# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the product comes to becomes frames."""

from pathlib import Path

import numpy as np

from training.drive import ProductDrive, drive_product

CHECKPOINT = Path(__file__).parents[2] / "checkpoints" / "tabletop"


def test_every_look_is_kept_in_order() -> None:
    drives = (ProductDrive("policy", "reach", "easy", 1), ProductDrive("policy", "push", "easy", 1))
    frames = drive_product(CHECKPOINT, drives, first=5_200_000)
    scenes = np.unique(frames.blocks[:, :, 0].round(3), axis=0)
    assert len(frames) >= 4 and len(scenes) >= 2
    moved = np.linalg.norm(np.diff(frames.gripper, axis=0), axis=1)
    assert moved.max() > 0.03
    assert frames.images.std(axis=(1, 2, 3)).min() > 10
