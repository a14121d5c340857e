# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From a chunk that may be executed to a plan on the clock."""

from __future__ import annotations

import numpy as np

from .chunk import ActionChunk, Refusal
from .plan import Plan, make_plan
from .reference import Position, Reference, build_reference
from .robot_profile import RobotProfile

_ABSURD = 1e3  # m or rad; nothing larger is even computed with
_GRIPPER = (-1.0, 2.0)  # 0 open .. 1 closed, and one whole way beyond either end


class Planner:
    """Maps rows to the robot's axes, anchors them at the measured position, checks their size."""

    def __init__(self, profile: RobotProfile) -> None:
        self._mapping = profile.action
        self._execution = profile.execution
        self._follow_positions = profile.outputs.commands_positions
        limits = profile.limits
        if profile.action.cartesian:
            groups = (("translation", limits.linear), ("rotation", limits.angular))
            self._largest = [(name, limit.max_step if limit else 0.0) for name, limit in groups]
        else:
            self._largest = [(n, limits.joints[n].max_step) for n in profile.action.joints]

    def plan(
        self, chunk: ActionChunk, anchor: Position, elapsed: float, now: float
    ) -> Plan | Refusal:
        """Return the plan, or why there is none.

        Args:
            chunk: Well formed and meant for this robot.
            anchor: Measured position at its stamp.
            elapsed: s of motion since its stamp.
            now: s.
        """
        with np.errstate(over="ignore"):  # what is infinite then is refused below
            rows, gripper = self._mapping.motion(chunk), self._mapping.gripper_rows(chunk)
        if not (np.abs(rows) < _ABSURD).all():
            return Refusal("refused_step_size", f"it asks for more than {_ABSURD:g} m or rad")
        if gripper is not None and not _is_within(gripper, *_GRIPPER):
            return Refusal(
                "refused_gripper",
                f"its gripper goes to {max(gripper, key=abs):g}, 0 is open and 1 is closed",
            )
        reference = build_reference(
            self._mapping,
            rows,
            gripper,
            self._execution.control_period or chunk.step_period,
            anchor,
            with_targets=self._follow_positions,
        )
        refusal = self._step_size_fault(reference)
        if refusal is not None:
            return refusal
        plan = make_plan(chunk, reference, elapsed, self._execution.execute_steps, now)
        return plan or Refusal("refused_late", f"all its {len(rows)} rows were over before it came")

    def _step_size_fault(self, reference: Reference) -> Refusal | None:
        steps = reference.velocities * reference.period
        if self._mapping.cartesian:
            parts = (steps[:, :3], steps[:, 3:])
            sizes = np.stack([np.linalg.norm(part, axis=1) for part in parts], axis=1)
        else:
            sizes = np.abs(steps)
        for i, (name, largest) in enumerate(self._largest):
            too_large = sizes[:, i] > largest + 1e-9
            if too_large.any():
                row = int(too_large.argmax())
                return Refusal(
                    "refused_step_size",
                    f"{name} of row {row} is {sizes[row, i]:.3g}, max_step is {largest}",
                )
        return None


def _is_within(values: np.ndarray, low: float, high: float) -> bool:
    return bool(((values >= low) & (values <= high)).all())
