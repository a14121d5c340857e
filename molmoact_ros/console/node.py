# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The console as a ROS node; it subscribes to the robot only while a page is open."""

from __future__ import annotations

from collections.abc import Sequence

from molmoact_ros.ros.diagnostics import Diagnosis, Diagnostics, Level
from molmoact_ros.ros.parameters import declare_parameters
from molmoact_ros.ros.running import ClosableNode, StartError, run_node

from .parameters import ConsoleParameters, check
from .robot import Robot


class ConsoleNode(ClosableNode):
    """Serves the page; ROS runs in the node's thread, the web server in one of its own."""

    def __init__(self) -> None:
        """Check the parameters and serve."""
        super().__init__("molmoact_console")
        parameters = declare_parameters(self, ConsoleParameters)
        check(parameters)
        try:
            from .web import WebServer
        except ImportError as error:
            raise StartError(
                f"the console needs NiceGUI ({error}); install it with: "
                "pip install 'nicegui>=3.18,<4'"
            ) from error
        self._web = WebServer(self, Robot(self, parameters), parameters)
        Diagnostics(self, {"console": self._status})
        self._web.start()

    def close(self) -> None:
        """End the web server."""
        self._web.stop()

    def _status(self) -> Diagnosis:
        values = {"open pages": self._web.pages, "in control": self._web.holder or "nobody"}
        return Diagnosis(Level.OK, f"open pages: {self._web.pages}", values)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node."""
    return run_node(ConsoleNode, args)
