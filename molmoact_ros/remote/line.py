# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The robot's end of the line: connects, notices a line that is cut, and connects again.

One thread connects and receives; whoever asks sends in a thread of its own. A peer that does not
take what is sent, and a line on which nothing arrives any more, are both given up within seconds.
"""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from websockets.exceptions import ConnectionClosed, InvalidHandshake, WebSocketException
from websockets.sync.client import ClientConnection, connect

from molmoact_ros.faults import RemotePolicyError

from .address import ServerAddress
from .codec import ProtocolError, decode, encode
from .fields import WireError
from .wire import (
    FROM_SERVER,
    LASTING,
    MAX_SMALL_MESSAGE,
    Answer,
    Cancel,
    Difference,
    Error,
    Hello,
    Infer,
    Ping,
    Pong,
    Refusal,
    Welcome,
)

_OPEN = 5.0  # s to connect, and again for the greeting
_PING = 1.0  # s between two pings
_SILENCE = 5.0  # s without any message, or in which nothing is taken; then the line is given up
_CLOSE = 0.5  # s
_POLL = 0.25  # s
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0  # s between two attempts to connect
_MOST_DOUBLED = 10  # times


class RefusedError(ValueError):
    """The server refuses the robot, and will again: a setting of one of them must change."""


@dataclass(frozen=True)
class LineState:
    """How the line is now; replaced as a whole, so that threads agree on it.

    Attributes:
        welcome: Of the present connection; None: there is none.
        problem: Why there is none; empty where there is one, and before the first attempt is over.
        lasting: Whether trying again will not help.
        connections: How many there have been.
        ping: Round trip of the last ping, s; None before the first.
    """

    welcome: Welcome | None = None
    problem: str = ""
    lasting: bool = False
    connections: int = 0
    ping: float | None = None


class Request:
    """One `Infer` on its way.

    Attributes:
        sequence: Its number.
        ended: Set when there is an outcome, or when there will be none.
        outcome: What the server answered; None: the line was lost.
        problem: Why it was.
    """

    def __init__(self, sequence: int) -> None:
        """Wait for an outcome."""
        self.sequence = sequence
        self.ended = threading.Event()
        self.outcome: Answer | Error | None = None
        self.problem = ""

    def end(self, outcome: Answer | Error | None, problem: str = "") -> None:
        """Note the outcome."""
        self.outcome, self.problem = outcome, problem
        self.ended.set()


class Line:
    """A connection that comes back; one request at a time.

    Attributes:
        dropped: Answers that nobody waited for any more, or that came twice.
    """

    def __init__(
        self, address: ServerAddress, hello: Hello, accept: Callable[[Welcome], str]
    ) -> None:
        """Prepare.

        Args:
            address: Where the server is.
            hello: Sent first.
            accept: Returns why a server that welcomes the robot cannot be used; empty: it can.
        """
        self.dropped = 0
        self._url, self._tls = address.url, address.tls()
        self._hello = encode(hello)
        self._accept = accept
        self._state = LineState()
        self._closing = threading.Event()
        self._changed = threading.Condition()
        self._connection: ClientConnection | None = None
        self._request: Request | None = None
        self._pinged: dict[int, float] = {}  # when each ping was sent
        self._thread = threading.Thread(target=self._run, name="server line", daemon=True)

    @property
    def state(self) -> LineState:
        """How the line is now."""
        return self._state

    def start(self) -> None:
        """Connect, and stay connected until `close`."""
        self._thread.start()

    def close(self) -> None:
        """Disconnect for good."""
        self._closing.set()
        connection = self._connection
        if connection is not None:
            connection.close()
        self._thread.join(_CLOSE)  # longer only while it connects

    def wait(self, seconds: float) -> LineState:
        """Wait for a connection or for what ends the attempts; return how the line is then."""
        with self._changed:
            self._changed.wait_for(lambda: self._state.welcome or self._state.lasting, seconds)
            return self._state

    def ask(self, infer: Infer) -> Request:
        """Send a request; the one before is forgotten.

        Raises:
            RemotePolicyError: There is no connection, or it is lost meanwhile.
            ValueError: The message is larger than the server accepts.
        """
        state, connection = self._state, self._connection
        if state.welcome is None or connection is None:
            raise RemotePolicyError(f"{self._url}: {state.problem}")
        data, most = encode(infer), state.welcome.limits.message_bytes
        if len(data) > most:
            raise ValueError(
                f"the pictures take {len(data)} bytes, the server accepts {most}: send JPEGs "
                "(server_images) or smaller pictures"
            )
        self._request = request = Request(infer.sequence)
        try:
            connection.send(data)
        except (OSError, WebSocketException) as error:
            _cut(connection)  # the thread sees it and does the rest
            raise RemotePolicyError(f"{self._url}: cannot send: {_words(error)}") from error
        if self._connection is not connection:
            # Lost meanwhile, perhaps before the request was noted.
            request.end(None, self._state.problem or "it was lost")
        return request

    def cancel(self, request: Request) -> None:
        """Drop the answer to a request, and have the server not compute it."""
        self._request = None
        connection = self._connection
        if connection is not None:
            with contextlib.suppress(OSError, WebSocketException):
                connection.send(encode(Cancel(request.sequence)))

    def _run(self) -> None:
        failures = 0
        while not self._closing.is_set():
            connections = self._state.connections
            try:
                self._connect()
            except RefusedError as error:
                self._lose(str(error), lasting=True)
            except ssl.SSLCertVerificationError as error:
                text = f"its certificate is not trusted: {error.verify_message}; see server_ca"
                self._lose(text, lasting=True)
            except Exception as error:  # noqa: BLE001 - whatever it is, the next one may be better
                self._lose(_words(error))
            if self._state.connections > connections and self._state.ping is not None:
                failures = 0  # it was a good one
            pause = min(_FIRST_PAUSE * 2.0**failures, _LONGEST_PAUSE)
            failures = min(failures + 1, _MOST_DOUBLED)
            # Not all robots at once, when a server comes back.
            self._closing.wait(pause * random.uniform(0.5, 1.0))

    def _connect(self) -> None:
        """Connect, and receive until the connection ends, which raises."""
        opened = connect(
            self._url,
            ssl=self._tls,
            compression=None,  # pictures are compressed already, or shall not cost time
            open_timeout=_OPEN,
            close_timeout=_CLOSE,
            ping_interval=None,  # see wire.Ping
            max_size=MAX_SMALL_MESSAGE,
            proxy=None,
        )
        with opened as connection:
            # Without it, sending to a line that is cut would block for minutes. TLS repeats a write
            # that times out (SO_SNDTIMEO), so the connection itself must end.
            silence = int(1000 * _SILENCE)  # ms
            connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, silence)
            try:
                welcome = self._greet(connection)
                self._connection, self._pinged = connection, {}
                number = self._state.connections + 1
                self._note(LineState(welcome, "", connections=number))
                self._receive(connection)
            except (RemotePolicyError, WireError):
                _cut(connection)  # or it would wait for the other end to close as well
                raise

    def _greet(self, connection: ClientConnection) -> Welcome:
        connection.send(self._hello)
        try:
            message = decode(connection.recv(timeout=_OPEN), (Welcome, Refusal), MAX_SMALL_MESSAGE)
        except TimeoutError:
            raise RemotePolicyError(f"no greeting within {_OPEN:.0f} s") from None
        except ProtocolError as error:
            raise RefusedError(f"it has another version: {error}") from error
        if isinstance(message, Refusal):
            text = f"refused: {message}"
            raise (RefusedError if message.kind in LASTING else RemotePolicyError)(text)
        if reason := self._accept(message):
            raise RefusedError(reason)
        assert isinstance(message, Welcome)
        return message

    def _receive(self, connection: ClientConnection) -> None:
        received = next_ping = time.monotonic()
        number = 0
        while not self._closing.is_set():
            now = time.monotonic()
            if now > received + _SILENCE:
                raise RemotePolicyError(f"nothing has arrived for {_SILENCE:.0f} s")
            if now >= next_ping:
                next_ping, number = now + _PING, number + 1
                self._pinged[number] = now
                connection.send(encode(Ping(number)))
            try:
                data = connection.recv(timeout=_POLL)
            except TimeoutError:
                continue
            received = time.monotonic()
            self._take(decode(data, FROM_SERVER, MAX_SMALL_MESSAGE))

    def _take(self, message: Answer | Error | Pong) -> None:
        if isinstance(message, Pong):
            sent = self._pinged.pop(message.number, None)
            if sent is not None:
                self._note(replace(self._state, ping=time.monotonic() - sent))
            return
        if message.sequence is None:
            raise RemotePolicyError(f"it cannot read what it is sent: {message.sentence}")
        request = self._request
        if request is None or request.sequence != message.sequence:
            self.dropped += isinstance(message, Answer)
            return
        self._request = None
        request.end(message)

    def _lose(self, problem: str, lasting: bool = False) -> None:
        """Note that there is no connection and why, and end what waits for it."""
        self._connection = None
        self._note(replace(self._state, welcome=None, problem=problem, lasting=lasting))
        request, self._request = self._request, None
        if request is not None:
            request.end(None, problem)

    def _note(self, state: LineState) -> None:
        with self._changed:
            self._state = state
            self._changed.notify_all()


def _cut(connection: ClientConnection) -> None:
    """End a connection at once, also where it blocks."""
    with contextlib.suppress(OSError):
        connection.socket.shutdown(socket.SHUT_RDWR)


def differences(first: Welcome, now: Welcome) -> str:
    """Return what a server that the robot returns to does otherwise than before, as a sentence."""
    found = []
    if now.profile != first.profile:
        found.append(Difference("profile", _name(first), _name(now)))
    before, after = first.statistics, now.statistics
    same = before.key == after.key and all(
        getattr(before, name).tobytes() == getattr(after, name).tobytes()
        for name in ("q01", "q99", "mask")
    )
    if not same:
        found.append(Difference("action statistics", before.key, after.key))
    if not found:
        return ""
    return (
        f"it now serves another checkpoint, '{now.checkpoint}' instead of '{first.checkpoint}' "
        f"({'; '.join(map(str, found))}): configure this node again"
    )


def _name(welcome: Welcome) -> str:
    return f"'{welcome.profile.get('name', '')}'"


def _words(error: BaseException) -> str:
    """Return why a connection failed, for a person."""
    if isinstance(error, ConnectionClosed):
        return "the connection has ended"
    if isinstance(error, InvalidHandshake):
        return f"it is no policy server: {error}"
    if isinstance(error, WireError):
        return f"it sends what cannot be read: {error}"
    if isinstance(error, socket.gaierror):
        return f"its name is not known here: {error.strerror}"
    if isinstance(error, TimeoutError):
        return "it does not answer"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    return str(error) or type(error).__name__
