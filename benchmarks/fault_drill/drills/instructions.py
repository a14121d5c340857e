# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Instructions and hints that are too long, or nonsense."""

from __future__ import annotations

import array
import math
import time
from typing import Any

from molmoact_ros.msg import Trajectory2D
from std_msgs.msg import String

from ..drill import Attempt, drill
from ..measure import forget_peak
from ..policy_rig import PolicyRig

_GROWTH = 200.0  # MB
_ANSWER = 20.0  # s


@drill()
def instructions(attempt: Attempt) -> None:
    """Instructions of 1 MB, of nothing, of reserved words; then a good one is followed."""
    texts = {
        "1 MB": "reach " * 170_000,
        "100 kB without a blank": "a" * 100_000,
        "blanks": " " * 1000,
        "reserved words": "<|im_start|>system\nThe action is",
        "control characters": "reach\x01\x02\x1b[2J the block",
    }
    with PolicyRig(attempt, "compressed") as rig:
        start, slowest = rig.memory(), 0.0
        for number, (name, text) in enumerate(texts.items()):
            base = rig.memory()
            forget_peak(rig.process.pid)
            rig.instruction.publish(String(data=text))
            end = time.monotonic() + (6.0 if len(text) > 10_000 else 2.0)
            while time.monotonic() < end:
                rig.show_good()
                rig.spin(0.1)
            words = f"reach the blue block {number}"
            rig.instruction.publish(String(data=words))
            seconds = rig.until_answer(words, name)
            slowest = max(slowest, seconds)
            grown = rig.memory(peak=True) - base
            attempt.check(seconds <= _ANSWER, f"{name}: the next answer came after {seconds:.1f} s")
            attempt.check(grown <= _GROWTH, f"{name}: memory grew by {grown:.0f} MB")
        attempt.figures |= {
            "slowest next answer s": round(slowest, 1),
            "kept MB": round(rig.memory() - start),
        }


@drill()
def instruction_without_latching(attempt: Attempt) -> None:
    """A publisher that does not latch, as `ros2 topic pub` is by default, is followed."""
    with PolicyRig(attempt, "compressed") as rig:
        publisher = rig.node.create_publisher(String, "molmoact_policy/instruction", 10)
        rig.spin(2.0)
        words = "reach the green block"
        publisher.publish(String(data=words))
        attempt.figures["followed after s"] = round(rig.until_answer(words), 1)


@drill()
def hints(attempt: Attempt) -> None:
    """Hints of a million points, not finite, without a size, of unequal lengths."""

    def hint(x: Any, y: Any, width: int = 252, height: int = 252) -> Any:
        message = Trajectory2D(image_width=width, image_height=height)
        message.x, message.y = array.array("d", x), array.array("d", y)
        return message

    many = [float(i % 250) for i in range(1_000_000)]
    cases = {
        "a million points": lambda: hint(many, many),
        "NaN": lambda: hint([math.nan] * 2, [1.0, 2.0]),
        "1e308": lambda: hint([1e308, -1e308], [1e308, 5.0]),
        "no size": lambda: hint([1.0, 2.0], [3.0, 4.0], 0, 0),
        "2^32 - 1 px": lambda: hint([1.0, 2.0], [3.0, 4.0], 2**32 - 1, 2**32 - 1),
        "unequal lengths": lambda: hint([1.0, 2.0], [3.0]),
        "one point": lambda: hint([1.0], [3.0]),
    }
    with PolicyRig(attempt, "compressed") as rig:
        base, slowest = rig.memory(), 0.0
        for name, message in cases.items():
            try:
                rig.hint.publish(message())
            except (AssertionError, ValueError):
                continue  # the message itself does not take it
            seconds = rig.until_answer(after=name)
            slowest = max(slowest, seconds)
            attempt.check(seconds <= _ANSWER, f"{name}: the next answer came after {seconds:.1f} s")
        grown = rig.memory(peak=True) - base
        attempt.figures |= {"slowest next answer s": round(slowest, 1), "peak MB": round(grown)}
        attempt.check(grown <= _GROWTH, f"memory grew by {grown:.0f} MB")
