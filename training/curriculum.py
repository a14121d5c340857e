# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The order in which things are learned; training/README.md says why and what each gave."""

from .train import Stage

BEFORE_DAGGER = (
    Stage("vision", 600, {"vision": 1.0}, peak=3e-3, final=3e-4),
    Stage("trajectory", 500, {"trajectory": 1.0}, peak=3e-3, final=6e-4),
    Stage("action", 700, {"action": 0.8, "trajectory": 0.2}, peak=2e-3, final=5e-4),
    Stage("depth", 800, {"action": 0.4, "opening": 0.35, "full": 0.25}, peak=2e-3, final=3e-4),
)
AFTER_DAGGER_1 = (
    Stage(
        "dagger-1",
        700,
        {"action": 0.3, "opening": 0.4, "full": 0.3},
        peak=1.5e-3,
        final=3e-4,
        recent=0.3,
    ),
)
AFTER_DAGGER_2 = (
    Stage(
        "dagger-2",
        1200,
        {"action": 0.2, "opening": 0.4, "full": 0.4},
        peak=1.5e-3,
        final=1e-5,
        recent=0.3,
    ),
)
ROUNDS = (BEFORE_DAGGER, AFTER_DAGGER_1, AFTER_DAGGER_2)
DAGGER_EPISODES = 128
