# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Small readable text on pictures: one size for every resolution, on a dark backing."""

import textwrap
import unicodedata
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Place = Literal["top", "bottom"]

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_CAP_HEIGHT = 21.0  # pixels of a capital letter at font scale 1
_OVERSAMPLING = 4  # letters of 6 pixels are drawn at 24 and shrunk, which keeps them readable
_BACKING = 0.35  # share of the picture that stays visible behind the text
_MAX_LINES = 3


def text_height(width: int, height: int) -> int:
    """Height of capital letters in pixels for a picture of this size: 6 for 126 x 126."""
    return int(np.clip(round(min(width * 3 / 4, height) / 30), 6, 30))


def put_text(picture: NDArray[np.uint8], text: str, place: Place) -> None:
    """Write white text on a dark strip along the top or bottom edge, in place.

    Args:
        picture: RGB uint8 [H, W, 3], changed.
        text: any text; letters that the built-in font lacks are shown as their closest Latin
            ones, or as "?".
        place: edge of the picture.
    """
    height, width = picture.shape[:2]
    letters = text_height(width, height)
    lines = _wrap(_latin(text), width - 2 * letters, letters)
    mask = _render(lines, letters, width)[:height]
    strip = picture[: len(mask)] if place == "top" else picture[height - len(mask) :]
    if len(mask):
        # The brighter of backing and letter: as good as blending for white, and much faster.
        strip[:] = cv2.max(cv2.convertScaleAbs(strip, alpha=_BACKING), mask)


def _latin(text: str) -> str:
    flat = " ".join(text.split())
    plain = unicodedata.normalize("NFKD", flat)
    return "".join(
        letter if letter.isascii() and letter.isprintable() else "?"
        for letter in plain
        if not unicodedata.combining(letter)
    )


def _wrap(text: str, room: int, letters: int) -> tuple[str, ...]:
    """Break the text into lines of at most `room` pixels; the last one ends in ... if cut."""
    columns = max(int(room / (letters * 0.9)), 4)
    while True:
        lines = textwrap.wrap(text, columns, max_lines=_MAX_LINES, placeholder="...")
        widest = max((_width(line, letters) for line in lines), default=0)
        if widest <= room or columns <= 4:
            return tuple(lines)
        columns -= 1


def _width(line: str, letters: int) -> float:
    scale = letters * _OVERSAMPLING / _CAP_HEIGHT
    (pixels, _), _ = cv2.getTextSize(line, _FONT, scale, _stroke(letters))
    return pixels / _OVERSAMPLING


def _stroke(letters: int) -> int:
    return max(round(letters * _OVERSAMPLING / 9), 1)


@lru_cache(maxsize=16)
def _render(lines: tuple[str, ...], letters: int, width: int) -> NDArray[np.uint8]:
    """White letters on black, uint8 [rows of the strip, width, 3]."""
    line_height = round(letters * 1.7)
    rows = line_height * len(lines) + (round(letters * 0.6) if lines else 0)
    if not rows:
        return np.zeros((0, width, 3), np.uint8)
    canvas = np.zeros((rows * _OVERSAMPLING, width * _OVERSAMPLING), np.uint8)
    scale = letters * _OVERSAMPLING / _CAP_HEIGHT
    for number, line in enumerate(lines):
        base = round((line_height * number + letters * 1.6) * _OVERSAMPLING)
        corner = (letters * _OVERSAMPLING, base)
        cv2.putText(canvas, line, corner, _FONT, scale, 255, _stroke(letters), cv2.LINE_AA)
    grey = cv2.resize(canvas, (width, rows), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
