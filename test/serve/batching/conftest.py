# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Tiny random checkpoints for many robots, and what each answers to a robot alone."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from golden_files import GOLDEN

from molmoact_ros.policy import MolmoActPolicy, Observation
from molmoact_ros.policy.preflight import PolicyRequest, check_policy
from molmoact_ros.serve.batching import AnswerScheduler, LoadedCheckpoint, SessionSettings

KEY = "libero_spatial_no_noops_modified"
TOKENS, CONTEXT = 32, 256
OBSERVATIONS = [
    Observation(
        {"primary": np.random.default_rng(number).integers(0, 256, (64, 64, 3), dtype=np.uint8)},
        ("close the box", "open the drawer")[number % 2],
        stamp=float(number),
    )
    for number in range(6)
]

Load = Callable[..., LoadedCheckpoint]


@pytest.fixture(scope="session")
def load() -> Load:
    """Return a function that loads a golden checkpoint: (variant, dtype)."""

    @cache
    def load_golden(variant: str = "qwen_siglip", dtype: str = "float32") -> LoadedCheckpoint:
        request = PolicyRequest(
            GOLDEN / variant,
            unnorm_key=KEY,
            device="cpu",
            dtype=dtype,
            max_new_tokens=TOKENS,
            context_length=CONTEXT,
        )
        return LoadedCheckpoint.from_preflight(check_policy(request))

    return load_golden


@pytest.fixture(scope="session")
def alone(load: Load) -> Callable[..., list[tuple[int, ...]]]:
    """Return a function that lists the ids which a robot alone gets: (variant, dtype)."""

    @cache
    def answers(variant: str = "qwen_siglip", dtype: str = "float32") -> list[tuple[int, ...]]:
        checkpoint = load(variant, dtype)
        policy = MolmoActPolicy(
            checkpoint.model,
            checkpoint.processor,
            unnorm_key=KEY,
            max_new_tokens=TOKENS,
            context_length=CONTEXT,
            draft_sources=(),
            repeatable=True,
        )
        return [policy.infer(observation).ids for observation in OBSERVATIONS]

    return answers


@pytest.fixture
def make(load: Load) -> Callable[..., Any]:
    """Return a function that makes a scheduler and so many sessions: (count, **settings)."""

    def make_sessions(count: int, max_new_tokens: int = TOKENS, **more: Any) -> Any:
        scheduler = AnswerScheduler(load(), max_sessions=count, **more)
        settings = SessionSettings(max_new_tokens=max_new_tokens)
        return scheduler, [scheduler.open(settings) for _ in range(count)]

    return make_sessions
