# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Pictures that are traps: the policy goes on with the next good one."""

from __future__ import annotations

import functools
import struct
import time
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np

from ..drill import Attempt, drill
from ..measure import forget_peak
from ..policy_rig import PolicyRig

_SHOWN = 1.0  # s that each trap is shown at 10 Hz at least, so that the next inference takes it
_HUGE = 65500  # px, the most that a JPEG header can claim
_GROWTH = 300.0  # MB
_ANSWER = 20.0  # s from the first good picture to its answer, on a busy machine


def jpeg_that_claims(side: int) -> bytes:
    """Return a JPEG of 16 x 16 px whose header claims `side` x `side`."""
    data = bytearray(cv2.imencode(".jpg", np.full((16, 16, 3), 90, np.uint8))[1].tobytes())
    start = data.index(b"\xff\xc0")  # start of frame: length, precision, height, width
    data[start + 5 : start + 9] = struct.pack(">HH", side, side)
    return bytes(data)


def png_that_claims(side: int) -> bytes:
    """Return a PNG whose header, with a right checksum, claims `side` x `side`."""
    data = bytearray(cv2.imencode(".png", np.full((16, 16, 3), 90, np.uint8))[1].tobytes())
    data[16:24] = struct.pack(">II", side, side)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


def bmp_that_claims(side: int) -> bytes:
    """Return a BMP whose header claims `side` x `side`."""
    data = bytearray(cv2.imencode(".bmp", np.full((16, 16, 3), 90, np.uint8))[1].tobytes())
    data[18:26] = struct.pack("<ii", side, side)
    return bytes(data)


def _traps() -> dict[str, bytes]:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    good = cv2.imencode(".jpg", noise)[1].tobytes()
    return {
        f"JPEG of {_HUGE} x {_HUGE}": jpeg_that_claims(_HUGE),
        "JPEG of 20000 x 20000": jpeg_that_claims(20_000),
        f"PNG of {_HUGE} x {_HUGE}": png_that_claims(_HUGE),
        "PNG of 20000 x 20000": png_that_claims(20_000),
        f"BMP of {_HUGE} x {_HUGE}": bmp_that_claims(_HUGE),
        f"PGM of {_HUGE} x {_HUGE}": b"P5\n%d %d\n255\n" % (_HUGE, _HUGE) + bytes(100),
        f"HDR of {_HUGE} x {_HUGE}": b"#?RADIANCE\n\n-Y %d +X %d\n" % (_HUGE, _HUGE) + bytes(100),
        f"PFM of {_HUGE} x {_HUGE}": b"PF\n%d %d\n-1.0\n" % (_HUGE, _HUGE) + bytes(100),
        "EXR": b"\x76\x2f\x31\x01" + bytes(400),
        "JPEG of 0 x 0": jpeg_that_claims(0),
        "half a JPEG": good[: len(good) // 2],
        "two bytes of a JPEG": good[:2],
        "no bytes": b"",
        "random bytes": np.random.default_rng(1).bytes(5000),
        "5 MB of zeros": bytes(5_000_000),
    }


def _spring(rig: PolicyRig, traps: Mapping[str, Callable[[], Any]]) -> None:
    """Show each trap for a while, then good pictures until one is answered."""
    attempt, slowest = rig.attempt, 0.0
    usual = rig.until_answer()
    base = rig.memory()
    forget_peak(rig.process.pid)
    for name, message in traps.items():
        end = time.monotonic() + max(_SHOWN, 2.0 * usual)
        while time.monotonic() < end:
            rig.show(message())
            rig.spin(0.1)
        seconds = rig.until_answer(after=name)
        attempt.check(seconds <= _ANSWER, f"{name}: the next answer came after {seconds:.1f} s")
        slowest = max(slowest, seconds)
        grown = rig.memory(peak=True) - base
        attempt.check(grown <= _GROWTH, f"{name}: memory grew by {grown:.0f} MB")
        forget_peak(rig.process.pid)
    attempt.figures |= {"traps": len(traps), "slowest next answer s": round(slowest, 1)}
    attempt.figures["kept MB"] = round(rig.memory() - base)
    attempt.check(bool(rig.troubles), "diagnostics never warned")


@drill()
def compressed_pictures(attempt: Attempt) -> None:
    """Compressed pictures: bombs by their header, halves, noise, nothing."""
    with PolicyRig(attempt, "compressed") as rig:
        _spring(
            rig,
            {
                name: functools.partial(rig.compressed_message, data)
                for name, data in _traps().items()
            },
        )


@drill()
def raw_pictures(attempt: Attempt) -> None:
    """Raw pictures: sizes that change or do not fit the data, up to 4000 x 4000, at 500 Hz."""

    def lying(rig: PolicyRig, **fields: Any) -> Any:
        message = rig.raw_message(rig.good)
        for name, value in fields.items():
            setattr(message, name, value)
        return message

    with PolicyRig(attempt, "raw") as rig:
        lies: dict[str, dict[str, Any]] = {
            "no height": {"height": 0},
            "2^32 - 1 rows": {"height": 2**32 - 1},
            "step of 0": {"step": 0},
            "2^32 - 1 columns": {"width": 2**32 - 1, "step": 2**32 - 1},
            "an unknown encoding": {"encoding": "nonsense"},
            "an encoding of 1 MB": {"encoding": "x" * 1_000_000},
        }
        traps: dict[str, Callable[[], Any]] = {
            name: functools.partial(lying, rig, **fields) for name, fields in lies.items()
        }
        for side in (1, 16, 4000):
            picture = np.zeros((side, side, 3), np.uint8)
            traps[f"{side} x {side}"] = functools.partial(rig.raw_message, picture)
        _spring(rig, traps)
        before, end = len(rig.answers), time.monotonic() + 5.0
        while time.monotonic() < end:
            rig.show_good()
            rig.spin(0.002)
        attempt.figures["answers in 5 s at 500 Hz"] = len(rig.answers) - before
        attempt.check(len(rig.answers) > before, "no answer to pictures at 500 Hz")


@drill()
def second_camera_is_missing(attempt: Attempt) -> None:
    """One of two cameras never publishes, then it does, then it stops."""
    with PolicyRig(attempt, "raw", ("camera", "wrist")) as rig:
        for _ in range(2):
            rig.until_answer()
            rig.spin(1.0)
            rig.troubles.clear()
            shown, end = [], time.monotonic() + 4.0
            while time.monotonic() < end:
                shown.append(rig.show_good("camera"))
                rig.spin(0.1)
            rig.spin(2.0)
            blind = sum(answer.header.stamp in shown for answer in rig.answers)
            attempt.check(blind == 0, f"{blind} answers about one camera of two")
            named = any("wrist" in trouble for trouble in rig.troubles)
            attempt.check(named, f"diagnostics do not name the camera: {sorted(rig.troubles)}")
        rig.until_answer()
