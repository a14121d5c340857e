# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""SIGTERM in every state of the life cycle: exit code 0, soon, and no process is left."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from lifecycle_msgs.msg import State, Transition

from molmoact_ros.demo.graph import NodeSpec

SOON = 15.0  # s; 5 s where a core is free, and before launch would kill the process
STEPS = {
    State.PRIMARY_STATE_UNCONFIGURED: (),
    State.PRIMARY_STATE_INACTIVE: (Transition.TRANSITION_CONFIGURE,),
    State.PRIMARY_STATE_ACTIVE: (
        Transition.TRANSITION_CONFIGURE,
        Transition.TRANSITION_ACTIVATE,
    ),
}


@pytest.mark.parametrize("state", STEPS, ids=["unconfigured", "inactive", "active"])
@pytest.mark.parametrize("executable", ["policy_node", "executor_node"])
def test_sigterm(
    start: Any, supervise: Any, golden_parameters: Any, executable: str, state: int
) -> None:
    name = f"{executable}_{state}"
    parameters = {**golden_parameters, "cameras": ["camera"]} if executable == "policy_node" else {}
    nodes = start(NodeSpec(executable, name, parameters={**parameters, "autostart": False}))
    supervisor = supervise(name)
    assert all(supervisor.change(step) for step in STEPS[state])
    assert supervisor.state == state
    ended(nodes.process(name))


def test_sigterm_while_the_policy_is_configured(
    start: Any,
    supervise: Any,
    client: Any,
    golden_parameters: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An import waits until the state has been seen; then a real load goes on."""
    seen = tmp_path / "seen"
    library = f"""
import pathlib, sys, time
while not pathlib.Path({str(seen)!r}).exists():
    time.sleep(0.01)
sys.path.remove({str(tmp_path)!r})
del sys.modules["transformers"]
import transformers
"""
    (tmp_path / "transformers.py").write_text(library)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    nodes = start(NodeSpec("policy_node", "configuring", parameters={**golden_parameters}))
    states = supervise("configuring")
    client.wait_for(lambda: states.state == State.TRANSITION_STATE_CONFIGURING, "configuring")
    seen.touch()
    ended(nodes.process("configuring"))


def test_sigterm_while_the_policy_imports_its_libraries(
    start: Any, client: Any, golden_parameters: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = tmp_path / "reached"
    library = f"import pathlib, time\npathlib.Path({str(reached)!r}).touch()\ntime.sleep(600)\n"
    (tmp_path / "transformers.py").write_text(library)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    nodes = start(NodeSpec("policy_node", "importing", parameters={**golden_parameters}))
    client.wait_for(reached.exists, "the import")
    ended(nodes.process("importing"))


def ended(process: Any) -> None:
    """Send SIGTERM; check the time, the exit code, and that the session is empty."""
    process.send_signal(signal.SIGTERM)
    assert process.wait(SOON) == 0
    assert session(process.pid) == []


def session(leader: int) -> list[str]:
    """Return the command lines of the processes of a session."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(process.name)) == leader:
                found.append((process / "cmdline").read_text())
        except OSError:
            continue  # ended meanwhile
    return found
