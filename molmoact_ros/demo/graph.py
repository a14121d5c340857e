# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which nodes the demonstration consists of, and how they are connected.

Used by the demo command and by `launch/demo.launch.py`, so that both run the same graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from molmoact_ros.share import share as share  # of launch files that were copied, too

PACKAGE = "molmoact_ros"
SIMULATOR = "tabletop"
POLICY = "molmoact_policy"
EXECUTOR = "molmoact_executor"
CONSOLE = "molmoact_console"


@dataclass(frozen=True)
class NodeSpec:
    """One node.

    Attributes:
        executable: Name of the program.
        name: Name of the node.
        parameter_files: YAML files, later ones win.
        parameters: Values that win over the files.
        remappings: From the node's own topic names to those of the graph; targets are relative,
            so that the graph works in any namespace.
        namespace: Of the node; empty: none.
    """

    executable: str
    name: str
    parameter_files: tuple[Path, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    remappings: Mapping[str, str] = field(default_factory=dict)
    namespace: str = ""

    @property
    def label(self) -> str:
        """Name among all processes of a demonstration."""
        return f"{self.namespace}_{self.name}" if self.namespace else self.name


def default_checkpoint() -> Path:
    """Return the small checkpoint that comes with the package."""
    return share() / "checkpoints" / "tabletop"


def console_spec(parameter_file: Path | None = None) -> NodeSpec:
    """Return the console for the demonstration's graph.

    Args:
        parameter_file: None: ``config/demo.yaml``.
    """
    return NodeSpec("console_node", CONSOLE, (parameter_file or share() / "config" / "demo.yaml",))


def demo_graph(
    checkpoint: str,
    seed: int = 0,
    instruction: str = "",
    parameter_file: Path | None = None,
    variation: str | None = None,
    execute_steps: int | None = None,
    cell: Path | None = None,
    robot: str | None = None,
) -> tuple[NodeSpec, ...]:
    """Return simulator, policy and executor, in the order in which they start.

    Args:
        checkpoint: Directory or hub id.
        seed: Scene of the simulator.
        instruction: Followed from the start; empty: wait for the topic.
        parameter_file: None: `config/demo.yaml`.
        variation: Look of the scene; None: as in the file.
        execute_steps: Rows of each chunk that are executed; None: as in file and profiles.
        cell: File of another cell; None: as in the file.
        robot: Profile of its robot; None: as in the file.
    """
    steps = {} if execute_steps is None else {"execute_steps": execute_steps}
    look = {} if variation is None else {"variation": variation}
    cells = {} if cell is None else {"cell": str(cell)}
    profile = {} if robot is None else {"robot": robot}
    files = (parameter_file or share() / "config" / "demo.yaml",)
    return (
        NodeSpec("tabletop_node", SIMULATOR, files, {"seed": seed, **look, **cells}),
        NodeSpec(
            "policy_node",
            POLICY,
            files,
            {"checkpoint": checkpoint, "instruction": instruction, **steps},
            {"~/camera/image": f"{SIMULATOR}/camera/image"},
        ),
        NodeSpec(
            "executor_node",
            EXECUTOR,
            files,
            {**steps, **profile},
            {
                "~/action_chunk": f"{POLICY}/action_chunk",
                "~/ee_pose": f"{SIMULATOR}/ee_pose",
                "~/joint_states": "joint_states",
                "~/twist": f"{SIMULATOR}/twist",
                "~/gripper": f"{SIMULATOR}/gripper",
            },
        ),
    )
