# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Who may connect, how often, and with how much: address, tokens, certificate, limits."""

from __future__ import annotations

import hmac
import ipaddress
import os
import ssl
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from molmoact_ros.yaml_config import ProfileError, read_yaml, require

DEFAULT_PORT = 8750
MIN_TOKEN = 16  # characters: too many to try, as often as one connection permits


@dataclass(frozen=True)
class Limits:
    """What one client may take from the others.

    Attributes:
        message_bytes: Largest message; two raw pictures of 1920 x 1080 have 12.5 MB.
        rate: Requests per second of one connection; one that sends more is not read for a while.
        burst: Requests that may come at once.
        connections: At once from one address; an address may be a whole lab behind a router.
        sockets: At once from all of them, those included that have not sent anything yet.
        handshake: s from the connection to a complete hello.
        silence: s without a sign of life (websocket pings) after which a connection is gone.
        send: s that a client may take to read an answer.
        idle: s without a request after which a session's memory on its replica is freed.
        answer: s for one answer, waiting included, where the request does not ask for less.
    """

    message_bytes: int = 16_000_000
    rate: float = 20.0
    burst: int = 5
    connections: int = 32
    sockets: int = 256
    handshake: float = 5.0
    silence: float = 5.0
    send: float = 5.0
    idle: float = 60.0
    answer: float = 30.0


@dataclass(frozen=True)
class Access:
    """Which robot a token belongs to.

    Attributes:
        tokens: By robot; empty: none is needed, and a robot may have any name.
    """

    tokens: Mapping[str, str] = field(default_factory=dict, repr=False)

    def permits(self, robot: str, token: str) -> bool:
        """Whether a token is that of a robot; takes the same time for each that is not."""
        right = self.tokens.get(robot, "")
        is_right = hmac.compare_digest(token.encode(), right.encode())
        return not self.tokens or (is_right and bool(right))


def read_tokens(path: str | Path) -> Access:
    """Read a YAML file `robot: token`.

    Raises:
        ProfileError: It cannot be read, others than its owner may read it, a token is too short or
            has two robots.
    """
    tokens = read_yaml(path)
    mode = stat.S_IMODE(os.stat(path).st_mode)
    require(
        not mode & 0o077, str(path), f"others may read it (mode {mode:o}): run chmod 600 {path}"
    )
    require(isinstance(tokens, dict) and bool(tokens), str(path), "must hold lines 'robot: token'")
    for robot, token in tokens.items():
        is_usable = isinstance(token, str) and len(token) >= MIN_TOKEN
        is_usable = is_usable and token.isascii() and token.isprintable() and " " not in token
        if not is_usable:
            raise ProfileError(
                f"{path}: {robot}",
                f"the token must have {MIN_TOKEN} or more ASCII characters without blanks, such as "
                "`openssl rand -hex 24` prints; in quotes where they are digits only",
            )
    require(len(set(tokens.values())) == len(tokens), str(path), "two robots have the same token")
    return Access(tokens)


def parse_address(text: str) -> tuple[str, int]:
    """Split `HOST`, `HOST:PORT` or `[IPV6]:PORT`.

    Raises:
        ValueError: It is none of these.
    """
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(DEFAULT_PORT)
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not host or not port.isdecimal() or int(port) > 65535 or ("[" in host or "]" in host):
        raise ValueError(f"--address: '{text}' is not like 127.0.0.1:{DEFAULT_PORT}")
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to an address; a name is looked at as it is."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def tls_context(certificate: str | Path, key: str | Path) -> ssl.SSLContext:
    """Return what a server needs for TLS.

    Raises:
        ValueError: A file cannot be read, or they do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:  # ssl.SSLError is one
        reason = error.strerror or str(error)
        raise ValueError(f"--certificate {certificate}, --key {key}: {reason}") from error
    return context


class Rate:
    """How long a client has to wait before its next request is read."""

    def __init__(
        self, per_second: float, burst: int, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._period = 1.0 / per_second
        self._slack = (burst - 1) * self._period
        self._now = now
        self._next = 0.0

    def take(self) -> float:
        """Count a request and return the s to wait before it is handled."""
        now = self._now()
        self._next = max(self._next, now)  # when the last one has been paid for
        wait = max(0.0, self._next - self._slack - now)
        self._next += self._period
        return wait
