# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Frames of several cameras are matched by their stamps."""

import threading

import numpy as np
import pytest

from molmoact_ros.policy.frame_matcher import Frame, FrameMatcher, NoMatch


def frame(stamp: float) -> Frame:
    return Frame(stamp, None, lambda: np.zeros((1, 1, 3), np.uint8))


@pytest.fixture
def matcher() -> FrameMatcher:
    return FrameMatcher(("front", "wrist"), max_skew=0.05, max_age=0.5)


def taken(matcher: FrameMatcher, now: float) -> dict[str, float]:
    result = matcher.take(now)
    assert not isinstance(result, NoMatch), result
    return {camera: frame.stamp for camera, frame in result.items()}


def refused(matcher: FrameMatcher, now: float) -> NoMatch:
    result = matcher.take(now)
    assert isinstance(result, NoMatch)
    return result


def test_gives_the_newest_pair_in_the_cameras_order(matcher: FrameMatcher) -> None:
    for stamp in (10.0, 10.1):
        matcher.add("wrist", frame(stamp + 0.02))
        matcher.add("front", frame(stamp))
    result = taken(matcher, 10.2)
    assert list(result.items()) == [("front", 10.1), ("wrist", 10.12)]


def test_goes_back_to_an_older_pair_when_the_newest_frames_do_not_match(
    matcher: FrameMatcher,
) -> None:
    matcher.add("front", frame(10.0))
    matcher.add("wrist", frame(10.01))
    matcher.add("front", frame(10.2))  # its partner has not arrived yet
    assert taken(matcher, 10.25) == {"front": 10.0, "wrist": 10.01}
    matcher.add("wrist", frame(10.21))
    assert taken(matcher, 10.25) == {"front": 10.2, "wrist": 10.21}


def test_uses_each_frame_of_the_leading_camera_once(matcher: FrameMatcher) -> None:
    matcher.add("front", frame(10.0))
    matcher.add("wrist", frame(10.0))
    taken(matcher, 10.1)
    assert refused(matcher, 10.1).waiting
    matcher.add("wrist", frame(10.03))
    assert refused(matcher, 10.1).waiting


def test_names_the_camera_that_never_came(matcher: FrameMatcher) -> None:
    matcher.add("front", frame(10.0))
    assert "camera 'wrist': no frame" in refused(matcher, 10.0).reason


def test_names_the_camera_that_is_too_old_and_by_how_much(matcher: FrameMatcher) -> None:
    matcher.add("front", frame(10.0))
    matcher.add("wrist", frame(9.3))
    reason = refused(matcher, 10.1).reason
    assert "camera 'wrist': the newest frame is 0.800 s old" in reason
    assert "max_image_age (0.5 s)" in reason


def test_names_the_camera_whose_clock_is_ahead(matcher: FrameMatcher) -> None:
    matcher.add("front", frame(13.0))
    matcher.add("wrist", frame(10.0))
    reason = refused(matcher, 10.0).reason
    assert "camera 'front': the newest frame is 3.000 s in the future" in reason


def test_names_the_camera_with_too_much_skew_and_by_how_much(matcher: FrameMatcher) -> None:
    matcher.add("front", frame(10.0))
    matcher.add("wrist", frame(10.09))
    reason = refused(matcher, 10.1).reason
    assert "camera 'wrist': 0.090 s apart from camera 'front'" in reason
    assert "max_camera_skew (0.05 s)" in reason


def test_a_dropped_frame_is_not_given_again(matcher: FrameMatcher) -> None:
    bad = frame(10.1)
    matcher.add("front", frame(10.0))
    matcher.add("front", bad)
    matcher.add("wrist", frame(10.04))
    matcher.drop("front", bad)
    assert taken(matcher, 10.2) == {"front": 10.0, "wrist": 10.04}


def test_never_goes_back_behind_what_was_given(matcher: FrameMatcher) -> None:
    for stamp in (10.0, 10.1):
        matcher.add("front", frame(stamp))
        matcher.add("wrist", frame(stamp))
    newest = matcher.take(10.1)
    assert not isinstance(newest, NoMatch)
    matcher.drop("front", newest["front"])
    assert refused(matcher, 10.1).waiting


def test_time_that_was_reset_starts_anew(matcher: FrameMatcher) -> None:
    for stamp in (10.0, 1.0):
        matcher.add("front", frame(stamp))
        matcher.add("wrist", frame(stamp))
    assert taken(matcher, 1.1) == {"front": 1.0, "wrist": 1.0}


def test_a_frame_ends_the_wait(matcher: FrameMatcher) -> None:
    waiting = threading.Thread(target=matcher.wait, args=(60.0,), daemon=True)
    waiting.start()
    while waiting.is_alive():  # the frame may arrive before the thread waits
        matcher.add("front", frame(10.0))
        waiting.join(0.01)
