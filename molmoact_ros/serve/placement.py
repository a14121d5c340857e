# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which replica holds which session.

Ray Serve places by a hash of the session, with which six of eight robots may share one of two GPUs;
here a new session goes to the replica that has the fewest, and stays there while that one is up.
"""

from __future__ import annotations


class NoPlaceError(RuntimeError):
    """No replica that is up has a place; one may be loading."""


class Placement:
    """Sessions by replica; plain bookkeeping, for one thread."""

    def __init__(self, replicas: int, max_sessions: int) -> None:
        """Start with all replicas down.

        Args:
            replicas: Their number.
            max_sessions: That one replica can hold.
        """
        self._max = max_sessions
        self._up: set[int] = set()
        self._replicas = range(replicas)
        self._places: dict[str, int] = {}

    @property
    def up(self) -> frozenset[int]:
        """The replicas that can answer."""
        return frozenset(self._up)

    def set_up(self, replica: int, is_up: bool) -> None:
        """Note whether a replica can answer; sessions leave one that cannot."""
        if is_up:
            self._up.add(replica)
        else:
            self._up.discard(replica)
            self._places = {name: at for name, at in self._places.items() if at != replica}

    def place(self, session: str) -> int:
        """Return the replica of a session, a new one where it has none.

        Raises:
            NoPlaceError: All that are up are full, or none is up.
        """
        if session in self._places:
            return self._places[session]
        counts = {replica: 0 for replica in self._replicas if replica in self._up}
        for at in self._places.values():
            counts[at] += 1
        best = min(counts, key=lambda replica: counts[replica], default=None)
        if best is None or counts[best] >= self._max:
            raise NoPlaceError(f"{len(counts)} of {len(self._replicas)} replicas are up, all full")
        self._places[session] = best
        return best

    def leave(self, session: str) -> int | None:
        """Forget a session and return the replica that held it, None where there was none."""
        return self._places.pop(session, None)
