# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Bags: both storages, the choice of topics, and what is reported of unusable ones."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden_files import DATA
from rosbags.rosbag2 import StoragePlugin
from rosbags.typesys.store import Typestore

from molmoact_ros.policy.pixels import rgb_from_compressed
from molmoact_ros.replay import Bag, BagError, choose_images, choose_instruction
from molmoact_ros.replay.bag import COMPRESSED_IMAGE, IMAGE

CAMERA = "/tabletop/camera/image/compressed"
INSTRUCTION = "/molmoact_policy/instruction"
SOURCE = DATA / "bags" / "tabletop"
Rewrite = Callable[..., Path]


def raw_image(types: Typestore, encoding: str = "rgb8") -> Callable[[str, Any], Any]:
    """Return what puts a raw copy of each picture beside it."""

    def extra(topic: str, message: Any) -> tuple[str, str, Any] | None:
        if topic != CAMERA:
            return None
        rgb = rgb_from_compressed(message, topic)
        image = types.types[IMAGE](
            header=message.header, height=252, width=252, encoding=encoding,
            is_bigendian=0, step=756, data=rgb.ravel(),
        )  # fmt: skip
        return "/tabletop/camera/image", IMAGE, image

    return extra


def test_the_bag_is_read_with_its_topics_and_messages(bag: Bag) -> None:
    assert {t.name: t.count for t in bag.topics} == {
        CAMERA: 30, "/tabletop/camera/camera_info": 30, "/tabletop/ee_pose": 30, INSTRUCTION: 2,
    }  # fmt: skip
    assert bag.is_mcap
    assert bag.rate(CAMERA) == pytest.approx(10.0, rel=0.05)
    assert bag.rate(CAMERA, period=0.5) == 2.0
    stamps = [message.content.header.stamp for message in bag.messages([CAMERA])]
    assert np.allclose(np.diff([s.sec + s.nanosec * 1e-9 for s in stamps]), 0.1, atol=1e-6)
    texts = [message.content.data for message in bag.messages([INSTRUCTION])]
    assert texts == ["reach the red block", "reach the blue block"]
    assert bag.first("/nothing") is None and not list(bag.messages([]))


def test_sqlite_holds_the_same(bag: Bag, rewrite: Rewrite, types: Typestore) -> None:
    with Bag(rewrite(storage=StoragePlugin.SQLITE3), types) as copy:
        assert not copy.is_mcap and copy.topics == bag.topics
        names = [CAMERA, INSTRUCTION]
        for ours, theirs in zip(copy.messages(names), bag.messages(names), strict=True):
            assert (ours.topic, ours.log_time) == (theirs.topic, theirs.log_time)
            if ours.topic == CAMERA:
                assert np.array_equal(ours.content.data, theirs.content.data)


def test_a_single_file_is_a_bag_as_well(types: Typestore) -> None:
    with Bag(SOURCE / "tabletop.mcap", types) as single:
        assert single.is_mcap and len(list(single.messages([CAMERA]))) == 30


def test_topics_are_found(bag: Bag) -> None:
    assert choose_images(bag) == (CAMERA,)
    assert choose_images(bag, [CAMERA]) == (CAMERA,)
    assert choose_instruction(bag) == INSTRUCTION


def test_raw_wins_over_compressed(rewrite: Rewrite, types: Typestore) -> None:
    with Bag(rewrite(extra=raw_image(types)), types) as both:
        assert choose_images(both) == ("/tabletop/camera/image",)


def test_depth_and_pictures_of_a_policy_are_no_cameras(rewrite: Rewrite, types: Typestore) -> None:
    with Bag(rewrite(extra=raw_image(types, "16UC1")), types) as with_depth:
        assert choose_images(with_depth) == (CAMERA,)

    def overlay(topic: str, message: Any) -> tuple[str, str, Any] | None:
        if topic != CAMERA:
            return None
        return "/molmoact_policy/overlay/compressed", COMPRESSED_IMAGE, message

    with Bag(rewrite(extra=overlay), types) as with_overlay:
        assert choose_images(with_overlay) == (CAMERA,)


def test_several_cameras_must_be_put_in_order(rewrite: Rewrite, types: Typestore) -> None:
    def second(topic: str, message: Any) -> tuple[str, str, Any] | None:
        return ("/wrist/image/compressed", COMPRESSED_IMAGE, message) if topic == CAMERA else None

    with Bag(rewrite(extra=second), types) as two:
        with pytest.raises(BagError, match="2 cameras; choose by --image-topic.*/wrist/image"):
            choose_images(two)
        order = ("/wrist/image/compressed", CAMERA)
        assert choose_images(two, order) == order


def test_missing_topics_are_named_with_those_that_are_there(
    bag: Bag, rewrite: Rewrite, types: Typestore
) -> None:
    with pytest.raises(BagError, match=f"no image topic /typo; there are: {CAMERA}"):
        choose_images(bag, ["/typo"])
    with pytest.raises(BagError, match=f"no String topic /typo; there are: {INSTRUCTION}"):
        choose_instruction(bag, "/typo")
    poses = rewrite(lambda topic, message: message if topic == "/tabletop/ee_pose" else None)
    with Bag(poses, types) as without:
        with pytest.raises(BagError, match="no camera topic; its topics: /tabletop/ee_pose"):
            choose_images(without)
        with pytest.raises(BagError, match="no instruction topic; give --instruction"):
            choose_instruction(without)


@pytest.mark.parametrize(
    ("name", "words"),
    [("nowhere", "there is no bag"), ("old.bag", "ROS 1 bag; convert"), ("", "no metadata.yaml")],
)
def test_what_is_no_bag(tmp_path: Path, types: Typestore, name: str, words: str) -> None:
    (tmp_path / "old.bag").touch()
    with pytest.raises(BagError, match=words):
        Bag(tmp_path / name, types)


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
@pytest.mark.parametrize("part", [0.0, 0.3, 0.9])
def test_a_truncated_bag_is_an_error_that_names_it(
    rewrite: Rewrite, types: Typestore, storage: StoragePlugin, part: float
) -> None:
    path = rewrite(storage=storage)
    file = next(file for file in path.iterdir() if file.suffix in (".mcap", ".db3"))
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(BagError, match=path.name):
        with Bag(path, types) as broken:
            list(broken.messages([CAMERA]))


def test_damage_anywhere_is_an_error_that_names_the_bag(tmp_path: Path, types: Typestore) -> None:
    content = (SOURCE / "tabletop.mcap").read_bytes()
    file = tmp_path / "damaged.mcap"
    draw = np.random.default_rng(1)
    refused = 0
    for size in [*range(0, 64, 4), *draw.integers(64, len(content), 40)]:
        damaged = bytearray(content[:size])
        if size > 64:  # not only shorter, but wrong in a place
            damaged += content[size:]
            damaged[size : size + 8] = draw.bytes(8)
        file.write_bytes(damaged)
        try:
            with Bag(file, types) as bag:
                list(bag.messages([topic.name for topic in bag.topics]))
        except BagError as error:
            assert str(file) in str(error)
            refused += 1
    assert refused >= 16, "at least what is too short"


def test_broken_metadata_is_an_error(rewrite: Rewrite, types: Typestore) -> None:
    path = rewrite(storage=StoragePlugin.MCAP)
    (path / "metadata.yaml").write_text("{nonsense")
    with pytest.raises(BagError, match="cannot be read"):
        Bag(path, types)
