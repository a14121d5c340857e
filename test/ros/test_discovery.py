# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A service call is answered although its server has only just been discovered."""

import subprocess
import sys
from typing import Any

import pytest

pytest.importorskip("rclpy")

from std_srvs.srv import Trigger  # noqa: E402

from molmoact_ros.ros.discovery import wait_until_known  # noqa: E402

SERVER = """
import rclpy
from std_srvs.srv import Trigger

def answer(request, response):
    response.message = "done"
    return response

rclpy.init()
node = rclpy.create_node("server")
node.create_service(Trigger, "~/act", answer)
rclpy.spin(node)
"""


def test_one_call_is_answered_after_it(client: Any) -> None:
    node = client.node
    call = node.create_client(Trigger, "/server/act")
    server = subprocess.Popen([sys.executable, "-c", SERVER])
    try:
        client.wait_for(call.service_is_ready, "the service")
        wait_until_known(node, "/server", lambda what, ready: client.wait_for(ready, what))
        future = call.call_async(Trigger.Request())
        client.wait_for(future.done, "its answer")
    finally:
        server.kill()
        server.wait()
    assert future.result().message == "done"
    assert [each.srv_name for each in node.clients] == [call.srv_name], "its own client is gone"


def test_a_server_that_is_missing_is_named(client: Any) -> None:
    class Late(Exception):
        pass

    def wait_for(what: str, ready: Any) -> None:
        assert not ready()
        raise Late(what)

    with pytest.raises(Late, match="service /nobody/list_parameters"):
        wait_until_known(client.node, "/nobody", wait_for)
