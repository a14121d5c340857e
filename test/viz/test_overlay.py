# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The overlay: golden steering line, and pictures that keep their promises at every size."""

import cv2
import numpy as np
import pytest
from golden_files import GOLDEN
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from molmoact_ros.viz import draw_hint, draw_overlay

ARRAYS = dict(np.load(GOLDEN / "vision" / "misc.npz"))
SIZES = [(126, 126), (320, 240), (640, 480), (1920, 1080)]
PATH = np.array([[0.2, 0.7], [0.4, 0.5], [0.6, 0.4], [0.7, 0.6]])


def _scene(width: int, height: int) -> np.ndarray:
    return cv2.resize(ARRAYS["simpler_in"], (width, height), interpolation=cv2.INTER_AREA)


def _path(width: int, height: int) -> np.ndarray:
    return PATH * [width - 1, height - 1]


def test_hint_is_drawn_as_the_reference_draws_it() -> None:
    before = ARRAYS["draw.in"].copy()
    np.testing.assert_array_equal(draw_hint(before, ARRAYS["draw.points"]), ARRAYS["draw.out"])
    np.testing.assert_array_equal(before, ARRAYS["draw.in"])


@pytest.mark.parametrize("points", [np.empty((0, 2)), [[10, 10]]])
def test_hint_without_a_line_changes_nothing(points: ArrayLike) -> None:
    scene = _scene(64, 48)
    np.testing.assert_array_equal(draw_hint(scene, points), scene)


@pytest.mark.parametrize("width, height", SIZES)
def test_overlay_marks_the_path_and_keeps_the_input(width: int, height: int) -> None:
    scene = _scene(width, height)
    before = scene.copy()
    picture = draw_overlay(scene, _path(width, height), "close the box", "chunk 3")
    np.testing.assert_array_equal(scene, before)
    assert picture.shape == scene.shape and picture.dtype == np.uint8
    changed = np.any(picture != scene, axis=2)
    for x, y in np.rint(_path(width, height)).astype(int):
        assert changed[y, x]
    # The middle of the picture away from the path is untouched.
    assert not changed[height // 4, width // 10 : width // 3].any()


@pytest.mark.parametrize("width, height", SIZES)
def test_colour_runs_from_now_to_later(width: int, height: int) -> None:
    picture = draw_overlay(_scene(width, height), _path(width, height), "", "")
    start, end = np.rint(_path(width, height)[[0, -1]]).astype(int)
    assert picture[start[1], start[0], 1] > 200 > 100 > picture[end[1], end[0], 1]


def test_user_path_differs_from_a_predicted_one() -> None:
    scene, path = _scene(320, 240), _path(320, 240)
    x, y = np.rint(path[2]).astype(int)
    predicted = draw_overlay(scene, path, "", "", "predicted")[y, x].astype(int)
    user = draw_overlay(scene, path, "", "", "user")[y, x].astype(int)
    assert predicted[0] > predicted[2] and user[2] > user[0]


@pytest.mark.parametrize("width, height", SIZES)
def test_text_has_bright_letters_on_a_dark_backing(width: int, height: int) -> None:
    white = np.full((height, width, 3), 255, np.uint8)
    strip = draw_overlay(white, [], "close the box", "chunk 3")[: max(height // 30, 6)]
    assert (strip < 100).mean() > 0.5
    assert (strip > 200).sum() > 20


@pytest.mark.parametrize(
    "instruction", ["关上盒子", "ferme la boîte", "\x00\x1b[31m\n\t", "word " * 2000, "w" * 10_000]
)
def test_any_instruction_can_be_shown(instruction: str) -> None:
    scene = _scene(126, 126)
    picture = draw_overlay(scene, _path(126, 126), instruction, "chunk 1")
    assert np.array_equal(picture[60:80, :20], scene[60:80, :20])


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.floats(), st.floats()), max_size=6))
def test_any_points_can_be_drawn(points: ArrayLike) -> None:
    picture = draw_overlay(_scene(64, 48), points, "go", "chunk 1")
    assert picture.shape == (48, 64, 3)


def test_views_are_accepted() -> None:
    flipped = _scene(64, 48)[:, ::-1]
    assert draw_overlay(flipped, _path(64, 48), "go", "").shape == flipped.shape
