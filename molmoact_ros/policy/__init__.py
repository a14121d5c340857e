# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The whole job without ROS: camera images and an instruction in, trusted chunks of actions out.

`MolmoActPolicy` needs torch, which is imported only when it is asked for.
"""

from typing import TYPE_CHECKING, Any

from .types import Observation, Reasoning

if TYPE_CHECKING:
    from .policy import ActionDecoding, MolmoActPolicy

__all__ = ["ActionDecoding", "MolmoActPolicy", "Observation", "Reasoning"]


def __getattr__(name: str) -> Any:
    """Import what needs torch at its first use."""
    if name in __all__:
        from . import policy

        return getattr(policy, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
