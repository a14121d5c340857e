# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where the files that are no code lie: config, launch, msg and checkpoints of the package."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def share() -> Path:
    """Return the folder of config, launch, msg and checkpoints: the source tree, or the installed.

    Raises:
        FileNotFoundError: The package runs from neither.
    """
    prefixes = [*os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep), sys.prefix]
    installed = (Path(prefix) / "share" / "molmoact_ros" for prefix in prefixes if prefix)
    for folder in (Path(__file__).resolve().parents[1], *installed):
        if (folder / "package.xml").is_file():
            return folder
    raise FileNotFoundError(
        "no share/molmoact_ros: run from the source tree, or install molmoact_ros and set "
        "AMENT_PREFIX_PATH"
    )
