# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Who may connect: tokens, addresses, rates."""

from pathlib import Path

import pytest

from molmoact_ros.serve.access import (
    Access,
    Rate,
    is_loopback,
    parse_address,
    read_tokens,
    tls_context,
)
from molmoact_ros.yaml_config import ProfileError

TOKEN = "0123456789abcdef-arm1"


def tokens_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "tokens.yaml"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_tokens_are_read(tmp_path: Path) -> None:
    access = read_tokens(tokens_file(tmp_path, f"arm1: {TOKEN}\narm2: {TOKEN}-other\n"))
    assert access.permits("arm1", TOKEN)
    assert TOKEN not in repr(access)


@pytest.mark.parametrize(
    ("robot", "token"),
    [("arm2", TOKEN), ("arm1", ""), ("arm1", TOKEN + "x"), ("arm3", ""), ("arm3", TOKEN)],
)
def test_only_a_robot_s_own_token_is_its_token(robot: str, token: str) -> None:
    assert not Access({"arm1": TOKEN, "arm2": TOKEN + "-other"}).permits(robot, token)


def test_without_tokens_none_is_asked_for() -> None:
    assert Access().permits("arm1", "")


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        (f"arm1: {TOKEN}\n", 0o644, "chmod 600"),
        (f"arm1: {TOKEN}\n", 0o640, "others may read it"),
        ("arm1: short\n", 0o600, "16 or more"),
        ("arm1: 12345678901234567890\n", 0o600, "in quotes"),
        (f"arm1: {TOKEN}\narm2: {TOKEN}\n", 0o600, "same token"),
        ("- arm1\n", 0o600, "'robot: token'"),
        ("{}\n", 0o600, "'robot: token'"),
    ],
)
def test_unsafe_tokens_are_refused(tmp_path: Path, text: str, mode: int, words: str) -> None:
    path = tokens_file(tmp_path, text, mode)
    with pytest.raises(ProfileError, match=words) as refused:
        read_tokens(path)
    assert str(path) in str(refused.value) and TOKEN not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1", ("127.0.0.1", 8750)),
        ("0.0.0.0:9000", ("0.0.0.0", 9000)),
        ("[::1]:9000", ("::1", 9000)),
        ("[::1]", ("::1", 8750)),
        ("gpu.lab:1", ("gpu.lab", 1)),
    ],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", ":1", "host:", "host:x", "host:70000", "[::1:1"])
def test_wrong_addresses_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="--address"):
        parse_address(text)


def test_loopback() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.8.8.8", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.0.2", "gpu.lab", "")))


def test_a_certificate_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--certificate .*server.pem.*No such file"):
        tls_context(tmp_path / "server.pem", tmp_path / "server.key")
    (tmp_path / "server.pem").write_text("nothing")
    (tmp_path / "server.key").write_text("nothing")
    with pytest.raises(ValueError, match="--certificate"):
        tls_context(tmp_path / "server.pem", tmp_path / "server.key")


def test_a_rate_lets_a_burst_through_and_then_its_own_pace() -> None:
    now = 0.0
    rate = Rate(10.0, 3, lambda: now)
    assert [rate.take() for _ in range(4)] == pytest.approx([0.0, 0.0, 0.0, 0.1])
    now = 10.0
    assert [rate.take() for _ in range(4)] == pytest.approx([0.0, 0.0, 0.0, 0.1])
