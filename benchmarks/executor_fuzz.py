# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Throw random chunks, states, requests and a person's commands at the executor; check it all.

    python -m benchmarks.executor_fuzz [--chunks 100000]

Uses shipped robot profiles, one after the other. The loop is called early, late and twice, and
now and then the robot is stuck. The checks are arithmetic of their own on the whole stream of
commands: finite, speed, acceleration by the stamps, workspace or joint range, the way that a stuck
robot is commanded, rest before silence. Needs neither ROS nor torch, except to write the results.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from molmoact_ros.control import (
    ActionChunk,
    Command,
    Executor,
    Pose,
    RobotProfile,
    TeleopCommand,
    TeleopSettings,
    load_profile,
    rotation,
)
from molmoact_ros.control.output_settings import ForwardOutput, Outputs
from molmoact_ros.control.pose import Position, moved_on

ROBOTS = Path(__file__).parents[1] / "config" / "robots"
VELOCITIES = "widowx_trajectory, as velocities"  # no shipped profile commands a joint's velocity
NAMES = (
    "tabletop", "google_robot", "franka_trajectory", "so101_feetech", "widowx_trajectory",
    VELOCITIES,
)  # fmt: skip
TINY = 1e-7
_GARBAGE = (np.nan, np.inf, -np.inf, 1e9, -1e300, 5.0)


@dataclass
class Tally:
    """What one run saw.

    Attributes:
        chunks: Submitted.
        pushes: Commands of a person.
        commands: Checked.
        violations: Descriptions of commands that left a limit; has to stay empty.
        nearest: Largest share of each limit that was used, to see that the limits were reached.
        counters: The executor's own.
    """

    chunks: int = 0
    pushes: int = 0
    commands: int = 0
    violations: list[str] = field(default_factory=list)
    nearest: dict[str, float] = field(default_factory=dict)
    counters: Counter[str] = field(default_factory=Counter)


class Fuzz:
    """One executor, a robot that follows it, and random trouble."""

    def __init__(self, profile: RobotProfile, seed: int) -> None:
        self.profile = profile
        # A short pause, so that chunk and person follow each other often.
        self.executor = Executor(profile, TeleopSettings(pause=0.05))
        self.tally = Tally()
        self._rng = np.random.default_rng(seed)
        self._dt = profile.execution.dt
        self._now, self._stamp, self._sequence = 100.0, 0.0, 0
        self._home: Position = _middle(profile)
        self._robot = self._home
        self._reports, self._stuck = True, False
        self._net = np.zeros(len(self._limits()))  # commanded since the robot is stuck
        self._direction = np.zeros(len(profile.action.columns))
        self._push = np.zeros(len(self._limits()))  # of a person, as shares of the speed limits
        self._drives = False
        self._commands: list[tuple[int, float, Command | None]] = []  # calls apart, now, command

    def run(self, chunks: int) -> Tally:
        """Submit that many chunks and check all commands."""
        for i in range(chunks):
            if i % 20 == 0:
                self._stuck = self._rng.random() < 0.1
                self._request()
            self._trouble()
            self._person()
            self.executor.submit(self._chunk(), self._now)
            self.tally.chunks += 1
            for _ in range(int(self._rng.integers(1, 9))):
                self._tick()
            if len(self._commands) > 5000:
                self._check()
        self._check()
        self.tally.counters.update(self.executor.counters)
        return self.tally

    def _request(self) -> None:
        """Have motion enabled again, so that most chunks meet an enabled executor."""
        self._reports, self.executor.fault = True, None
        if self.executor.state.name in ("DISABLED", "HALTED"):
            self._robot = self._home if self._rng.random() < 0.3 else self._robot
        for _ in range(60):
            self._tick()
            self.executor.clear()
            was_enabled = self.executor.is_enabled
            if self.executor.enable(self._now).success:
                if not was_enabled:
                    self._net[:] = 0.0  # the distance counts from there, also while slowing down
                return

    def _trouble(self) -> None:
        """Now and then something other than a chunk happens."""
        draw = self._rng.random()
        if draw < 0.01:
            self.executor.disable()
        elif draw < 0.015:
            self.executor.halt("fuzz")
        elif draw < 0.02:
            self._reports = not self._reports
        elif draw < 0.025:
            self._now += float(self._rng.choice([0.015, 0.05, 0.4, 5.0]))
        elif draw < 0.03:
            self._now -= float(self._rng.choice([0.02, 10.0]))
            self._stamp = 0.0
            self._net[:] = 0.0
        elif draw < 0.035:
            self.executor.observe(_spoilt(self._robot, self._rng), self._now, self._now)
        elif draw < 0.04:
            self.executor.fault = None if self.executor.fault else "fuzz"

    def _person(self) -> None:
        """Now and then a person drives for a while: hectically, with garbage, from two places."""
        rng = self._rng
        if rng.random() < (0.15 if self._drives else 0.04):
            self._drives = not self._drives
            self._push = rng.choice([-3.0, -1.0, 0.0, 0.5, 1.0, 3.0], len(self._push))
        if not self._drives:
            return
        for _ in range(int(rng.integers(1, 4))):
            if rng.random() < 0.1:
                self._push = rng.uniform(-2.0, 2.0, len(self._push))
            velocity = self._push * [limit.speed for limit in self._limits()]
            stamp, source = self._now, b"joystick"
            if rng.random() < 0.1:
                velocity[rng.integers(len(velocity))] = rng.choice(_GARBAGE)
            if rng.random() < 0.05:
                stamp = float(
                    rng.choice([0.0, stamp - 1.0, stamp - 0.1, stamp + 0.05, stamp + 1.0])
                )
            if rng.random() < 0.02:
                source = b"space mouse"
            self.executor.drive(TeleopCommand(velocity, stamp, source=source), self._now)
            self.tally.pushes += 1
        if rng.random() < 0.2:
            self.executor.grip(float(rng.choice([0.0, 0.3, 1.0, np.nan, 7.0])), self._now)

    def _chunk(self) -> ActionChunk:
        """Return a chunk of plausible motion, of too much of it, or of garbage."""
        rng, action = self._rng, self.profile.action
        self._sequence += 1
        self._stamp = max(self._stamp, self._now - float(rng.choice([0.0, 0.05, 0.3])))
        rows = int(rng.integers(1, 17))
        largest = _largest_steps(self.profile)
        if rng.random() < 0.2:  # go on in one direction for long enough to reach the limits
            self._direction = rng.uniform(-1.0, 1.0, len(action.columns))
        steps = self._direction * largest * rng.uniform(0.2, 1.0)
        values = np.tile(steps, (rows, 1)) + rng.normal(0.0, 0.05, (rows, len(steps))) * largest
        if not action.is_delta:
            values = np.cumsum(values, axis=0) + _columns_of(self.profile, self._robot)
        fields: dict[str, Any] = {
            "values": values,
            "names": action.columns,
            "action_space": action.space,
            "step_period": float(rng.choice([0.05, 0.1, 0.2, 0.333])),
            "stamp": self._stamp,
            "sequence": self._sequence,
        }
        return ActionChunk(**(fields | self._spoil(values) if rng.random() < 0.25 else fields))

    def _spoil(self, values: np.ndarray) -> dict[str, Any]:
        """Something that is wrong with a chunk."""
        rng = self._rng
        bad = values.copy()
        bad[rng.integers(bad.shape[0]), rng.integers(bad.shape[1])] = rng.choice(_GARBAGE)
        choices: list[dict[str, Any]] = [
            {"values": bad},
            {"values": rng.normal(0.0, 1.0, values.shape) * 10.0 ** rng.integers(-6, 300)},
            {"values": values[:, :-1]},
            {"values": values[:0]},
            {"values": np.zeros((10_000, values.shape[1]))},
            {"names": ("a",) * values.shape[1]},
            {"action_space": "nonsense"},
            {"stamp": float(rng.choice([0.0, -1.0, self._now - 10.0, self._now + 10.0]))},
            {"sequence": int(rng.integers(0, self._sequence))},
            {"step_period": float(rng.choice([0.0, -0.1, np.nan, 1e-9, 5.0, 1e9]))},
            {"valid": False},
            {"frame": "elsewhere"},
            {"confidence": float(rng.choice([np.inf, -1e308, 1.1]))},
        ]
        return choices[int(rng.integers(len(choices)))]

    def _tick(self) -> None:
        before = self._commands[-1][1] if self._commands else self._now
        self._now += self._dt * (self._rng.uniform(0.0, 2.5) if self._rng.random() < 0.1 else 1.0)
        if self._reports:
            self.executor.observe(self._robot, self._now, self._now)
        command = self.executor.step(self._now)
        self._commands.append((self.tally.commands, self._now, command))
        self.tally.commands += command is not None
        if command is None:
            self._net[:] = 0.0
        elif self._stuck:
            self._check_stuck(command, self._now - before)
        else:
            self._net[:] = 0.0
            if self.profile.outputs.commands_positions:
                self._robot = command.position
            else:
                self._robot = moved_on(self._robot, command.velocity * self._dt)

    # Checking.

    def _check(self) -> None:
        """Check the commands gathered so far; the last one stays for the next round."""
        pairs = zip(self._commands[:-1], self._commands[1:], strict=True)
        for (_, before, first), (number, now, second) in pairs:
            if second is None:
                if first is not None and first.velocity.any():
                    self._violation(number, "silence while moving")
                continue
            if not np.isfinite(second.velocity).all():
                self._violation(number, "not finite")
            last = np.zeros_like(second.velocity) if first is None else first.velocity
            # At most three control periods at once after a late call; one after a jump back.
            seconds = min(now - before, 3.0 * self._dt) if now >= before else self._dt
            self._check_velocity(number, second.velocity, last, seconds)
            if self.profile.outputs.commands_positions:
                self._check_position(number, second.position)
                if first is not None and not first.final:
                    self._check_way(number, _apart(second.position, first.position), seconds)
        self._commands = self._commands[-1:]

    def _limits(self) -> list[Any]:
        """Return the limit of each axis."""
        limits = self.profile.limits
        if self.profile.action.cartesian:
            return [limits.linear] * 3 + [limits.angular] * 3
        return [limits.joints[name] for name in self.profile.action.joints]

    def _groups(self) -> list[tuple[str, slice, Any]]:
        """Name, axes and limit of what is bounded together."""
        if self.profile.action.cartesian:
            limits = self.profile.limits
            return [
                ("linear", slice(0, 3), limits.linear),
                ("angular", slice(3, 6), limits.angular),
            ]
        return [
            (name, slice(i, i + 1), self.profile.limits.joints[name])
            for i, name in enumerate(self.profile.action.joints)
        ]

    def _check_velocity(
        self, number: int, velocity: np.ndarray, before: np.ndarray, seconds: float
    ) -> None:
        for name, part, limit in self._groups():
            speed = float(np.linalg.norm(velocity[part])) / limit.speed
            change = float(np.linalg.norm(velocity[part] - before[part]))
            self._note(number, f"{name} speed", speed)
            if seconds > 0.0 or change > 0.0:
                acceleration = change / (limit.acceleration * seconds + 1e-12)
                self._note(number, f"{name} acceleration", acceleration)

    def _check_way(self, number: int, way: np.ndarray, seconds: float) -> None:
        """Positions that follow each other are no farther apart than the speed allows."""
        for name, part, limit in self._groups():
            share = float(np.linalg.norm(way[part])) / (limit.speed * seconds + 1e-12)
            self._note(number, f"{name} way", share)

    def _check_stuck(self, command: Command, seconds: float) -> None:
        """Check that a stuck robot is commanded no farther than following error and ramp."""
        if self.profile.outputs.commands_positions:
            self._net = _apart(command.position, self._robot)
        else:
            self._net += command.velocity * min(max(seconds, 0.0), 3.0 * self._dt)
        for name, part, limit in self._groups():
            # The ramp, a late call before it, and one while it lasts.
            late = limit.speed * 6.0 * self._dt
            allowed = limit.max_following_error + limit.speed**2 / limit.acceleration / 2.0 + late
            way = float(np.linalg.norm(self._net[part]))
            self._note(self.tally.commands, f"{name} stuck", way / allowed)

    def _check_position(self, number: int, position: Position) -> None:
        """Positions count from the middle of their range: 1 is the limit."""
        if isinstance(position, Pose):
            box = self.profile.limits.workspace
            assert box is not None
            low, high, value = np.array(box.min), np.array(box.max), position.position
        else:
            joints = [self.profile.limits.joints[name] for name in self.profile.action.joints]
            low = np.array([joint.min + joint.margin for joint in joints])
            high = np.array([joint.max - joint.margin for joint in joints])
            value = position
        share = np.abs(value - (low + high) / 2) / ((high - low) / 2)
        self._note(number, "position", float(share.max()))

    def _note(self, number: int, name: str, share: float) -> None:
        self.tally.nearest[name] = max(self.tally.nearest.get(name, 0.0), share)
        if not share <= 1.0 + TINY:
            self._violation(number, f"{name}: {share:.9f} of its limit")

    def _violation(self, number: int, text: str) -> None:
        self.tally.violations.append(f"{self.profile.robot}, command {number}: {text}")


def fuzz_profile(name: str) -> RobotProfile:
    """Return the profile of one of `NAMES`."""
    profile = load_profile(ROBOTS / f"{name.partition(',')[0]}.yaml")
    if name != VELOCITIES:
        return profile
    return replace(
        profile,
        outputs=Outputs(forward=ForwardOutput("velocity"), gripper=profile.outputs.gripper),
        execution=replace(profile.execution, at_end="ramp"),
        topics={},
    )


def _apart(a: Position, b: Position) -> np.ndarray:
    """Subtract b from a: m and rotation vector, or per joint."""
    if isinstance(a, Pose) and isinstance(b, Pose):
        turn = rotation.between(b.orientation, a.orientation)
        return np.concatenate([a.position - b.position, turn])
    return np.asarray(a) - np.asarray(b)


def _middle(profile: RobotProfile) -> Position:
    """Return a place in the middle of all limits."""
    if not profile.action.cartesian:
        joints = [profile.limits.joints[name] for name in profile.action.joints]
        return np.array([(joint.min + joint.max) / 2 for joint in joints])
    box, cone = profile.limits.workspace, profile.limits.orientation
    assert box is not None
    # A cone of the shipped profiles is about "x axis down", or there is none.
    turn = [0.0, 0.0, 0.0, 1.0] if cone is None else [0.0, 0.5**0.5, 0.0, 0.5**0.5]
    return Pose((np.array(box.min) + np.array(box.max)) / 2, np.array(turn))


def _largest_steps(profile: RobotProfile) -> np.ndarray:
    """Roughly `max_step` of each column, in the column's unit."""
    action, limits = profile.action, profile.limits
    largest = np.ones(len(action.columns))
    for axis in action.used_axes:
        source = action.axes.get(axis)
        column = action.columns.index(source.column if source else axis)
        if action.cartesian:
            limit = limits.linear if axis in "xyz" else limits.angular
            assert limit is not None
            largest[column] = limit.max_step * 0.6
        else:
            scale = source.scale if source else 1.0
            largest[column] = limits.joints[axis].max_step / abs(scale) * 0.9
    return largest


def _columns_of(profile: RobotProfile, robot: Position) -> np.ndarray:
    """Return the columns of an absolute action that stays where the robot is."""
    assert isinstance(robot, np.ndarray)
    columns = np.zeros(len(profile.action.columns))
    for i, joint in enumerate(profile.action.joints):
        source = profile.action.axes[joint]
        columns[profile.action.columns.index(source.column)] = (
            robot[i] - source.offset
        ) / source.scale
    return columns


def _spoilt(robot: Position, rng: np.random.Generator) -> Position:
    """Return a measured position that cannot be true."""
    bad = float(rng.choice(_GARBAGE[:4]))
    if isinstance(robot, Pose):
        return Pose(robot.position * bad, robot.orientation * float(rng.choice([1.0, 0.0, np.nan])))
    return robot * bad


def main() -> None:
    """Run the fuzz over all profiles and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chunks", type=int, default=100_000, help="over all robots together")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rows, violations = [], []
    for name in NAMES:
        started = time.process_time()
        tally = Fuzz(fuzz_profile(name), arguments.seed).run(arguments.chunks // len(NAMES))
        violations += tally.violations
        nearest = tally.nearest
        rows.append(
            {
                "robot": name,
                "chunks": tally.chunks,
                "accepted": tally.counters["accepted"],
                "a person's": tally.pushes,
                "accepted of them": tally.counters["teleop_accepted"],
                "commands checked": tally.commands,
                "violations": len(tally.violations),
                "largest speed / limit": max(v for k, v in nearest.items() if "speed" in k),
                "largest acceleration / limit": max(v for k, v in nearest.items() if "accel" in k),
                "largest position / limit": nearest.get("position", "not commanded"),
                "stuck robot's way / limit": max(v for k, v in nearest.items() if "stuck" in k),
                "stops and halts": sum(
                    v for k, v in tally.counters.items() if k.startswith(("stopped", "halted"))
                ),
                "CPU s": time.process_time() - started,
            }
        )
        print(rows[-1], *tally.violations[:5], sep="\n", flush=True)
    from benchmarks.report import write_results  # imports torch

    notes = (
        "Every command of every robot, against arithmetic that is not the executor's own. "
        "1 is the limit; positions count from the middle of their range."
    )
    path = write_results(
        "executor_fuzz", "Executor: random chunks, states, requests and a person", {"Robots": rows},
        {"chunks": arguments.chunks, "seed": arguments.seed}, notes,
    )  # fmt: skip
    print(path, f"{len(violations)} violations")
    raise SystemExit(bool(violations))


if __name__ == "__main__":
    main()
