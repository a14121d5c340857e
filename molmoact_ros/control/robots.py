# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where the profiles of robots are: config/robots of this checkout or of the installed package."""

from __future__ import annotations

from pathlib import Path

from molmoact_ros.control import ProfileError


def robot_path(robot: str) -> Path:
    """Return the file of a robot profile.

    Args:
        robot: A name in config/robots, or a YAML file.

    Raises:
        ProfileError: There is no profile of that name; the text lists those that there are.
    """
    if robot.endswith((".yaml", ".yml")):
        return Path(robot).expanduser()
    folder = Path(__file__).parents[2] / "config" / "robots"
    if not folder.is_dir():
        from ament_index_python.packages import get_package_share_directory

        folder = Path(get_package_share_directory("molmoact_ros")) / "config" / "robots"
    path = folder / f"{robot}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in folder.glob("*.yaml")))
        raise ProfileError("", f"no profile '{robot}'; there are: {known}")
    return path
