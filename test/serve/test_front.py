# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a client may do to the server, and what the other robots notice of it: nothing."""

import asyncio
import contextlib
import logging
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from benchmarks.fleet_rig import say_hello, wait_for
from molmoact_ros.policy.types import Observation
from molmoact_ros.remote.codec import decode, encode
from molmoact_ros.remote.exchange import infer_message
from molmoact_ros.remote.wire import (
    FROM_SERVER,
    MAX_MESSAGE,
    PROTOCOL,
    Answer,
    Cancel,
    Error,
    Hello,
    Ping,
    Pong,
    Refusal,
    SessionSettings,
    Welcome,
)
from molmoact_ros.serve import front as module
from molmoact_ros.serve import worker as worker_module
from molmoact_ros.serve.access import Limits, tls_context
from molmoact_ros.serve.worker import Worker

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
HELLO = Hello(protocol=PROTOCOL, package="", robot="deaf", session="s")
TOKEN = "0123456789abcdef"
SHORT = SessionSettings(max_new_tokens=24)  # answers need not be whole here
Start = Callable[..., Any]


def ask(line: ClientConnection, seen: Observation, sequence: int = 0) -> None:
    line.send(encode(infer_message(sequence, seen, jpeg=False)))


def reply(line: ClientConnection) -> Any:
    return decode(line.recv(60.0), (*FROM_SERVER, Refusal), MAX_MESSAGE)


def join(url: str, robot: str, **fields: Any) -> ClientConnection:
    line, welcome = say_hello(url, robot, settings=SHORT, **fields)
    assert isinstance(welcome, Welcome), welcome
    return line


def refused(url: str, robot: str = "arm", **fields: Any) -> Refusal:
    line, refusal = say_hello(url, robot, **fields)
    assert isinstance(refusal, Refusal), refusal
    with pytest.raises(ConnectionClosed):
        line.recv(60.0)
    return refusal


def test_a_robot_is_answered(
    serve: Start, seen: Observation, slow_pictures: tuple[Any, Any]
) -> None:
    begun, go_on = slow_pictures
    with join(serve().url, "arm") as line:
        ask(line, seen, 7)
        assert begun.wait(60.0)
        line.send(encode(Ping(3)))
        assert reply(line) == Pong(3)
        go_on.set()
        answer = reply(line)
        assert isinstance(answer, Answer) and answer.sequence == 7 and len(answer.ids)


def test_what_is_wrong_with_passes_and_drafts_is_reported(serve: Start, seen: Observation) -> None:
    cut = SessionSettings(max_new_tokens=24, constrained=True)
    line, welcome = say_hello(serve().url, "arm", settings=cut)
    with line:
        assert (
            isinstance(welcome, Welcome)
            and welcome.passes is not None
            and welcome.passes.warnings == ()
        )
        answers = []
        for sequence in range(2):
            ask(line, seen, sequence)
            answers.append(reply(line))
    assert [answer.drafts_learn for answer in answers] == [True, False], "the first was cut"
    assert [answer.form_learned for answer in answers] == [False, False]


def test_another_protocol_is_refused_with_both_versions(serve: Start) -> None:
    refusal = refused(serve().url, protocol=999)
    assert refusal.kind == "protocol"
    assert "999" in refusal.differences[0].robot and "1 (" in refusal.differences[0].server


@pytest.mark.parametrize(
    ("fields", "robot", "server"),
    [
        ({"action_names": ("x", "y")}, "2 (x, y)", "7 (x, y, z"),
        ({"cameras": ("primary", "wrist")}, "2 (primary, wrist)", "1 ("),
        ({"action_space": "joint_position"}, "joint_position", "ee_delta"),
    ],
)
def test_a_robot_for_another_checkpoint_is_refused_with_both_values(
    serve: Start, fields: dict[str, Any], robot: str, server: str
) -> None:
    server_ = serve()
    refusal = refused(server_.url, **fields)
    assert refusal.kind == "settings"
    assert robot in refusal.differences[0].robot and server in refusal.differences[0].server
    wait_for(lambda: not server_.front.robots, 60.0)


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "-other"])
def test_a_robot_needs_its_own_token(serve: Start, token: str) -> None:
    server = serve(tokens={"arm": TOKEN, "other": TOKEN + "-other"})
    assert refused(server.url, "arm", token=token).kind == "token"
    join(server.url, "arm", token=TOKEN).close()


def test_too_many_robots_are_refused(serve: Start) -> None:
    server = serve(sessions=2)
    with join(server.url, "a"), join(server.url, "b"):
        refusal = refused(server.url, "c")
        assert refusal.kind == "full" and "--max-sessions" in refusal.sentence
    wait_for(lambda: not server.front.robots, 60.0)
    join(server.url, "c").close()


def test_a_second_node_with_a_robot_s_name_is_refused(serve: Start, seen: Observation) -> None:
    server = serve()
    with join(server.url, "arm", session="first") as line:
        refusal = refused(server.url, "arm", session="second")
        assert refusal.kind == "session" and "127.0.0.1" in refusal.sentence
        ask(line, seen)
        assert isinstance(reply(line), Answer)


def test_the_same_node_takes_the_place_of_its_old_connection(
    serve: Start, seen: Observation, slow_pictures: tuple[Any, Any]
) -> None:
    begun, go_on = slow_pictures
    server = serve()
    old = join(server.url, "arm", session="same")
    ask(old, seen)
    assert begun.wait(60.0)  # is being answered
    with join(server.url, "arm", session="same") as line:
        with pytest.raises(ConnectionClosed):
            old.recv(60.0)
        go_on.set()
        ask(line, seen, 1)
        assert reply(line).sequence == 1
        assert server.front.robots == ["arm"]


def test_nothing_of_a_robot_reaches_another(serve: Start, seen: Observation) -> None:
    """Answers of two robots in turns are those that each gets alone, in every field."""
    other = Observation(
        {"primary": np.full((252, 252, 3), 60, np.uint8)}, "push the blue block to the left"
    )
    url = serve().url

    def answers(robots: dict[str, Observation]) -> dict[str, list[Answer]]:
        found: dict[str, list[Answer]] = {name: [] for name in robots}
        with contextlib.ExitStack() as stack:
            lines = {name: stack.enter_context(join(url, name)) for name in robots}
            for sequence in range(3):
                for name, what in robots.items():
                    ask(lines[name], what, sequence)
                for name, line in lines.items():
                    found[name].append(reply(line))
        return found

    together = answers({"a": seen, "b": other})
    for name, what in (("a", seen), ("b", other)):
        for alone, shared in zip(answers({name: what})[name], together[name], strict=True):
            assert np.array_equal(alone.ids, shared.ids)
            assert np.array_equal(alone.actions, shared.actions, equal_nan=True)
            assert alone.problems == shared.problems


def test_a_newer_request_ends_the_one_before(serve: Start, seen: Observation) -> None:
    with join(serve().url, "arm") as line:
        ask(line, seen, 0)
        ask(line, seen, 1)
        replies = {one.sequence: one for one in (reply(line), reply(line))}
        assert isinstance(replies[1], Answer)
        assert isinstance(replies[0], Answer) or replies[0].kind == "stopped"


def test_a_request_can_be_taken_back(
    serve: Start, seen: Observation, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    scheduler: Any = worker._scheduler
    step, steps = scheduler.step, 0

    def held() -> Any:
        nonlocal steps
        steps += 1
        if steps == 3:  # in the middle of the answer
            begun.set()
            assert go_on.wait(60.0)
        return step()

    monkeypatch.setattr(scheduler, "step", held)
    with join(serve().url, "arm") as line:
        ask(line, seen, 0)
        assert begun.wait(60.0)
        line.send(encode(Cancel(0)))
        found = reply(line)
        go_on.set()
        assert isinstance(found, Error) and found.kind == "stopped"


def test_an_observation_that_cannot_be_used_is_an_error_of_its_robot(
    serve: Start, seen: Observation
) -> None:
    bad = infer_message(0, Observation(seen.images, "<im_patch>"), jpeg=False)
    with join(serve().url, "arm") as line:
        line.send(encode(bad))
        found = reply(line)
        assert found.kind == "observation" and "reserved" in found.sentence
        ask(line, seen, 1)
        assert isinstance(reply(line), Answer)


@pytest.mark.parametrize("garbage", [b"", b"\xc1", b"\x80", "text", b"\xdf\xff\xff\xff\xff"])
def test_a_client_that_talks_nonsense_is_ended_and_nobody_else(
    serve: Start, seen: Observation, garbage: bytes | str
) -> None:
    server = serve()
    with join(server.url, "arm") as line, join(server.url, "mad") as mad:
        mad.send(garbage)
        assert reply(mad).sequence is None
        with pytest.raises(ConnectionClosed):
            mad.recv(60.0)
        with connect(server.url) as stranger:
            stranger.send(garbage)
            assert decode(stranger.recv(60.0), (Refusal,), MAX_MESSAGE).kind == "protocol"
        line.send(encode(Ping(1)))
        assert reply(line) == Pong(1)


def test_messages_are_small_until_a_robot_is_known_and_bounded_then(
    serve: Start, seen: Observation
) -> None:
    server = serve(Limits(message_bytes=2_000_000))
    with connect(server.url) as stranger:
        stranger.send(bytes(1_100_000))
        with pytest.raises(ConnectionClosed, match="too big"):
            stranger.recv(60.0)
    with join(server.url, "arm") as line:
        ask(line, seen)
        assert isinstance(reply(line), Answer)
        line.send(bytes(2_100_000))
        with pytest.raises(ConnectionClosed, match="too big"):
            line.recv(60.0)


def test_who_says_nothing_is_not_waited_for(serve: Start) -> None:
    server = serve(Limits(handshake=0.3))
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as silent:
        silent.settimeout(60.0)
        assert silent.recv(100) == b""
    server = serve(Limits(handshake=60.0))
    object.__setattr__(server.front._limits, "handshake", 0.3)  # of the hello alone
    with connect(server.url) as stranger, pytest.raises(ConnectionClosed):
        stranger.recv(60.0)


def test_connections_of_an_address_are_counted_from_their_first_byte(serve: Start) -> None:
    server = serve(Limits(connections=2, sockets=3, handshake=120.0))
    place = ("127.0.0.1", int(server.url.rpartition(":")[2]))
    with socket.create_connection(place), socket.create_connection(place):
        with pytest.raises(InvalidStatus, match="429"):
            connect(server.url)
        wait_for(lambda: server.front._addresses["127.0.0.1"] == 2, 60.0)
        with socket.create_connection(place), socket.create_connection(place) as fourth:
            fourth.settimeout(60.0)
            with contextlib.suppress(ConnectionResetError):
                assert fourth.recv(1) == b""
    wait_for(lambda: not server.front._addresses, 60.0)
    join(server.url, "arm").close()


def test_who_asks_too_often_is_slowed_down_and_nobody_else(serve: Start, seen: Observation) -> None:
    server = serve(Limits(rate=5.0, burst=2))
    with join(server.url, "arm") as line, join(server.url, "flood") as flood:
        end = threading.Event()

        def send() -> None:
            with contextlib.suppress(Exception):
                for sequence in range(100_000):
                    if end.is_set():
                        return
                    ask(flood, seen, sequence)

        thread = threading.Thread(target=send)
        thread.start()
        kinds = set()
        for _ in range(6):
            found = reply(flood)
            kinds.add(getattr(found, "kind", "answer"))
        assert "limit" in kinds and kinds <= {"limit", "stopped", "answer"}
        ask(line, seen)
        assert isinstance(reply(line), Answer)
        end.set()
        flood.socket.shutdown(socket.SHUT_RDWR)
        thread.join()


def frame(message: Any) -> bytes:
    """Return a message as a client's websocket frame."""
    data = encode(message)
    return b"\x82\xfe" + len(data).to_bytes(2, "big") + bytes(4) + data


def test_who_does_not_read_is_ended_and_nobody_else(
    serve: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "molmoact-serve")
    monkeypatch.setattr(module, "_BUFFER", 4096)  # full after some hundred answers
    server = serve(Limits(send=0.2))
    host, port = "127.0.0.1", int(server.url.rpartition(":")[2])
    with join(server.url, "arm") as line, socket.create_connection((host, port)) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(UPGRADE + frame(HELLO))
        wait_for(lambda: "deaf connected" in caplog.text, 60.0)
        deaf.setblocking(False)
        asked = memoryview(frame(Ping(1)) * 500_000)

        def only_the_arm_is_left() -> bool:
            nonlocal asked
            with contextlib.suppress(OSError):  # nothing more is taken, or it has been ended
                asked = asked[deaf.send(asked) :]
            return bool(server.front.robots == ["arm"])

        wait_for(only_the_arm_is_left, 60.0)
        assert asked and "deaf does not read" in caplog.text
        line.send(encode(Ping(1)))
        assert reply(line) == Pong(1)


def test_an_idle_session_gives_its_memory_to_another_robot(
    serve: Start, seen: Observation, worker: Worker
) -> None:
    """A place that the front end does not count is free for who it lets in."""
    server = serve()
    lines = [join(server.url, f"arm{number}") for number in range(4)]
    server.front._lines.clear()  # as if another replica had held them
    server.front._fleet._placement._places.clear()
    with join(server.url, "late") as line:
        ask(line, seen)
        assert isinstance(reply(line), Answer)
    for line in lines:
        line.close()
    wait_for(lambda: len(worker._sessions) <= 3, 60.0)
    for number in range(4):
        worker._close(f"arm{number}")


def test_tls(serve: Start, certificate: tuple[Path, Path]) -> None:
    port = serve(tls=tls_context(*certificate)).port
    trusted = ssl.create_default_context(cafile=str(certificate[0]))
    with connect(f"wss://localhost:{port}", ssl=trusted) as line:
        line.send(encode(Hello(protocol=PROTOCOL, package="", robot="arm", session="s")))
        assert isinstance(decode(line.recv(60.0), (Welcome,), MAX_MESSAGE), Welcome)
    with pytest.raises((OSError, InvalidHandshake)):
        connect(f"ws://localhost:{port}", open_timeout=3.0)


def test_who_says_nothing_to_tls_is_not_waited_for(
    serve: Start, certificate: tuple[Path, Path]
) -> None:
    server = serve(Limits(handshake=0.3), tls=tls_context(*certificate))
    with socket.create_connection(("127.0.0.1", server.port)) as silent:
        silent.settimeout(30.0)  # asyncio's own limit is a minute
        assert silent.recv(100) == b""


def test_a_stranger_cannot_write_lines_of_the_log(
    serve: Start, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(tokens={"arm": TOKEN})
    for fields in ({}, {"protocol": 999}):
        refused(server.url, "a\n2026-11-28 INFO arm connected", **fields)
    line, _ = say_hello(server.url, "arm", token=TOKEN)
    line.close(1000, "a\nb")
    wait_for(lambda: "1000" in caplog.text or not server.front.robots, 60.0)
    assert caplog.messages and not [text for text in caplog.messages if "\n" in text]


def states_at(server: int, client: int) -> list[str]:
    """Return the states that the system lists for a server's end of a connection."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ends = (f":{server:04X}", f":{client:04X}")
    return [row[3] for row in rows if (row[1][-5:], row[2][-5:]) == ends]


def test_nothing_is_left_of_who_never_reads(
    serve: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The welcome does not fit the buffers: the system would keep it for minutes after the end."""
    caplog.set_level(logging.INFO, "molmoact-serve")
    monkeypatch.setattr(module, "_BUFFER", 4096)
    texts = tuple(f"{number:0200}" for number in range(500))
    monkeypatch.setattr(worker_module, "_reserved", lambda checkpoint: texts)
    server = serve(Limits(send=0.2))
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", server.port))
        deaf.sendall(UPGRADE + frame(HELLO))
        wait_for(lambda: "deaf connected" in caplog.text, 60.0)
        wait_for(lambda: not server.front.robots, 60.0)
        wait_for(lambda: not states_at(server.port, deaf.getsockname()[1]), 10.0)


@pytest.fixture
def slow_pictures(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """Hold the first request while its pictures are decoded; set when it is, and by the test."""
    begun, go_on = threading.Event(), threading.Event()
    decode_pictures = worker_module.observation_of

    def held(*arguments: Any) -> Observation:
        if not begun.is_set():
            begun.set()
            assert go_on.wait(60.0)
        return decode_pictures(*arguments)

    monkeypatch.setattr(worker_module, "observation_of", held)
    return begun, go_on


def test_a_request_is_taken_back_while_its_pictures_are_decoded(
    serve: Start, seen: Observation, worker: Worker, slow_pictures: tuple[Any, Any]
) -> None:
    begun, go_on = slow_pictures
    with join(serve().url, "arm") as line:
        ask(line, seen, 0)
        assert begun.wait(60.0)
        line.send(encode(Cancel(0)))
        assert reply(line).kind == "stopped"
        go_on.set()
        session = worker._sessions["arm"].session
        request = wait_for(lambda: session._request, 60.0)
        wait_for(request.future.done, 60.0)
        assert request.future.cancelled(), "an answer was computed for nobody"


def test_a_newer_request_is_answered_whatever_becomes_of_the_one_before(
    serve: Start, seen: Observation, worker: Worker, slow_pictures: tuple[Any, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    begun, go_on = slow_pictures
    with join(serve().url, "arm") as line:
        session = worker._sessions["arm"].session
        decode_pictures = worker_module.observation_of

        def second(*arguments: Any) -> Observation:
            if begun.is_set():  # the first one submits, then this one
                go_on.set()
                wait_for(lambda: session._request, 60.0)
            return decode_pictures(*arguments)

        monkeypatch.setattr(worker_module, "observation_of", second)
        ask(line, seen, 0)
        assert begun.wait(60.0)
        ask(line, seen, 1)
        assert reply(line).kind == "stopped"
        line.send(encode(Ping(1)))
        assert reply(line) == Pong(1)  # the second one has been begun
        threading.Timer(1.0, go_on.set).start()
        found = reply(line)
        assert isinstance(found, Answer), found


def test_the_time_for_an_answer_is_bounded(
    serve: Start, seen: Observation, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    server = serve(Limits(answer=60.0))
    with join(server.url, "arm") as line:
        monkeypatch.setattr(worker, "infer", never)
        object.__setattr__(server.front._limits, "answer", 0.1)
        ask(line, seen)
        found = reply(line)
        assert found.kind == "fault" and "0.1 s" in found.sentence
