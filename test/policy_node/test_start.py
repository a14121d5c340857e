# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A policy node that cannot run does not start: an exit code and one line with the reason."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from molmoact_ros.demo.graph import NodeSpec
from molmoact_ros.demo.processes import command
from molmoact_ros.faults import DeviceLostError, DeviceMemoryError
from molmoact_ros.policy import MolmoActPolicy
from molmoact_ros.policy_node.checkpoint import load_node_policy
from molmoact_ros.policy_node.parameters import (
    PolicyParameters,
    action_format,
    camera_topics,
)
from molmoact_ros.ros.running import CONFIGURATION_ERROR, FAULT, StartError, StartFault

PROCESS_CASES: dict[str, tuple[dict[str, Any], str]] = {
    "no checkpoint": ({"checkpoint": ""}, "parameter 'checkpoint': give"),
    "missing directory": (
        {"checkpoint": "/no/such/directory"},
        "parameter 'checkpoint': there is no directory '/no/such/directory'",
    ),
    "unknown statistics": ({"unnorm_key": "nowhere"}, "'nowhere' not in"),
    "unknown parameter": ({"chekpoint": "x"}, "parameter 'chekpoint' is unknown"),
    "wrong type": ({"max_image_age": "soon"}, "parameter 'max_image_age'"),
}


def refused(arguments: list[str]) -> str:
    """Run a node that must refuse to start; return its line of error."""
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == CONFIGURATION_ERROR
    assert len(errors) == 1, done.stderr
    assert "Traceback" not in done.stderr
    return errors[0]


@pytest.mark.parametrize("case", PROCESS_CASES)
def test_the_process_refuses_to_start(
    ros_environment: Any, golden_parameters: Any, case: str
) -> None:
    changes, expected = PROCESS_CASES[case]
    spec = NodeSpec("policy_node", "refused", parameters={**golden_parameters, **changes})
    assert expected in refused(command(spec))


def test_letters_of_any_language_in_the_locale_c(
    ros_environment: Any, golden_parameters: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python does not decode arguments there; ROS does, and files cannot have such names."""
    for name, value in (("LC_ALL", "C"), ("PYTHONUTF8", "0"), ("PYTHONCOERCECLOCALE", "0")):
        monkeypatch.setenv(name, value)
    folder = tmp_path / "grün"
    folder.mkdir()
    changes = {"instruction": "schließe die Kiste", "checkpoint": str(folder)}
    spec = NodeSpec("policy_node", "refused", parameters={**golden_parameters, **changes})
    assert "cannot be the name of a file in this locale: set LC_ALL=C.UTF-8" in refused(
        command(spec)
    )


def test_the_process_refuses_a_broken_parameter_file(ros_environment: Any, tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text("policy: [1, true]\n")
    spec = NodeSpec("policy_node", "refused", parameter_files=(file,))
    assert "broken.yaml" in refused(command(spec))


@pytest.fixture(scope="module")
def parameters(golden_parameters: dict[str, Any]) -> PolicyParameters:
    return PolicyParameters(**golden_parameters)


@pytest.fixture(scope="module")
def policy(parameters: PolicyParameters) -> Any:
    return load_node_policy(parameters)


def test_a_broken_checkpoint_is_refused(parameters: PolicyParameters, tmp_path: Path) -> None:
    shutil.copytree(parameters.checkpoint, tmp_path, dirs_exist_ok=True)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(StartError, match=f"checkpoint '{tmp_path}'.*model.safetensors"):
        load_node_policy(dataclasses.replace(parameters, checkpoint=str(tmp_path)))


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (RuntimeError("CUDA error"), StartFault),
        (DeviceMemoryError("cuda:0 has too little memory"), StartFault),
        (DeviceLostError("cuda:0 has failed"), DeviceLostError),
    ],
)
def test_a_device_that_fails_while_loading(
    parameters: PolicyParameters, monkeypatch: pytest.MonkeyPatch, fault: Exception, expected: type
) -> None:
    """No configuration error, so that it is started again; a lost device ends the process too."""

    def fail(*arguments: object, **settings: object) -> None:
        raise fault

    monkeypatch.setattr(MolmoActPolicy, "from_preflight", fail)
    with pytest.raises(expected, match=str(fault)) as error:
        load_node_policy(parameters)
    assert getattr(error.value, "exit_code", FAULT) == FAULT


def test_memory_that_others_take_is_a_fault_and_no_configuration_error(
    parameters: PolicyParameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("molmoact_ros.model.loading.free_bytes", lambda device: 1000)
    with pytest.raises(StartError, match="GB are free") as error:
        load_node_policy(parameters)
    assert error.value.exit_code == FAULT
    with pytest.raises(StartError, match="GB are free") as error:
        load_node_policy(dataclasses.replace(parameters, unnorm_key="nowhere"))
    assert error.value.exit_code == CONFIGURATION_ERROR, "more memory does not mend that"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"cameras": ("a", "a")}, "parameter 'cameras': names one camera twice"),
        (
            {"cameras": ("a", "b"), "image_topics": ("/a",)},
            "parameter 'image_topics': 1 topics for the 2 cameras a, b",
        ),
    ],
)
def test_cameras_and_topics_must_fit(
    parameters: PolicyParameters, policy: Any, changes: dict[str, Any], expected: str
) -> None:
    with pytest.raises(StartError, match=expected):
        camera_topics(dataclasses.replace(parameters, **changes), policy.profile)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"action_names": ("x", "y")}, r"'action_names': 2 names \(x, y\), but 'molmoact' has 7"),
        ({"control_period": 0.0}, "parameter 'control_period': give the time"),
    ],
)
def test_actions_must_be_understood(
    parameters: PolicyParameters, policy: Any, changes: dict[str, Any], expected: str
) -> None:
    with pytest.raises(StartError, match=expected):
        action_format(dataclasses.replace(parameters, **changes), policy.profile, policy.stats)


def test_what_is_left_open_comes_from_the_profile(
    parameters: PolicyParameters, policy: Any
) -> None:
    assert camera_topics(parameters, policy.profile) == {"primary": "~/primary/image"}
    form = action_format(parameters, policy.profile, policy.stats)
    assert form.names == ("x", "y", "z", "roll", "pitch", "yaw", "gripper")
    assert (form.action_space, form.step_period, form.frame_id) == ("ee_delta", 0.1, "")
