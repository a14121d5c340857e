# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which frames are inferred from, with which instruction, and what is counted."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.typesys.store import Typestore

from molmoact_ros.replay import Bag, Replay, ReplayPolicy, ReplaySettings
from molmoact_ros.replay.bag import COMPRESSED_IMAGE

CAMERA = "/tabletop/camera/image/compressed"
WRIST = "/wrist/image/compressed"
INSTRUCTION = "/molmoact_policy/instruction"
SETTINGS = ReplaySettings((CAMERA,), instruction_topic=INSTRUCTION)
Rewrite = Callable[..., Path]


def shifted(types: Typestore, header: Any, seconds: float) -> Any:
    """Return a header with a later stamp."""
    total = header.stamp.sec * 10**9 + header.stamp.nanosec + round(seconds * 1e9)
    time = types.types["builtin_interfaces/msg/Time"](sec=total // 10**9, nanosec=total % 10**9)
    return dataclasses.replace(header, stamp=time)


def test_every_frame_is_used_with_the_instruction_of_its_time(
    bag: Bag, policy: ReplayPolicy
) -> None:
    replay = Replay(bag, policy, SETTINGS)
    answers = list(replay)
    assert [answer.sequence for answer in answers] == list(range(1, 31))
    assert [answer.instruction for answer in answers] == (
        ["reach the red block"] * 15 + ["reach the blue block"] * 15
    )
    assert replay.frames == replay.total_frames == 30 and not replay.unused
    first = answers[0]
    assert first.stamp_ns == 1_700_000_000 * 10**9 and first.log_time == first.stamp_ns + 4_000_000
    assert first.rgb.shape == (252, 252, 3) and first.header.frame_id == "camera_optical"
    assert np.array_equal(first.trajectory_px, [[0.0, 0.0], [251.0, 125.5]])
    assert first.relative_depth is not None and answers[2].relative_depth is None


def test_the_pictures_are_those_of_the_bag(bag: Bag, policy: Any) -> None:
    list(Replay(bag, policy, SETTINGS))
    pictures = [observation.images[CAMERA] for observation in policy.seen]
    assert all(picture.dtype == np.uint8 and picture.flags.writeable for picture in pictures)
    # The arm moves, the table does not: neighbours differ, but only a little.
    changes = [np.abs(a.astype(int) - b).mean() for a, b in zip(pictures, pictures[1:])]  # noqa: B905
    assert 0.0 < min(changes) and max(changes) < 10.0


def test_a_given_instruction_wins(bag: Bag, policy: Any) -> None:
    settings = dataclasses.replace(SETTINGS, instruction="wave", limit=3)
    assert [a.instruction for a in Replay(bag, policy, settings)] == ["wave"] * 3


def test_period_and_limit(bag: Bag, policy: Any) -> None:
    every_half_second = dataclasses.replace(SETTINGS, period=0.5)
    stamps = [a.stamp_ns / 1e9 - 1.7e9 for a in Replay(bag, policy, every_half_second)]
    assert np.allclose(stamps, [0.0, 0.5, 1.0, 1.5, 2.0, 2.5], atol=1e-6)
    assert len(list(Replay(bag, policy, dataclasses.replace(SETTINGS, limit=4)))) == 4


def test_frames_before_the_first_instruction_are_not_used(
    rewrite: Rewrite, types: Typestore, policy: Any
) -> None:
    def later(topic: str, message: Any) -> Any:
        return None if topic == INSTRUCTION and "red" in message.data else message

    with Bag(rewrite(later), types) as bag:
        replay = Replay(bag, policy, SETTINGS)
        assert len(list(replay)) == 15
        assert replay.unused["no instruction"].count == 15


def test_bad_frames_are_counted_and_the_next_good_one_is_used(
    rewrite: Rewrite, types: Typestore, policy: Any, declaring: Callable[[int, int], bytes]
) -> None:
    count = 0

    def spoil(topic: str, message: Any) -> Any:
        nonlocal count
        if topic != CAMERA:
            return message
        count += 1
        if count == 2:
            return dataclasses.replace(message, data=message.data[:100])
        if count in (6, 8):  # more than OpenCV reads, and less
            jpeg = declaring(65500, 65500) if count == 6 else declaring(20000, 20000)
            return dataclasses.replace(message, data=np.frombuffer(jpeg, np.uint8))
        if count == 4:
            stamp = dataclasses.replace(message.header.stamp, sec=0, nanosec=0)
            return dataclasses.replace(
                message, header=dataclasses.replace(message.header, stamp=stamp)
            )
        return message

    with Bag(rewrite(spoil), types) as bag:
        replay = Replay(bag, policy, SETTINGS)
        assert len(list(replay)) == 26
        assert replay.unused["unreadable"].count == 3
        assert CAMERA in replay.unused["unreadable"].reason
        assert replay.unused["zero stamp"].count == 1


def test_pictures_above_the_limit_are_not_used(bag: Bag, policy: Any) -> None:
    replay = Replay(bag, policy, dataclasses.replace(SETTINGS, max_image_pixels=252 * 252 - 1))
    assert not list(replay)
    assert "252x252 px are more than" in replay.unused["unreadable"].reason


def test_two_cameras_are_matched_by_stamp(rewrite: Rewrite, types: Typestore, policy: Any) -> None:
    """The second camera is 20 ms later than the first one, and misses every third frame."""
    count = 0

    def second(topic: str, message: Any) -> tuple[str, str, Any] | None:
        nonlocal count
        if topic != CAMERA:
            return None
        count += 1
        header = shifted(types, message.header, 0.02)
        wrist = dataclasses.replace(message, header=header)
        return None if count % 3 == 0 else (WRIST, COMPRESSED_IMAGE, wrist)

    path = rewrite(extra=second)
    settings = dataclasses.replace(SETTINGS, image_topics=(CAMERA, WRIST))
    with Bag(path, types) as bag:
        answers = list(Replay(bag, policy, settings))
        assert len(answers) == 20
        assert list(policy.seen[0].images) == [CAMERA, WRIST]
        strict = Replay(bag, policy, dataclasses.replace(settings, max_camera_skew=0.01))
        assert not list(strict)
        assert "max_camera_skew" in strict.unused["no match"].reason


def test_a_camera_that_stops_is_noticed(rewrite: Rewrite, types: Typestore, policy: Any) -> None:
    count = 0

    def second(topic: str, message: Any) -> tuple[str, str, Any] | None:
        nonlocal count
        count += topic == CAMERA
        return (WRIST, COMPRESSED_IMAGE, message) if topic == CAMERA and count <= 10 else None

    settings = dataclasses.replace(SETTINGS, image_topics=(CAMERA, WRIST))
    with Bag(rewrite(extra=second), types) as bag:
        replay = Replay(bag, policy, settings)
        assert len(list(replay)) == 10
        assert WRIST in replay.unused["no match"].reason


def test_time_that_jumps_back_does_not_stop_the_replay(
    rewrite: Rewrite, types: Typestore, policy: Any
) -> None:
    count = 0

    def reset(topic: str, message: Any) -> Any:
        nonlocal count
        count += topic == CAMERA
        if topic == CAMERA and count > 15:
            return dataclasses.replace(message, header=shifted(types, message.header, -100.0))
        return message

    settings = dataclasses.replace(SETTINGS, period=0.5)
    with Bag(rewrite(reset), types) as bag:
        assert len(list(Replay(bag, policy, settings))) == 6
