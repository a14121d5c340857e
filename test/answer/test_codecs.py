# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Codebooks, depth text and pixel scaling beyond the golden values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from molmoact_ros.answer import (
    ActionTokenizer,
    DepthTokenizer,
    from_pixels,
    normalize_depth,
    reasoning_prompt,
    steering_prompt,
    to_pixels,
)
from molmoact_ros.answer.actions import CODEBOOKS
from molmoact_ros.answer.trajectory import clipped


@pytest.mark.parametrize("codebook", CODEBOOKS)
@given(values=arrays(np.float64, (3, 7), elements=st.floats(-1.5, 1.5)))
def test_values_survive_text_within_a_bin(codebook: str, values: Any) -> None:
    tokenizer = ActionTokenizer(codebook)
    rows = tokenizer.encode(values)[2:-2].split("], [")
    bins = [[tokenizer.bin_of(string) for string in row.split(", ")] for row in rows]
    decoded = tokenizer.values[np.array(bins, dtype=int)]
    assert np.abs(decoded - np.clip(values, -1, 1)).max() <= 1 / 255 + 1e-12


@pytest.mark.parametrize("codebook", CODEBOOKS)
def test_codebook_is_ordered_and_unambiguous(codebook: str) -> None:
    tokenizer = ActionTokenizer(codebook)
    assert len(set(tokenizer.strings)) == 256
    assert np.all(np.diff(tokenizer.values) >= 0)
    for string in tokenizer.strings:
        assert not string.isascii() and not set(string) & set(",[]'\" \t\n")


def test_byte_level_counts_up_with_the_value() -> None:
    tokenizer = ActionTokenizer("byte_level")
    assert [ord(string) - 0x2800 for string in tokenizer.strings] == list(range(256))
    assert tokenizer.encode([-1.0, 0.0, 1.0]) == "[⠀, ⡿, ⣿]"


def test_codebooks_share_their_bins() -> None:
    values = np.linspace(-1.2, 1.2, 999)
    tail, byte = (ActionTokenizer(codebook).encode_bins(values) for codebook in CODEBOOKS)
    np.testing.assert_array_equal(tail, byte)


def test_unknown_codebook() -> None:
    with pytest.raises(ValueError, match="action_codebook is 'fast'.*vocab_tail, byte_level"):
        ActionTokenizer("fast")


@pytest.mark.parametrize("values", [0.5, [[[0.5]]], [np.nan], [np.inf]])
def test_unwritable_actions(values: Any) -> None:
    with pytest.raises(ValueError, match="finite"):
        ActionTokenizer().encode(values)


@given(arrays(np.uint8, (10, 10), elements=st.integers(0, 127)))
def test_depth_round_trip(grid: np.ndarray) -> None:
    tokenizer = DepthTokenizer()
    decoded = tokenizer.decode(tokenizer.encode(grid))
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, grid)


def test_depth_that_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="shape"):
        DepthTokenizer().encode(np.zeros((9, 10)))
    with pytest.raises(ValueError, match="0..127"):
        DepthTokenizer().encode(np.full((10, 10), 128))


def test_depth_without_network() -> None:
    with pytest.raises(RuntimeError, match="No VQ-VAE"):
        DepthTokenizer().relative_depth(np.zeros((10, 10)))


def test_flat_depth_is_zero() -> None:
    assert np.all(normalize_depth(np.full((4, 4), 0.7)) == 0)


@given(arrays(np.float64, (5, 2), elements=st.floats(0, 255)))
def test_pixels_and_back(points: np.ndarray) -> None:
    pixels = np.rint(to_pixels(points, (640, 480)))
    assert pixels.min() >= 0 and np.all(pixels.max(axis=0) <= [639, 479])
    assert np.abs(from_pixels(pixels, (640, 480)) - points).max() <= 255 / 479 / 2 + 1e-9


def test_halves_round_to_even() -> None:
    assert np.rint(to_pixels([[127.5, 127.5]], (2, 4))).tolist() == [[0, 2]]


def test_points_outside_the_image_move_to_its_border() -> None:
    assert clipped(from_pixels([[-5, 500]], (640, 480))).tolist() == [[0, 255]]


@pytest.mark.parametrize("write", [reasoning_prompt, steering_prompt])
def test_prompts(write: Callable[[str, int], str]) -> None:
    assert "The task is close the box. " in write(" close the box. ", 2)
    assert write("close the box", 2) == write("close the box.", 3) != write("close the box", 1)
    for instruction, n_images in (("", 1), (" . ", 1), ("go", 0)):
        with pytest.raises(ValueError):
            write(instruction, n_images)


def test_braces_in_an_instruction_stay_text() -> None:
    assert "The task is pick {trajectory} {0}. " in reasoning_prompt("pick {trajectory} {0}", 1)
