# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""CUDA graphs on a device of one's choice, and the attention kernels that may run there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

# cuDNN's attention builds a plan for each new length of a prompt, which takes tenths of a second.
_ATTENTION = [
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.MATH,
]


@contextmanager
def computing_on(device: torch.device) -> Iterator[None]:
    """Compute on a device that may not be the current one; attention needs no preparation there.

    Torch's own kernels run where their tensors are, but those that Triton or torchao start run on
    the current device.
    """
    if device.type != "cuda":
        yield
        return
    with torch.cuda.device(device), sdpa_kernel(_ATTENTION):
        yield


class GraphStream:
    """Where one decoder's graphs are captured: a stream and a memory pool of a device.

    Torch takes what is not named from the current device, which is cuda:0 even where the network
    lies on another one; so everything is named here.
    """

    def __init__(self, device: torch.device) -> None:
        """Make stream and pool; graphs share the pool, as their results are read in between."""
        self._device = device
        with torch.cuda.device(device):
            self._stream = torch.cuda.Stream(device)
            self._pool = torch.cuda.graph_pool_handle()

    def capture(self, compute: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        """Capture a computation that reads and writes fixed tensors.

        Returns:
            A function that runs it again, and the tensor that then holds its result.

        Raises:
            RuntimeError: CUDA did not capture it.
        """
        device, stream = self._device, self._stream
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(device):
            # Capture needs everything that allocates lazily (cuBLAS, workspaces) to have run.
            stream.wait_stream(torch.cuda.current_stream(device))
            with torch.cuda.stream(stream):
                for _ in range(2):
                    compute()
            torch.cuda.current_stream(device).wait_stream(stream)
            # thread_local: what other threads of this process do with CUDA is not our capture.
            with torch.cuda.graph(
                graph, pool=self._pool, stream=stream, capture_error_mode="thread_local"
            ):
                result = compute()
                captured = torch.cuda.is_current_stream_capturing()
        if not captured:
            raise RuntimeError("nothing was captured")

        def replay() -> None:
            with torch.cuda.device(device):
                graph.replay()

        return replay, result
