# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Who is in control."""

from molmoact_ros.console.control import Control


def test_the_first_page_is_in_control_and_the_second_sees_it() -> None:
    control = Control()
    control.open("a", "page 1", 0.0)
    control.open("b", "page 2", 0.1)
    assert control.has("a", 0.2) and not control.has("b", 0.2)
    holder = control.holder(0.2)
    assert holder is not None and holder.name == "page 1"


def test_another_page_can_take_over() -> None:
    control = Control()
    control.open("a", "page 1", 0.0)
    control.open("b", "page 2", 0.1)
    control.take("b", 0.2)
    assert control.has("b", 0.3) and not control.beat("a", 0.3)
    assert control.beat("b", 0.3)


def test_control_does_not_pass_by_itself_to_a_page_that_is_open() -> None:
    """Or the beats of a page that only looks on would keep the robot moving."""
    control = Control()
    control.open("a", "page 1", 0.0)
    control.open("b", "page 2", 0.1)
    control.close("a")
    assert control.holder(0.2) is None
    assert not control.beat("b", 0.3)
    control.open("c", "page 3", 0.4)  # somebody who has just come, or has reloaded
    assert control.has("c", 0.5)


def test_a_page_that_is_not_heard_of_loses_control() -> None:
    control = Control()
    control.open("a", "page 1", 0.0)
    assert control.has("a", 4.0)
    control.beat("a", 4.0)
    assert control.has("a", 8.0)
    assert not control.has("a", 9.5)
    assert not control.beat("a", 9.6)
    control.take("a", 9.7)
    assert control.has("a", 9.8)


def test_a_beat_that_comes_late_does_not_give_control_back() -> None:
    control = Control()
    control.open("a", "page 1", 0.0)
    assert not control.beat("a", 6.0)
    assert not control.has("a", 6.1)


def test_asking_who_is_in_control_changes_nothing() -> None:
    """The node's thread asks for its diagnostics while pages come and go in another."""
    control = Control()
    control.open("a", "page 1", 0.0)
    assert control.holder(6.0) is None
    assert control.has("a", 1.0)


def test_a_page_that_is_closed_cannot_take_control() -> None:
    control = Control()
    control.open("a", "page 1", 0.0)
    control.close("a")
    control.take("a", 0.1)
    assert control.holder(0.1) is None
