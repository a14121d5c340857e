# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The order in which things are learned; training/README.md has the reasons and what each gave."""

from __future__ import annotations

from dataclasses import dataclass

from .drive import ProductDrive
from .train import Stage


@dataclass(frozen=True)
class Drive:
    """Scenes that the network drives through; the frames it comes to are added (DAgger)."""

    kind: str
    variation: str
    episodes: int


@dataclass(frozen=True)
class Round:
    """Frames that are added, then stages.

    Attributes:
        stages: What is trained, in this order.
        drives: Of the network as it is before the stages.
        product_drives: The same, by the product.
        rendered: Whether the frames of all tasks and of varied scenes are added.
    """

    stages: tuple[Stage, ...]
    drives: tuple[Drive, ...] = ()
    product_drives: tuple[ProductDrive, ...] = ()
    rendered: bool = False


_MIX = {"action": 0.25, "opening": 0.4, "full": 0.35}
_MIX_STEER = {"action": 0.1, "opening": 0.3, "full": 0.35, "steer": 0.25}
_MIX_LAST = {"action": 0.05, "opening": 0.25, "full": 0.3, "steer": 0.4}
_MIX_TASKS = {
    **{"opening pick": 0.16, "opening push": 0.11, "full pick": 0.24},
    **{"full push": 0.16, "full": 0.16, "steer": 0.17},
}
_MIX_TASKS_LAST = {
    **{"opening pick": 0.05, "opening push": 0.04, "full pick": 0.32},
    **{"full push": 0.21, "full": 0.19, "steer": 0.19},
}

_MIX_GRIP = {
    **{"opening pick": 0.05, "full pick": 0.47},
    **{"full push": 0.24, "full": 0.12, "steer": 0.12},
}

_MIX_STEADY = {"full pick": 0.42, "full push": 0.12, "full": 0.12, "steer": 0.34}
_MIX_LINES = {"full pick": 0.22, "full push": 0.11, "full": 0.12, "steer": 0.55}

_REACH = (Drive("reach", "easy", 48), Drive("reach", "easy", 48))
_TASKS = (
    Drive("pick", "easy", 48),
    Drive("push", "easy", 48),
    Drive("reach", "varied", 48),
    Drive("pick", "varied", 24),
    Drive("push", "varied", 24),
)

_TASKS_AGAIN = (Drive("pick", "easy", 64), *_TASKS[1:])
_GRIPS = (Drive("pick", "easy", 84), Drive("push", "easy", 28))
_PRODUCT = (
    ProductDrive("policy", "pick", "easy", 150),
    ProductDrive("policy", "pick", "varied", 20),
    ProductDrive("steered", "reach", "easy", 170),
    ProductDrive("policy", "push", "easy", 30),
    ProductDrive("steered", "reach", "varied", 30),
    ProductDrive("policy", "pick", "easy", 40),
)
_PRODUCT_AGAIN = (
    ProductDrive("policy", "pick", "easy", 100),
    ProductDrive("steered", "reach", "easy", 120),
    ProductDrive("policy", "push", "easy", 20),
    ProductDrive("policy", "pick", "varied", 20),
)

ROUNDS = (
    Round(
        (
            Stage("vision", 600, {"vision": 1.0}, peak=3e-3, final=3e-4),
            Stage("trajectory", 500, {"trajectory": 1.0}, peak=3e-3, final=6e-4),
            Stage("action", 700, {"action": 0.8, "trajectory": 0.2}, peak=2e-3, final=5e-4),
            Stage(
                "depth", 800, {"action": 0.4, "opening": 0.35, "full": 0.25}, peak=2e-3, final=5e-4
            ),
            Stage("rows", 350, {"action": 0.2, "opening": 0.1, "full": 0.7}, peak=2e-3, final=5e-4),
        )
    ),
    Round((Stage("dagger-1", 700, _MIX, peak=1.5e-3, final=5e-4, recent=0.3),), _REACH),
    Round((Stage("dagger-2", 800, _MIX_STEER, peak=1.5e-3, final=3e-4, recent=0.3),), _REACH),
    Round((Stage("dagger-3", 1750, _MIX_LAST, peak=1.2e-3, final=1e-5, recent=0.3),), _REACH),
    Round(
        (Stage("tasks-1", 1800, _MIX_TASKS, peak=1.5e-3, final=5e-4, recent=0.6),), rendered=True
    ),
    Round((Stage("tasks-2", 900, _MIX_TASKS, peak=1.2e-3, final=4e-4, recent=0.65),), _TASKS),
    Round(
        (
            Stage("tasks-3", 1100, _MIX_TASKS, peak=1e-3, final=4e-4, recent=0.65),
            Stage("tasks-4", 2000, _MIX_TASKS, peak=1.2e-3, final=5e-4, recent=0.65),
        ),
        _TASKS,
    ),
    Round(
        (
            Stage("tasks-5", 700, _MIX_TASKS, peak=1e-3, final=8e-4, recent=0.65),
            Stage("tasks-6", 1400, _MIX_TASKS, peak=1e-3, final=5e-4, recent=0.65),
        ),
        _TASKS,
    ),
    Round(
        (Stage("tasks-7", 1300, _MIX_TASKS_LAST, peak=8e-4, final=5e-4, recent=0.65),),
        _TASKS_AGAIN,
    ),
    Round(
        (Stage("tasks-8", 2600, _MIX_TASKS_LAST, peak=7e-4, final=1e-5, recent=0.65),),
        _TASKS_AGAIN,
    ),
    Round((Stage("tasks-9", 1500, _MIX_GRIP, peak=6e-4, final=1e-5, recent=0.7),), _GRIPS),
    Round(
        (Stage("tasks-10", 1800, _MIX_STEADY, peak=7e-4, final=3e-4, recent=0.65),),
        product_drives=_PRODUCT,
    ),
    Round(
        (
            Stage("tasks-11", 2600, _MIX_STEADY, peak=5e-4, final=1e-5, recent=0.65),
            Stage("tasks-12", 1100, _MIX_LINES, peak=5e-4, final=1e-5, recent=0.65),
        ),
        product_drives=_PRODUCT_AGAIN,
    ),
)
