# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The executor: chunks and measured states in, bounded commands out, whatever the policy does.

All time is passed in: ``now`` is the clock that stamps are compared with, in s. Call ``step`` once
per ``1 / rate`` s; the motion advances by whole control periods of that clock. Not thread-safe.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from .chunk import ActionChunk, Refusal
from .counters import Counters
from .gripper import GripperLogic
from .intake import Intake
from .motion import Clamps
from .movers import EndEffector, JointGroup, Mover, at_rest
from .plan import Plan, Schedule, make_plan
from .pose import Pose
from .profile import RobotProfile
from .reference import Reference, build_reference, moved_on
from .sensing import Sensing
from .status import Command, Outcome, State, Status

_MOST_TICKS = 3  # periods that one step makes up for at most after a late call
_ABSURD = 1e3  # m or rad; nothing larger is even computed with


class Executor:
    """Follows chunks within the limits of a robot profile; starts disabled."""

    def __init__(self, profile: RobotProfile) -> None:
        self.profile = profile
        self.counters = Counters()
        execution = profile.execution
        self._execution = execution
        self._mover: Mover[Any] = _mover(profile)
        self._sensing = Sensing(
            "ee_pose" if profile.action.cartesian else "joint_states", execution, self.counters
        )
        self._intake = Intake(profile.action, execution)
        self._schedule = Schedule(execution.blend_steps, execution.max_chunk_age + 1.0)
        gripper = profile.action.gripper
        self._gripper = None if gripper is None else GripperLogic(gripper)
        self._gripper_row: tuple[int, int] | None = None
        self._state = State.DISABLED
        self._reason = "not enabled yet"
        self._enabled = False
        self._latched: str | None = None
        self._final_due = False
        self._pending: tuple[ActionChunk, float] | None = None  # chunk, arrival
        self._chunk: ActionChunk | None = None
        self._clock: float | None = None
        self._owed = 0.0  # s of the clock that the motion is behind
        self._stalled = 0.0  # s that the clock has stood still

    # -- requests ---------------------------------------------------------------------------

    def enable(self, now: float) -> Outcome:
        """Allow motion; refused with the reason while something is unhealthy."""
        if self._latched is not None:
            return Outcome(False, f"halted ({self._latched}); call ~/clear first")
        problem = self._problem(now)
        if problem is not None:
            return Outcome(False, problem)
        if self._enabled:
            return Outcome(True, "already enabled")
        self._enabled = True
        if self._state is State.DISABLED:
            self._mover.reset(self._measured())
            self._final_due = False
            self._enter(State.READY, "enabled, waiting for a chunk")
        return Outcome(True, "enabled")

    def disable(self) -> Outcome:
        """Forbid motion: ramp down, then silence."""
        was_enabled, self._enabled = self._enabled, False
        if was_enabled:
            self._stop("disabled")
        return Outcome(True, "disabled")

    def halt(self, reason: str) -> Outcome:
        """Ramp down and stay at rest until ``clear`` and ``enable``."""
        if self._latched is None:
            self.counters.add("halted")
            self._latched = reason
        self._enabled = False
        self._stop(f"halted: {self._latched}")
        return Outcome(True, f"halted: {self._latched}")

    def clear(self) -> Outcome:
        """Take back a halt; motion stays disabled."""
        if self._latched is None:
            return Outcome(False, "not halted, nothing to clear")
        if self._state is not State.HALTED:
            return Outcome(False, "still slowing down, try again")
        self._latched = None
        self._enter(State.DISABLED, "halt cleared, not enabled")
        return Outcome(True, "cleared, call ~/enable to move")

    def approve(self, now: float) -> Outcome:
        """Execute the chunk that waits for an approval."""
        if self._pending is None:
            return Outcome(False, "no chunk waits for an approval")
        chunk, _ = self._pending
        self._pending = None
        refusal = self._start(chunk, now)
        if refusal is not None:
            return Outcome(False, self._refused(chunk, refusal))
        return Outcome(True, f"chunk {chunk.sequence} is executed")

    # -- inputs -----------------------------------------------------------------------------

    def observe(self, position: Pose | np.ndarray, stamp: float, now: float) -> None:
        """Take a measured pose or joint positions ``[J]`` in the profile's order.

        Args:
            position: Measured at ``stamp``; NaN is allowed and counted.
            stamp: s.
            now: s.
        """
        self._sensing.observe(position, stamp, now)

    def submit(self, chunk: ActionChunk, now: float) -> str | None:
        """Take a chunk.

        Returns:
            None if it is executed (or waits for an approval), else why not.
        """
        refusal = self._intake.check(chunk, now) or self._state_refusal(now)
        if refusal is None and self._execution.require_approval:
            self._pending = (chunk, now)
            return None
        refusal = refusal or self._start(chunk, now)
        if refusal is None:
            return None
        if refusal.counter == "refused_two_policies" and self._state is State.EXECUTING:
            self.counters.add("stopped_two_policies")
            self._stop(refusal.reason)
        return self._refused(chunk, refusal)

    # -- the loop ---------------------------------------------------------------------------

    def step(self, now: float) -> Command | None:
        """Advance to ``now``; call it ``rate`` times per second.

        Returns:
            What to publish, None: nothing.
        """
        ticks = self._ticks(now)
        self._watch(now)
        for left in reversed(range(ticks)):
            self._tick(now - left * self._execution.dt)
        if self._state in (State.DISABLED, State.HALTED):
            due, self._final_due = self._final_due, False
            return self._command(now, final=True) if due else None
        return self._command(now, final=False)

    def status(self, now: float) -> Status:
        """Return a snapshot."""
        plan, chunk = self._schedule.plan, self._chunk
        return Status(
            state=self._state,
            reason=self._reason,
            awaiting_approval=self._pending is not None,
            sequence=chunk.sequence if chunk else 0,
            step=plan.step(now) if plan else 0,
            steps_remaining=plan.steps_remaining(now) if plan else 0,
            confidence=chunk.confidence if chunk else None,
            counters=dict(self.counters.values),
        )

    @property
    def state(self) -> State:
        """The present state."""
        return self._state

    @property
    def reason(self) -> str:
        """Why it is in this state."""
        return self._reason

    @property
    def at_rest(self) -> bool:
        """Whether the last command was zero velocity."""
        return at_rest(self._mover)

    @property
    def is_silent(self) -> bool:
        """Whether nothing is published any more, the last zero included."""
        return self._state in (State.DISABLED, State.HALTED) and not self._final_due

    def problem(self, now: float) -> str | None:
        """Return why motion can not be enabled now, None where it can."""
        return self._latched or self._problem(now)

    # -- inside -----------------------------------------------------------------------------

    def _ticks(self, now: float) -> int:
        """Return how many control periods have passed since the last step, by the clock."""
        dt = self._execution.dt
        before, self._clock = self._clock, now
        if before is None:
            return 1
        if now < before:
            self._clock_jumped_back(before - now)
            return 1
        if now == before:
            self._stalled += dt
            if self._stalled < self._execution.clock_timeout:
                return 0
            if self._state is State.EXECUTING:
                self.counters.add("stopped_clock")
                self._stop("the clock stands still")
            return 1
        self._stalled = 0.0
        self._owed += now - before
        # A tenth of a period of tolerance keeps one tick per call under ordinary jitter.
        due = int(self._owed / dt + 0.1)
        self._owed = min(self._owed - due * dt, dt)
        return min(due, _MOST_TICKS)

    def _clock_jumped_back(self, seconds: float) -> None:
        self.counters.add("stopped_clock")
        self._owed = self._stalled = 0.0
        self._sensing.clear()
        self._intake.sequence.reset()
        self._schedule.forget_time()
        self._pending = None
        if self._state is State.EXECUTING:
            self._stop(f"the clock jumped back by {seconds:.3g} s")

    def _watch(self, now: float) -> None:
        """Stop the motion when something it needs is missing."""
        if self._pending and now - self._pending[1] > self._execution.approval_timeout:
            self._pending = None
            self.counters.add("approval_expired")
        if self._state is not State.EXECUTING:
            return
        problem = self._sensing.problem(now)
        if problem is not None:
            self.counters.add("stopped_state")
            self._stop(problem)
            return
        plan = cast(Plan, self._schedule.plan)
        if now >= plan.end:
            if not self._holds(plan):
                self.counters.add("stopped_no_chunk")
                self._stop(f"chunk {plan.chunk.sequence} is done and no newer one came")

    def _holds(self, plan: Plan) -> bool:
        return False

    def _tick(self, now: float) -> None:
        self._anchor(now)
        if self._state is State.EXECUTING:
            dt = self._execution.dt
            self._count(self._mover.step(self._schedule.sample(now)))
            self._schedule.note_motion(now - dt, now)
            self._move_gripper(now)
        elif self._state is State.STOPPING:
            self._mover.brake()
            if self.at_rest:
                self._settle()

    def _anchor(self, now: float) -> None:
        """Velocity commands: the robot is where it is measured, moved on to now."""
        latest = self._sensing.latest
        if self.profile.outputs.commands_positions or latest is None:
            return
        stamp, position = latest
        ahead = min(max(now - stamp, 0.0), self._execution.state_timeout)
        self._mover.anchor(moved_on(position, self._mover.velocity * ahead))

    def _move_gripper(self, now: float) -> None:
        plan = self._schedule.plan
        if self._gripper is None or plan is None or plan.reference.gripper is None:
            return
        row = plan.step(now)
        if self._gripper_row == (plan.chunk.sequence, row):
            return
        self._gripper_row = (plan.chunk.sequence, row)
        value = float(plan.reference.gripper[row])
        if not -0.5 <= value <= 1.5:
            self.counters.add("clamped_gripper")
        self._gripper.advance(value)

    def _start(self, chunk: ActionChunk, now: float) -> Refusal | None:
        """Execute a chunk that passed the intake, from the row that matches its stamp."""
        refusal = self._state_refusal(now)
        if refusal is not None:
            return refusal
        anchor = self._sensing.at(chunk.stamp)
        if anchor is None:
            return Refusal("refused_no_state", "the robot's state at its stamp is not known")
        rows = self.profile.action.motion(chunk)
        if not (np.abs(rows) < _ABSURD).all():
            return Refusal("refused_step_size", f"it asks for more than {_ABSURD:g} m or rad")
        reference = build_reference(
            self.profile.action,
            rows,
            self.profile.action.gripper_rows(chunk),
            self._execution.control_period or chunk.step_period,
            anchor,
            with_targets=self.profile.outputs.commands_positions,
        )
        refusal = self._step_size_fault(reference)
        if refusal is not None:
            return refusal
        elapsed = self._schedule.motion_since(chunk.stamp)
        plan = make_plan(chunk, reference, elapsed, self._execution.execute_steps, now)
        if plan is None:
            return Refusal(
                "refused_late", f"its {len(rows)} rows were over before it came ({elapsed:.3g} s)"
            )
        self._schedule.replace(plan, now)
        self._chunk = chunk
        self.counters.add("accepted")
        self._enter(State.EXECUTING, f"executing chunk {chunk.sequence}")
        return None

    def _state_refusal(self, now: float) -> Refusal | None:
        if not self._enabled:
            return Refusal("refused_not_enabled", "motion is not enabled")
        problem = self._sensing.problem(now)
        return None if problem is None else Refusal("refused_unhealthy", problem)

    def _step_size_fault(self, reference: Reference) -> Refusal | None:
        steps = np.abs(reference.velocities * reference.period)
        limits = self.profile.limits
        if self.profile.action.cartesian:
            sizes = np.stack(
                [np.linalg.norm(steps[:, :3], axis=1), np.linalg.norm(steps[:, 3:], axis=1)], 1
            )
            groups = (("translation", limits.linear), ("rotation", limits.angular))
            named = [(name, limit.max_step if limit else 0.0) for name, limit in groups]
        else:
            sizes = steps
            named = [(name, limits.joints[name].max_step) for name in self.profile.action.joints]
        for i, (name, largest) in enumerate(named):
            row = int(sizes[:, i].argmax())
            if sizes[row, i] > largest + 1e-9:
                return Refusal(
                    "refused_step_size",
                    f"{name} of row {row} is {sizes[row, i]:.3g}, max_step is {largest}",
                )
        return None

    def _refused(self, chunk: ActionChunk, refusal: Refusal) -> str:
        self.counters.add(refusal.counter)
        return f"chunk {chunk.sequence} refused: {refusal.reason}"

    def _problem(self, now: float) -> str | None:
        if self._stalled >= self._execution.clock_timeout:
            return "the clock stands still"
        return self._sensing.problem(now)

    def _measured(self) -> Pose | np.ndarray:
        latest = self._sensing.latest
        assert latest is not None
        return latest[1]

    def _stop(self, reason: str) -> None:
        self._schedule.clear()
        self._pending = None
        if self._state in (State.DISABLED, State.HALTED):
            if self._latched is not None:
                self._enter(State.HALTED, reason)
            return
        self._enter(State.STOPPING, reason)
        if self.at_rest:
            self._settle()

    def _settle(self) -> None:
        """At rest: go where the flags say."""
        if self._enabled:
            self._enter(State.READY, f"at rest: {self._reason}")
            return
        self._final_due = True
        self._enter(State.HALTED if self._latched else State.DISABLED, self._reason)

    def _enter(self, state: State, reason: str) -> None:
        self._state, self._reason = state, reason
        if state is not State.EXECUTING:
            self._gripper_row = None

    def _count(self, clamps: Clamps) -> None:
        for name, happened in zip(Clamps._fields, clamps, strict=True):
            if happened:
                self.counters.add(f"clamped_{name}")

    def _command(self, now: float, final: bool) -> Command:
        return Command(
            stamp=now,
            velocity=self._mover.velocity.copy(),
            position=self._mover.position,
            gripper=self._gripper.command if self._gripper else None,
            final=final,
        )


def _mover(profile: RobotProfile) -> Mover[Any]:
    dt = profile.execution.dt
    if profile.action.cartesian:
        return EndEffector(profile.limits, dt)
    limits = tuple(profile.limits.joints[name] for name in profile.action.joints)
    return JointGroup(limits, dt)
