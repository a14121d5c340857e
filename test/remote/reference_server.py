# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A small policy server for tests: the wire format and a real policy, one robot after the other.

    python test/remote/reference_server.py --checkpoint DIRECTORY [--port N] [--token T]

Prints its port. Faults are asked for by instructions: `slow N` waits N seconds before it answers,
`deaf N` does so and answers also what was cancelled, `twice` answers twice, `nonsense` sends what
is no message.
"""

from __future__ import annotations

import argparse
import hmac
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import torch
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from molmoact_ros.faults import StoppedError
from molmoact_ros.policy import MolmoActPolicy
from molmoact_ros.processing.tokenizer import reserved_tokens
from molmoact_ros.remote.codec import ProtocolError, decode, encode
from molmoact_ros.remote.exchange import (
    answer_message,
    differences,
    observation_of,
    package_version,
    profile_message,
    profile_of,
    statistics_message,
)
from molmoact_ros.remote.fields import WireError
from molmoact_ros.remote.wire import (
    FROM_ROBOT,
    MAX_SMALL_MESSAGE,
    PROTOCOL,
    Cancel,
    Difference,
    Error,
    Hello,
    Infer,
    Limits,
    Passes,
    Ping,
    Pong,
    Refusal,
    Welcome,
)


@dataclass
class Session:
    """One robot: its policy, and the newest request."""

    policy: MolmoActPolicy
    limits: Limits
    newest: int = -1
    cancelled: set[int] = field(default_factory=set)

    def is_obsolete(self, sequence: int) -> bool:
        """Whether nobody waits for this answer."""
        return sequence in self.cancelled or sequence < self.newest


class Server:
    """Answers."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.base = MolmoActPolicy.from_pretrained(
            options.checkpoint, unnorm_key=options.unnorm_key, device="cpu", dtype="float32"
        )
        self.answering = threading.Lock()

    def talk(self, connection: ServerConnection) -> None:
        """Serve one connection."""
        try:
            hello = decode(connection.recv(timeout=5), (Hello,), MAX_SMALL_MESSAGE)
            session, welcome = self.open(hello)
        except ProtocolError as error:
            here = Difference("protocol", error.theirs, str(PROTOCOL))
            self.refuse(connection, Refusal("protocol", "update one of them", (here,)))
            return
        except (WireError, ValueError) as error:
            self.refuse(connection, Refusal("settings", str(error)))
            return
        if session is None:
            self.refuse(connection, welcome)
            return
        connection.send(encode(welcome))
        with suppress(ConnectionClosed):
            self.listen(connection, session)

    def listen(self, connection: ServerConnection, session: Session) -> None:
        """Take messages until the connection ends."""
        for data in connection:
            self.take(connection, session, decode(data, FROM_ROBOT, session.limits.message_bytes))

    def refuse(self, connection: ServerConnection, refusal: Any) -> None:
        """Refuse and close."""
        connection.send(encode(refusal))

    def open(self, hello: Hello) -> tuple[Session | None, Welcome | Refusal]:
        """Return a session, or why there is none."""
        options, base, asked = self.options, self.base, hello.settings
        if options.token and not hmac.compare_digest(hello.token.encode(), options.token.encode()):
            return None, Refusal("token", f"the token of robot '{hello.robot}' is not the server's")
        profile = base.profile if hello.profile is None else profile_of(hello.profile)
        found = differences(hello, base.profile, base.stats)
        if found:
            return None, Refusal("profile", "the robot is not made for this checkpoint", found)
        policy = MolmoActPolicy(
            base.model,
            base.processor,
            unnorm_key=asked.unnorm_key or base.stats.key,
            depth=base.depth,
            profile=profile,
            rows=asked.rows or None,
            max_new_tokens=asked.max_new_tokens or None,
            action_decoding="expectation" if asked.action_decoding == "expectation" else "argmax",
            constrained=asked.constrained,
            max_overruled=asked.max_overruled,
        )
        # Not warmed up: that would choose the passes by their time, and a test compares them.
        limits = Limits(message_bytes=options.message_bytes)
        reserved = reserved_tokens(base.processor.tokenizer).values()
        return Session(policy, limits), Welcome(
            protocol=PROTOCOL,
            package=package_version(),
            checkpoint=options.name or "reference",
            device="cpu",
            precision="float32",
            weights_bytes=policy.weights_bytes,
            repeatable=policy.repeatable,
            profile=profile_message(profile),
            statistics=statistics_message(policy.stats),
            reserved=tuple(dict.fromkeys([*reserved, *policy.action_tokenizer.strings])),
            limits=limits,
            passes=Passes(captured=False, seconds=0.0),
        )

    def take(self, connection: ServerConnection, session: Session, message: Any) -> None:
        """Take one message."""
        if isinstance(message, Ping):
            connection.send(encode(Pong(message.number)))
        elif isinstance(message, Cancel):
            session.cancelled.add(message.sequence)
        elif isinstance(message, Infer):
            session.newest = message.sequence
            arguments = (connection, session, message, time.perf_counter())
            threading.Thread(target=self.answer, args=arguments, daemon=True).start()

    def answer(
        self, connection: ServerConnection, session: Session, infer: Infer, came: float
    ) -> None:
        """Compute and send one answer."""
        fault, _, number = infer.instruction.partition(" ")
        if fault in ("slow", "deaf"):
            time.sleep(float(number))
        with self.answering:
            message = self.compute(session, infer, came)
        with suppress(ConnectionClosed):
            connection.send(b"nonsense" if fault == "nonsense" else encode(message))
            if fault == "twice":
                connection.send(encode(message))

    def compute(self, session: Session, infer: Infer, came: float) -> Any:
        """Return an answer, or why there is none."""
        queue = time.perf_counter() - came
        policy, sequence = session.policy, infer.sequence
        try:
            observation = observation_of(infer, session.limits)
            deaf = infer.instruction.startswith("deaf")
            reasoning = policy.infer(
                observation, lambda: not deaf and session.is_obsolete(sequence)
            )
        except StoppedError as error:
            return Error(sequence, "stopped", str(error))
        except ValueError as error:
            return Error(sequence, "observation", str(error))
        codes, form = reasoning.depth_codes, policy.forms
        depth = policy.relative_depth(codes) if infer.depth and codes is not None else None
        total = time.perf_counter() - came
        answer = answer_message(
            sequence,
            reasoning,
            depth=depth,
            drafts_learn=policy.drafts_learn,
            form_learned=None if form is None else form[infer.hint is not None].learned,
        )
        answer.timings.update(queue=queue, total=total)
        return answer


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--unnorm-key")
    parser.add_argument("--name", default="")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token", default="")
    parser.add_argument("--message-bytes", type=int, default=Limits().message_bytes)
    options = parser.parse_args()
    torch.set_num_threads(1)
    server = Server(options)
    most = options.message_bytes
    with serve(server.talk, "127.0.0.1", options.port, max_size=most, compression=None) as running:
        print(running.socket.getsockname()[1], flush=True)
        running.serve_forever()


if __name__ == "__main__":
    main()
