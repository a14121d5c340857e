# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The policy as a ROS node: camera frames and an instruction in, reasoning and chunks out."""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from rclpy.time_source import CLOCK_TOPIC

from molmoact_ros.faults import DeviceLostError
from molmoact_ros.policy.task import TaskDesk
from molmoact_ros.ros.diagnostics import Diagnosis, Diagnostics, Level
from molmoact_ros.ros.lifecycle import ManagedNode
from molmoact_ros.ros.node_thread import CallbackThread, NodeThread, thread_status
from molmoact_ros.ros.parameters import declare_parameters, watch_parameters
from molmoact_ros.ros.running import StartFault, run_node

from .diagnostics import decoding_status, inference_status, model_status, trust_status
from .loading import PolicyLoader
from .parameters import PolicyParameters
from .session import PolicySession

# One for a transition, one for a goal, one for a goal that preempts it, one for all the rest.
_THREADS = 4
_CLOSE = 3.0  # s that close() waits for the present pass
_POLL = 0.1  # s
_MEMORY = "molmoact_ros.model.memory"


class PolicyNode(ManagedNode):
    """States of the policy: `configure` loads it, `activate` lets it infer, `cleanup` frees it."""

    def __init__(self) -> None:
        """Check the parameters; with `autostart` load and infer as soon as the node spins."""
        self._clock_thread = CallbackThread(self, "clock")
        super().__init__("molmoact_policy")
        self._clock_thread.start()
        self._settings = declare_parameters(self, PolicyParameters)
        self._desk = TaskDesk(self._settings.instruction, self._settings.hint_steps)
        self._loader = PolicyLoader(self.get_logger(), self.get_fully_qualified_name())
        self._closing = threading.Event()
        self._session: PolicySession | None = None
        watch_parameters(self, self._settings, self._take_parameters)
        Diagnostics(
            self,
            {
                "cameras": self._camera_status,
                "model": lambda: model_status(self._settings, self._loader.progress, self._session),
                "inference": lambda: inference_status(
                    self._session, self._desk.task, self.is_active
                ),
                "decoding": lambda: decoding_status(self._session),
                "trust": lambda: trust_status(self._session),
                "threads": lambda: thread_status(self._threads()),
            },
        )
        if self._settings.autostart:
            self.start_by_itself()

    def create_subscription(self, kind: Any, topic: str, *rest: Any, **options: Any) -> Any:
        """As rclpy's, but simulated time, up to 1000 messages a second, has a thread of its own."""
        if topic == CLOCK_TOPIC:
            options["callback_group"] = self._clock_thread.group
        return super().create_subscription(kind, topic, *rest, **options)

    def configure(self) -> None:
        """Load the policy and warm it up, while the node's services answer."""
        gc.collect()  # what a topic's last message has held when the policy was freed
        try:
            policy = self._loader.load(self._settings)
        except DeviceLostError as error:
            self.fail(str(error))  # another `configure` of this process would fail as well
            raise StartFault(str(error)) from error
        self._session = PolicySession(self, policy, self._desk, lambda: self._settings)
        source = self._settings.checkpoint or self._settings.server
        self.get_logger().info(
            f"loaded {source}: profile '{policy.profile.name}', "
            f"cameras {', '.join(self._session.inputs.names)}"
        )

    def activate(self) -> None:
        """Start to infer."""
        assert self._session is not None
        self._session.start()
        self.get_logger().info("ready")

    def deactivate(self) -> None:
        """Stop after the present pass of the network."""
        assert self._session is not None
        self._session.stop()
        thread = self._session.inference.thread
        while thread.is_running and not self._closing.is_set():
            thread.join(_POLL)

    def cleanup(self) -> None:
        """Free the policy and its memory, also one that was loaded in part."""
        session, self._session = self._session, None
        if session is not None:
            session.close()
        elif not self._loader.is_busy and _MEMORY in sys.modules:
            # Otherwise nothing was loaded, or this would wait for the thread that imports torch.
            from molmoact_ros.model.memory import return_memory

            return_memory()

    def close(self) -> None:
        """Stop whatever the node does; what is inside of torch then is not waited for."""
        self._closing.set()
        self._loader.cancel()
        end = time.monotonic() + _CLOSE
        session = self._session
        if session is not None:
            session.stop()
            session.inference.thread.join(_CLOSE)
        while self._loader.is_busy and time.monotonic() < end:
            time.sleep(_POLL)
        self._clock_thread.stop()
        inferring = session is not None and session.inference.thread.is_running
        # After a fault Python's own end could crash in what it frees on the device.
        self.is_stuck = inferring or self._loader.is_busy or self.has_failed

    def _take_parameters(self, parameters: PolicyParameters) -> str | None:
        instruction, session = parameters.instruction, self._session
        if instruction != self._settings.instruction:
            if session is None:
                self._desk.follow(instruction)  # looked at when the policy is loaded
            elif instruction and (reason := session.refusal(instruction)):
                return f"parameter 'instruction': {reason}"
            else:
                session.follow(instruction)
        self._desk.limit_hints(parameters.hint_steps)
        self._settings = parameters
        return None

    def _threads(self) -> list[NodeThread]:
        session = self._session
        own = [] if session is None else [session.inputs.callbacks.thread, session.inference.thread]
        return [self._clock_thread.thread, *own]

    def _camera_status(self) -> Diagnosis:
        session = self._session
        if session is None or not self.is_active:
            return Diagnosis(Level.OK, "inactive")
        return session.inputs.status(session.inference.waiting_for)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node."""
    return run_node(PolicyNode, args, threads=_THREADS)
