# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Messages between robot and server: what they carry arrives, and nothing else is accepted."""

from __future__ import annotations

import dataclasses
import tracemalloc
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molmoact_ros.answer import ActionStats
from molmoact_ros.policy.checkpoint_profile import (
    GENERIC,
    CheckpointProfile,
    load_checkpoint_profiles,
)
from molmoact_ros.policy.pixels import ImageError
from molmoact_ros.policy.types import Observation, Reasoning
from molmoact_ros.remote.codec import ProtocolError, decode, encode
from molmoact_ros.remote.exchange import (
    answer_message,
    differences,
    infer_message,
    observation_of,
    profile_message,
    profile_of,
    reasoning_of,
    statistics_message,
    statistics_of,
)
from molmoact_ros.remote.fields import WireError
from molmoact_ros.remote.wire import (
    FROM_ROBOT,
    FROM_SERVER,
    MAX_SMALL_MESSAGE,
    PROTOCOL,
    Answer,
    Cancel,
    Difference,
    Error,
    Hello,
    Infer,
    Limits,
    Passes,
    Picture,
    Ping,
    Pong,
    Refusal,
    SessionSettings,
    Welcome,
)

ALL = (*FROM_ROBOT, *FROM_SERVER, Hello, Welcome, Refusal)
LIMIT = 1 << 22
RNG = np.random.default_rng(1)
IMAGES = {
    "front": RNG.integers(0, 255, (48, 64, 3), np.uint8),
    "wrist": RNG.integers(0, 255, (30, 20, 3), np.uint8),
}
STATS = ActionStats(
    np.array([-1, -2, 0], np.float32),
    np.array([1, 2, 1], np.float32),
    np.array([True, True, False]),
    "bridge",
)
REASONING = Reasoning(
    depth_codes=RNG.integers(0, 128, (10, 10), np.uint8),
    trajectory=RNG.uniform(0, 255, (5, 2)),
    trajectory_source="predicted",
    actions=np.where(RNG.uniform(size=(8, 3)) < 0.1, np.nan, RNG.normal(size=(8, 3))),
    valid=False,
    problems=("row 2 has no action string",),
    confidence=0.25,
    spread=RNG.uniform(size=(8, 3)),
    unnorm_key="bridge",
    text="The depth map is ⠃.",
    ids=(1, 2, 151_700),
    forward_passes=3,
    drafted={"template": 9},
    accepted={"template": 4},
    tokens_per_pass=(1, 2),
    overruled=1,
    timings={"queue": 0.01, "total": 0.5},
)


def hello(**fields: Any) -> Hello:
    return Hello(
        protocol=PROTOCOL, package="0.2.0", robot="left", session="5f", token="secret", **fields
    )


def welcome() -> Welcome:
    return Welcome(
        protocol=PROTOCOL,
        package="0.2.0",
        checkpoint="tabletop",
        device="cuda:0",
        precision="bfloat16",
        weights_bytes=15_000_000_000,
        repeatable=True,
        profile=profile_message(GENERIC),
        statistics=statistics_message(STATS),
        reserved=("<im_start>", "⠃"),
        limits=Limits(),
        passes=Passes(captured=True, seconds=0.5, warnings=("slow",)),
    )


MESSAGES = [
    hello(cameras=("front",), settings=SessionSettings(rows=8, constrained=True)),
    welcome(),
    Refusal(kind="settings", sentence="no", differences=(Difference("cameras", "1", "2"),)),
    infer_message(
        3,
        Observation(IMAGES, "close the box", np.array([[1, 2], [3, 4]], np.float64), 12.5, 0.4),
        jpeg=False,
        depth=True,
    ),
    answer_message(
        3, REASONING, depth=np.array([[0, 0.5], [1, 0.25]], np.float32), form_learned=False
    ),
    Error(sequence=None, kind="fault", sentence="broken"),
    Cancel(4),
    Ping(5),
    Pong(5),
]


def assert_equal(one: Any, two: Any) -> None:
    assert type(one) is type(two)
    if dataclasses.is_dataclass(one):
        for field in dataclasses.fields(one):
            assert_equal(getattr(one, field.name), getattr(two, field.name))
    elif isinstance(one, np.ndarray):
        assert one.dtype == two.dtype
        np.testing.assert_array_equal(one, two)
    elif isinstance(one, tuple):
        assert len(one) == len(two)
        for a, b in zip(one, two, strict=True):
            assert_equal(a, b)
    elif not isinstance(one, dict):
        assert one == two


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_arrives_as_it_was(message: Any) -> None:
    assert_equal(decode(encode(message), ALL, LIMIT), message)


def test_an_answer_is_the_same_to_the_last_bit() -> None:
    arrived = reasoning_of(decode(encode(answer_message(3, REASONING)), FROM_SERVER, LIMIT))
    assert_equal(arrived, REASONING)
    assert dict(arrived.timings) == REASONING.timings and dict(arrived.drafted) == {"template": 9}


def test_raw_pictures_are_the_same_to_the_last_bit() -> None:
    images = {"front": IMAGES["front"][:, ::-1, ::-1]}  # a view, as of a bgr8 message
    sent = infer_message(1, Observation(images, "go"), jpeg=False)
    arrived = observation_of(decode(encode(sent), FROM_ROBOT, LIMIT), Limits())
    np.testing.assert_array_equal(arrived.images["front"], images["front"])
    assert arrived.instruction == "go" and arrived.stamp is None


def test_jpegs_are_smaller_and_much_the_same() -> None:
    smooth = {"front": np.tile(np.arange(160, dtype=np.uint8)[:, None, None], (1, 160, 3))}
    raw, jpeg = (encode(infer_message(1, Observation(smooth, "go"), jpeg=j)) for j in (False, True))
    assert len(jpeg) < len(raw) / 10
    arrived = observation_of(decode(jpeg, FROM_ROBOT, LIMIT), Limits())
    difference = np.int16(arrived.images["front"]) - np.int16(smooth["front"])
    assert np.abs(difference).max() < 10


def test_profiles_and_statistics_arrive_as_they_were() -> None:
    for profile in (GENERIC, *load_checkpoint_profiles()):
        sent = decode(encode(hello(profile=profile_message(profile))), (Hello,), LIMIT)
        assert profile_of(sent.profile) == profile
    stats = statistics_of(decode(encode(welcome()), (Welcome,), LIMIT).statistics)
    assert_equal(stats, STATS)


def test_a_token_is_not_shown() -> None:
    assert "secret" not in repr(hello())


def packed(kind: str = "infer", **fields: Any) -> bytes:
    valid: dict[str, dict[str, Any]] = {
        "infer": {"sequence": 1, "pictures": [{"camera": "c", "jpeg": b"\xff"}], "instruction": ""},
        "ping": {"number": 1},
    }
    return bytes(msgpack.packb({"type": kind, **valid[kind], **fields}))


def raw_array(data: bytes, dtype: Any, shape: Any, **more: Any) -> dict[Any, Any]:
    return {b"__ndarray__": True, b"data": data, b"dtype": dtype, b"shape": shape, **more}


def picture(**fields: Any) -> bytes:
    return packed(pictures=[{"camera": "c", **fields}])


MALFORMED = {
    "nothing": (b"", "not msgpack"),
    "half a message": (packed()[:-3], "not msgpack"),
    "more than a message": (packed() + b"\x00", "not msgpack"),
    "a number": (b"\x01", "type: is missing"),
    "no type": (msgpack.packb({"sequence": 1}), "type: is missing"),
    "unknown type": (msgpack.packb({"type": "shutdown"}), "type: 'shutdown' is not one of"),
    "message of the other end": (encode(Pong(5)), "type: 'pong' is not one of"),
    "unknown field": (packed("ping", extra=1), "ping: unknown field 'extra'; known: number"),
    "missing field": (msgpack.packb({"type": "ping"}), "ping.number: is missing"),
    "a field twice": (b"\x82\xa1a\x01\xa1a\x02", "has a field twice"),
    "a key that is a number": (b"\x81\x01\x02", "not msgpack"),
    "text that is not UTF-8": (b"\x81\xa4type\xa2\xff\xfe", "not msgpack"),
    "an extension": (b"\x81\xa1a\xd4\x05\x00", "extension type"),
    "a time": (b"\x81\xa1a\xd6\xff\x00\x00\x00\x00", "has|is"),
    "depth of nesting": (b"\x91" * 5000, "not msgpack"),
    "a long list": (msgpack.packb([0] * 5000), "not msgpack"),
    "a declared long list": (b"\xdd\xff\xff\xff\xff", "not msgpack"),
    "lists of lists": (msgpack.packb([[[]] * 4000] * 3), "more than 512 lists"),
    "text for a number": (packed(sequence="1"), "infer.sequence: must be a whole number, is '1'"),
    "true for a number": (packed(sequence=True), "infer.sequence: must be a whole number"),
    "a negative sequence": (packed(sequence=-1), "infer.sequence: must be 0..9007199254740992"),
    "a stamp that is no number": (packed(stamp=float("nan")), "infer.stamp: must be a finite"),
    "a long instruction": (packed(instruction="x" * 1001), "1001 characters, at most 1000"),
    "no picture": (packed(pictures=[]), "infer.pictures: must have 1..8 entries, has 0"),
    "many pictures": (packed(pictures=[{}] * 9), "infer.pictures: must have 1..8 entries"),
    "an empty picture": (picture(), "infer.pictures.0.: a picture has either rgb or jpeg"),
    "a picture as text": (picture(jpeg="x"), "infer.pictures.0..jpeg: must be bytes"),
    "a picture in grey": (picture(rgb=raw_array(b"ab", "|u1", [1, 2])), "must have the shape"),
    "numbers for pixels": (
        picture(rgb=raw_array(b"a" * 24, "<f8", [1, 1, 3])), "must be an array of .u1, is one of",
    ),
    "an array of objects": (picture(rgb=raw_array(b"a" * 8, "|O", [1])), "an array of '.O'"),
    "an array of records": (picture(rgb=raw_array(b"a", [["a", "|u1"]], [1])), "has an array of"),
    "an array without data": (picture(rgb=raw_array(b"", "|u1", [9, 9, 3])), "does not fill"),
    "an array of huge shape": (
        picture(rgb=raw_array(b"", "<f8", [1 << 62, 1 << 62, 0, 0])), "an array of the shape",
    ),
    "an array of negative shape": (
        picture(rgb=raw_array(b"a", "|u1", [-1, -1, 1])), "an array of the shape",
    ),
    "an array with more fields": (
        picture(rgb=raw_array(b"a", "|u1", [1], **{"kind": "O"})), "other fields",
    ),
    "a hint that is not finite": (
        packed(hint=raw_array(np.array([1, np.inf]).tobytes(), "<f8", [1, 2])), "not finite",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("data", "reason"), MALFORMED.values(), ids=MALFORMED)
def test_what_is_malformed_is_refused_with_its_place(data: bytes, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        decode(data, FROM_ROBOT, LIMIT)


@pytest.mark.parametrize("stamp", [1e300, -1e300])
def test_a_stamp_of_no_time_is_refused(stamp: float) -> None:
    """Differences of two of them would have no value."""
    data = encode(infer_message(0, Observation(IMAGES, "go", stamp=stamp), jpeg=False))
    with pytest.raises(WireError, match="stamp: must be a finite number of"):
        decode(data, FROM_ROBOT, LIMIT)


def test_a_long_message_and_a_text_message_are_refused_before_they_are_read() -> None:
    with pytest.raises(WireError, match="has 11 bytes, at most 10 are accepted"):
        decode(b"x" * 11, FROM_ROBOT, 10)
    with pytest.raises(WireError, match="is a text message"):
        decode("ping", FROM_ROBOT, 10)


@pytest.mark.parametrize("kind", ["hello", "welcome"])
def test_another_version_is_named_whatever_else_it_holds(kind: str) -> None:
    with pytest.raises(ProtocolError, match=f"protocol: is 2 at the other end, {PROTOCOL} at this"):
        decode(msgpack.packb({"type": kind, "protocol": 2, "new": 1}), ALL, LIMIT)


@settings(max_examples=150)
@given(
    message=st.sampled_from(MESSAGES),
    changes=st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), max_size=6),
    end=st.integers(0, 1 << 20),
)
def test_changed_bytes_are_a_message_or_refused(
    message: Any, changes: list[tuple[int, int]], end: int
) -> None:
    data = bytearray(encode(message))
    for place, value in changes:
        data[place % len(data)] = value
    try:
        decode(bytes(data[: max(end % (2 * len(data)), 1)]), ALL, LIMIT)
    except WireError as error:
        assert len(str(error)) < 1000


@settings(max_examples=100)
@given(st.binary(max_size=200))
def test_random_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        decode(data, ALL, LIMIT)


@pytest.mark.parametrize(
    "data",
    [
        b"\xdc\x0f\xff" + b"\x90" * 4095,
        (b"\xdc\x0f\xff" * 40) + b"\x90" * (MAX_SMALL_MESSAGE - 120),
        msgpack.packb([[{}] * 4000] * 250),
    ],
    ids=["a list of lists", "lists in lists", "many mappings"],
)
def test_a_message_that_grows_costs_little_memory(data: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(WireError):
            decode(data, FROM_ROBOT, MAX_SMALL_MESSAGE + 1)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("values", [np.array([{}]), np.array(["text"]), np.array([1j])])
def test_arrays_of_other_things_are_not_sent(values: np.ndarray) -> None:
    with pytest.raises(TypeError, match="a message cannot hold an array of"):
        encode(Picture("c", rgb=values))  # the field is not looked at when it is sent


def observed(**fields: Any) -> Infer:
    message = decode(picture(**fields), FROM_ROBOT, LIMIT)
    assert isinstance(message, Infer)
    return message


def test_pictures_are_checked_before_they_are_decoded() -> None:
    few = Limits(picture_pixels=100)
    big = np.zeros((11, 10, 3), np.uint8)
    for jpeg in (False, True):
        sent = infer_message(1, Observation({"front": big}, "go"), jpeg=jpeg)
        with pytest.raises(ImageError, match="camera 'front': 10x11 px are more than"):
            observation_of(decode(encode(sent), FROM_ROBOT, LIMIT), few)
    with pytest.raises(ImageError, match="camera 'c': its 3 bytes are no JPEG"):
        observation_of(observed(jpeg=b"abc"), Limits())
    with pytest.raises(ImageError, match="camera 'c': cannot decode"):
        observation_of(observed(jpeg=b"\xff\xd8\xff\xd9"), Limits())


def test_two_pictures_of_one_camera_are_refused() -> None:
    one = {"camera": "c", "jpeg": b"\xff\xd8\xff"}
    message = decode(packed(pictures=[one, one]), FROM_ROBOT, LIMIT)
    with pytest.raises(ImageError):
        observation_of(message, Limits())


def bridge() -> CheckpointProfile:
    return next(p for p in load_checkpoint_profiles() if p.name == "tabletop")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, ""),
        ({"cameras": ("scene",), "action_space": "ee_delta"}, ""),
        (
            {"cameras": ("a", "b")},
            "cameras: the robot has 2 (a, b), the server has 1 (camera)",
        ),
        (
            {"action_space": "joint_position"},
            "action space: the robot has joint_position, the server has ee_delta",
        ),
        (
            {"action_names": ("j1", "j2")},
            "action dimensions: the robot has 2 (j1, j2), the server has 3 of 'bridge'",
        ),
    ],
)
def test_what_does_not_fit_is_named_with_both_values(fields: dict[str, Any], text: str) -> None:
    found = differences(hello(**fields), bridge(), STATS)
    assert "; ".join(map(str, found)) == text


def test_a_server_that_knows_no_profile_accepts_the_robots() -> None:
    asked = hello(cameras=("a", "b"), action_space="joint_delta", action_names=("a", "b", "c"))
    assert not differences(asked, GENERIC, STATS)


def test_an_answer_is_valid_exactly_without_problems() -> None:
    message: Answer = answer_message(3, REASONING)
    with pytest.raises(WireError, match="valid where it has no problems"):
        dataclasses.replace(message, valid=True)
