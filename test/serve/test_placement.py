# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Sessions keep to their replica, and are spread evenly."""

from collections import Counter

import pytest

from molmoact_ros.serve.placement import NoPlaceError, Placement


def placement(replicas: int = 2, sessions: int = 2) -> Placement:
    found = Placement(replicas, sessions)
    for number in range(replicas):
        found.set_up(number, True)
    return found


def test_sessions_are_spread_evenly_and_stay() -> None:
    places = placement(2, 4)
    first = {name: places.place(name) for name in "abcdefgh"}
    assert Counter(first.values()) == {0: 4, 1: 4}
    assert {name: places.place(name) for name in "hgfedcba"} == first


def test_sessions_leave_a_replica_that_is_down_and_only_they() -> None:
    places = placement(3)
    first = {name: places.place(name) for name in "abc"}
    places.set_up(first["a"], False)
    assert places.place("a") != first["a"]
    assert (places.place("b"), places.place("c")) == (first["b"], first["c"])


def test_no_replica_holds_more_than_it_can() -> None:
    places = placement()
    for name in "abcd":
        places.place(name)
    with pytest.raises(NoPlaceError, match="2 of 2 replicas are up, all full"):
        places.place("e")
    places.set_up(0, False)
    with pytest.raises(NoPlaceError, match="1 of 2"):
        places.place("e")


def test_a_place_is_free_when_its_session_leaves() -> None:
    places = placement(1, 1)
    assert places.place("a") == 0
    assert places.leave("a") == 0 and places.leave("a") is None
    assert places.place("b") == 0


def test_without_a_replica_that_is_up_there_is_no_place() -> None:
    with pytest.raises(NoPlaceError, match="0 of 2"):
        Placement(2, 1).place("a")
