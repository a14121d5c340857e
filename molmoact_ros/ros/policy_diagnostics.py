# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the policy node says about itself, one status per concern."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rclpy.node import Node

from molmoact_ros.answer.trust import DETECTORS

from .diagnostics import Level, Status
from .policy_setup import PolicyParameters
from .task import Task

if TYPE_CHECKING:
    import torch

    from .policy_session import PolicySession

_RARE = 2.0  # frames per second; a camera that is slower, or loses most frames, is reported
_SETTLED = 5.0  # s after the start in which frames may still be rare
_SHARE_DROPPED = 0.5  # of the frames, from which on it is a fault of the set-up


class CameraWatch:
    """Rates of the cameras, and whether frames get lost or broken on the way."""

    def __init__(self, node: Node, session: PolicySession) -> None:
        """Begin to count."""
        self._node = node
        self._session = session
        self._begin = self._last = time.monotonic()
        self._received = dict(session.inputs.received)
        self._dropped = dict(session.inputs.dropped)

    def status(self) -> Status:
        """Return the state since the last call."""
        inputs, inference = self._session.inputs, self._session.inference
        elapsed = time.monotonic() - self._last
        self._last += elapsed
        now = self._node.get_clock().now().nanoseconds * 1e-9
        values: dict[str, object] = {}
        problems = []
        lead = inputs.newest.get(next(iter(inputs.received)))
        delays = inputs.take_delays()
        for camera, received in inputs.received.items():
            dropped = inputs.dropped[camera]
            rate = (received - self._received[camera]) / max(elapsed, 1e-3)
            broken = dropped - self._dropped[camera]
            values |= {
                f"received {camera}": received,
                f"dropped {camera}": dropped,
                f"rate {camera} [Hz]": f"{rate:.1f}",
            }
            if (newest := inputs.newest.get(camera)) is not None and lead is not None:
                values[f"age {camera} [s]"] = f"{now - newest:.3f}"
                values[f"skew {camera} [s]"] = f"{newest - lead:.3f}"
            if camera in delays:
                values[f"longest delay {camera} [s]"] = f"{delays[camera]:.3f}"
            problems += self._problems(camera, rate, broken / max(elapsed * rate, 1.0))
        self._received, self._dropped = dict(inputs.received), dict(inputs.dropped)
        waiting = inference.waiting_for
        if waiting.startswith("camera "):
            problems.insert(0, waiting)
        for problem in problems:
            self._node.get_logger().warning(problem, throttle_duration_sec=30.0)
        message = "; ".join(problems) or "ok"
        return Status(Level.WARN if problems else Level.OK, message, values)

    def _problems(self, camera: str, rate: float, share_dropped: float) -> list[str]:
        if time.monotonic() < self._begin + _SETTLED:
            return []
        topic = self._session.inputs.topic(camera)
        if share_dropped > _SHARE_DROPPED:
            return [f"camera '{camera}': most frames of {topic} can not be used"]
        if rate >= _RARE:
            return []
        if self._node.count_publishers(topic) == 0:
            return [f"camera '{camera}': nobody publishes {topic}"]
        return [
            f"camera '{camera}': {rate:.1f} frames per second arrive on {topic}; if it sends more, "
            "large images get lost on the way: use config/fastdds.xml or image_transport compressed"
        ]


def model_status(
    parameters: PolicyParameters, progress: str, session: PolicySession | None
) -> Status:
    """Return what is loaded, or how far loading is."""
    values: dict[str, object] = {
        "checkpoint": parameters.checkpoint,
        "device": parameters.device,
        "precision": parameters.quantization or parameters.dtype,
    }
    if session is None:
        return Status(Level.OK, progress or "not loaded", values)
    policy = session.policy
    values |= {"profile": policy.profile.name, "unnorm_key": policy.stats.key}
    values["weights [GB]"] = f"{_size(policy.model) / 1e9:.2f}"
    if policy.model.device.type == "cuda":
        import torch  # here, so that the node starts before torch is loaded

        allocated = torch.cuda.memory_allocated(policy.model.device)
        values["GPU memory in use [GB]"] = f"{allocated / 1e9:.2f}"
    return Status(Level.OK, "loaded", values)


def inference_status(session: PolicySession | None, task: Task, active: bool) -> Status:
    """Return how long the last inference took, and what it followed."""
    if session is None:
        return Status(Level.OK, "not configured")
    inference = session.inference
    last = inference.last
    values: dict[str, object] = {"answers": inference.answers, "failures": inference.failures}
    if last is not None:
        values["forward_passes"] = last.forward_passes
        values["trajectory"] = last.trajectory_source
        values |= {f"seconds {stage}": f"{value:.3f}" for stage, value in last.timings.items()}
        values["seconds overlay"] = f"{session.overlay_seconds:.3f}"
    if not active:
        return Status(Level.OK, "inactive", values)
    if not task.instruction:
        return Status(Level.OK, "waiting for an instruction", values)
    if last is None:
        return Status(Level.OK, "no answer yet", values)
    if last.problems:
        return Status(Level.WARN, "; ".join(last.problems), values)
    return Status(Level.OK, f"following '{task.instruction}'", values)


def decoding_status(session: PolicySession | None) -> Status:
    """Return how many tokens each kind of draft proposed and how many were right."""
    last = None if session is None else session.inference.last
    if last is None:
        return Status(Level.OK, "no answer yet")
    values = {
        f"{source}: accepted of drafted": f"{last.accepted.get(source, 0)} of {drafted}"
        for source, drafted in sorted(last.drafted.items())
    }
    tokens = len(last.ids)
    return Status(Level.OK, f"{tokens} tokens in {last.forward_passes} passes", values)


def trust_status(session: PolicySession | None) -> Status:
    """Return what the detectors over the last chunks say."""
    last = None if session is None else session.inference.last
    if last is None:
        return Status(Level.OK, "no answer yet")
    alarms = {
        name: next((p for p in last.problems if p.startswith(f"{name}:")), "")
        for name in DETECTORS
    }
    values = {name: "alarm" if alarm else "ok" for name, alarm in alarms.items()}
    message = "; ".join(filter(None, alarms.values()))
    return Status(Level.ERROR if message else Level.OK, message or "ok", values)


def _size(model: torch.nn.Module) -> int:
    """Return the bytes of all weights and buffers, as they are stored."""
    return sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))
