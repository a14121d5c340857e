# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Messages that were published but never arrived. No ROS in it."""

from __future__ import annotations

from collections.abc import Hashable


class GapCounter:
    """Counts the gaps in the numbers that a publisher gives its messages.

    Attributes:
        missing: Messages that never arrived; those before the first that did are not known.
    """

    def __init__(self) -> None:
        """Start at zero."""
        self.missing = 0
        self._publisher: Hashable = None
        self._last: int | None = None

    def add(self, publisher: Hashable, number: int | None) -> None:
        """Take note of a message that arrived.

        Args:
            publisher: Which one sent it; another one, such as a restarted driver, counts anew.
            number: That it gave the message; None: the middleware does not say.
        """
        if number is None:
            return
        if self._last is not None and publisher == self._publisher:
            self.missing += max(number - self._last - 1, 0)
        self._publisher, self._last = publisher, number
