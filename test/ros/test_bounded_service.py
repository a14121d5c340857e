# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Requests are measured before they are converted, and other threads run meanwhile."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("rclpy")

import rclpy  # noqa: E402
from rcl_interfaces.msg import Parameter, ParameterValue  # noqa: E402
from rcl_interfaces.srv import ListParameters, SetParameters  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402

from molmoact_ros.ros.bounded_service import BoundedService, bound_services  # noqa: E402
from molmoact_ros.ros.bounded_subscription import Refused  # noqa: E402

CAPACITY = 1000  # bytes
FITS = 900  # letters


class Server:
    """A node with bounded services, and a client of those of its parameters."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.node = rclpy.create_node("server", context=client.node.context)
        self.node.declare_parameter("text", "")
        bound_services(self.node, CAPACITY)
        self.executor = SingleThreadedExecutor(context=client.node.context)
        self.executor.add_node(self.node)
        self._set = client.node.create_client(SetParameters, "/server/set_parameters")
        self._list = client.node.create_client(ListParameters, "/server/list_parameters")
        for each in (self._set, self._list):
            client.wait_for(each.service_is_ready, each.srv_name)

    def request(self, value: ParameterValue) -> Any:
        """Set the parameter and return the future of the answer."""
        parameters = [Parameter(name="text", value=value)]
        return self._set.call_async(SetParameters.Request(parameters=parameters))

    def answer(self, future: Any) -> Any:
        """Return an answer."""
        self.client.wait_for(future.done, "an answer", lambda: self.executor.spin_once(0.01))
        return future.result()

    def set(self, letters: int) -> Any:
        """Set the parameter to a text and return the answer."""
        text = ParameterValue(type=4, string_value="x" * letters)
        return self.answer(self.request(text)).results[0]

    def names(self) -> list[str]:
        """Return the answer of another service."""
        return list(self.answer(self._list.call_async(ListParameters.Request())).result.names)

    def close(self) -> None:
        """Destroy everything."""
        self.executor.shutdown()
        self.node.destroy_node()
        for each in (self._set, self._list):
            self.client.node.destroy_client(each)


@pytest.fixture
def server(client: Any) -> Iterator[Server]:
    made = Server(client)
    yield made
    made.close()


def test_requests_that_fit_are_answered_by_all_services(server: Server) -> None:
    assert server.set(FITS).successful
    assert server.node.get_parameter("text").value == "x" * FITS
    assert "text" in server.names()
    assert len([w for w in server.node.waitables if isinstance(w, BoundedService)]) == len(
        list(server.node.services)
    )


def test_a_larger_one_is_refused_and_the_next_is_answered(
    server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    refused = server.request(ParameterValue(type=4, string_value="x" * (CAPACITY + FITS)))
    assert server.set(FITS).successful
    assert not refused.done()
    assert server.node.get_parameter("text").value == "x" * FITS
    text = capfd.readouterr().err
    assert "request to server/set_parameters dropped" in text
    assert f"at most {CAPACITY} are read" in text


def test_other_threads_run_while_a_large_request_is_taken(server: Server) -> None:
    take, ended = BoundedService.take_data, threading.Event()
    rounds = 0
    progress: list[int] = []  # of another thread while a refused request was taken

    def run() -> None:
        nonlocal rounds
        while not ended.is_set():
            rounds += 1
            time.sleep(0.0)  # lets others have the lock

    def take_and_measure(service: BoundedService) -> Any:
        before = rounds
        taken = take(service)
        if isinstance(taken, Refused):
            progress.append(rounds - before)
        return taken

    thread = threading.Thread(target=run)
    thread.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(BoundedService, "take_data", take_and_measure)
            large = ParameterValue(type=9, string_array_value=["name"] * 500_000)
            for count in range(1, 21):  # on a busy machine the other thread may have no core
                server.request(large)
                server.client.wait_for(
                    lambda count=count: len(progress) >= count, "the request",
                    lambda: server.executor.spin_once(0.01),
                )  # fmt: skip
                if progress[-1] > 20:
                    break
    finally:
        ended.set()
        thread.join()
    assert max(progress) > 20  # with the lock held: 0 or 1


def test_one_is_destroyed_with_a_request_that_waits_and_the_others_go_on(server: Server) -> None:
    services = [each for each in server.node.waitables if isinstance(each, BoundedService)]
    gone = next(each for each in services if each.service.srv_name.endswith("/set_parameters"))
    server.request(ParameterValue())
    server.client.spin(0.2)
    server.node.remove_waitable(gone)
    server.node.destroy_service(gone.service)
    assert gone not in list(server.node.waitables)
    assert gone.service not in list(server.node.services)
    assert gone.take_data() is None
    assert "text" in server.names()
