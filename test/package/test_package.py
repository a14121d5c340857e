# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The package: its description, its files, and that files and code agree."""

from __future__ import annotations

import ast
import dataclasses
import os
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ROS_PACKAGES = re.compile(
    r"^(rclpy|rcl_interfaces|builtin_interfaces|ament_index_python|lifecycle_msgs|rosgraph_msgs"
    r"|(std|sensor|geometry|trajectory|visualization|diagnostic)_(msgs|srvs))$"
)
INTERFACES = sorted([*(ROOT / "msg").glob("*.msg"), *(ROOT / "action").glob("*.action")])


def dependencies() -> set[str]:
    tree = ElementTree.parse(ROOT / "package.xml")
    return {node.text or "" for node in tree.getroot() if node.tag.endswith("depend")}


def imported_packages() -> set[str]:
    names = set()
    for file in (ROOT / "molmoact_ros").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names.add(node.module.split(".")[0])
            elif isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
    return names


def test_every_ros_package_that_is_imported_is_declared() -> None:
    used = {name for name in imported_packages() if ROS_PACKAGES.match(name)}
    assert len(used) > 5
    assert used <= dependencies()


def test_what_the_demonstration_of_an_own_robot_installs_is_what_its_extras_need() -> None:
    script = (ROOT / "scripts" / "demo_finetune.sh").read_text()
    assert 'setup.sh" --no-tests --own-robot\n' in script
    lines = (ROOT / "scripts" / "requirements" / "own_robot.txt").read_text().splitlines()
    installed = {re.split(r"[<>= ]", line)[0] for line in lines if not line.startswith("#")}
    tree = ast.parse((ROOT / "setup.py").read_text())
    (extras,) = (
        ast.literal_eval(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == "extras_require"
    )
    needed = [*extras["replay"], *extras["dataset"], *extras["finetune"]]
    assert {re.split(r"[<>=]", package)[0] for package in needed} == installed


def test_package_xml_names_build_type_and_licence() -> None:
    root = ElementTree.parse(ROOT / "package.xml").getroot()
    assert root.get("format") == "3"
    assert root.findtext("license") == "Apache-2.0"
    assert root.findtext("export/build_type") == "ament_cmake"
    assert root.findtext("member_of_group") == "rosidl_interface_packages"


@pytest.mark.parametrize("file", INTERFACES, ids=lambda file: file.name)
def test_every_field_is_explained(file: Path) -> None:
    for line in file.read_text().splitlines():
        code, _, comment = line.partition("#")
        is_field = len(code.split()) == 2 and "=" not in code
        is_message = "molmoact_ros/" in code  # explained in its own file
        assert not is_field or is_message or comment.strip(), line


@pytest.mark.parametrize("file", INTERFACES, ids=lambda file: file.name)
def test_every_interface_is_built(file: Path) -> None:
    assert f'"{file.parent.name}/{file.name}"' in (ROOT / "CMakeLists.txt").read_text()


# Installed files.


@pytest.fixture(scope="module")
def share(ros_environment: Any) -> Path:
    from ament_index_python.packages import get_package_share_directory

    return Path(get_package_share_directory("molmoact_ros"))


@pytest.mark.parametrize(
    "file",
    [
        "package.xml",
        "config/demo.yaml",
        "config/policy.yaml",
        "config/fastdds.xml",
        "config/robots/tabletop.yaml",
        "config/checkpoints/tabletop.yaml",
        "launch/demo.launch.py",
        "launch/molmoact.launch.py",
        "checkpoints/tabletop/config.json",
    ],
)
def test_shared_files_are_installed(share: Path, file: str) -> None:
    assert (share / file).is_file()


@pytest.mark.parametrize("name", ["policy_node", "executor_node", "tabletop_node"])
def test_executables_run_with_the_python_that_has_the_packages(share: Path, name: str) -> None:
    program = share.parents[1] / "lib" / "molmoact_ros" / name
    assert os.access(program, os.X_OK)
    interpreter = program.read_text().splitlines()[0].removeprefix("#!")
    subprocess.run([interpreter, "-c", "import rclpy, numpy, cv2"], check=True, cwd="/")


def test_ctrl_c_while_a_program_imports_is_not_lost(share: Path, tmp_path: Path) -> None:
    """Python drops a KeyboardInterrupt that comes in a destructor, and imports have many."""
    (tmp_path / "rclpy.py").write_text(
        "import os, signal, sys\n"
        "try:\n    os.kill(os.getpid(), signal.SIGINT)\n"
        "except KeyboardInterrupt:\n    sys.exit('lost')\n"
    )
    done = subprocess.run(
        [share.parents[1] / "lib" / "molmoact_ros" / "executor_node"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        # Tests that run in the background of a shell inherit that SIGINT is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert done.returncode == -signal.SIGINT


def test_messages_can_be_imported_from_the_source_folder() -> None:
    code = "from molmoact_ros.msg import ActionReasoning; from molmoact_ros.action import *"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_ros_and_messages_come_from_one_environment() -> None:
    """Two sets of wheels can share the other packages, but must not mix."""
    import molmoact_ros.msg
    import rcl_interfaces
    import rclpy
    import std_msgs

    if not Path(rclpy.__file__).is_relative_to(sys.prefix):
        pytest.skip("this ROS is not one of wheels")
    for module in (rcl_interfaces, std_msgs, molmoact_ros.msg):
        assert Path(str(module.__file__)).is_relative_to(sys.prefix), module


# Parameter files.


def parameter_specs() -> dict[str, type]:
    from molmoact_ros.console.parameters import ConsoleParameters
    from molmoact_ros.executor_node.parameters import ExecutorParameters
    from molmoact_ros.policy_node.parameters import PolicyParameters
    from molmoact_ros.tabletop_node.node import TabletopParameters

    return {
        "/**/molmoact_policy": PolicyParameters,
        "/**/molmoact_executor": ExecutorParameters,
        "/**/molmoact_console": ConsoleParameters,
        "/**/tabletop": TabletopParameters,
    }


def test_policy_yaml_lists_every_parameter_with_its_default() -> None:
    text = (ROOT / "config" / "policy.yaml").read_text()
    given = yaml.safe_load(text)["/**/molmoact_policy"]["ros__parameters"]
    spec = parameter_specs()["/**/molmoact_policy"]
    defaults = {f.name: f.default for f in dataclasses.fields(spec)}
    expected = {n: [""] if d == () else d for n, d in defaults.items() if d is not None}
    assert given == expected
    for name in set(defaults) - set(expected):  # ROS has no way to write that one is not set
        assert re.search(rf"^    # {name}: ", text, re.MULTILINE), name


def test_demo_yaml_holds_known_parameters_of_the_right_type() -> None:
    content = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text())
    specs = parameter_specs()
    assert set(content) == set(specs)
    for section, spec in specs.items():
        kinds = {f.name: type(f.default) for f in dataclasses.fields(spec)}
        types = {name: list if kind is tuple else kind for name, kind in kinds.items()}
        for name, value in content[section]["ros__parameters"].items():
            assert isinstance(value, types[name]), f"{section} {name}"


def test_every_key_of_the_parameter_files_is_explained() -> None:
    for name in ("policy.yaml", "demo.yaml"):
        lines = (ROOT / "config" / name).read_text().splitlines()
        for before, line in zip(lines, lines[1:], strict=False):
            if re.match(r"    \w+: ", line) and not re.match(r"    image_height", line):
                assert before.strip().startswith("#"), line
