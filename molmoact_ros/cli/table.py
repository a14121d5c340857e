# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Plain text tables that fit a terminal of 100 columns."""

import textwrap
from collections.abc import Sequence

WIDTH = 100


def format_table(rows: Sequence[Sequence[str]], indent: str = "  ", header: bool = True) -> str:
    """Align rows of equal length in columns; the last column is wrapped at `WIDTH`.

    Args:
        rows: cells; the first row is the header when `header` is true.
        indent: put before each line.
        header: underline the first row.
    """
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    room = max(WIDTH - len(indent) - sum(widths[:-1]) - 2 * (len(widths) - 1), 20)
    widths[-1] = min(widths[-1], room)
    lines = []
    for number, row in enumerate(rows):
        cells = zip(row[:-1], widths[:-1], strict=True)
        start = "".join(cell.ljust(width + 2) for cell, width in cells)
        for wrapped in textwrap.wrap(row[-1], room) or [""]:
            lines.append((indent + start + wrapped).rstrip())
            start = " " * len(start)
        if header and number == 0:
            lines.append(indent + "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def format_bytes(count: float) -> str:
    """Decimal bytes with three digits, such as "16.2 GB"."""
    for unit in ("B", "kB", "MB"):
        if count < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


def format_list(items: Sequence[str], bullet: str = "- ", indent: str = "  ") -> str:
    """One wrapped paragraph for each item."""
    paragraphs = (
        textwrap.fill(
            item,
            WIDTH,
            initial_indent=indent + bullet,
            subsequent_indent=indent + " " * len(bullet),
            break_on_hyphens=False,
        )
        for item in items
    )
    return "\n".join(paragraphs)
