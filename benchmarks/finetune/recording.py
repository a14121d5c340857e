# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Episodes of a person at the simulated cell, recorded by the recorder node. Simulated time.

Simulator and recorder are processes of their own; the person is a node that publishes commands and
an instruction and calls the recorder's services. The places of the blocks, which the person sees,
are not recorded. Simulated time makes the bags the same on a slow machine.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import rclpy
from geometry_msgs.msg import Point, PoseArray, PoseStamped, TwistStamped
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray, String
from std_srvs.srv import Trigger

from molmoact_ros.demo.domains import reserve_domain
from molmoact_ros.demo.graph import SIMULATOR, NodeSpec
from molmoact_ros.demo.processes import NodeProcesses, private_environment
from molmoact_ros.ros import qos
from molmoact_ros.ros.conversions import seconds
from molmoact_ros.ros.discovery import wait_until_known
from molmoact_ros.sim import Cell, draw_task, load_cell

from .person import Moves, Person, Seen

RECORDER = "molmoact_recorder"
_EVERY = 5  # poses between two decisions: 20 a second
_ANSWER = 30.0  # s that a service may take
_ACQUAINTED = 1.0  # s of real time until all topics have met
LONGEST = 20.0  # s of a demonstration


class RecordingError(RuntimeError):
    """The recording cannot go on; the text gives the reason."""


class TooLong(RecordingError):
    """The person does not get there in time."""


@dataclass(frozen=True)
class Plan:
    """What is recorded.

    Attributes:
        cell: File of the cell.
        recording: What the recorder records.
        out: Folder of the episodes.
        episodes: How many there are to be; those that are there count.
        first_seed: Scene of the first one; the others follow.
        speed: Simulated seconds per real second at most.
        kind: Of the tasks.
    """

    cell: Path
    recording: Path
    out: Path
    episodes: int
    first_seed: int
    speed: float = 1.0
    kind: str = "reach"


def record(plan: Plan) -> Iterator[str]:
    """Record the episodes that are missing; yield what the recorder reports of each.

    Raises:
        RecordingError: A node refuses or does not answer.
    """
    done = len(list(plan.out.glob("episode_*")))
    if done >= plan.episodes:
        return
    graph = (NodeSpec("tabletop_node", SIMULATOR, parameters=simulated(plan)),)
    with seated(_Operator, plan, graph) as seat:
        for number in range(done, plan.episodes):
            yield seat.episode(plan.kind, plan.first_seed + number)


def simulated(plan: Plan) -> dict[str, Any]:
    """Return the simulator's parameters."""
    return {"cell": str(plan.cell), "publish_clock": True, "real_time_factor": plan.speed}


@contextmanager
def seated(kind: type[AnySeat], plan: Plan, graph: Sequence[NodeSpec]) -> Iterator[AnySeat]:
    """Start a graph with a recorder and sit down at its cell.

    Args:
        kind: What the person is there for.
        plan: What is recorded.
        graph: The nodes without the recorder.

    Raises:
        RecordingError: The cell does not appear.
    """
    recorder = NodeSpec(
        "recorder_node", RECORDER,
        parameters={"recording": str(plan.recording), "output": str(plan.out),
                    "use_sim_time": True},
    )  # fmt: skip
    domain = reserve_domain()
    os.environ.update(private_environment(domain.number))
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    try:
        with NodeProcesses((*graph, recorder), plan.out.with_name(plan.out.name + "_logs")) as n:
            seat = kind(load_cell(plan.cell), n.check)
            seat.wait_for("the cell", lambda: seat.seen is not None, 60.0)
            yield seat
    finally:
        rclpy.try_shutdown()
        domain.release()


class Seat:
    """Where the person sits: sees the cell, gives instructions, works the recorder.

    Attributes:
        cell: What differs in it.
        node: The person's node.
        seen: The latest; None before the first.
    """

    def __init__(self, cell: Cell, check: Callable[[], None]) -> None:
        """Sit down; `check` raises when a node has ended."""
        self.cell, self._check = cell, check
        self.node = Node("person")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._clients: dict[str, Any] = {}
        self._latest: dict[str, Any] = {}
        self._poses = 0
        subscribe = self.node.create_subscription
        subscribe(PoseStamped, f"{SIMULATOR}/ee_pose", self._on_pose, qos.COMMAND)
        for kind, topic in ((PoseArray, f"{SIMULATOR}/blocks"), (JointState, "joint_states")):
            subscribe(kind, topic, self._keeping(topic), qos.COMMAND)
        self._instruction = self.node.create_publisher(String, "/operator/instruction", qos.LATCHED)
        self.seen: Seen | None = None

    def publish(self, moves: Moves) -> None:
        """Command what the person does."""
        raise NotImplementedError

    def instruct(self, instruction: str) -> None:
        """Publish an instruction in the words of the cell."""
        self._instruction.publish(String(data=self.cell.worded(instruction)))

    def wait_for(self, what: str, ready: Callable[[], bool], timeout: float) -> None:
        """Take what arrives until something holds."""
        end = time.monotonic() + timeout
        while not ready():
            if time.monotonic() > end:
                raise RecordingError(f"waited {timeout:.0f} s for {what}")
            self._executor.spin_once(timeout_sec=0.05)
            self._check()

    def look(self) -> Seen:
        """Wait until it is time to decide again; return what is seen then."""
        due = self._poses + _EVERY
        self.wait_for("poses", lambda: self._poses >= due, _ANSWER)
        assert self.seen is not None
        return self.seen

    def move(self, act: Callable[[Seen], Moves], what: str) -> None:
        """Do what `act` decides until it is done.

        Raises:
            TooLong: It is not done in time; `what` names it.
        """
        started = self.look().time
        moves = None
        while moves is None or not moves.done:
            moves = act(seen := self.look())
            self.publish(moves)
            if seen.time - started > LONGEST:
                raise TooLong(f"{what}: not done within {LONGEST:.0f} s")

    def twist(self, speed: np.ndarray) -> TwistStamped:
        """Return a velocity `[3]`, m/s, world frame, as a command."""
        message = TwistStamped(header=self._latest["pose"].header)
        linear = message.twist.linear
        linear.x, linear.y, linear.z = self.cell.to_base(speed).tolist()
        return message

    def reset(self, seed: int) -> None:
        """Put the scene of `seed` on the table, and wait until it is seen."""
        request = SetParameters.Request(
            parameters=[Parameter("seed", value=seed).to_parameter_msg()]
        )
        self._call(SetParameters, f"{SIMULATOR}/set_parameters", request)
        self._call(Trigger, f"{SIMULATOR}/reset", Trigger.Request())
        assert self.seen is not None
        fresh = self.seen.time + 0.5  # s; blocks come ten times a second
        self.wait_for("the new scene", lambda: self.seen.time > fresh, _ANSWER)  # type: ignore

    def until_accepted(self, service: str, kind: type = Trigger, **fields: Any) -> None:
        """Call a service until it accepts; its node may not know all topics yet.

        Raises:
            RecordingError: It goes on refusing.
        """
        end = time.monotonic() + _ANSWER
        while True:
            try:
                self.call(service, kind, **fields)
                return
            except RecordingError:
                if time.monotonic() > end:
                    raise
                self._pause(_ACQUAINTED)

    def call(self, service: str, kind: type = Trigger, **fields: Any) -> str:
        """Call a service that can refuse; return its message.

        Raises:
            RecordingError: It refuses, or does not answer.
        """
        answer = self._call(kind, service, kind.Request(**fields))  # type: ignore[attr-defined]
        if not answer.success:
            raise RecordingError(f"{service} refuses: {answer.message}")
        return str(answer.message)

    def client(self, kind: type, name: str) -> Any:
        """Return the client of a service, as soon as both know each other."""
        if name not in self._clients:
            self._clients[name] = self.node.create_client(kind, name)
            self._wait_for_service(f"service {name}", self._clients[name].service_is_ready)
            wait_until_known(self.node, name.rpartition("/")[0], self._wait_for_service)
        return self._clients[name]

    def _call(self, kind: type, name: str, request: Any) -> Any:
        future = self.client(kind, name).call_async(request)
        self._wait_for_service(f"an answer of {name}", future.done)
        return future.result()

    def _wait_for_service(self, what: str, ready: Callable[[], bool]) -> None:
        self.wait_for(what, ready, _ANSWER)

    def _pause(self, duration: float) -> None:
        end = time.monotonic() + duration
        self.wait_for("nothing", lambda: time.monotonic() > end, duration + 1.0)

    def _keeping(self, topic: str) -> Callable[[Any], None]:
        return lambda message: self._latest.__setitem__(topic.rsplit("/", 1)[-1], message)

    def _on_pose(self, message: PoseStamped) -> None:
        self._latest["pose"] = message
        self._poses += 1
        if len(self._latest) < 3:
            return
        blocks = [_array(pose.position) for pose in self._latest["blocks"].poses]
        joints = self._latest["joint_states"]
        fingers = [p for n, p in zip(joints.name, joints.position, strict=True) if "finger" in n]
        self.seen = Seen(
            seconds(message.header.stamp),
            self.cell.to_world(_array(message.pose.position)),
            float(np.mean(fingers)),
            self.cell.to_world(np.stack(blocks)),
        )


AnySeat = TypeVar("AnySeat", bound=Seat)


class _Operator(Seat):
    """Shows tasks: the arm gets what the person wants, disturbed."""

    def __init__(self, cell: Cell, check: Callable[[], None]) -> None:
        super().__init__(cell, check)
        advertise = self.node.create_publisher
        self._wanted = advertise(TwistStamped, "/operator/twist", qos.COMMAND)
        self._given = advertise(TwistStamped, f"{SIMULATOR}/twist", qos.COMMAND)
        self._gripper = advertise(Float64MultiArray, f"{SIMULATOR}/gripper", qos.COMMAND)

    def episode(self, kind: str, seed: int) -> str:
        """Record one demonstration in the scene of `seed`."""
        task = draw_task(kind, seed)
        person = Person(task, seed)
        self.reset(seed)
        self.move(person.go_to_start, "the start")
        self.publish(Moves(np.zeros(3), np.zeros(3), 0.0, True))
        self.instruct(task.instruction)
        self.until_accepted(f"{RECORDER}/begin")
        self.move(person.show, task.instruction)
        return self.call(f"{RECORDER}/keep")

    def publish(self, moves: Moves) -> None:
        self._wanted.publish(self.twist(moves.wanted))
        self._given.publish(self.twist(moves.given))
        command = self.cell.gripper_command(moves.closed)
        self._gripper.publish(Float64MultiArray(data=[command]))


def _array(point: Point) -> np.ndarray:
    return np.array([point.x, point.y, point.z])
