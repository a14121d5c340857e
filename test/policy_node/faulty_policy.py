# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The policy node on a device whose graphs and rows are wrong, and lost at an instruction."""

from __future__ import annotations

import sys
from typing import Any

import torch

from molmoact_ros.decoding import engine, pass_set
from molmoact_ros.decoding.passes import FixedPass
from molmoact_ros.faults import DeviceLostError
from molmoact_ros.policy import MolmoActPolicy
from molmoact_ros.policy_node.node import main

infer = MolmoActPolicy.infer


class SlotDependent(FixedPass):
    """From slot 8 on a row's result depends on where it is, in the last bit."""

    def __call__(self, tokens: Any, depths: Any, visible: Any) -> Any:
        """Compute and spoil."""
        logits = super().__call__(tokens, depths, visible)
        logits[8:] = torch.nextafter(logits[8:], torch.tensor(float("inf")))
        return logits


class Stale(FixedPass):
    """Stands in for a CUDA graph that did not capture its inputs: it repeats its first result."""

    first: Any = None

    def __init__(self, model: Any, cache: Any, size: Any, stream: Any, *block: Any) -> None:
        """Capture nothing."""
        super().__init__(model, cache, size, *block)

    def __call__(self, tokens: Any, depths: Any, visible: Any) -> Any:
        """Compute once."""
        if self.first is None:
            self.first = super().__call__(tokens, depths, visible).clone()
        return self.first


class Capturing(pass_set.PassSet):
    """Captures without a GPU."""

    def __init__(self, model: Any, cache: Any, *, graphs: bool, **settings: Any) -> None:
        """Capture in any case."""
        super().__init__(model, cache, graphs=True, **settings)


def infer_until_lost(self: MolmoActPolicy, observation: Any, *rest: Any) -> Any:
    """Fail for good from a certain instruction on."""
    if observation.instruction == "lose the device":
        raise DeviceLostError("cuda:0 has failed and every further call fails")
    return infer(self, observation, *rest)


for owner, name, stand_in in (
    (pass_set, "FixedPass", SlotDependent),
    (pass_set, "GraphPass", Stale),
    (pass_set, "GraphStream", lambda device: None),
    (engine, "PassSet", Capturing),
    (MolmoActPolicy, "infer", infer_until_lost),
):
    setattr(owner, name, stand_in)
sys.exit(main())
