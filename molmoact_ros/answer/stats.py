# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Action statistics of a data set, and the way from bins to robot units (format.md 12)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def select_unnorm_key(norm_stats: Mapping[str, Any] | None, unnorm_key: str | None = None) -> str:
    """Choose the entry of norm_stats, with the reference's rules and messages.

    Args:
        norm_stats: `norm_stats` of config.json.
        unnorm_key: Name of an entry; None is allowed when there is only one.

    Returns:
        The name of an existing entry.

    Raises:
        ValueError: When there are no statistics, when the key is not one of them, or when
            there are several and no key is given.
    """
    if not norm_stats:
        raise ValueError("No norm_stats found in config; cannot unnormalize actions.")
    keys = list(norm_stats)
    if unnorm_key is None:
        if len(keys) > 1:
            raise ValueError(
                f"Model has multiple dataset stats; please pass `unnorm_key` from {keys}"
            )
        return keys[0]
    if unnorm_key not in norm_stats:
        raise ValueError(f"`unnorm_key`={unnorm_key!r} not in {keys}")
    return unnorm_key


@dataclass(frozen=True)
class ActionStats:
    """Range of each action dimension; D is their number.

    Attributes:
        q01: float32 [D], 1 % quantile in robot units, read-only.
        q99: float32 [D], 99 % quantile in robot units, read-only.
        mask: bool [D], true where values are scaled; the last entry, the gripper, never is.
        key: Name of the norm_stats entry.
    """

    q01: NDArray[np.float32]
    q99: NDArray[np.float32]
    mask: NDArray[np.bool_]
    key: str

    @classmethod
    def from_norm_stats(
        cls, norm_stats: Mapping[str, Any] | None, unnorm_key: str | None = None
    ) -> "ActionStats":
        """Read one entry of norm_stats; the caller's arrays stay as they are.

        Raises:
            ValueError: See `select_unnorm_key`; also when the entry lacks q01 or q99, when
                lengths differ, or when a value is not finite.
        """
        key = select_unnorm_key(norm_stats, unnorm_key)
        assert norm_stats is not None  # select_unnorm_key has refused it
        where = f"norm_stats[{key!r}].action"
        entry = norm_stats[key]
        action = entry.get("action") if isinstance(entry, Mapping) else None
        if not isinstance(action, Mapping) or "q01" not in action or "q99" not in action:
            raise ValueError(f"{where} lacks q01 or q99; the checkpoint's config.json is broken")
        q01 = _quantile(action["q01"], f"{where}.q01")
        q99 = _quantile(action["q99"], f"{where}.q99")
        given_mask = action.get("mask")
        # A fresh array: forcing the gripper's entry below must not reach the caller's own.
        mask = np.array(np.ones(len(q01)) if given_mask is None else given_mask, dtype=bool)
        if not len(q01) == len(q99) == mask.size:
            raise ValueError(
                f"{where} has {len(q01)} values in q01, {len(q99)} in q99 and {mask.size} "
                "in mask; all must have one per action dimension"
            )
        mask[-1] = False
        for array in (q01, q99, mask):
            array.setflags(write=False)
        return cls(q01, q99, mask, key)

    @property
    def dof(self) -> int:
        """Number of values in one action."""
        return len(self.q01)

    def unnormalize(self, values: ArrayLike) -> NDArray[np.float64]:
        """Scale values of bin space to robot units.

        Args:
            values: [D] or [T, D], -1..1.

        Returns:
            float64 of the same shape; masked-out dimensions are passed through. The range is
            taken in float32 and the rest computed in float64, as the reference does.
        """
        x = np.asarray(values, dtype=np.float64)
        return np.where(self.mask, 0.5 * (x + 1) * (self.q99 - self.q01) + self.q01, x)

    def shares(self, actions: ArrayLike) -> NDArray[np.float64]:
        """Return the scaled dimensions of actions [T, D] as shares of half their range.

        Returns:
            float64 [T, D'], without the gripper and dimensions that never move.
        """
        half = 0.5 * (self.q99 - self.q01).astype(np.float64)
        scaled = self.mask & (half > 0)
        return np.asarray(actions, dtype=np.float64)[:, scaled] / half[scaled]

    def normalize(self, actions: ArrayLike) -> NDArray[np.float32]:
        """Scale robot actions to -1..1 as the training data does.

        The last dimension is stored as 1 - gripper whatever the mask is, and a dimension
        that never moves (q01 = q99) becomes 0.

        Args:
            actions: [D] or [T, D] in robot units, gripper last (0 .. 1).

        Returns:
            float32 of the same shape.
        """
        a = np.asarray(actions, dtype=np.float32)
        span = self.q99 - self.q01
        scaled = 2 * (a - self.q01) / (span + np.float32(1e-8)) - 1
        normal = np.where(np.isclose(span, 0), 0.0, np.clip(scaled, -1, 1)).astype(np.float32)
        normal[..., -1] = 1 - a[..., -1]
        return normal


def _quantile(values: Any, where: str) -> NDArray[np.float32]:
    try:
        array = np.array(values, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where} must be a list of numbers") from error
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{where} must be a flat list with one number per action dimension")
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise ValueError(f"{where}[{bad[0]}] is {array[bad[0]]}; statistics must be finite")
    return array
