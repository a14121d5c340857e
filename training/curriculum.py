# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The order in which things are learned; training/README.md says why and what each gave."""

from .train import Stage

_MIX = {"action": 0.25, "opening": 0.4, "full": 0.35}
_MIX_STEER = {"action": 0.1, "opening": 0.3, "full": 0.35, "steer": 0.25}
_MIX_LAST = {"action": 0.05, "opening": 0.25, "full": 0.3, "steer": 0.4}

# Before each round but the first, the network drives and the frames it came to are added.
ROUNDS = (
    (
        Stage("vision", 600, {"vision": 1.0}, peak=3e-3, final=3e-4),
        Stage("trajectory", 500, {"trajectory": 1.0}, peak=3e-3, final=6e-4),
        Stage("action", 700, {"action": 0.8, "trajectory": 0.2}, peak=2e-3, final=5e-4),
        Stage("depth", 800, {"action": 0.4, "opening": 0.35, "full": 0.25}, peak=2e-3, final=5e-4),
        Stage("rows", 350, {"action": 0.2, "opening": 0.1, "full": 0.7}, peak=2e-3, final=5e-4),
    ),
    (Stage("dagger-1", 700, _MIX, peak=1.5e-3, final=5e-4, recent=0.3),),
    (Stage("dagger-2", 800, _MIX_STEER, peak=1.5e-3, final=3e-4, recent=0.3),),
    (Stage("dagger-3", 1750, _MIX_LAST, peak=1.2e-3, final=1e-5, recent=0.3),),
)
DAGGER_EPISODES = 96
