# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A policy that computes on a server, with the interface of one that computes here.

The robot's clock is the only one: how old an answer is follows from the round trip, and stamps go
there and back unread. A line that is cut is a policy that gives no answer, never an answer of
another time: what comes late or twice is dropped.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from molmoact_ros.answer import ActionStats
from molmoact_ros.answer.prompts import check_instruction
from molmoact_ros.faults import RemotePolicyError, StoppedError
from molmoact_ros.policy.checkpoint_profile import CheckpointProfile
from molmoact_ros.policy.interface import PolicyState
from molmoact_ros.policy.types import Observation, Reasoning

from .address import ServerAddress
from .exchange import (
    JPEG,
    infer_message,
    package_version,
    profile_message,
    profile_of,
    reasoning_of,
    statistics_of,
)
from .line import Line, RefusedError, Request, differences
from .wire import PROTOCOL, Answer, Error, Hello, Passes, SessionSettings, Welcome

_POLL = 0.02  # s between two looks at whether to stop
_RETURN = 1.0  # s that an inference waits for the line to come back; then its pictures are old
_DEPTH_ANSWERS = 3  # that bring the decoded depth after it was last asked for


@dataclass(frozen=True)
class RobotSide:
    """What a robot sends a server about itself, and how it asks.

    Attributes:
        name: The robot's.
        profile: Checkpoint profile of the robot; None: the server's own.
        cameras: Names in the order of the pictures; empty: as in the profile.
        action_space: Empty: as in the profile.
        action_names: Empty: as in the profile.
        settings: What of the policy is the robot's choice.
        images: "jpeg" or "raw", as which pictures are sent.
        timeout: Longest wait for an answer, s.
    """

    name: str
    profile: CheckpointProfile | None = None
    cameras: tuple[str, ...] = ()
    action_space: str = ""
    action_names: tuple[str, ...] = ()
    settings: SessionSettings = SessionSettings()
    images: str = JPEG
    timeout: float = 10.0

    def hello(self, token: str) -> Hello:
        """Return the first message of a connection; its session is a new one.

        A profile given for the robot names what the robot is made for.
        """
        own = self.profile
        return Hello(
            protocol=PROTOCOL,
            package=package_version(),
            robot=self.name,
            session=uuid.uuid4().hex,
            token=token,
            profile=None if own is None else profile_message(own),
            cameras=self.cameras or (own.prompt.cameras if own else ()),
            action_space=self.action_space or (own.actions.action_space if own else ""),
            action_names=self.action_names or (own.actions.names if own else ()),
            settings=self.settings,
        )


@dataclass(frozen=True)
class RemoteForm:
    """Whether a server keeps answers of one kind to a form; `policy.interface.Form`."""

    learned: bool = False


class RemotePolicy:
    """A policy on a server; one inference at a time.

    Attributes:
        profile: Of the checkpoint that the server had at the first connection.
        stats: Of the same.
        repeatable: Whether drafts cannot change an id there.
        pass_report: What the server found about its network's passes.
        forms: By whether an answer follows a drawn path; None: answers are not constrained.
        drafts_learn: As of the last answer.
    """

    profile: CheckpointProfile
    stats: ActionStats
    repeatable: bool
    pass_report: Passes | None

    def __init__(self, address: ServerAddress, robot: RobotSide) -> None:
        """Begin to connect; `connect` also waits for it."""
        self._url = address.url
        self._robot = robot
        self._first: Welcome | None = None
        self._line = Line(address, robot.hello(address.token), self._accept)
        self._sequence = 0
        self._depth: tuple[NDArray[np.uint8], NDArray[np.uint8]] | None = None  # codes, picture
        self._depth_wanted = _DEPTH_ANSWERS
        self._late = 0
        self.drafts_learn = True
        self.forms: dict[bool, RemoteForm] | None = None
        if robot.settings.constrained:
            self.forms = {steered: RemoteForm() for steered in (False, True)}
        self._line.start()

    @classmethod
    def connect(
        cls,
        address: ServerAddress,
        robot: RobotSide,
        progress: Callable[[str], None] = lambda text: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> RemotePolicy:
        """Connect to a server; one that is not there yet, or has no room, is waited for.

        Args:
            address: Where it is.
            robot: Who asks, and how.
            progress: Called about ten times a second with why there is no connection.
            should_stop: Asked meanwhile.

        Raises:
            RefusedError: The server refuses the robot, and would again.
            StoppedError: `should_stop` returned true.
        """
        policy = cls(address, robot)
        try:
            while (state := policy._line.wait(0.1)).welcome is None:
                if state.lasting:
                    raise RefusedError(state.problem)
                if should_stop():
                    raise StoppedError("connecting was given up")
                if state.problem:
                    progress(state.problem)
        except BaseException:
            policy.close()
            raise
        return policy

    def state(self) -> PolicyState:
        """Return how the line is."""
        state = self._line.state
        values: dict[str, object] = {"server": self._url}
        if self._first is not None:
            values |= {
                "checkpoint": self._first.checkpoint,
                "device": self._first.device,
                "precision": self._first.precision,
                "weights [GB]": f"{self._first.weights_bytes / 1e9:.2f}",
            }
        values["connections"] = state.connections
        values["answers dropped"] = self._line.dropped
        values["answers too late"] = self._late
        if state.ping is not None:
            values["round trip of a ping [ms]"] = f"{1e3 * state.ping:.1f}"
        problem = "" if state.welcome else f"no connection to {self._url}: {state.problem}"
        return PolicyState(problem, values)

    def infer(
        self, observation: Observation, should_stop: Callable[[], bool] | None = None
    ) -> Reasoning:
        """Ask the server.

        Args:
            observation: Camera images and an instruction.
            should_stop: Asked while the answer is waited for; when it returns true, the server is
                asked not to compute it.

        Raises:
            RemotePolicyError: No answer came: no connection, too late, or a fault of the server's.
            StoppedError: `should_stop` returned true.
            ValueError: The observation cannot be used.
        """
        start = time.monotonic()
        should_stop = should_stop or (lambda: False)
        self.check_instruction(observation.instruction)
        self._await_line(should_stop)
        self._sequence += 1
        message = infer_message(
            self._sequence,
            observation,
            jpeg=self._robot.images == JPEG,
            depth=self._depth_wanted > 0,
        )
        asked = time.monotonic()
        request = self._line.ask(message)
        answer = self._await(request, asked + self._robot.timeout, should_stop)
        end = time.monotonic()
        self._note(answer)
        reasoning = reasoning_of(answer)
        seconds = dict(answer.timings)
        own = {"server": seconds.get("total", 0.0), "round_trip": end - asked, "total": end - start}
        return replace(reasoning, timings={**seconds, **own})

    def warm_up(
        self, n_images: int | None = None, should_stop: Callable[[], bool] | None = None
    ) -> None:
        """Do nothing: a server warms up before it welcomes robots."""

    def check_instruction(self, instruction: str) -> None:
        """Refuse what the server would; it sent its reserved texts.

        Raises:
            ValueError: Names what the instruction must not hold.
        """
        check_instruction(instruction)
        for text in self._reserved:
            if text in instruction:
                raise ValueError(f"instruction holds the reserved token '{text}'")

    def relative_depth(self, depth_codes: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """Return the decoded depth of the last answer; None: it did not bring it.

        The next answers will: depth is decoded and sent only while somebody looks at it.
        """
        self._depth_wanted = _DEPTH_ANSWERS
        if self._depth is None or not np.array_equal(self._depth[0], depth_codes):
            return None
        return (self._depth[1] / np.float32(255)).astype(np.float32)

    def close(self) -> None:
        """Disconnect; the session on the server ends."""
        self._line.close()

    def _accept(self, welcome: Welcome) -> str:
        """Take the first server's description of itself; refuse one that serves something else."""
        if self._first is not None:
            return differences(self._first, welcome)
        self.profile = profile_of(welcome.profile)
        self.stats = statistics_of(welcome.statistics)
        self.repeatable = welcome.repeatable
        self.pass_report = welcome.passes
        self._reserved = welcome.reserved
        self._first = welcome
        return ""

    def _await_line(self, should_stop: Callable[[], bool]) -> None:
        """Wait a moment for a line that is cut; pictures are too old after that."""
        end = time.monotonic() + _RETURN
        while (state := self._line.state).welcome is None:
            if should_stop():
                raise StoppedError("given up while there is no connection")
            if time.monotonic() > end:
                raise RemotePolicyError(f"{self._url}: {state.problem}")
            time.sleep(_POLL)

    def _await(self, request: Request, end: float, should_stop: Callable[[], bool]) -> Answer:
        while not request.ended.wait(_POLL):
            if should_stop():
                self._line.cancel(request)
                raise StoppedError("given up while the server computes")
            if time.monotonic() > end:
                self._late += 1
                self._line.cancel(request)
                raise RemotePolicyError(
                    f"{self._url}: no answer for {self._robot.timeout:g} s (server_timeout)"
                )
        outcome = request.outcome
        if outcome is None:
            raise RemotePolicyError(f"{self._url}: {request.problem}")
        if isinstance(outcome, Error):
            raise _fault(outcome, self._url)
        return outcome

    def _note(self, answer: Answer) -> None:
        """Keep what is asked for beside the answer itself."""
        self._depth_wanted = max(self._depth_wanted - 1, 0)
        self._depth = None
        if answer.depth is not None and answer.depth_codes is not None:
            self._depth = answer.depth_codes, answer.depth
        self.drafts_learn = answer.drafts_learn
        if self.forms is not None and answer.form_learned is not None:
            steered = answer.trajectory_source == "user"
            self.forms = {**self.forms, steered: RemoteForm(answer.form_learned)}


def _fault(error: Error, url: str) -> Exception:
    if error.kind == "observation":
        return ValueError(error.sentence)
    return RemotePolicyError(f"{url}: {error.kind}: {error.sentence}")
