# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Auxiliary heads: they make hidden layers encode where things are. Training only, not exported."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from molmoact_ros.model import MolmoActForActionReasoning

from .network import PATCH, POOLED, WIDTH

_CENTRE = (1.28, 0.75, 0.48)  # m, middle of the work space
_SPREAD = 0.15  # m, makes positions about -1..1
_BETA = 0.05
PLAN = 10 + 2 * 4  # five points uv; the first and the last row's movement and gripper


def normal_position(metres: torch.Tensor) -> torch.Tensor:
    """Scale positions `[..., 3]`, m, to about -1..1."""
    return (metres - metres.new_tensor(_CENTRE)) / _SPREAD


def normal_pixel(unit: torch.Tensor) -> torch.Tensor:
    """Scale image coordinates 0..255 to -1..1."""
    return unit / 127.5 - 1.0


def _cells_of(uv: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return image token `[B, K]` and offset from its middle `[B, K, 2]` of `uv`, 0..255."""
    cell_size = 255.0 / 125.0 * 2 * PATCH
    inside = (uv / cell_size).clamp(0, POOLED - 1e-3)
    column, row = inside.long().unbind(-1)
    return row * POOLED + column, inside - inside.floor() - 0.5


def _at_cell(read: torch.Tensor, cell: torch.Tensor) -> torch.Tensor:
    """Return `[B, K, R]`, the values of `[B, 25, K, R]` at the cells `[B, K]`."""
    index = cell[:, None, :, None].expand(-1, -1, -1, read.shape[-1])
    return read.gather(1, index)[:, 0]


def _dense_loss(read: torch.Tensor, uv: torch.Tensor) -> torch.Tensor:
    """Return the loss of presence and offset `[B, 25, K, 3]` of K things at `uv` `[B, K, 2]`.

    Presence is a choice among the 25 cells.
    """
    cell, offset = _cells_of(uv)
    presence = F.cross_entropy(read[..., 0].transpose(1, 2).flatten(0, 1), cell.flatten())
    at_cell = _at_cell(read[..., 1:], cell)
    return presence + 2.0 * F.smooth_l1_loss(at_cell, offset, beta=_BETA)


class Heads(nn.Module):
    """Linear read-outs of hidden states."""

    def __init__(self) -> None:
        """Create the read-outs."""
        super().__init__()
        self.block = nn.Linear(WIDTH, 4)  # image uv, world xy of the named block
        self.reach = nn.Linear(WIDTH, 10)  # gripper xyz, way to goal xyz, goal uv, gripper uv
        self.cells = nn.Linear(WIDTH, 9)  # per image token and colour: present, offset xy
        self.plan = nn.Linear(WIDTH, PLAN)
        self.hand = nn.Linear(WIDTH, 6)  # per image token: gripper present, offset xy, xyz

    def vision_loss(
        self,
        features: torch.Tensor,
        block_uv: torch.Tensor,
        gripper: torch.Tensor,
        gripper_uv: torch.Tensor,
    ) -> torch.Tensor:
        """Return the loss of dense labels on image features `[B, 25, D]`.

        Args:
            features: Output of the vision backbone.
            block_uv: `[B, 3, 2]`, 0..255.
            gripper: `[B, 3]`, m.
            gripper_uv: `[B, 2]`, 0..255.
        """
        # Normalised: their scale is free, and a linear read-out would not keep up with it.
        features = F.layer_norm(features.float(), features.shape[-1:])
        cells = self.cells(features).unflatten(-1, (3, 3))
        loss = _dense_loss(cells, block_uv)
        hand = self.hand(features)
        loss = loss + _dense_loss(hand[:, :, None, :3], gripper_uv[:, None])
        own = _at_cell(hand[..., None, 3:], _cells_of(gripper_uv[:, None])[0])[:, 0]
        return loss + 2.0 * F.smooth_l1_loss(own, normal_position(gripper), beta=_BETA)

    def block_loss(
        self, hidden: torch.Tensor, block_uv: torch.Tensor, goal: torch.Tensor
    ) -> torch.Tensor:
        """Return the loss at the colour's token: `[B, 3, D]`, `[B, 3, 2]`, `[B, 3, 3]`."""
        wanted = torch.cat([normal_pixel(block_uv), normal_position(goal)[..., :2]], dim=-1)
        return F.smooth_l1_loss(self.block(hidden.float()), wanted, beta=_BETA)

    def reach_loss(
        self,
        hidden: torch.Tensor,
        gripper: torch.Tensor,
        goal: torch.Tensor,
        goal_uv: torch.Tensor,
        gripper_uv: torch.Tensor,
    ) -> torch.Tensor:
        """Return the loss where numbers are predicted, hidden `[B, C, K, D]`."""
        way = (goal - gripper[:, None]) / _SPREAD
        own = torch.cat([normal_position(gripper), normal_pixel(gripper_uv)], dim=-1)
        own = own[:, None].expand(-1, goal.shape[1], -1)
        wanted = torch.cat([own[..., :3], way, normal_pixel(goal_uv), own[..., 3:]], dim=-1)
        read = self.reach(hidden.float())
        return F.smooth_l1_loss(read, wanted[:, :, None].expand_as(read), beta=_BETA)

    def plan_loss(
        self, hidden: torch.Tensor, coordinates: torch.Tensor, actions: torch.Tensor
    ) -> torch.Tensor:
        """Return the loss of the whole plan, which depends on the words alone.

        Args:
            hidden: `[B, C, K, D]`.
            coordinates: `[B, C, 10]`, 0..255.
            actions: `[B, C, 8, 7]` bytes.
        """
        rows = actions[:, :, [0, -1]][..., [0, 1, 2, 6]].flatten(2)
        wanted = normal_pixel(torch.cat([coordinates, rows], dim=-1).float())
        read = self.plan(hidden.float())
        return F.smooth_l1_loss(read, wanted[:, :, None].expand_as(read), beta=_BETA)


class HiddenTap:
    """Keeps the outputs of some decoder blocks of the latest pass."""

    def __init__(self, model: MolmoActForActionReasoning, layers: tuple[int, ...]) -> None:
        """Listen to the blocks with these indices."""
        self.outputs: dict[int, torch.Tensor] = {}
        blocks = model.model.transformer.blocks
        self._hooks = [blocks[i].register_forward_hook(self._keep(i)) for i in layers]

    def close(self) -> None:
        """Stop listening."""
        for hook in self._hooks:
            hook.remove()

    def _keep(self, layer: int) -> Any:
        def hook(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
            self.outputs[layer] = output

        return hook
