# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Capture on a device that is not the current one, with a stand-in for CUDA's calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor

from molmoact_ros.decoding.capture import GraphStream, computing_on

SECOND = torch.device("cuda:1")


class _Stream:
    """A stream: of a device, perhaps capturing into a graph."""

    def __init__(self, device: torch.device | int) -> None:
        self.index = device if isinstance(device, int) else device.index or 0
        self.graph: _Graph | None = None

    def wait_stream(self, other: _Stream) -> None:
        """All work here is done at once, so there is nothing to wait for."""


class _Graph:
    """What was launched while a stream captured."""

    def __init__(self) -> None:
        self.kernels: list[Callable[[], None]] = []
        self.pool: Any = None
        self.mode = ""

    def replay(self) -> None:
        for kernel in self.kernels:
            kernel()


class _TwoGpus:
    """Torch's CUDA with two devices, as far as capturing goes: what is not named is current."""

    def __init__(self) -> None:
        self.current = 0
        self.streams = [_Stream(0), _Stream(1)]  # current ones

    def launch(self, index: int, kernel: Callable[[], None]) -> None:
        """Run a kernel of a tensor on a device, or capture it where its stream captures."""
        graph = self.streams[index].graph
        if graph is None:
            kernel()
        else:
            graph.kernels.append(kernel)

    @contextmanager
    def device(self, device: torch.device) -> Iterator[None]:
        before, self.current = self.current, device.index
        yield
        self.current = before

    def make_stream(self, device: torch.device | None = None) -> _Stream:
        return _Stream(self.current if device is None else device)

    def current_stream(self, device: torch.device | None = None) -> _Stream:
        return self.streams[self.current if device is None else device.index]

    @contextmanager
    def stream(self, stream: _Stream) -> Iterator[None]:
        before, current = self.streams[stream.index], self.current
        self.streams[stream.index], self.current = stream, stream.index
        yield
        self.streams[stream.index], self.current = before, current

    @contextmanager
    def graph(
        self,
        graph: _Graph,
        pool: Any = None,
        stream: _Stream | None = None,
        capture_error_mode: str = "global",
    ) -> Iterator[None]:
        stream = stream or self.make_stream()
        graph.pool, graph.mode = pool, capture_error_mode
        with self.stream(stream):
            stream.graph = graph
            yield
            stream.graph = None

    def is_current_stream_capturing(self) -> bool:
        return self.current_stream().graph is not None


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> _TwoGpus:
    found = _TwoGpus()
    for name, stand_in in {
        "device": found.device,
        "Stream": found.make_stream,
        "stream": found.stream,
        "current_stream": found.current_stream,
        "graph": found.graph,
        "CUDAGraph": _Graph,
        "is_current_stream_capturing": found.is_current_stream_capturing,
        "graph_pool_handle": object,
    }.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    return found


@pytest.fixture
def doubling(gpus: _TwoGpus) -> tuple[Tensor, Callable[[], Tensor]]:
    """Return a computation on the second GPU: its input, and the function."""
    source, result = torch.ones(1), torch.zeros(1)

    def double() -> None:
        result.copy_(2 * source)

    def compute() -> Tensor:
        gpus.launch(1, double)
        return result

    return source, compute


def test_another_device_than_the_current_one_is_captured(gpus: Any, doubling: Any) -> None:
    source, compute = doubling
    replay, result = GraphStream(SECOND).capture(compute)
    for value in (3.0, 5.0):
        source.fill_(value)
        replay()
        assert result.item() == 2 * value
    assert gpus.current == 0, "the caller's device is as before"


def test_the_stand_in_shows_what_goes_wrong_without_naming_the_device(
    gpus: Any, doubling: Any
) -> None:
    source, compute = doubling
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = compute()
        assert torch.cuda.is_current_stream_capturing()
    source.fill_(3.0)
    graph.replay()
    assert result.item() == 2.0, "stale: computed once, while nothing was captured there"


def test_graphs_share_stream_and_pool_and_ignore_other_threads(
    gpus: Any, monkeypatch: pytest.MonkeyPatch, doubling: Any
) -> None:
    made: list[tuple[_Graph, _Stream]] = []

    @contextmanager
    def graph(captured: Any, pool: Any, stream: Any, capture_error_mode: Any) -> Iterator[Any]:
        made.append((captured, stream))
        with gpus.graph(captured, pool, stream, capture_error_mode):
            yield

    monkeypatch.setattr(torch.cuda, "graph", graph)
    stream = GraphStream(SECOND)
    for _ in range(2):
        stream.capture(doubling[1])
    (first, used), (second, used_again) = made
    assert used is used_again and first.pool is second.pool is not None
    assert first.mode == second.mode == "thread_local"


def test_nothing_captured_is_an_error(
    gpus: Any, doubling: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    with pytest.raises(RuntimeError, match="nothing was captured"):
        GraphStream(SECOND).capture(doubling[1])


def test_attention_of_cudnn_is_left_out_on_gpus_and_their_device_is_the_current_one(
    gpus: Any,
) -> None:
    before = torch.backends.cuda.cudnn_sdp_enabled()
    with computing_on(SECOND):
        assert gpus.current == 1
        assert not torch.backends.cuda.cudnn_sdp_enabled()
        assert torch.backends.cuda.flash_sdp_enabled()
        assert torch.backends.cuda.mem_efficient_sdp_enabled()
    assert gpus.current == 0
    assert torch.backends.cuda.cudnn_sdp_enabled() == before
    with computing_on(torch.device("cpu")):
        assert torch.backends.cuda.cudnn_sdp_enabled() == before
