# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Who may use the page: hosts, origins, the token, and how many at once.

Stands before the whole application, so that nothing behind it sees a request that is refused.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

MAX_SOCKETS = 32  # websockets at once, two for each page that reloads
_HEADERS = (
    (b"x-frame-options", b"DENY"),  # or a foreign page could lay ours below its buttons
    (b"content-security-policy", b"frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
_FORM = """<!doctype html><meta name=viewport content="width=device-width"><title>Console</title>
<style>body{font:16px sans-serif;margin:3em auto;max-width:26em}input{font-size:16px}</style>
<form action="/"><p>%s</p><p><input name=token type=password autocomplete=off autofocus>
<button>Open</button></p></form>"""


@dataclass(frozen=True)
class Refusal:
    """Why a request is refused, with HTTP's status."""

    status: int
    text: str


class Access:
    """The rules; a pure function of a request's headers.

    Attributes:
        token: That a browser must know; empty: none is needed.
        cookie: Name of the cookie that keeps it.
    """

    def __init__(self, token: str, hosts: Iterable[str], port: int) -> None:
        """Set the rules.

        Args:
            token: Empty: none is needed.
            hosts: Names besides localhost and IP addresses.
            port: Of the server; cookies are shared between the ports of a host.
        """
        self.token = token
        self.cookie = f"molmoact_console_{port}"
        self._hosts = frozenset(host.lower() for host in hosts) | {"localhost"}

    def refusal(self, headers: Mapping[str, str], *, websocket: bool) -> Refusal | None:
        """Return why a request is refused for where it comes from, None where it is not.

        Args:
            headers: By name in small letters.
            websocket: Browsers always name the origin of these.
        """
        host = headers.get("host", "")
        if not self._knows(host):
            return Refusal(
                403, f"host '{host:.100}' is not among the parameter 'hosts' of molmoact_console"
            )
        origin = headers.get("origin")
        if origin is None and websocket:
            return Refusal(403, "a websocket without an origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return Refusal(403, f"the page of another origin, '{origin:.100}'")
        foreign = headers.get("sec-fetch-site") in ("cross-site", "same-site")
        if foreign and headers.get("sec-fetch-mode") != "navigate":
            return Refusal(403, "a part of another site's page")
        return None

    def knows_token(self, headers: Mapping[str, str]) -> bool:
        """Return whether a request has the cookie with the token, or needs none."""
        if not self.token:
            return True
        try:
            morsel = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            return False
        return morsel is not None and self.is_token(morsel.value)

    def is_token(self, text: str) -> bool:
        """Compare in a time that does not depend on where the texts differ."""
        return hmac.compare_digest(text.encode(), self.token.encode())

    def _knows(self, host: str) -> bool:
        # A name that an attacker's DNS has bound to this address has his name in it.
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._hosts
        return True


class Guard:
    """An ASGI application around another: refuses, or hands on."""

    def __init__(self, app: Any, access: Access) -> None:
        self.app = app
        self._access = access
        self._sockets = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle a connection."""
        if scope["type"] == "http":
            await self._http(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _http(self, scope: Any, receive: Any, send: Any) -> None:
        headers = _headers(scope)
        if scope["method"] not in ("GET", "HEAD"):
            await _answer(send, 405, "only GET; the page talks by websocket")
        elif refusal := self._access.refusal(headers, websocket=False):
            await _answer(send, refusal.status, refusal.text)
        elif self._access.knows_token(headers):
            await self.app(scope, receive, send)
        else:
            await self._ask_for_token(scope, send)

    async def _ask_for_token(self, scope: Any, send: Any) -> None:
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if self._access.is_token(given):
            secure = "; Secure" if scope["scheme"] == "https" else ""
            cookie = (
                f"{self._access.cookie}={self._access.token}; HttpOnly; SameSite=Strict; Path=/"
                f"; Max-Age=2592000{secure}"
            )
            # A page instead of a redirect: a strict cookie is not sent with one from another site.
            page = b'<!doctype html><meta http-equiv=refresh content="0;url=/">'
            await _respond(send, 200, page, "text/html", [(b"set-cookie", cookie.encode())])
            return
        text = "This is not the token." if given else "The console's token, from its log:"
        await _respond(send, 401, (_FORM % text).encode(), "text/html; charset=utf-8")

    async def _websocket(self, scope: Any, receive: Any, send: Any) -> None:
        headers = _headers(scope)
        refused = (
            self._access.refusal(headers, websocket=True)
            or not self._access.knows_token(headers)
            or self._sockets >= MAX_SOCKETS
        )
        if refused:
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        self._sockets += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._sockets -= 1


def _headers(scope: Any) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _with_headers(send: Any) -> Any:
    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *_HEADERS]}
        await send(message)

    return sending


async def _answer(send: Any, status: int, text: str) -> None:
    await _respond(send, status, f"{text}\n".encode(), "text/plain; charset=utf-8")


async def _respond(
    send: Any, status: int, body: bytes, kind: str, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    fixed = [
        (b"content-type", kind.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    start = {"type": "http.response.start", "status": status, "headers": fixed + (headers or [])}
    await send(start)
    await send({"type": "http.response.body", "body": body})
