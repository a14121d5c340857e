# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Who is let in."""

import pytest

from molmoact_ros.console.access import Access

TOKEN = "a-token-of-some-length"
OPEN = Access("", (), 8090)
CLOSED = Access(TOKEN, ("robot.example",), 8090)


@pytest.mark.parametrize("host", ["127.0.0.1:8090", "localhost:8090", "[::1]:8090", "10.0.0.5"])
def test_addresses_and_localhost_are_hosts(host: str) -> None:
    assert OPEN.refusal({"host": host}, websocket=False) is None
    own = {"host": host, "origin": f"http://{host}"}
    assert OPEN.refusal(own, websocket=True) is None


@pytest.mark.parametrize("host", ["evil.example:8090", "", "robot.example", "[::1", "127.0.0.1.x"])
def test_a_name_that_was_bound_to_this_address_by_somebody_else_is_refused(host: str) -> None:
    refusal = OPEN.refusal({"host": host, "origin": f"http://{host}"}, websocket=True)
    assert refusal is not None and "'hosts'" in refusal.text


def test_a_reverse_proxys_name_is_a_host_where_the_parameter_names_it() -> None:
    headers = {"host": "robot.example", "origin": "https://robot.example"}
    assert CLOSED.refusal(headers, websocket=True) is None


@pytest.mark.parametrize("websocket", [True, False])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:9999"])
def test_foreign_origins_are_refused(origin: str, websocket: bool) -> None:
    headers = {"host": "127.0.0.1:8090", "origin": origin}
    assert OPEN.refusal(headers, websocket=websocket) is not None


def test_a_websocket_names_its_origin() -> None:
    assert OPEN.refusal({"host": "127.0.0.1"}, websocket=True) is not None


@pytest.mark.parametrize("mode, refused", [("no-cors", True), ("navigate", False)])
def test_another_sites_page_may_link_but_not_embed(mode: str, refused: bool) -> None:
    headers = {"host": "127.0.0.1", "sec-fetch-site": "cross-site", "sec-fetch-mode": mode}
    assert (OPEN.refusal(headers, websocket=False) is not None) == refused


@pytest.mark.parametrize(
    "cookie, known",
    [
        (f"molmoact_console_8090={TOKEN}", True),
        (f"other=1; molmoact_console_8090={TOKEN}; b=2", True),
        (f"molmoact_console_9999={TOKEN}", False),
        ("molmoact_console_8090=wrong", False),
        ("molmoact_console_8090=", False),
        ("\x00;;==", False),
        ("", False),
    ],
)
def test_the_token_is_in_the_cookie(cookie: str, known: bool) -> None:
    assert CLOSED.knows_token({"cookie": cookie}) == known
    assert OPEN.knows_token({"cookie": cookie})


def test_texts_that_are_not_ascii_are_no_token() -> None:
    assert not CLOSED.is_token("ü" * 20)
