# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The end of the line that robots connect to: one websocket each, in one thread for all.

A server of its own and not Ray Serve's HTTP proxy: that reads requests and buffers answers for a
client before anything here could refuse it, and needs an actor's hop for every byte. Here a robot
costs the others nothing but its share of one thread: it is read no faster than its rate, at most
two of its messages are in memory, an answer that it does not read ends its connection, and what
takes time (pictures, passes) is done by the replicas.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import struct
from collections import Counter
from dataclasses import dataclass, replace
from socket import SO_LINGER, SO_SNDBUF, SOL_SOCKET
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from molmoact_ros.remote.codec import ProtocolError, decode, encode
from molmoact_ros.remote.exchange import package_version
from molmoact_ros.remote.fields import WireError
from molmoact_ros.remote.wire import (
    FROM_ROBOT,
    MAX_SMALL_MESSAGE,
    PROTOCOL,
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
from molmoact_ros.remote.wire import Limits as RobotLimits

from .access import Access, Limits, Rate
from .fleet import Fleet

_BUFFER = 1 << 16  # bytes of answers for a client that does not read, here and in the system

log = logging.getLogger("molmoact-serve")


@dataclass
class _Line:
    """A robot's connection.

    Attributes:
        hello: What the robot is.
        socket: Its websocket.
        sequence: Of the last request.
        asked: What computes its answer; may be cancelled.
        task: What sends it.
    """

    hello: Hello
    socket: ServerConnection
    sequence: int = -1
    asked: asyncio.Task[Answer | Error | Refusal] | None = None
    task: asyncio.Task[None] | None = None

    async def stop(self) -> None:
        """Give up the answer that is computed, and wait until that is sent."""
        if self.asked is not None and self.task is not None:
            self.asked.cancel()
            await asyncio.wait([self.task])


class Front:
    """The connections to the robots; everything in one event loop."""

    def __init__(self, fleet: Fleet, access: Access, limits: Limits, max_sessions: int) -> None:
        """Prepare.

        Args:
            fleet: Answers.
            access: Who may connect.
            limits: What one client may take.
            max_sessions: Robots at once, on all replicas together.
        """
        self._fleet = fleet
        self._access = access
        self._limits = limits
        self._max_sessions = max_sessions
        self._lines: dict[str, _Line] = {}
        self._addresses: Counter[str] = Counter()

    async def listen(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> Server:
        """Accept robots from now on, and return the server.

        Raises:
            OSError: The address cannot be listened on.
        """
        limits = self._limits
        return await serve(
            self._handle,
            host,
            port,
            ssl=tls,
            create_connection=self._connection,  # type: ignore[arg-type]
            process_request=self._check_address,
            max_size=MAX_SMALL_MESSAGE,  # until the robot is known
            max_queue=1,
            write_limit=_BUFFER,
            compression=None,  # pictures and weights of nothing: only a way to fill memory
            open_timeout=limits.handshake,
            ping_interval=limits.silence / 2,
            ping_timeout=limits.silence,
            close_timeout=1.0,
            logger=logging.getLogger("molmoact-serve.websocket"),
        )

    @property
    def robots(self) -> list[str]:
        """Names of those that are connected."""
        return list(self._lines)

    def _connection(self, *arguments: Any, **options: Any) -> ServerConnection:
        return _Counted(self._addresses, self._limits.sockets, *arguments, **options)

    def _check_address(self, socket: ServerConnection, request: Request) -> Response | None:
        address = _address(socket)
        if self._addresses[address] > self._limits.connections:
            text = f"more than {self._limits.connections} connections from {address}\n"
            return socket.respond(429, text)
        return None

    async def _handle(self, socket: ServerConnection) -> None:
        """Serve one connection from hello to end."""
        try:
            data = await asyncio.wait_for(socket.recv(), self._limits.handshake)
            hello = self._read_hello(data)
        except (ConnectionClosed, asyncio.TimeoutError):
            return
        line = hello if isinstance(hello, Refusal) else await self._take_place(hello, socket)
        if isinstance(line, Refusal):
            return await self._refuse(socket, hello, line)
        assert isinstance(hello, Hello)
        log.info("%s connected from %s", hello.robot, _address(socket))
        try:
            reply = await asyncio.wait_for(self._fleet.open(hello), self._limits.answer)
            if isinstance(reply, Refusal):
                return await self._refuse(socket, hello, reply)
            socket.protocol.max_message_size = self._limits.message_bytes
            await self._send(line, replace(reply, limits=self._robot_limits(reply)))
            await self._converse(line)
        except asyncio.TimeoutError:
            await self._refuse(socket, hello, Refusal("fault", "no replica has answered"))
        except ConnectionClosed as end:
            log.info("%s: %r", hello.robot, str(end))  # may have words of the client
        finally:
            await line.stop()
            if self._lines.get(hello.robot) is line:  # nobody has taken its place
                del self._lines[hello.robot]
                await self._fleet.close(hello.robot)

    def _read_hello(self, data: bytes | str) -> Hello | Refusal:
        try:
            hello = decode(data, (Hello,), MAX_SMALL_MESSAGE)
        except ProtocolError as error:
            ours = f"{PROTOCOL} (molmoact_ros {package_version()})"
            difference = Difference("protocol", error.theirs, ours)
            text = "install the same version of molmoact_ros on robot and server"
            return Refusal("protocol", text, (difference,))
        except WireError as error:
            return Refusal("protocol", f"hello: {error}"[:2000])
        if not hello.robot or not hello.robot.isprintable():
            return Refusal("settings", "the robot has no name, or one that cannot be printed")
        if not self._access.permits(hello.robot, hello.token):
            return Refusal("token", f"the token is not that of robot '{hello.robot}'")
        return hello

    async def _take_place(self, hello: Hello, socket: ServerConnection) -> _Line | Refusal:
        """Follow an old connection of the same node; refuse another node with its robot's name."""
        old = self._lines.get(hello.robot)
        if old is None and len(self._lines) >= self._max_sessions:
            text = f"{len(self._lines)} robots are connected, the most that this server takes"
            return Refusal("full", f"{text}: end one, or start it with a larger --max-sessions")
        if old is not None and old.hello.session != hello.session:
            text = f"another node is connected as robot '{hello.robot}', from "
            text += f"{_address(old.socket)}: each robot needs a name of its own"
            return Refusal("session", text)
        line = self._lines[hello.robot] = _Line(hello, socket)
        if old is not None:
            log.info("%s has come back before its old connection ended", hello.robot)
            _cut(old.socket)
            await old.stop()
        return line

    async def _converse(self, line: _Line) -> None:
        rate = Rate(self._limits.rate, self._limits.burst)
        async for data in line.socket:
            try:
                message = decode(data, FROM_ROBOT, self._limits.message_bytes)
            except WireError as error:
                await self._send(line, Error(None, "observation", str(error)[:2000]))
                return
            if isinstance(message, Ping):
                await self._send(line, Pong(message.number))
            elif isinstance(message, Cancel):
                if line.asked is not None and message.sequence == line.sequence:
                    line.asked.cancel()
            elif wait := rate.take():
                text = f"more than {self._limits.rate:g} requests per second"
                await self._send(line, Error(message.sequence, "limit", text))
                await asyncio.sleep(wait)  # meanwhile nothing is read
            else:
                await line.stop()
                line.sequence = message.sequence
                line.asked = asyncio.create_task(self._fleet.infer(line.hello, message))
                line.task = asyncio.create_task(self._answer(line, message, line.asked))

    async def _answer(
        self, line: _Line, request: Infer, asked: asyncio.Task[Answer | Error | Refusal]
    ) -> None:
        reply: Answer | Error | Refusal
        try:
            reply = await asyncio.wait_for(asked, self._limits.answer)
        except asyncio.CancelledError:
            reply = Error(request.sequence, "stopped", "not wanted any more")
        except asyncio.TimeoutError:
            text = f"no answer within {self._limits.answer:g} s"
            reply = Error(request.sequence, "fault", text)
        except Exception:
            log.exception("%s: request %d", line.hello.robot, request.sequence)
            reply = Error(request.sequence, "fault", "the server has failed; see its log")
        try:
            if isinstance(reply, Refusal):  # another checkpoint than at the hello
                await self._refuse(line.socket, line.hello, reply)
            else:
                await self._send(line, reply)
        except ConnectionClosed:
            pass  # the reading side ends the line

    async def _send(self, line: _Line, message: Any) -> None:
        # Not by a timeout around `send`: its own clean-up waits for a client that does not read.
        def end() -> None:
            log.warning("%s does not read: its connection is ended", line.hello.robot)
            _cut(line.socket)

        timer = asyncio.get_running_loop().call_later(self._limits.send, end)
        try:
            await line.socket.send(encode(message))
        finally:
            timer.cancel()

    async def _refuse(self, socket: ServerConnection, who: Any, refusal: Refusal) -> None:
        name = who.robot if isinstance(who, Hello) else "a client"
        log.warning("%s from %s is refused: %r", name, _address(socket), str(refusal))
        loop = asyncio.get_running_loop()
        timer = loop.call_later(self._limits.send, _cut, socket)
        try:
            await socket.send(encode(refusal))
        except ConnectionClosed:
            pass
        finally:
            timer.cancel()
        await socket.close()

    def _robot_limits(self, welcome: Welcome) -> RobotLimits:
        return replace(
            welcome.limits,
            message_bytes=self._limits.message_bytes,
            requests_per_second=self._limits.rate,
        )


class _Counted(ServerConnection):
    """A connection that is counted from its first byte on; too many are cut without a word."""

    def __init__(self, counts: Counter[str], most: int, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._counts, self._most, self._counted = counts, most, ""

    def connection_made(self, transport: Any) -> None:
        """Count it."""
        raw = transport.get_extra_info("socket")
        raw.setsockopt(SOL_SOCKET, SO_SNDBUF, _BUFFER)
        super().connection_made(transport)
        self._counted = _address(self)
        self._counts[self._counted] += 1
        if self._counts.total() > self._most:
            _cut(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it no longer."""
        super().connection_lost(exc)
        self._counts[self._counted] -= 1
        if not self._counts[self._counted]:
            del self._counts[self._counted]


def _cut(socket: ServerConnection) -> None:
    """End a connection at once; else the system keeps what was not read, for minutes."""
    with contextlib.suppress(OSError):  # it has ended
        raw = socket.transport.get_extra_info("socket")
        raw.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    socket.transport.abort()


def _address(socket: ServerConnection) -> str:
    address = socket.remote_address
    return str(address[0]) if address else "unknown"
