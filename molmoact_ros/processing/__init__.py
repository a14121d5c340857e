# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Images and prompts to model input: resizing, tiling, tokenizing.

The names below need torch and transformers, which are imported only when they are asked for:
`frames` is used on robots without them.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .processor import MolmoActProcessor
    from .settings import ImageSettings

__all__ = ["ImageSettings", "MolmoActProcessor"]


def __getattr__(name: str) -> Any:
    """Import what needs torch at its first use."""
    if name in __all__:
        from . import processor

        return getattr(processor, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List them, too."""
    return [*globals(), *__all__]
