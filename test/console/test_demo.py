# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""scripts/demo.sh --console: the demonstration, left to the page."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("nicegui")
pytest.importorskip("molmoact_ros.msg")

from .conftest import until  # noqa: E402

PORT = 8090  # of config/demo.yaml


def status() -> int | None:
    """Return HTTP's status of the page, None while nobody listens."""
    try:
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
        connection.request("GET", "/")
        return connection.getresponse().status
    except OSError:
        return None


@pytest.mark.long
def test_the_demonstration_is_left_to_the_page_until_ctrl_c(
    ros_environment: dict[str, str], tmp_path: Path
) -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", PORT)) == 0:
            pytest.skip(f"port {PORT} is taken")
    demo = subprocess.Popen(
        [sys.executable, "-m", "molmoact_ros.demo", "--console", "--out", str(tmp_path)],
        env=os.environ | ros_environment,
        stdout=subprocess.PIPE,
        text=True,
        # Tests that run in the background of a shell inherit that SIGINT is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        until(lambda: status() == 200, "the page")
        demo.send_signal(signal.SIGINT)
        output, _ = demo.communicate(timeout=60)
    finally:
        demo.kill()
    assert demo.returncode == 130
    assert f"http://127.0.0.1:{PORT}/" in output and "stopped by Ctrl-C" in output
    assert status() is None
