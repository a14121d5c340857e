# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The policy node on a device whose graphs and rows are wrong, and lost at the third answer."""

import sys

import torch

from molmoact_ros.decoding import engine, pass_set
from molmoact_ros.decoding.passes import FixedPass
from molmoact_ros.faults import DeviceLostError
from molmoact_ros.policy import MolmoActPolicy
from molmoact_ros.policy_node.node import main

infer = MolmoActPolicy.infer
asked = 0


class SlotDependent(FixedPass):
    """From slot 8 on a row's result depends on where it is, in the last bit."""

    def __call__(self, tokens, depths, visible):
        """Compute and spoil."""
        logits = super().__call__(tokens, depths, visible)
        logits[8:] = torch.nextafter(logits[8:], torch.tensor(float("inf")))
        return logits


class Stale(FixedPass):
    """Stands in for a CUDA graph that did not capture its inputs: it repeats its first result."""

    first = None

    def __init__(self, model, cache, size, stream):
        """Capture nothing."""
        super().__init__(model, cache, size)

    def __call__(self, tokens, depths, visible):
        """Compute once."""
        if self.first is None:
            self.first = super().__call__(tokens, depths, visible).clone()
        return self.first


class Capturing(pass_set.PassSet):
    """Captures without a GPU."""

    def __init__(self, model, cache, *, graphs, repeatable):
        """Capture in any case."""
        super().__init__(model, cache, graphs=True, repeatable=repeatable)


def infer_twice(self, *arguments):
    """Fail for good after two answers."""
    global asked
    asked += 1
    if asked > 2:
        raise DeviceLostError("cuda:0 has failed and every further call fails")
    return infer(self, *arguments)


pass_set.FixedPass, pass_set.GraphPass = SlotDependent, Stale
pass_set.GraphStream = lambda device: None
engine.PassSet = Capturing
MolmoActPolicy.infer = infer_twice
sys.exit(main())
