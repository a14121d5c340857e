# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""molmoact-record: the recorder node with a keyboard and one live line."""

from __future__ import annotations

import argparse
import codecs
import contextlib
import itertools
import json
import os
import select
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molmoact_ros.output_files import WriteError

if TYPE_CHECKING:
    from molmoact_ros.record.node import RecorderNode

_KEYS = "b begin | e end | k keep | d discard | i instruction | q quit"
_LINE_PERIOD = 0.5  # s
_WAIT = 0.2  # s for a key, then the keyboard looks whether the node has ended
_FAULT = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; exit codes as of the nodes: 0 after a signal or q, 1 fault, 78 settings."""
    options = _parse(argv)
    if not _can_write_bags():
        return _FAULT
    try:
        from rclpy.clock import Clock, ClockType

        from molmoact_ros.record.node import RecorderNode
        from molmoact_ros.ros.running import run_node
    except ImportError as error:
        print(f"error: molmoact-record needs ROS 2: {error}", file=sys.stderr)
        return _FAULT

    def create() -> RecorderNode:
        node = RecorderNode()
        node.create_timer(_LINE_PERIOD, lambda: _show(node.line()))

        def listen() -> None:
            # While the node spins: before, a signal ends the process without restoring a terminal.
            once.cancel()
            is_terminal = terminal.enter_context(_single_keys())
            print(f"keys: {_KEYS}", flush=True)
            threading.Thread(target=_keyboard, args=(node, is_terminal), daemon=True).start()

        once = node.create_timer(0.0, listen, clock=Clock(clock_type=ClockType.STEADY_TIME))
        return node

    with contextlib.ExitStack() as terminal:
        return run_node(create, _ros_arguments(options))


def run_recorder(args: Sequence[str] | None = None) -> int:
    """Run the node alone, as executable recorder_node."""
    from molmoact_ros.ros.running import CONFIGURATION_ERROR, run_node

    if not _can_write_bags():
        return CONFIGURATION_ERROR
    from molmoact_ros.record.node import RecorderNode

    return run_node(RecorderNode, args)


def _can_write_bags() -> bool:
    try:
        import rosbags  # noqa: F401
    except ImportError:
        print("error: writing bags needs: pip install 'rosbags>=0.11,<0.12'", file=sys.stderr)
        return False
    return True


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="molmoact-record",
        description="Record episodes of a robot that a person moves, one MCAP file each, for "
        "molmoact-dataset. Without a terminal the keys are read from standard input, one a line. "
        "See docs/own_robot.md.",
        epilog=f"keys: {_KEYS}",
    )
    parser.add_argument(
        "recording", type=Path, help="YAML file: what is recorded; config/recording has examples"
    )
    parser.add_argument(
        "-o", "--out", type=Path, default=Path("episodes"), help="folder (default: episodes)"
    )
    parser.add_argument(
        "--instruction", default="", help="until one arrives on the topic that the file names"
    )
    parser.add_argument(
        "--ros-args", nargs=argparse.REMAINDER, default=[], help="further arguments of ROS"
    )
    return parser.parse_args(argv)


def _ros_arguments(options: argparse.Namespace) -> list[str]:
    """Return the command line of the node; ROS reads values as YAML, of which JSON is a part."""
    values = {
        "recording": str(options.recording),
        "output": str(options.out),
        "instruction": options.instruction,
    }
    arguments = ["molmoact-record", "--ros-args", *options.ros_args]
    for name, value in values.items():
        arguments += ["-p", f"{name}:={json.dumps(value, ensure_ascii=False)}"]
    return arguments


def _keyboard(node: RecorderNode, is_terminal: bool) -> None:
    """Do what the keys ask for, until the input ends."""
    letters = _letters(node)
    for letter in letters:
        line = letter if is_terminal or letter == "\n" else letter + "".join(_line(letters))
        key, rest = line.strip()[:1], line.strip()[1:].strip()
        if key == "i" and is_terminal:
            rest = _typed(letters)
        if key and not _act(node, key, rest):
            return


def _letters(node: RecorderNode) -> Iterator[str]:
    """Yield what is typed, until the input or the node ends.

    Python's own buffer would keep what was typed while an episode was closed, where select does not
    see it, until the next key.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while not node.has_failed:
        ready, _, _ = select.select([sys.stdin], [], [], _WAIT)
        if ready:
            data = os.read(sys.stdin.fileno(), 4096)
            yield from decoder.decode(data)
            if not data:
                return


def _line(letters: Iterator[str]) -> Iterator[str]:
    """Return what comes before the end of the line."""
    return itertools.takewhile(lambda letter: letter not in "\r\n", letters)


def _act(node: RecorderNode, key: str, rest: str) -> bool:
    """Do what a key asks for; return whether to go on."""
    from molmoact_ros.record.episodes import EpisodeError

    acts: dict[str, Any] = {
        "b": node.begin, "e": node.end, "k": node.keep, "d": node.discard
    }  # fmt: skip
    if key == "q":
        signal.raise_signal(signal.SIGINT)
        return False
    if key == "i":
        node.instruction = rest
        _say(f"instruction: {rest!r}")
    elif key in acts:
        try:
            _say(acts[key]())
        except (EpisodeError, WriteError) as error:
            _say(f"not done: {error}")
    else:
        _say(f"keys: {_KEYS}")
    return True


@contextlib.contextmanager
def _single_keys() -> Iterator[bool]:
    """Read keys without Enter, where there is a terminal; yields whether there is."""
    if not sys.stdin.isatty():
        yield False
        return
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield True
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _typed(letters: Iterator[str]) -> str:
    """Read a line of text in a terminal that gives single keys."""
    _say("instruction, then Enter:")
    text = ""
    for key in _line(letters):
        text = text[:-1] if key in ("\x7f", "\b") else text + key
        print(f"\r\x1b[K{text}", end="", flush=True)
    return text.strip()


def _show(line: str) -> None:
    """Show the live line in place, in a terminal."""
    if sys.stdout.isatty():
        print(f"\r\x1b[K{line}", end="", flush=True)


def _say(text: str) -> None:
    start = "\r\x1b[K" if sys.stdout.isatty() else ""
    print(f"{start}{text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
