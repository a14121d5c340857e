# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a draft remembers of earlier answers."""

from __future__ import annotations

from molmoact_ros.decoding.drafts.template import NO_VALUES, Values


class History:
    """Values of earlier answers.

    Attributes:
        last: values of the previous answer; a group that it lacked keeps its older values.
        before: values of the answer before that.
        executed: steps of the previous chunk that the robot made until the next image.
        columns: values in a row of actions.
    """

    def __init__(self, columns: int) -> None:
        self.last = NO_VALUES
        self.before = NO_VALUES
        self.executed = 0
        self.columns = columns

    def record(self, values: Values) -> None:
        """Take note of an answer, whole or cut."""
        merged = tuple(new or old for new, old in zip(values, self.last, strict=True))
        self.before, self.last = self.last, merged
