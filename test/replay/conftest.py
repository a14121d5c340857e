# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A bag that the simulator made, and a policy whose answers are known."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden_files import DATA
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys.store import Typestore

from molmoact_ros.answer import DepthTokenizer
from molmoact_ros.model import load_vqvae
from molmoact_ros.policy.types import Observation, Reasoning
from molmoact_ros.replay import Bag
from molmoact_ros.replay.types import message_types

BAG = DATA / "bags" / "tabletop"
DEPTH_CODES = (np.arange(100, dtype=np.uint8) % 16).reshape(10, 10)
Change = Callable[[str, Any], Any]


class ScriptedPolicy:
    """Answers the same to every picture; every third answer is not trusted."""

    def __init__(self) -> None:
        vqvae = load_vqvae(DATA / "golden" / "vqvae" / "vqvae_tiny.safetensors")
        self._depth = DepthTokenizer(network=vqvae)
        self.seen: list[Observation] = []

    def infer(self, observation: Observation) -> Reasoning:
        """Answer by number."""
        self.seen.append(observation)
        number = len(self.seen)
        doubtful = number % 3 == 0
        actions = np.arange(14, dtype=np.float64).reshape(2, 7) / 100 + number
        if doubtful:
            actions[1, 2] = np.nan
        return Reasoning(
            depth_codes=None if doubtful else DEPTH_CODES,
            trajectory=np.empty((0, 2)) if doubtful else np.array([[0.0, 0.0], [255.0, 127.5]]),
            trajectory_source="predicted",
            actions=actions,
            valid=not doubtful,
            problems=("no depth", "one row is short") if doubtful else (),
            confidence=None if doubtful else 0.75,
            spread=None if doubtful else np.full((2, 7), 0.5),
            unnorm_key="tabletop",
            text="the answer",
            ids=(1, 2, 3),
            forward_passes=2,
            drafted={"time": 5, "grammar": 7},
            accepted={"time": 4},
            overruled=3,
            timings={"decode": 0.25, "total": 0.5},
        )

    def relative_depth(self, depth_codes: np.ndarray) -> np.ndarray | None:
        """Decode by the golden VQ-VAE."""
        return self._depth.relative_depth(depth_codes)


@pytest.fixture
def policy() -> ScriptedPolicy:
    return ScriptedPolicy()


@pytest.fixture(scope="session")
def types() -> Typestore:
    return message_types()


@pytest.fixture
def bag(types: Typestore) -> Iterator[Bag]:
    with Bag(BAG, types) as opened:
        yield opened


@pytest.fixture
def rewrite(tmp_path: Path, types: Typestore) -> Callable[..., Path]:
    """Return a function that copies the bag with changed messages."""

    def write(
        change: Change = lambda topic, message: message,
        storage: StoragePlugin = StoragePlugin.SQLITE3,
        rename: Callable[[str], str] = lambda topic: topic,
        extra: Callable[[str, Any], tuple[str, str, Any] | None] = lambda *_: None,
    ) -> Path:
        """Copy; ``extra`` returns (topic, type, message) to add after a message."""
        path = tmp_path / f"bag{len(list(tmp_path.iterdir()))}"
        links: dict[str, Any] = {}
        with Reader(BAG) as reader, Writer(path, version=8, storage_plugin=storage) as writer:

            def put(topic: str, kind: str, time: int, message: Any) -> None:
                if topic not in links:
                    links[topic] = writer.add_connection(topic, kind, typestore=types)
                writer.write(links[topic], time, types.serialize_cdr(message, kind))

            for link, time, data in reader.messages():
                original = types.deserialize_cdr(data, link.msgtype)
                message = change(link.topic, original)
                if message is not None:
                    put(rename(link.topic), link.msgtype, time, message)
                addition = extra(link.topic, original)
                if addition is not None:
                    put(addition[0], addition[1], time, addition[2])
        return path

    return write
