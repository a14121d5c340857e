# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The executor: chunks and measured states in, bounded commands out, whatever the policy does.

All time is passed in: `now` is the clock that stamps are compared with, in s. Call `step` once
per `1 / rate` s; early and late calls change what is published, never its limits. Not
thread-safe.

States: DISABLED --enable--> READY --chunk--> EXECUTING --end, fault--> STOPPING --at rest--> READY,
or DISABLED after `disable`, or HALTED after `halt` (latched until `clear`). A person's command
leads from READY, EXECUTING and STOPPING to TELEOP, and its end to STOPPING.
"""

from __future__ import annotations

from collections.abc import Callable

from .chunk import ActionChunk, Refusal
from .commanded import Command, Commanded, Wanted
from .intake import SequenceGuard, check_chunk
from .plan import Plan, Schedule, make_plan
from .pose import Position
from .robot_profile import RobotProfile
from .sensing import Advance, ClockWatch, Sensing
from .status import COUNTERS, Outcome, State, Status
from .teleop import Teleop, TeleopCommand, TeleopSettings

_DRIVEN = (State.EXECUTING, State.TELEOP)
HOLD_TIME = 1.0  # s that a finished chunk's last target is still approached with at_end: hold


class Executor:
    """Follows chunks within the limits of a robot profile; starts disabled.

    Set `fault` to the reason why the robot does not follow at present (None: it does): motion
    stops, and chunks are refused while it lasts.
    """

    def __init__(self, profile: RobotProfile, teleop: TeleopSettings | None = None) -> None:
        self.profile = profile
        self.fault: str | None = None
        self.counters = dict.fromkeys(COUNTERS, 0)
        execution = profile.execution
        self._sensing = Sensing(profile.state_input, execution, self.counters)
        self._clock = ClockWatch(execution.dt, execution.clock_timeout)
        self._sequence = SequenceGuard()
        self._schedule = Schedule(execution.blend_steps, execution.memory)
        self._commanded = Commanded(profile, self.counters)
        self._motion = self._commanded.motion
        self._teleop = Teleop(profile, teleop or TeleopSettings(), self.counters)
        self._human = False  # a person moves the arm, or the motion ends that a person began
        self._stepped = 0.0  # the clock at the last step
        self._state, self._reason = State.DISABLED, "not enabled yet"
        self._enabled = False
        self._latched: str | None = None  # why it is halted
        self._final_due = False
        self._pending: tuple[ActionChunk, float] | None = None  # waits for approval since
        self._chunk: ActionChunk | None = None

    # Requests.

    def enable(self, now: float) -> Outcome:
        """Allow motion; refused with the reason while something is unhealthy."""
        if self._latched is not None:
            return Outcome(False, f"{self._latched}; call ~/clear first")
        if (problem := self.problem(now)) is not None:
            return Outcome(False, problem)
        if self._enabled:
            return Outcome(True, "already enabled")
        self._enabled = True
        if self._state is State.DISABLED:
            assert self._sensing.latest is not None
            self._commanded.begin(self._sensing.latest[1])
            self._final_due = False
            self._enter(State.READY, "enabled, waiting for a chunk")
        else:
            self._commanded.begin(None)
            self._reason = "enabled again while slowing down"
        return Outcome(True, "enabled")

    def disable(self, reason: str = "disabled") -> Outcome:
        """Forbid motion: ramp down, command zero once, then nothing."""
        if self._enabled:
            self._enabled = False
            self._pending = None
            self._stop(reason)
        return Outcome(True, "disabled")

    def halt(self, reason: str) -> Outcome:
        """Ramp down, command zero once, then nothing until `clear` and `enable`."""
        if self._latched is None:
            self.counters["halted"] += 1
            self._latched = f"halted: {reason}"
        self._enabled = False
        self._pending = None
        self._stop(self._latched)
        return Outcome(True, self._latched)

    def clear(self) -> Outcome:
        """Take back a halt; motion stays disabled."""
        if self._latched is None:
            return Outcome(False, "not halted, nothing to clear")
        if self._state is not State.HALTED:
            return Outcome(False, "still slowing down, try again")
        self._latched = None
        self._enter(State.DISABLED, "halt cleared, not enabled")
        return Outcome(True, "cleared; call ~/enable to move")

    def approve(self, now: float) -> Outcome:
        """Execute the chunk that waits for an approval, the newest that came."""
        if self._pending is None:
            return Outcome(False, "no chunk waits for an approval")
        chunk, self._pending = self._pending[0], None
        try:
            self._start(chunk, now)
        except Refusal as refusal:
            return Outcome(False, self._refused(chunk, refusal))
        return Outcome(True, f"chunk {chunk.sequence} is executed")

    def adopt(self, profile: RobotProfile) -> None:
        """Take over a profile's scale and least confidence, from the next chunk on."""
        self.profile = profile

    # Inputs.

    def observe(self, position: Position, stamp: float, now: float) -> None:
        """Take a measured pose, or joint positions `[J]` in the profile's order.

        Args:
            position: Measured at `stamp`; what is not finite is counted and dropped.
            stamp: s.
            now: s.
        """
        self._sensing.observe(position, stamp, now)

    def submit(self, chunk: ActionChunk, now: float) -> str | None:
        """Take a chunk.

        Returns:
            None if it is executed (or waits for an approval), else why not.
        """
        try:
            check_chunk(chunk, self.profile, now)
            self._sequence.check(chunk.sequence, chunk.stamp, now)
            self._check_state(now)
            if self._human:
                raise Refusal("refused_teleop", "a person moves the arm")
            self._teleop.check_chunk(chunk)
            if self.profile.execution.require_approval:
                self._pending = (chunk, now)
            else:
                self._start(chunk, now)
        except Refusal as refusal:
            if refusal.counter == "refused_two_policies" and self._state is State.EXECUTING:
                self._count_stop("two_policies", "two policies publish chunks at once")
            return self._refused(chunk, refusal)
        return None

    def drive(self, command: TeleopCommand, now: float) -> str | None:
        """Take a person's command: it takes the place of a chunk at once.

        Returns:
            None if it is followed (or is zero, see `Teleop`), else why not.
        """
        return self._take_over(lambda: self._teleop.take(command, now), now)

    def grip(self, value: float, now: float) -> str | None:
        """Take a person's command for the gripper, 0 open .. 1 closed; see `drive`."""
        gripper = self._commanded.gripper
        if gripper is None or not self._teleop.is_gripper_command(value, gripper.command, now):
            return None
        return self._take_over(lambda: self._teleop.take_gripper(value, gripper, now), now)

    # The loop.

    def step(self, now: float) -> Command | None:
        """Advance to `now`; call it `rate` times per second.

        Returns:
            What to publish, None: nothing.
        """
        advance = self._clock.advance(now)
        if advance.jumped_back:
            self._forget_time(advance.jumped_back)
        self._check_following(advance)
        self._watch(now)
        if self._state is State.EXECUTING:
            self._schedule.note_motion(self._stepped, now)
        if self._human:
            self._teleop.note_motion(now)
        self._stepped = now
        for ahead in self._motion.periods(advance.motion):
            self._tick(now + ahead)
        if self.is_silent:
            return None
        fault = self._commanded.advance(advance.motion)
        if fault is not None:  # at rest at once, and only a person can go on
            self.counters["halted_internal"] += 1
            self.halt(f"internal error: {fault}")
        moving = self._state in (*_DRIVEN, State.STOPPING)
        final, self._final_due = self._final_due, False
        return self._commanded.command(now, self._wanted, moving=moving, final=final)

    def rest(self, now: float) -> Command:
        """Return the command to rest at once, for a loop that cannot go on."""
        return self._commanded.rest(now)

    def end(self, now: float) -> Command | None:
        """Disable, be at rest at once, return the last command; None: `step` has returned it."""
        self.disable()
        if self.is_silent:
            return None
        self._motion.reset(self._commanded.sent.position)
        self._settle()
        self._final_due = False
        return self.rest(now)

    def status(self, now: float) -> Status:
        """Return a snapshot."""
        plan, chunk = self._schedule.plan, self._chunk
        return Status(
            state=self._state,
            reason=self._reason,
            awaiting_approval=self._pending is not None,
            human=self._human,
            sequence=chunk.sequence if chunk else 0,
            step=plan.row(now) if plan else 0,
            steps_remaining=plan.rows_remaining(now) if plan else 0,
            confidence=chunk.confidence if chunk else None,
            counters=dict(self.counters),
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
    def is_enabled(self) -> bool:
        """Whether motion is allowed."""
        return self._enabled

    @property
    def is_latched(self) -> bool:
        """Whether a halt holds that only `clear` ends."""
        return self._latched is not None

    @property
    def is_silent(self) -> bool:
        """Whether nothing is published any more, the last zero included."""
        return self._state in (State.DISABLED, State.HALTED) and not self._final_due

    def problem(self, now: float) -> str | None:
        """Return what is unhealthy, None where all is well."""
        if self._clock.stands_still:
            return "the clock stands still"
        return self._sensing.problem(now)

    # Inside.

    def _forget_time(self, seconds: float) -> None:
        """All stamps are from another time: start anew."""
        self._sensing.clear()
        self._commanded.forget()
        self._sequence.reset()
        self._teleop.reset()
        self._schedule.forget_time()
        self._pending = None
        self.counters["clock_jumped_back"] += 1
        if self._state in _DRIVEN:
            self._count_stop("clock", f"the clock jumped back by {seconds:.3g} s")

    def _watch(self, now: float) -> None:
        """Stop the motion when something it needs is missing."""
        if self._pending and now - self._pending[1] > self.profile.execution.approval_timeout:
            self._pending = None
            self.counters["approval_expired"] += 1
        if self._state not in _DRIVEN:
            return
        plan = self._schedule.plan
        if self._clock.stands_still:
            self._count_stop("clock", "the clock stands still")
        elif (problem := self._sensing.problem(now)) is not None:
            self._count_stop("state", problem)
        elif self.fault is not None:
            self._count_stop("fault", self.fault)
        elif self._state is State.TELEOP:
            if self._teleop.is_over(now):
                self._count_stop(*self._teleop.end)
        elif plan is not None and now >= plan.end + self._hold_time(plan):
            done = f"chunk {plan.chunk.sequence} is done and no newer one came"
            self._count_stop("no_chunk", done)

    def _hold_time(self, plan: Plan) -> float:
        return HOLD_TIME if self.profile.execution.at_end == "hold" and plan.knots else 0.0

    def _tick(self, now: float) -> None:
        """Move on by one control period, to the grid point at `now`."""
        if self.is_silent:
            return
        self._commanded.anchor(self._sensing.latest, now)
        if self._wanted is not None:
            self._commanded.step(self._wanted(now))
            if self._schedule.plan is not None:
                self._commanded.move_gripper(self._schedule.plan, now)
        elif self._state is State.STOPPING:
            self._motion.brake()
            if self._motion.at_rest:
                self._settle()

    @property
    def _wanted(self) -> Wanted | None:
        """What is wanted at a time; None: nothing, slow down."""
        if self._state is State.TELEOP:
            return self._teleop.sample
        return self._schedule.sample if self._schedule.plan is not None else None

    def _check_following(self, advance: Advance) -> None:
        latest = self._sensing.latest
        if latest is None or self._latched is not None or not self._enabled:
            return
        fault = self._commanded.following_fault(advance, latest[1])
        if fault is not None:
            self.counters["halted_following_error"] += 1
            self.halt(fault)

    def _start(self, chunk: ActionChunk, now: float) -> None:
        """Execute a chunk that passed the intake, from the row that matches its stamp."""
        self._check_state(now)
        anchor = self._sensing.at(chunk.stamp)
        if anchor is None:
            raise Refusal("refused_no_state", "the robot's state at its stamp is not known")
        elapsed = self._schedule.motion_since(chunk.stamp)
        self._schedule.replace(make_plan(chunk, self.profile, anchor, elapsed, now), now)
        self._commanded.plan_changed()
        self._chunk = chunk
        self.counters["accepted"] += 1
        self._enter(State.EXECUTING, f"executing chunk {chunk.sequence}")

    def _take_over(self, take: Callable[[], bool], now: float) -> str | None:
        """Let a person's command, if it is one, take the place of whatever is executed."""
        try:
            self._check_state(now)
            if take():
                self._schedule.clear()
                self._pending = None
                self._enter(State.TELEOP, "a person moves the arm")
        except Refusal as refusal:
            self.counters[f"teleop_{refusal.counter}"] += 1
            if refusal.counter == "refused_two_publishers" and self._state is State.TELEOP:
                self._count_stop("two_teleop", f"a person's commands: {refusal}")
            return f"a person's command refused: {refusal}"
        if self._state is State.TELEOP:
            self._commanded.plan_changed()
        return None

    def _check_state(self, now: float) -> None:
        if not self._enabled:
            raise Refusal("refused_not_enabled", "motion is not enabled")
        if (problem := self.problem(now) or self.fault) is not None:
            raise Refusal("refused_unhealthy", problem)

    def _refused(self, chunk: ActionChunk, refusal: Refusal) -> str:
        self.counters[refusal.counter] += 1
        return f"chunk {chunk.sequence} refused: {refusal}"

    def _count_stop(self, cause: str, reason: str) -> None:
        self.counters[f"stopped_{cause}"] += 1
        self._stop(reason)

    def _stop(self, reason: str) -> None:
        """Slow down; `_enabled` and `_latched` decide about the state after that."""
        self._schedule.clear()
        self._teleop.stop()
        if self._state in (State.DISABLED, State.HALTED):
            self._enter(State.HALTED if self._latched else State.DISABLED, reason)
            return
        self._enter(State.STOPPING, reason)
        if self._motion.at_rest:
            self._settle()

    def _settle(self) -> None:
        """At rest: wait for a chunk, or publish one more command and no other."""
        self._motion.reset(self._motion.mover.position)  # zero, not its rounding
        if self._enabled:
            self._enter(State.READY, f"at rest: {self._reason}")
            return
        self._final_due = True
        self._enter(State.HALTED if self._latched else State.DISABLED, self._reason)

    def _enter(self, state: State, reason: str) -> None:
        if state is not self._state:
            self._commanded.plan_changed()
        self._state, self._reason = state, reason
        self._human = state is State.TELEOP or (self._human and state is State.STOPPING)
