# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The judge of the fault drill finds what is planted, and nothing in what is right."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.fault_drill.judge import Expectations, judge
from benchmarks.fault_drill.limits import Limits, read_limits
from benchmarks.fault_drill.profiles import ROBOTS, TABLETOP, joint_robot
from benchmarks.fault_drill.record import Preview, Record
from benchmarks.fault_drill.robot import read_robot
from molmoact_ros.control import load_profile

ROOT = Path(__file__).parents[2]
EXECUTING, DISABLED = 2, 0
NOW = 1_700_000_000.0  # s
Plant = Callable[["Motion"], None]


class Motion:
    """Two seconds of a motion that breaks no rule, to be spoilt.

    Attributes:
        velocities: Along the first axis, ``[N, D]``.
        measured: Positions, ``[N, D]``.
        stamps: Of both.
        enabled: From when to when the executor was, s after the begin.
    """

    def __init__(self, path: Path) -> None:
        self.limits = read_limits(path)
        self.home = read_robot(path).home
        dt, group = self.limits.period, self.limits.groups[0]
        top, ramp = 0.5 * group.speed, 0.9 * group.acceleration * dt
        self.speeds = np.minimum(np.minimum(np.arange(round(2 / dt)) * ramp, top), 1.0)
        down = np.arange(top, 0.0, -ramp)
        self.speeds = np.concatenate([self.speeds, down, [0.0, 0.0, 0.0]])
        self.stamps = NOW + np.arange(len(self.speeds)) * dt
        size = 6 if self.limits.cartesian else len(self.limits.joints)
        self.velocities = np.zeros((len(self.speeds), size))
        self.velocities[:, 0] = self.speeds
        way = np.concatenate([[0.0], np.cumsum(self.speeds[:-1]) * dt])
        self.measured = np.tile(self.home, (len(way), 1))
        self.measured[:, 0] += way
        self.positions = self.measured.copy()
        self.frame = self.limits.frame
        self.enabled = (0.0, 10.0)
        self.gripper = [0.0, 1.0]

    def record(self, kind: str) -> Record:
        """Return what the recorder would have noted."""
        record = Record()
        begin = float(self.stamps[0])
        for at, values in zip(self.stamps, self.measured, strict=True):
            record.measured.add(at, at, values.tolist())
        values = self.velocities if kind in ("twist", "forward velocity") else self.positions
        stamped = not kind.startswith("forward")
        samples = record.commands.setdefault((kind, ""), type(record.measured)())
        for at, row in zip(self.stamps, values, strict=True):
            samples.add(at, at if stamped else float("nan"), row.tolist())
        if stamped:
            samples.frames.add(self.frame)
        if self.limits.gripper is not None:
            gripper = record.commands.setdefault(("gripper", ""), type(record.measured)())
            for value in self.gripper:
                gripper.add(begin, float("nan"), [value])
        record.states = [
            (begin - 1.0, DISABLED),
            (begin + self.enabled[0], EXECUTING),
            (begin + self.enabled[1], DISABLED),
        ]
        return record


def too_fast(motion: Motion) -> None:
    factor = 1.01 * motion.limits.groups[0].speed / motion.speeds.max()
    motion.velocities *= factor


def too_steep(motion: Motion) -> None:
    motion.velocities[:, 0] = np.where(motion.velocities[:, 0] > 0.0, motion.speeds.max(), 0.0)


def a_little_too_steep(motion: Motion) -> None:
    step = motion.velocities[6, 0] - motion.velocities[5, 0]
    motion.velocities[6:, 0] += 0.113 * step  # 0.2 % above the limit


def a_stamp_too_early(motion: Motion) -> None:
    motion.stamps[6] -= 0.15 * motion.limits.period


def steep_at_the_start(motion: Motion) -> None:
    motion.velocities = motion.velocities[4:]
    motion.measured, motion.stamps = motion.measured[4:], motion.stamps[4:]


def not_a_number(motion: Motion) -> None:
    motion.velocities[9, 2] = motion.positions[9, 2] = np.nan


def in_another_frame(motion: Motion) -> None:
    motion.frame = "world"


def out_of_the_box(motion: Motion) -> None:
    motion.measured[:, 0] += 0.27 - (motion.measured[0, 0] - motion.home[0])
    motion.velocities *= 2.0
    motion.velocities[:, 0] = np.minimum(motion.velocities[:, 0], motion.limits.groups[0].speed)


def tilted(motion: Motion) -> None:
    motion.velocities[:, 4] = np.minimum(np.arange(len(motion.speeds)) * 0.04, 1.0)
    motion.velocities[-30:, 4] = np.linspace(1.0, 0.0, 30)
    motion.velocities[:, 4] *= -1.0


def the_robot_goes_back(motion: Motion) -> None:
    motion.measured[:, 0] = 2.0 * motion.home[0] - motion.measured[:, 0]


def no_rest_at_the_end(motion: Motion) -> None:
    motion.velocities = motion.velocities[:-6]
    motion.positions = motion.positions[:-6]
    motion.measured, motion.stamps = motion.measured[:-6], motion.stamps[:-6]


def goes_on_when_disabled(motion: Motion) -> None:
    motion.enabled = (0.0, 0.3)


def begins_before_it_is_enabled(motion: Motion) -> None:
    motion.enabled = (0.3, 10.0)


def the_gripper_too_wide(motion: Motion) -> None:
    motion.gripper = [1.1]


def a_jump(motion: Motion) -> None:
    group = motion.limits.groups[0]
    motion.positions[40:, 0] += 8.0 * motion.limits.period * group.speed
    motion.measured = motion.positions.copy()


def out_of_range(motion: Motion) -> None:
    shift = motion.limits.high[0] - motion.positions[-1, 0] + 1e-4
    motion.positions[:, 0] += shift
    motion.measured = motion.positions.copy()


def ahead_of_the_robot(motion: Motion) -> None:
    motion.measured[:, 0] -= 2.0 * motion.limits.groups[0].following


def turns_on_the_spot(motion: Motion) -> None:
    way = motion.positions[:, 0] - motion.positions[0, 0]
    middle = len(way) // 2
    way[middle:] = 2.0 * way[middle] - way[middle:]
    way *= 1.9
    motion.positions[:, 0] = motion.positions[0, 0] + way
    motion.measured = motion.positions.copy()


VELOCITY_PLANTS: dict[Plant, str] = {
    too_fast: "speed",
    too_steep: "acceleration",
    not_a_number: "finite",
    the_robot_goes_back: "beyond the robot",
    no_rest_at_the_end: "silence without rest",
    goes_on_when_disabled: "while motion is off",
    begins_before_it_is_enabled: "while motion is off",
}
TWIST_PLANTS: dict[Plant, str] = {
    a_little_too_steep: "acceleration",
    a_stamp_too_early: "acceleration",
    steep_at_the_start: "acceleration",
    in_another_frame: "frame",
    out_of_the_box: "box",
    tilted: "cone",
    the_gripper_too_wide: "gripper",
}
POSITION_PLANTS: dict[Plant, str] = {
    a_jump: "speed",
    turns_on_the_spot: "acceleration",
    out_of_range: "",
    ahead_of_the_robot: "beyond the robot",
    not_a_number: "finite",
    goes_on_when_disabled: "while motion is off",
}
CASES = [
    *(("twist", plant, word) for plant, word in {**VELOCITY_PLANTS, **TWIST_PLANTS}.items()),
    *(("forward velocity", plant, word) for plant, word in VELOCITY_PLANTS.items()),
    *(("pose", plant, word) for plant, word in POSITION_PLANTS.items()),
    *(("forward position", plant, word) for plant, word in POSITION_PLANTS.items()),
]


@pytest.fixture
def motion_of(tmp_path: Path) -> Callable[[str], Motion]:
    """Return a good motion of a robot with a kind of command."""

    def motion(kind: str) -> Motion:
        if kind.startswith("forward"):
            return Motion(joint_robot(kind, tmp_path))
        return Motion(TABLETOP if kind == "twist" else ROBOTS / "google_robot.yaml")

    return motion


@pytest.mark.parametrize("kind", ["twist", "forward velocity", "pose", "forward position"])
def test_a_good_motion_is_not_accused(motion_of: Callable[[str], Motion], kind: str) -> None:
    motion = motion_of(kind)
    verdict = judge(motion.record(kind), motion.limits)
    assert verdict.violations == ()
    assert verdict.commands == len(motion.stamps)


@pytest.mark.parametrize(
    ("kind", "plant", "word"), CASES, ids=lambda x: getattr(x, "__name__", x) or "-"
)
def test_what_is_planted_is_found(
    motion_of: Callable[[str], Motion], kind: str, plant: Plant, word: str
) -> None:
    motion = motion_of(kind)
    plant(motion)
    violations = judge(motion.record(kind), motion.limits).violations
    assert any(word in violation for violation in violations), violations


def previews(path: Path) -> tuple[list[Preview], Limits, Record]:
    """Return two trajectories that go on smoothly, and a record of a robot that follows."""
    limits, home = read_limits(path), read_robot(path).home
    group = limits.groups[0]
    top, ramp = 0.5 * group.speed, 0.5 * group.speed / group.acceleration
    made = []
    for start in (0.0, 0.1):
        times = np.array([0.0, 0.1, 0.2, 0.2 + ramp])
        positions, velocities = np.tile(home, (4, 1)), np.zeros((4, len(home)))
        positions[:3, 0] += top * (start + times[:3])
        positions[3, 0] = positions[2, 0] + top * ramp / 2.0
        velocities[:3, 0] = top
        made.append(Preview(NOW + start, NOW + start, times, positions, velocities))
    record = Record(states=[(NOW, EXECUTING)])
    for at in np.arange(0.0, 0.2, 0.01):
        place = home.copy()
        place[0] += top * at
        record.measured.add(NOW + at, NOW + at, place.tolist())
    return made, limits, record


@pytest.mark.parametrize(
    ("field", "change", "word"),
    [
        ("velocities", lambda v: v * 2.5, "speed"),
        ("times", lambda t: t * [1, 1, 1, 0.9], "acceleration"),
        ("velocities", lambda v: np.tile(v[:1], (4, 1)), "end at rest"),
        ("positions", lambda p: p + 0.05, "jump"),
        ("positions", lambda p: p + 9.0, "range"),
        ("positions", lambda p: p * np.nan, "finite"),
    ],
)
def test_trajectories_are_judged(tmp_path: Path, field: str, change: Any, word: str) -> None:
    made, limits, record = previews(joint_robot("joint_trajectory", tmp_path))
    record.previews[""] = made
    assert judge(record, limits).violations == ()
    record.previews[""] = [made[0], replace(made[1], **{field: change(getattr(made[1], field))})]
    violations = judge(record, limits).violations
    assert any(word in violation for violation in violations), violations


def test_what_cannot_be_asked_for_is_not_judged(motion_of: Callable[[str], Motion]) -> None:
    motion = motion_of("twist")
    for plant in (the_robot_goes_back, no_rest_at_the_end, begins_before_it_is_enabled):
        plant(motion)
    record = motion.record("twist")
    assert len(judge(record, motion.limits).violations) >= 3
    expect = Expectations(places=False, silence=False, rest=False)
    assert judge(record, motion.limits, expect).violations == ()


@pytest.mark.parametrize("path", sorted(ROBOTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_judge_reads_the_same_limits_as_the_executor(path: Path) -> None:
    mine, theirs = read_limits(path), load_profile(path)
    limits = theirs.limits
    given: Mapping[str, Any] = limits.joints or {
        "linear": limits.linear,
        "angular": limits.angular,
    }
    for group in mine.groups:
        limit = given[group.name]
        assert limit is not None
        assert (group.speed, group.acceleration) == (limit.speed, limit.acceleration)
        assert group.following == limit.max_following_error
    assert (mine.frame, mine.rate) == (theirs.frame, theirs.execution.rate)
    if limits.workspace is not None:
        assert (*mine.low, *mine.high) == (*limits.workspace.min, *limits.workspace.max)


def test_the_recorder_judges_what_comes_over_dds(
    new_domain: Callable[[], int], tmp_path: Path
) -> None:
    import rclpy
    from geometry_msgs.msg import TwistStamped
    from molmoact_ros.msg import ExecutorStatus
    from std_msgs.msg import Float64MultiArray

    from benchmarks.fault_drill.pipes import Peer

    domain = new_domain()
    environment = {"ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    recorder = Peer("recorder", [str(TABLETOP), "/planted"], tmp_path / "log", environment)
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain)
    node = rclpy.create_node("planted", context=context)
    twists = node.create_publisher(TwistStamped, "~/twist", 100)
    states = node.create_publisher(ExecutorStatus, "~/status", 10)
    gripper = node.create_publisher(Float64MultiArray, "~/gripper", 10)
    try:
        recorder.answer()
        deadline = time.monotonic() + 60.0
        publishers = (twists, states, gripper)
        while not (
            all(publisher.get_subscription_count() for publisher in publishers)
            and recorder.ask(do="links")["links"]
        ):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        states.publish(ExecutorStatus(state=EXECUTING))
        for i, speed in enumerate((0.0, 0.0, 0.35, 0.0, 0.1)):
            message = TwistStamped()
            message.header.stamp.sec, message.header.stamp.nanosec = 1, i * 10_000_000
            message.header.frame_id = "base_link" if i else "map"
            message.twist.linear.x = speed
            twists.publish(message)
        verdict: dict[str, Any] = {}
        while verdict.get("commands", 0) < 5:
            assert time.monotonic() < deadline
            time.sleep(0.02)
            verdict = recorder.ask(do="judge")
        found = " ".join(verdict["violations"])
        for rule in ("linear speed", "linear acceleration", "frame of commands", "without rest"):
            assert rule in found
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)
        recorder.end()


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_quick_drills_are_passed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.fault_drill", "--quick"],
        cwd=ROOT, env=os.environ | {"TMPDIR": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "passed" in done.stdout
