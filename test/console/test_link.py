# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Pages that do not keep up get less, and commands that were under way for long are old."""

from molmoact_ros.console.link import Link


def test_a_page_that_confirms_gets_every_tick() -> None:
    link = Link()
    for number in range(1, 50):
        assert link.next_tick(number * 0.2) == number
        link.confirm(number)


def test_a_page_that_does_not_keep_up_gets_one_a_second() -> None:
    link = Link()
    times = [0.2 * step for step in range(1, 501)]  # 100 s
    sent = [now for now in times if link.next_tick(now) is not None]
    assert len(sent) <= 3 + 101
    assert sent[-1] - sent[-2] >= 0.99


def test_a_page_cannot_confirm_what_it_never_got() -> None:
    link = Link()
    link.next_tick(1.0)
    link.confirm(1_000_000)
    assert link.next_tick(1.1) == 2
    assert not link.is_fresh(1_000_000, 1.1)


def test_a_command_is_as_old_as_the_tick_that_it_was_given_at() -> None:
    link = Link()
    tick = link.next_tick(1.0)
    assert tick is not None
    assert link.is_fresh(tick, 2.0)
    assert not link.is_fresh(tick, 2.6)  # it was kept by a network that was away
    assert not link.is_fresh(-1, 1.1)  # the page knew that it was cut off
    assert not link.is_fresh(0, 1.1)
