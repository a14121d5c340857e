# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where a policy server is, and what it knows a robot by; checked before anything is connected."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from molmoact_ros.small_files import read_small_file

TOKEN_VARIABLE = "MOLMOACT_SERVER_TOKEN"
_MAX_TOKEN = 512  # characters
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_SCHEMES = ("ws", "wss")


class AddressError(ValueError):
    """An address or what belongs to it is wrong.

    Attributes:
        setting: Which of them: "server", "server_token_file" or "server_ca".
    """

    def __init__(self, setting: str, problem: str) -> None:
        super().__init__(problem)
        self.setting = setting


@dataclass(frozen=True)
class ServerAddress:
    """A policy server.

    Attributes:
        url: `ws://host:port`, or `wss://host:port` with TLS.
        token: That the server has given the robot; empty: none.
        ca: PEM file of the certificate that the server's must be signed by, or is; None: those
            that the system trusts.
    """

    url: str
    token: str = field(default="", repr=False)
    ca: Path | None = None

    @classmethod
    def read(cls, url: str, token_file: str = "", ca: str = "") -> ServerAddress:
        """Check an address and read its token.

        Args:
            url: As the attribute.
            token_file: File that holds the token; empty: the environment's `TOKEN_VARIABLE`.
            ca: PEM file; empty: what the system trusts.

        Raises:
            AddressError: The URL is none, a file cannot be read, or a package is not installed.
        """
        _check_url(url)
        missing = [name for name in ("msgpack", "websockets") if find_spec(name) is None]
        if missing:
            raise AddressError(
                "server", f"needs {', '.join(missing)}: pip install 'msgpack>=1.0.5' websockets"
            )
        address = cls(url, _token(token_file), Path(ca).expanduser() if ca else None)
        address.tls()
        return address

    def tls(self) -> ssl.SSLContext | None:
        """Return how the server proves who it is; None: `ws://`, it does not.

        Raises:
            AddressError: The file is none.
        """
        if not self.url.startswith("wss:"):
            if self.ca is not None:
                raise AddressError("server_ca", "is used with wss://, not with ws://")
            return None
        try:
            return ssl.create_default_context(cafile=None if self.ca is None else str(self.ca))
        except (OSError, ValueError) as error:  # SSLError is an OSError
            raise AddressError("server_ca", f"'{self.ca}' holds no certificate: {error}") from error

    @property
    def exposes_token(self) -> bool:
        """Whether the token goes over a network that others may read."""
        local = urlsplit(self.url).hostname in _LOOPBACK
        return bool(self.token) and not local and not self.url.startswith("wss:")


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        port_is_valid = parts.port is None or 0 < parts.port
    except ValueError:
        raise AddressError("server", f"'{url}' is no address; give ws://host:port") from None
    if parts.scheme not in _SCHEMES or not parts.hostname or not port_is_valid:
        raise AddressError("server", f"'{url}' is no address; give ws://host:port or wss://")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise AddressError(
            "server", "give host and port only; a token belongs into a file (server_token_file)"
        )


def _token(file: str) -> str:
    if not file:
        return _checked(os.environ.get(TOKEN_VARIABLE, "").strip(), f"variable {TOKEN_VARIABLE}")
    try:
        content = read_small_file(Path(file).expanduser(), 4 * _MAX_TOKEN).decode("ascii").strip()
    except OSError as error:
        raise AddressError("server_token_file", f"'{file}': {error.strerror}") from error
    except ValueError as error:
        raise AddressError("server_token_file", f"'{file}' holds no ASCII text") from error
    if not content:
        raise AddressError("server_token_file", f"'{file}' is empty")
    return _checked(content, f"'{file}'")


def _checked(token: str, place: str) -> str:
    if len(token) > _MAX_TOKEN or not token.isprintable() or " " in token:
        text = f"{place} must hold one word of at most {_MAX_TOKEN} characters"
        raise AddressError("server_token_file", text)
    return token
