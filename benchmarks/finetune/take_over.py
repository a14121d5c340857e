# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Episodes in which a policy drives and a person takes over, recorded through the real graph.

Simulator, policy, executor and recorder are processes of their own, in simulated time. The person
watches, and where the arm makes no way to the named block, ends the task by the executor's
`~/teleop`. Where the policy needs nobody, or the person cannot help, the episode is thrown away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import yaml
from geometry_msgs.msg import TwistStamped
from std_srvs.srv import SetBool, Trigger

from molmoact_ros.demo.graph import EXECUTOR, SIMULATOR, demo_graph
from molmoact_ros.ros import qos
from molmoact_ros.sim import Cell, Task, draw_task, load_cell
from molmoact_ros.sim.expert import GOAL_ABOVE_BLOCK
from molmoact_ros.sim.scene import COLORS

from .person import Moves, Person, Seen
from .recording import LONGEST, RECORDER, Plan, RecordingError, Seat, TooLong, seated, simulated

_PATIENCE = 3.0  # s without progress after which the person takes over
_PROGRESS = 0.01  # m nearer to the block than ever before
_THERE = 0.03  # m from the place where the fingers are around the block
_SLOW = 0.05  # m/s wanted: 1.5 cm are left
_HOLDING = 0.05  # s between two commands while the recorder is asked to keep the episode
_SCENES = 200  # that are tried for one take-over


def record_take_overs(plan: Plan, checkpoint: Path) -> Iterator[str]:
    """Record the episodes that are missing; yield what the recorder reports of each.

    Args:
        plan: What is recorded; `recording` is that of demonstrations in the same cell.
        checkpoint: Of the policy.

    Raises:
        RecordingError: A node refuses or does not answer, or the policy needs nobody.
    """
    done = len(list(plan.out.glob("episode_*")))
    if done >= plan.episodes:
        return
    recording = plan.out.with_name(f"{plan.out.name}.yaml")
    recording.write_text(_with_take_overs(plan.recording))
    simulator, policy, executor = demo_graph(
        str(checkpoint), cell=plan.cell, robot=load_cell(plan.cell).robot
    )
    clock = {"use_sim_time": True}
    graph = (
        replace(simulator, parameters={**simulator.parameters, **simulated(plan)}),
        replace(
            policy,
            parameters={**policy.parameters, **clock},
            remappings={**policy.remappings, "~/instruction": "/operator/instruction"},
        ),
        replace(executor, parameters={**executor.parameters, **clock}),
    )
    with seated(_Supervisor, replace(plan, recording=recording), graph) as seat:
        for number in range(done, plan.episodes):
            first = plan.first_seed + number * _SCENES
            yield seat.next_take_over(plan.kind, range(first, first + _SCENES))


def _with_take_overs(recording: Path) -> str:
    """Return a recording's settings with the person's steps marked, and the arm's commands."""
    settings = yaml.safe_load(recording.read_text())
    # What the executor lets through is what the arm gets, whoever drives.
    also = {"human": f"/{EXECUTOR}/human", "commands": [f"/{SIMULATOR}/twist"], "also": []}
    return str(yaml.safe_dump({**settings, **also}))


class _Supervisor(Seat):
    """Watches a policy and takes over."""

    def __init__(self, cell: Cell, check: Callable[[], None]) -> None:
        super().__init__(cell, check)
        self._teleop = self.node.create_publisher(TwistStamped, f"/{EXECUTOR}/teleop", qos.COMMAND)

    def next_take_over(self, kind: str, seeds: range) -> str:
        """Record the first of the scenes in which the policy does not arrive by itself."""
        for seed in seeds:
            task = draw_task(kind, seed)
            self._begin(task, seed)
            # An arm that is stuck halts, for a person too: that scene is no use.
            with suppress(TooLong):
                if self._needs_help(task):
                    return f"{self._finish(task, seed)}, scene {seed}"
            self.call(f"{RECORDER}/discard")
        raise RecordingError(f"the policy needed nobody in the scenes from {seeds[0]} on")

    def publish(self, moves: Moves) -> None:
        self._teleop.publish(self.twist(moves.wanted))

    def _finish(self, task: Task, seed: int) -> str:
        """Take over, and keep the episode before letting go; return the recorder's report.

        After that the policy drives again, and chunks that reach there are not trained on.
        """
        person = Person(task, seed)

        def act(seen: Seen) -> Moves:
            moves = person.show(seen)
            return replace(moves, done=float(np.linalg.norm(moves.wanted)) < _SLOW)

        def hold() -> None:
            assert self.seen is not None
            self.publish(act(self.seen))

        self.move(act, task.instruction)
        holding = self.node.create_timer(_HOLDING, hold)
        kept = self.call(f"{RECORDER}/keep")
        self.node.destroy_timer(holding)
        return kept

    def _begin(self, task: Task, seed: int) -> None:
        self.until_accepted(f"{EXECUTOR}/enable", SetBool, data=False)
        with suppress(RecordingError):
            self.call(f"{EXECUTOR}/clear")  # a halt, where there is one
        self.reset(seed)
        self.instruct(task.instruction)
        self.until_accepted(f"{EXECUTOR}/enable", SetBool, data=True)
        self.client(Trigger, f"{RECORDER}/keep")  # is needed at once later
        self.until_accepted(f"{RECORDER}/begin")

    def _needs_help(self, task: Task) -> bool:
        """Watch until the policy has arrived, or makes no way."""
        progress = Progress(task, self.look().time)
        while progress.verdict is None:
            progress.take(self.look())
        return progress.verdict


@dataclass
class Progress:
    """How the policy does, as a person sees it.

    Attributes:
        task: What is to be done.
        since: When it began, then when the gripper was last nearer than before, s.
        verdict: Whether it needs help; None: not known yet.
    """

    task: Task
    since: float
    nearest: float = np.inf
    verdict: bool | None = None

    def __post_init__(self) -> None:
        self._end = self.since + LONGEST

    def take(self, seen: Seen) -> None:
        """Look once more."""
        goal = seen.blocks[COLORS.index(self.task.color)] + GOAL_ABOVE_BLOCK
        distance = float(np.linalg.norm(seen.gripper - goal))
        if distance < self.nearest - _PROGRESS:
            self.nearest, self.since = distance, seen.time
        if seen.time - self.since > _PATIENCE or seen.time > self._end:
            self.verdict = distance > _THERE
