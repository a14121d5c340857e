# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""RViz and Foxglove configurations: well formed, and every topic in them is documented."""

import ast
import importlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

ROOT = Path(__file__).parents[2]
RVIZ = ROOT / "config" / "molmoact.rviz"
FOXGLOVE = ROOT / "config" / "molmoact_foxglove.json"
VIEW = ROOT / "launch" / "view.launch.py"

# Message types that each display of rviz_default_plugins takes.
DISPLAYS = {
    "Image": "sensor_msgs/msg/Image",
    "Camera": "sensor_msgs/msg/Image",
    "MarkerArray": "visualization_msgs/msg/MarkerArray",
    "Pose": "geometry_msgs/msg/PoseStamped",
}
WITHOUT_TOPIC = {"Grid", "Axes", "TF", "RobotModel"}
PANELS = {
    "3D", "CallService", "DiagnosticSummary", "Image", "Plot", "Publish", "RawMessages",
    "StateTransitions",
}  # fmt: skip


@pytest.fixture(scope="module")
def topics(interfaces: dict[str, list[Any]]) -> dict[str, Any]:
    """Return the documented topics and services by name."""
    return {row.name: row for rows in interfaces.values() for row in rows}


@pytest.fixture(scope="module")
def rviz() -> dict[str, Any]:
    return yaml.safe_load(RVIZ.read_text(encoding="utf-8"))


def test_rviz_displays_show_documented_topics(rviz: dict[str, Any], topics: dict[str, Any]) -> None:
    shown = set()
    for display in rviz["Visualization Manager"]["Displays"]:
        package, kind = display["Class"].split("/")
        assert package == "rviz_default_plugins"
        if kind in WITHOUT_TOPIC:
            continue
        topic = display["Topic"]
        name = f"/{topic['Value']}"
        assert not topic["Value"].startswith("/"), "relative, so that a namespace can precede it"
        row = topics[name]
        assert row.type == DISPLAYS[kind] and row.direction == "publishes"
        best_effort = topic["Reliability Policy"] == "Best Effort"
        assert best_effort == (row.qos == "sensor"), "a reliable reader receives no best effort"
        assert topic["Durability Policy"] == "Volatile"
        shown.add(name)
    assert {"/molmoact_policy/overlay", "/molmoact_policy/depth_image"} <= shown
    assert {"/molmoact_markers/markers", "/tabletop/ee_pose"} <= shown


def test_rviz_names_its_panels_tools_and_displays(rviz: dict[str, Any]) -> None:
    manager = rviz["Visualization Manager"]
    assert all(panel["Class"].startswith("rviz_common/") for panel in rviz["Panels"])
    assert all(tool["Class"].startswith("rviz_default_plugins/") for tool in manager["Tools"])
    names = [display["Name"] for display in manager["Displays"]]
    assert len(set(names)) == len(names)
    camera = next(d for d in manager["Displays"] if d["Class"].endswith("/Camera"))
    others = set(names) - {camera["Name"]}
    assert set(camera["Visibility"]) - {"Value"} == others, "the camera sees the others by name"
    assert manager["Global Options"]["Fixed Frame"] == "base_link"


def test_rviz_expects_the_markers_namespace(rviz: dict[str, Any]) -> None:
    markers = pytest.importorskip("molmoact_ros.markers_node.markers")
    display = next(
        d for d in rviz["Visualization Manager"]["Displays"] if d["Class"].endswith("/MarkerArray")
    )
    assert display["Namespaces"] == {markers.NAMESPACE: True}


def test_view_launch_remaps_what_rviz_shows_of_the_robot(rviz: dict[str, Any]) -> None:
    text = RVIZ.read_text(encoding="utf-8")
    of_the_robot = set(re.findall(r"Value: tabletop/(\S+)", text))
    launch = VIEW.read_text(encoding="utf-8")
    remapped = set(re.findall(r'\("([\w/]+)", "\w+"\),', launch[launch.index("def rviz(") :]))
    assert of_the_robot <= remapped
    assert remapped - of_the_robot == {"camera/camera_info"}, "of the Camera display"


@pytest.fixture(scope="module")
def layout() -> dict[str, Any]:
    return json.loads(FOXGLOVE.read_text(encoding="utf-8"))


def test_foxglove_places_every_panel_once(layout: dict[str, Any]) -> None:
    placed: list[str] = []

    def walk(part: Any) -> None:
        if isinstance(part, str):
            placed.append(part)
            return
        assert part["direction"] in ("row", "column") and 0 < part["splitPercentage"] < 100
        walk(part["first"])
        walk(part["second"])

    walk(layout["layout"])
    assert sorted(placed) == sorted(layout["configById"])
    assert {name.split("!")[0] for name in placed} == PANELS


def test_foxglove_shows_documented_topics(layout: dict[str, Any], topics: dict[str, Any]) -> None:
    panels = layout["configById"]
    for name, panel in panels.items():
        kind = name.split("!")[0]
        if kind == "Image":
            topic = topics[panel["imageMode"]["imageTopic"]]
            assert topic.type.endswith("Image") and topic.direction == "publishes"
        elif kind == "3D":
            assert all(topics[topic].direction == "publishes" for topic in panel["topics"])
        elif kind == "Publish":
            topic = topics[panel["topicName"]]
            assert (topic.type, topic.direction) == (panel["datatype"], "subscribes")
            json.loads(panel["value"])
        elif kind == "CallService":
            service = topics[panel["serviceName"]]
            assert service.direction == "serves"
            assert bool(json.loads(panel["requestPayload"])) == service.type.endswith("SetBool")
        elif kind == "DiagnosticSummary":
            assert panel["topicToRender"] in topics


def test_foxglove_paths_name_fields_that_exist(
    layout: dict[str, Any], topics: dict[str, Any]
) -> None:
    pytest.importorskip("molmoact_ros.msg")
    paths = [panel.get("topicPath") for panel in layout["configById"].values()]
    paths += [p["value"] for panel in layout["configById"].values() for p in panel.get("paths", [])]
    for path in filter(None, paths):
        topic, *fields = path.split(".")
        package, _, kind = topics[topic].type.split("/")
        message = getattr(importlib.import_module(f"{package}.msg"), kind)()
        for field in fields:
            assert field in message.get_fields_and_field_types(), path
            message = getattr(message, field)


def test_the_simulators_camera_is_where_view_launch_puts_it() -> None:
    sim = pytest.importorskip("molmoact_ros.sim")
    camera = sim.Tabletop(0).camera("camera", 252, 252)
    constants = {
        ast.unparse(node.targets[0]): ast.literal_eval(node.value)
        for node in ast.parse(VIEW.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "TABLETOP_CAMERA"
    }
    *numbers, parent, child = constants["TABLETOP_CAMERA"].split()
    x, y, z, qx, qy, qz, qw = map(float, numbers)
    assert (parent, child) == ("base_link", "camera_optical")
    assert np.allclose([x, y, z], camera.position, atol=1e-6)
    from molmoact_ros.control.rotation import rotate

    quaternion = np.array([qx, qy, qz, qw])
    turned = np.column_stack([rotate(quaternion, axis) for axis in np.eye(3)])
    assert np.allclose(turned, camera.rotation, atol=1e-5)


def test_the_simulators_table_is_where_view_yaml_puts_it() -> None:
    sim = pytest.importorskip("molmoact_ros.sim")
    from molmoact_ros.viz.projection import PinholeCamera, Plane, onto_plane

    content = yaml.safe_load((ROOT / "config" / "view.yaml").read_text(encoding="utf-8"))
    values = content["/**/molmoact_markers"]["ros__parameters"]
    normal = np.array([values[f"plane_normal_{axis}"] for axis in "xyz"])
    table = Plane(normal / np.linalg.norm(normal), values["plane_distance"])
    view = sim.Tabletop(0).camera("camera", 252, 252)
    spots = np.array([[1.2, 0.6, 0.4], [1.35, 0.9, 0.4]])
    rays = PinholeCamera(252, 252, view.matrix).rays(view.project(spots), (252, 252))
    found = onto_plane(rays, table, 10.0) @ view.rotation.T + view.position
    assert np.allclose(found, spots, atol=1e-3), "within a millimetre"
