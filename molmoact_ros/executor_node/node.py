# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The executor as a ROS node: action chunks in, bounded commands out, in a process of its own."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.exceptions import NameValidationException
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import Empty
from std_srvs.srv import SetBool, Trigger

from molmoact_ros.control import (
    Command,
    Executor,
    OperatorWatch,
    Outcome,
    Pose,
    RobotProfile,
    State,
    TeleopCommand,
    TeleopSettings,
)
from molmoact_ros.msg import ActionChunk
from molmoact_ros.ros import qos
from molmoact_ros.ros.bounded_service import bound_services
from molmoact_ros.ros.bounded_subscription import BoundedSubscription
from molmoact_ros.ros.conversions import (
    MessageError,
    chunk_from_message,
    clock_seconds,
    seconds,
)
from molmoact_ros.ros.diagnostics import Diagnosis, Diagnostics, Level
from molmoact_ros.ros.lifecycle import ManagedNode
from molmoact_ros.ros.optional import MissingPackage
from molmoact_ros.ros.parameters import declare_parameters, watch_parameters
from molmoact_ros.ros.running import StartError, run_node

from .log import ExecutorLog
from .loop import LoopStatistics, Pacer, freeze_objects, take_priority
from .outputs import create_outputs, robot_topic
from .parameters import ExecutorParameters, adapted_profile, read_profile
from .reports import Reports
from .servo import create_servos
from .teleop import TeleopInputs

_STATUS_PERIOD = 0.1  # s
# Bytes of a serialized message. A longer one would keep the loop waiting, and no robot needs it:
_LARGEST_CHUNK = 262_144  # 1000 rows of 16 values with their spread
_LARGEST_STATE = 65_536  # position, velocity and effort of 1000 joints with names of 32 letters
_LARGEST_HEARTBEAT = 64
_LARGEST_REQUEST = 16_384  # all parameters at once, with paths of 4096 letters
_FLUSH = 0.5  # s that the last command may take to reach its subscribers
_GIL_SWITCH = 0.0005  # s; a callback must not keep the loop from running for longer


class ExecutorNode(ManagedNode):
    """Callbacks feed the executor core; while active, a thread of its own runs it and publishes."""

    def __init__(self) -> None:
        """Check the parameters; with `autostart` the loop starts as soon as the node spins."""
        super().__init__("molmoact_executor")
        self._settings = declare_parameters(self, ExecutorParameters)
        self._lock = threading.Lock()  # guards the core
        self._log = ExecutorLog(self.get_logger())
        self._robot: RobotProfile | None = None  # as in its file
        self._loop = LoopStatistics()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        watch_parameters(self, self._settings, self._take_parameters)
        Diagnostics(self, {"executor": self._executor_status, "loop": self._loop_status})
        bound_services(self, _LARGEST_REQUEST)  # those made later take requests of a fixed size
        take_priority(self._settings.realtime_priority, self.get_logger())
        if self._settings.autostart:
            self.start_by_itself()

    def configure(self) -> None:
        """Read the profile, create topics and services; nothing is published."""
        robot = read_profile(self._settings)
        self.profile = adapted_profile(robot, self._settings)
        settings = TeleopSettings(self._settings.teleop_timeout, self._settings.teleop_pause)
        self._core = Executor(self.profile, settings)
        self._operator = OperatorWatch(self._settings.operator_heartbeat)
        self._robot = robot
        self._create_interfaces()

    def activate(self) -> None:
        """Start the loop; motion is off."""
        self._pacer = Pacer(self.profile.execution.dt)  # of the loop's thread alone
        # A halt outlives deactivation, and only a person enables motion after it.
        self._enable_wanted = self._settings.enable_on_start and not self._core.is_latched
        self._published: tuple[State, str, bool, bool] | None = None  # of the last status
        self._next_status = 0.0
        self._stopping.clear()
        freeze_objects()
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)
        self._thread.start()
        self.get_logger().info(f"ready: robot {self.profile.robot}, motion is off")

    def _create_interfaces(self) -> None:
        try:
            name = self.profile.state_input
            state = robot_topic(self, name, self.profile.topics.get(name, ""))
            self._outputs = create_servos(self, self.profile) + create_outputs(self, self.profile)
        except (MissingPackage, NameValidationException) as error:
            raise StartError(f"parameter 'robot': {error}") from error
        self._reports = Reports(self, self.profile.frame)
        TeleopInputs(self, self.profile, self._drive, self._grip, self._refuse_person)
        self._subscribe(ActionChunk, "~/action_chunk", self._on_chunk, qos.COMMAND, _LARGEST_CHUNK)
        if self.profile.action.cartesian:
            self._subscribe(PoseStamped, state, self._on_pose, qos.STATE, _LARGEST_STATE)
        else:
            self._subscribe(JointState, state, self._on_joints, qos.STATE, _LARGEST_STATE)
        if self._settings.operator_heartbeat > 0.0:
            topic = "~/operator_heartbeat"
            self._subscribe(Empty, topic, self._on_heartbeat, qos.STATE, _LARGEST_HEARTBEAT)
        self.create_service(SetBool, "~/enable", self._on_enable)
        self._create_trigger("halt", self._halt)
        self._create_trigger("clear", lambda _: self._core.clear())
        self._create_trigger("approve", self._core.approve)

    def _subscribe(
        self, kind: type, topic: str, callback: Callable, profile: QoSProfile, capacity: int
    ) -> None:
        counter = "refused_unreadable" if kind is ActionChunk else "state_unreadable"

        def refuse(reason: str) -> None:
            with self._lock:
                self._core.counters[counter] += 1
            self.get_logger().error(f"{topic} dropped: {reason}", throttle_duration_sec=2.0)

        BoundedSubscription(self, kind, topic, callback, profile, capacity, refuse)

    def deactivate(self) -> None:
        """Ramp down, publish zero, let it arrive, and publish nothing more."""
        if self._thread is None:
            return
        with self._lock:
            self._enable_wanted = False
            self._core.disable()
        deadline = time.monotonic() + _longest_ramp(self.profile)
        while self._thread.is_alive() and time.monotonic() < deadline and not self._is_silent():
            time.sleep(self.profile.execution.dt)
        self._stopping.set()
        self._thread.join(1.0)
        self._thread = None
        with self._lock:
            last = self._core.end(self._now())
        if last is not None:  # the loop could not run to the end of the ramp
            self._publish(last)
        for output in self._outputs:
            output.flush(_FLUSH)

    def close(self) -> None:
        """Ramp down, publish zero, and let it arrive."""
        self.deactivate()

    def _take_parameters(self, parameters: ExecutorParameters) -> str | None:
        """Take over a change at run time, or return why it does not fit the robot."""
        if self._robot is not None:
            try:
                self.profile = adapted_profile(self._robot, parameters)
            except StartError as error:
                return str(error)
            with self._lock:
                self._core.adopt(self.profile)
        self._settings = parameters
        self.get_logger().info(
            f"action_scale {parameters.action_scale:g}, min_confidence "
            f"{parameters.min_confidence:g}: from the next chunk on"
        )
        return None

    # The loop.

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                time.sleep(self._pacer.wait(time.monotonic()))
                self._step()
        except BaseException:  # noqa: BLE001 - whatever it is, the robot must not be left moving
            reason = f"the control loop failed:\n{traceback.format_exc()}"
            try:
                self._publish(self._core.rest(self._now()))
            finally:
                self.fail(reason)

    def _step(self) -> None:
        self._pacer.start(time.monotonic(), self._now())
        with self._lock:
            now = self._now()  # here, so that the stamp does not age while the lock is waited for
            if self._enable_wanted and self._enable(now).success:
                self._enable_wanted = False
            self._watch_operator()
            self._core.fault = _first(output.fault() for output in self._outputs)
            command = self._core.step(now)
        if command is not None:
            self._publish(command)
        self._report(now)

    def _watch_operator(self) -> None:
        missing = self._operator.problem(time.monotonic())
        if missing is not None and self._core.is_enabled:
            self._core.counters["stopped_operator"] += 1
            self._core.disable(missing)

    def _publish(self, command: Command) -> None:
        for output in self._outputs:
            output.publish(command)

    def _report(self, now: float) -> None:
        """Publish the status at 10 Hz and on change."""
        with self._lock:
            status = self._core.status(now)
        last = self._published
        current = (status.state, status.reason, status.awaiting_approval, status.human)
        steady = time.monotonic()
        if current == last and steady < self._next_status:
            return
        if last is None or current[:2] != last[:2]:
            self._log.change(status)
        self._published, self._next_status = current, steady + _STATUS_PERIOD
        self._loop = self._pacer.statistics()
        self._reports.publish(status, self._loop, now)

    def _now(self) -> float:
        return clock_seconds(self)

    def _is_silent(self) -> bool:
        with self._lock:
            return self._core.is_silent

    # Inputs.

    def _on_chunk(self, message: ActionChunk) -> None:
        if not self.is_active:
            return
        try:
            chunk = chunk_from_message(message)
        except MessageError as error:
            with self._lock:
                self._core.counters["refused_shape"] += 1
            self.get_logger().warning(f"action_chunk dropped: {error}", throttle_duration_sec=2.0)
            return
        with self._lock:
            before = self._core.counters["refused_not_enabled"]
            refusal = self._core.submit(chunk, self._now())
            not_enabled = self._core.counters["refused_not_enabled"] > before
        if refusal is not None:
            self._log.refusal(refusal, not_enabled=not_enabled)

    def _on_pose(self, message: PoseStamped) -> None:
        if message.header.frame_id != self.profile.frame:
            self.get_logger().error(
                f"ee_pose dropped: it is in frame '{message.header.frame_id:.64}', "
                f"the frame of the robot profile is '{self.profile.frame}'",
                throttle_duration_sec=5.0,
            )
            return
        p, q = message.pose.position, message.pose.orientation
        pose = Pose(np.array([p.x, p.y, p.z]), np.array([q.x, q.y, q.z, q.w]))
        with self._lock:
            self._core.observe(pose, seconds(message.header.stamp), self._now())

    def _on_joints(self, message: JointState) -> None:
        joints, positions = self.profile.action.joints, message.position
        places = {name: i for i, name in enumerate(message.name) if i < len(positions)}
        missing = [name for name in joints if name not in places]
        with self._lock:
            if not missing:
                measured = np.array([positions[places[name]] for name in joints])
                self._core.observe(measured, seconds(message.header.stamp), self._now())
            problem = self._core.problem(self._now()) if missing else None
        if problem is not None:  # else it is of another part of the robot
            self.get_logger().warning(
                f"{problem}; one came without a position of {', '.join(missing)} (action.joints)",
                throttle_duration_sec=5.0,
            )

    def _drive(self, command: TeleopCommand) -> None:
        self._take_person(lambda now: self._core.drive(command, now))

    def _grip(self, value: float) -> None:
        self._take_person(lambda now: self._core.grip(value, now))

    def _take_person(self, take: Callable[[float], str | None]) -> None:
        if not self.is_active:
            return
        with self._lock:
            refusal = take(self._now())
            not_enabled = not self._core.is_enabled
        if refusal is not None:
            self._log.person_refused(refusal, not_enabled=not_enabled)

    def _refuse_person(self, counter: str, reason: str) -> None:
        with self._lock:
            self._core.counters[f"teleop_{counter}"] += 1
        self._log.person_refused(f"a person's command refused: {reason}", not_enabled=False)

    def _on_heartbeat(self, _: Empty) -> None:
        with self._lock:
            self._operator.beat(time.monotonic())

    # Services.

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        with self._lock:
            self._enable_wanted = False
            outcome = self._enable(self._now()) if request.data else self._core.disable()
        return _filled(response, outcome)

    def _enable(self, now: float) -> Outcome:
        if not self.is_active:
            return Outcome(False, "the node is not active")
        problem = self._operator.problem(time.monotonic()) or self._output_problem()
        return Outcome(False, problem) if problem else self._core.enable(now)

    def _halt(self, _: float) -> Outcome:
        self._enable_wanted = False
        return self._core.halt("~/halt was called")

    def _output_problem(self) -> str | None:
        return _first(output.problem() for output in self._outputs)

    def _create_trigger(self, name: str, act: Callable[[float], Outcome]) -> None:
        def answer(_: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            with self._lock:
                outcome = act(self._now())
            return _filled(response, outcome)

        self.create_service(Trigger, f"~/{name}", answer)

    # Diagnostics.

    def _executor_status(self) -> Diagnosis:
        if not self.is_active:
            return Diagnosis(Level.OK, "not active")
        now = self._now()
        with self._lock:
            status = self._core.status(now)
            problem = self._core.problem(now) or self._output_problem() or self._core.fault
            problem = problem or self._operator.problem(time.monotonic())
        values = {"state": status.state.name, "reason": status.reason, **status.counters}
        for output in self._outputs:
            values |= output.notes()
        if status.state is State.HALTED:
            return Diagnosis(Level.ERROR, status.reason, values)
        if problem is not None:
            return Diagnosis(Level.WARN, problem, values)
        return Diagnosis(Level.OK, f"{status.state.name}: {status.reason}", values)

    def _loop_status(self) -> Diagnosis:
        if not self.is_active:
            return Diagnosis(Level.OK, "not active")
        period, loop = self.profile.execution.dt, self._loop
        values = {
            "rate": f"{loop.rate:.1f}",
            "largest deviation of a start in the last second [s]": f"{loop.jitter:.5f}",
            "real-time factor of the clock": f"{loop.real_time_factor:.3f}",
            "messages on /clock that were no time": self.dropped_clocks,
        }
        if loop.jitter > period:
            return Diagnosis(Level.WARN, f"the loop was {loop.jitter:.3f} s late", values)
        return Diagnosis(Level.OK, "on time", values)


def _first(problems: Iterable[str | None]) -> str | None:
    return next(filter(None, problems), None)


def _filled(response: SetBool.Response, outcome: Outcome) -> SetBool.Response:
    response.success, response.message = outcome.success, outcome.message
    return response


def _longest_ramp(profile: RobotProfile) -> float:
    """Return how long a stop can take, s: from the highest speed, with the clock standing still."""
    limits = [profile.limits.linear, profile.limits.angular, *profile.limits.joints.values()]
    slowest = max(limit.speed / limit.acceleration for limit in limits if limit is not None)
    return slowest + profile.execution.clock_timeout + 0.5


def main(args: Sequence[str] | None = None) -> int:
    """Run the node."""
    sys.setswitchinterval(_GIL_SWITCH)
    return run_node(ExecutorNode, args)
