# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Each thread of each node is broken from inside; from outside nothing of that is unseen.

The nodes run as processes whose collaborators raise an exception while a file exists, or hang.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from molmoact_ros.policy.pixels import rgb_from_image
from molmoact_ros.ros.images import compressed_from_rgb

pytestmark = pytest.mark.long

# FAULTS is a folder. A file NAME in it breaks the method: "raise" in it once, "exit" by SystemExit,
# "hang" for as long as it is there.
BREAK = """
import functools, sys, time
from pathlib import Path

FAULTS = Path({faults!r})

def broken(kind, name):
    method = getattr(kind, name)

    @functools.wraps(method)
    def call(*arguments, **options):
        file = FAULTS / name
        while file.exists() and file.read_text() == "hang":
            time.sleep(0.01)
        if file.exists():
            what = file.read_text()
            file.unlink()
            raise (SystemExit if what == "exit" else RuntimeError)("broken by the test")
        return method(*arguments, **options)

    setattr(kind, name, call)

{breaks}
from molmoact_ros.{node}.node import main
sys.exit(main())
"""


class Broken:
    """The process of a node whose parts can be broken."""

    def __init__(self, folder: Path, node: str, breaks: str, parameters: dict[str, Any]) -> None:
        self.faults = folder / "faults"
        self.faults.mkdir()
        self._log = folder / "log"
        program = BREAK.format(faults=str(self.faults), breaks=breaks, node=node)
        arguments = [f"{name}:={json.dumps(value)}" for name, value in parameters.items()]
        words = [word for argument in arguments for word in ("-p", argument)]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", program, "--ros-args", *words],
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def fault(self, method: str, what: str = "raise") -> Path:
        """Break a method."""
        staged = self.faults.parent / "staged"
        staged.write_text(what)
        return staged.rename(self.faults / method)

    @property
    def log(self) -> str:
        """All that the node has written."""
        return self._log.read_text(errors="replace")

    def code(self) -> int:
        """Wait for the end and return the exit code."""
        return self.process.wait(120)


@pytest.fixture
def broken(tmp_path: Path, ros_environment: dict[str, str]) -> Iterator[Callable[..., Broken]]:
    made: list[Broken] = []

    def start(node: str, breaks: str, **parameters: Any) -> Broken:
        made.append(Broken(tmp_path, node, breaks, parameters))
        return made[-1]

    yield start
    for one in made:
        one.process.kill()
        one.process.wait()


POLICY = """
from molmoact_ros.policy_node.answers import AnswerPublisher
from molmoact_ros.policy.frame_matcher import FrameMatcher
from molmoact_ros.policy_node.session import PolicySession
broken(AnswerPublisher, "publish")
broken(FrameMatcher, "add")
broken(PolicySession, "follow")
"""


@pytest.fixture
def policy(broken: Callable[..., Broken], golden_parameters: dict[str, Any]) -> Broken:
    return broken(
        "policy_node",
        POLICY,
        **golden_parameters,
        cameras=["camera"],
        image_transport="compressed",
        instruction="close the box",
    )


@pytest.fixture
def robot(policy: Broken, surround: Any) -> Any:
    made = surround("molmoact_policy", {"camera": CompressedImage})
    made.next_answer(lambda: show(made))
    return made


def show(robot: Any) -> None:
    image = robot.image()
    robot.show(compressed_from_rgb(rgb_from_image(image, "test"), image.header))


def until_error(robot: Any, concern: str, words: str) -> Any:
    """Show pictures until a status is an error with these words."""

    def found() -> list[Any]:
        last = robot.statuses(concern)[-1:]
        return [s for s in last if s.level == s.ERROR and words in s.message]

    return robot.client.wait_for(found, words, lambda: show(robot))[0]


def test_the_policys_threads_go_on(policy: Broken, robot: Any) -> None:
    for method, thread in (("publish", "inference"), ("add", "cameras")):
        policy.fault(method)
        status = until_error(robot, "threads", f"thread '{thread}': RuntimeError: broken")
        assert f"failures {thread}" in {value.key for value in status.values}
        assert f"{thread} failed: RuntimeError: broken by the test" in policy.log
        robot.next_answer(lambda: show(robot))


def test_an_inference_that_hangs_is_an_error(policy: Broken, robot: Any) -> None:
    for _ in range(3):
        robot.next_answer(lambda: show(robot))
    file = policy.fault("publish", "hang")
    until_error(robot, "inference", "frames arrive, but no answer for")
    file.unlink()
    robot.next_answer(lambda: show(robot))
    robot.client.wait_for(
        lambda: robot.statuses("inference")[-1].level != robot.statuses("inference")[-1].ERROR,
        "the end of the error",
        lambda: show(robot),
    )


@pytest.mark.parametrize(("method", "thread"), [("publish", "inference"), ("add", "cameras")])
def test_a_thread_of_the_policy_that_ends_ends_the_process(
    policy: Broken, robot: Any, method: str, thread: str
) -> None:
    policy.fault(method, "exit")
    robot.client.wait_for(lambda: policy.process.poll() is not None, "the end", lambda: show(robot))
    assert policy.code() == 1
    assert f"thread '{thread}' has ended:" in policy.log


def test_a_callback_of_the_policy_that_fails_ends_the_process(policy: Broken, robot: Any) -> None:
    policy.fault("follow")
    robot.instruct("open the box")
    robot.client.wait_for(lambda: policy.process.poll() is not None, "the end", lambda: show(robot))
    assert policy.code() == 1
    assert "a callback failed:" in policy.log and "broken by the test" in policy.log


@pytest.mark.parametrize("what", ["raise", "exit"])
def test_the_executors_loop_that_fails_ends_the_process(
    broken: Callable[..., Broken], client: Any, what: str
) -> None:
    breaks = """
from molmoact_ros.control import Executor
broken(Executor, "step")
broken(Executor, "rest")
"""
    executor = broken("executor_node", breaks)
    client.wait_for(lambda: "motion is off" in executor.log, "the executor")
    executor.fault("rest", what)
    executor.fault("step", what)
    assert executor.code() == 1
    assert "the control loop failed:" in executor.log and "broken by the test" in executor.log


def test_the_simulators_timer_that_fails_ends_the_process(
    broken: Callable[..., Broken], client: Any
) -> None:
    breaks = """
from molmoact_ros.sim import Tabletop
broken(Tabletop, "step")
"""
    simulator = broken("tabletop_node", breaks)
    client.wait_for(lambda: client.node.count_publishers("/tabletop/ee_pose") == 1, "the simulator")
    simulator.fault("step")
    assert simulator.code() == 1
    assert "a callback failed:" in simulator.log and "broken by the test" in simulator.log


def test_memory_stays_flat_under_pictures_that_declare_too_much(
    policy: Broken, robot: Any, declaring: Callable[[int, int], bytes]
) -> None:
    bombs = [declaring(65500, 65500), declaring(20000, 20000), declaring(4001, 4000), b"BM" * 300]

    def bombard(count: int) -> float:
        """Show pictures of each kind, with a good one between, and return the memory, MB."""
        for _ in range(count):
            for data in bombs:
                header = Header(stamp=robot.client.stamp(), frame_id="camera_optical")
                robot.show(CompressedImage(header=header, format="jpeg", data=data))
                robot.client.spin(0.005)
            show(robot)
            robot.client.spin(0.02)
        robot.next_answer(lambda: show(robot))
        return float(psutil.Process(policy.process.pid).memory_info().rss / 1e6)

    dropped = robot.count("cameras", "dropped camera")
    before = bombard(30)
    after = bombard(300)
    assert after < before + 20.0
    robot.client.wait_for(
        lambda: robot.count("cameras", "dropped camera") > dropped + 300, "the count"
    )
