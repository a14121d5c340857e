# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The last one who asks is followed, and hints end when they should."""

import numpy as np

from molmoact_ros.policy.task import TaskDesk

LINE = np.array([[0.0, 0.0], [255.0, 255.0]])


def test_a_new_request_replaces_the_last_one_even_with_the_same_words() -> None:
    desk = TaskDesk("open")
    first = desk.follow("close")
    second = desk.follow("close")
    assert second != first
    assert desk.task.order == second


def test_leaving_ends_only_the_own_request() -> None:
    desk = TaskDesk()
    first = desk.follow("open")
    second = desk.follow("close")
    desk.leave(first)
    assert desk.task.instruction == "close"
    desk.leave(second)
    assert desk.task.instruction == ""
    assert desk.task.order != second


def test_blanks_are_no_instruction() -> None:
    desk = TaskDesk("  ")
    assert desk.task.instruction == ""
    desk.follow("open")
    desk.follow(" \t")
    assert desk.task.instruction == ""


def test_a_hint_stays_until_it_is_cleared() -> None:
    desk = TaskDesk("go")
    desk.steer(LINE)
    for _ in range(5):
        desk.count_answer(desk.task)
    assert desk.task.hint is LINE
    desk.steer(np.empty((0, 2)))
    assert desk.task.hint is None


def test_a_hint_ends_after_its_number_of_answers() -> None:
    desk = TaskDesk("go", hint_steps=2)
    desk.steer(LINE)
    desk.count_answer(desk.task)
    desk.steer(LINE.copy())  # a new hint counts anew
    old = desk.task
    desk.count_answer(desk.task)
    assert desk.task.hint is not None
    desk.count_answer(desk.task)
    assert desk.task.hint is None
    desk.count_answer(old)
    desk.steer(LINE)
    desk.limit_hints(1)
    desk.count_answer(desk.task)
    assert desk.task.hint is None


def test_answers_without_the_hint_do_not_count() -> None:
    desk = TaskDesk("go", hint_steps=1)
    before = desk.task
    desk.steer(LINE)
    desk.count_answer(before)
    assert desk.task.hint is LINE


def test_a_request_without_frames_for_a_while_is_blind_until_there_are_some() -> None:
    desk = TaskDesk("open the box")
    desk.note_frames(desk.task, 100.0, "no frame has arrived")
    desk.note_frames(desk.task, 109.0, "too old")
    assert desk.blindness(desk.task.order, 109.9) is None
    assert desk.blindness(desk.task.order, 110.0) == "no usable images for 10 s: too old"
    assert desk.blindness(desk.task.order + 1, 110.0) is None, "of another request"
    desk.note_frames(desk.task, 110.0)
    assert desk.blindness(desk.task.order, 200.0) is None


def test_blindness_begins_anew_with_a_request_and_a_clock_that_was_reset() -> None:
    desk = TaskDesk("open the box")
    desk.note_frames(desk.task, 100.0, "dark")
    order = desk.follow("close the box")
    desk.note_frames(desk.task, 105.0, "dark")
    assert desk.blindness(order, 114.0) is None
    desk.note_frames(desk.task, 3.0, "dark")
    assert desk.blindness(order, 12.0) is None
    assert desk.blindness(order, 13.0) is not None
