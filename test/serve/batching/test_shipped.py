# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The shipped checkpoint with its own drafts: each robot of a fleet gets the ids of one alone."""

from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.agreement import pictures  # before MuJoCo, so that it draws without a screen
from molmoact_ros.policy import MolmoActPolicy, Observation, Reasoning
from molmoact_ros.policy.preflight import PolicyRequest, check_policy
from molmoact_ros.serve.batching import AnswerScheduler, LoadedCheckpoint, SessionSettings

CHECKPOINT = Path(__file__).parents[3] / "checkpoints" / "tabletop"
CONTEXT, ROBOTS, ANSWERS = 512, 6, 200


@pytest.mark.long
@pytest.mark.timeout(1800)  # s; a machine may be busy
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_fleet_gets_the_ids_of_robots_alone(dtype: str) -> None:
    pytest.importorskip("mujoco")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        seen = _serve(_load(dtype), np.random.default_rng(3))
    finally:
        torch.set_num_threads(threads)
    assert seen["answers"] >= ANSWERS and seen["cancelled"] > 10
    # Far fewer than one after the other, where each answer alone takes about 45.
    assert seen["passes"] < 20 * ANSWERS


def _load(dtype: str) -> LoadedCheckpoint:
    request = PolicyRequest(CHECKPOINT, device="cpu", dtype=dtype, context_length=CONTEXT)
    return LoadedCheckpoint.from_preflight(check_policy(request))


def _serve(checkpoint: LoadedCheckpoint, rng: np.random.Generator) -> dict[str, int]:
    camera = checkpoint.profile.prompt.cameras[0]
    scenes = [Observation({camera: rgb}, words) for rgb, words in pictures(30)]
    policy = MolmoActPolicy(
        checkpoint.model,
        checkpoint.processor,
        profile=checkpoint.profile,
        context_length=CONTEXT,
        repeatable=True,
    )
    alone = [policy.infer(scene).ids for scene in scenes]
    now = 0.0
    scheduler = AnswerScheduler(checkpoint, max_sessions=ROBOTS, clock=lambda: now)
    sessions = [scheduler.open(SessionSettings(constrained=n > 3)) for n in range(ROBOTS)]
    waiting: dict[int, tuple[int, Future[Reasoning]]] = {}
    seen = {"answers": 0, "cancelled": 0, "passes": 0}
    while seen["answers"] < ANSWERS:
        for robot, session in enumerate(sessions):
            if robot not in waiting and rng.random() < 0.2:
                scene = int(rng.integers(len(scenes)))
                stamped = replace(scenes[scene], stamp=now)
                waiting[robot] = scene, session.infer(stamped, now + float(rng.uniform(0, 2)))
        step = scheduler.step()
        now += 0.01
        seen["passes"] += step is not None and step.kind == "pass"
        for robot, (scene, future) in list(waiting.items()):
            if future.done():
                assert future.result().ids == alone[scene]
                seen["answers"] += 1
                del waiting[robot]
            elif rng.random() < 0.003:
                sessions[robot].cancel()
                seen["cancelled"] += 1
                del waiting[robot]
    return seen
