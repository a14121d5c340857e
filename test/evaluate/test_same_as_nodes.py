# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What runs in one process is what the nodes run: same picture, same answer, same commands."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from molmoact_ros.msg import ActionChunk as ActionChunkMessage
from molmoact_ros.msg import ActionReasoning
from sensor_msgs.msg import Image
from std_msgs.msg import Header, String

from molmoact_ros.control import ActionChunk, Command, Executor, Pose
from molmoact_ros.control.pose import moved_on
from molmoact_ros.demo.graph import POLICY, SIMULATOR, default_checkpoint, demo_graph
from molmoact_ros.evaluate.actors import Look, PolicyActor
from molmoact_ros.evaluate.episode import Episode, Moment
from molmoact_ros.evaluate.in_process import PICTURE
from molmoact_ros.evaluate.workers import tabletop_robot
from molmoact_ros.executor_node.parameters import ExecutorParameters, robot_profile
from molmoact_ros.policy import MolmoActPolicy
from molmoact_ros.ros import qos
from molmoact_ros.ros.conversions import chunk_from_message, seconds
from molmoact_ros.ros.images import image_from_rgb
from molmoact_ros.sim import Tabletop, Task

TASK = Task("reach", "red")


def scenes() -> list[np.ndarray]:
    """Return pictures of three scenes."""
    table = Tabletop()
    pictures = []
    for seed in (1, 2, 3):
        table.reset(seed)
        pictures.append(table.render(width=PICTURE, height=PICTURE)[0])
    table.close()
    return pictures


@pytest.fixture(scope="module")
def answers(client: Any, start: Any) -> list[tuple[np.ndarray, Any, Any]]:
    """Pictures with the policy node's reasoning and chunk for each."""
    policy = next(spec for spec in demo_graph(str(default_checkpoint())) if spec.name == POLICY)
    start(policy)
    reasonings = client.listen(ActionReasoning, f"{POLICY}/reasoning", qos.RESULT)
    chunks = client.listen(ActionChunkMessage, f"{POLICY}/action_chunk", qos.RESULT)
    camera = client.node.create_publisher(Image, f"{SIMULATOR}/camera/image", qos.IMAGE)
    words = client.node.create_publisher(String, f"{POLICY}/instruction", qos.LATCHED)
    words.publish(String(data=TASK.instruction))
    found = []
    for rgb in scenes():
        shown: list[Any] = []

        def show(rgb: np.ndarray = rgb, shown: list[Any] = shown) -> None:
            header = Header(stamp=client.stamp(), frame_id="camera_optical")
            shown.append(header.stamp)
            camera.publish(image_from_rgb(rgb, header))

        def answered(shown: list[Any] = shown) -> list[Any]:
            both = [
                (reasoning, chunk)
                for reasoning in reasonings
                for chunk in chunks
                if reasoning.header.stamp == chunk.header.stamp and chunk.header.stamp in shown
            ]
            return both

        found.append((rgb, *client.wait_for(answered, "an answer", show)[0]))
    return found


@pytest.fixture(scope="module")
def actor() -> PolicyActor:
    torch.set_num_threads(1)  # as the node: sums in the same order
    policy = MolmoActPolicy.from_pretrained(default_checkpoint(), device="cpu", dtype="float32")
    return PolicyActor(policy)


def ask(actor: PolicyActor, rgb: np.ndarray, sequence: int, stamp: float) -> tuple[Any, Any]:
    """Return reasoning and chunk of one process."""
    nowhere = Moment(stamp, np.zeros(3), 0.0, np.zeros((3, 3)))
    look = Look(Episode("policy", 0, TASK, TASK), nowhere, rgb)
    reasoning = actor.answer(look)
    return reasoning, actor.form.chunk(reasoning, stamp, sequence)


def test_the_same_picture_gives_the_same_answer(
    answers: list[tuple[np.ndarray, Any, Any]], actor: PolicyActor
) -> None:
    for rgb, published, message in answers:
        stamp = seconds(message.header.stamp)
        reasoning, chunk = ask(actor, rgb, message.sequence, stamp)
        assert published.text == reasoning.text
        assert published.generated_tokens == len(reasoning.ids)
        np.testing.assert_array_equal(
            np.reshape(published.depth.codes, (10, 10)), reasoning.depth_codes
        )
        sent = chunk_from_message(message)
        np.testing.assert_array_equal(sent.values, chunk.values)
        assert sent.confidence == pytest.approx(chunk.confidence, abs=1e-6)
        for name in ("names", "action_space", "step_period", "stamp", "sequence", "valid"):
            assert getattr(sent, name) == getattr(chunk, name), name


def test_the_robot_profile_is_the_executor_nodes() -> None:
    assert tabletop_robot() == robot_profile(ExecutorParameters())
    assert tabletop_robot(4) == robot_profile(ExecutorParameters(execute_steps=4))


def commands(profile: Any, chunks: list[ActionChunk]) -> list[Command]:
    """Return what an executor commands when chunks come 0.6 s apart and the arm follows."""
    executor, now = Executor(profile), 10.0
    commands: list[Command] = []
    pose: Any = Pose(np.array([1.3, 0.75, 0.55]), np.array([0.0, 2**-0.5, 0.0, 2**-0.5]))
    executor.observe(pose, now, now)
    executor.step(now)
    assert executor.enable(now).success
    for number in range(60 * len(chunks)):
        if number % 60 == 0:
            executor.submit(chunks[number // 60], now)
        command = executor.step(now)
        assert command is not None
        commands.append(command)
        now, pose = now + 0.01, moved_on(pose, command.velocity * 0.01)
        executor.observe(pose, now, now)
    return commands


def test_the_same_answers_give_the_same_commands(
    answers: list[tuple[np.ndarray, Any, Any]], actor: PolicyActor
) -> None:
    sent, made = [], []
    for number, (rgb, _, message) in enumerate(answers):
        stamp = 10.0 + 0.6 * number
        message.sequence = number + 1
        message.header.stamp.sec = int(stamp)
        message.header.stamp.nanosec = round((stamp % 1.0) * 1e9)
        sent.append(chunk_from_message(message))
        made.append(ask(actor, rgb, number + 1, sent[-1].stamp)[1])
    node = commands(robot_profile(ExecutorParameters()), sent)
    here = commands(tabletop_robot(), made)
    assert any(np.abs(command.velocity).max() > 0.01 for command in node)
    for a, b in zip(node, here, strict=True):
        np.testing.assert_array_equal(a.velocity, b.velocity)
        assert a.gripper == b.gripper
