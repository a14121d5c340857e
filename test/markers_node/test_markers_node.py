# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The markers node as a process, over real DDS; and its transforms with a stand-in for tf2."""

import os
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("molmoact_ros.msg")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus  # noqa: E402
from molmoact_ros.msg import Trajectory2D  # noqa: E402
from rclpy.qos import qos_profile_sensor_data  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image  # noqa: E402
from std_msgs.msg import Header  # noqa: E402
from visualization_msgs.msg import Marker, MarkerArray  # noqa: E402

from molmoact_ros.ros.images import camera_info  # noqa: E402
from molmoact_ros.ros.running import CONFIGURATION_ERROR  # noqa: E402

MATRIX = np.array([[500.0, 0.0, 320.0], [0.0, 500.0, 240.0], [0.0, 0.0, 1.0]])
NODE = "/molmoact_markers"
PROGRAM = [
    sys.executable, "-c",
    "import sys; from molmoact_ros.markers_node.node import main; sys.exit(main())",
]  # fmt: skip


class Scene:
    """A camera, a policy and a viewer for one markers node."""

    def __init__(self, client: Any, *arguments: str) -> None:
        self.client = client
        node = client.node
        self._trajectory = node.create_publisher(Trajectory2D, f"{NODE}/trajectory", 10)
        self._info = node.create_publisher(
            CameraInfo, f"{NODE}/camera_info", qos_profile_sensor_data
        )
        self._depth = node.create_publisher(Image, f"{NODE}/metric_depth", qos_profile_sensor_data)
        self.arrays = client.listen(MarkerArray, f"{NODE}/markers")
        self.diagnostics = client.listen(DiagnosticArray, "/diagnostics")
        self.process = subprocess.Popen([*PROGRAM, "--ros-args", *arguments])
        client.wait_for(lambda: self._trajectory.get_subscription_count() == 1, "the node")
        client.wait_for(lambda: self._info.get_subscription_count() == 1, "the node")

    def show(self, pixels: list[tuple[float, float]], stamp: Any, frame: str = "optical") -> None:
        """Publish a trajectory."""
        x, y = (list(axis) for axis in zip(*pixels, strict=True)) if pixels else ([], [])
        header = Header(frame_id=frame, stamp=stamp)
        self._trajectory.publish(
            Trajectory2D(header=header, image_width=640, image_height=480, x=x, y=y)
        )

    def calibrate(
        self,
        matrix: np.ndarray = MATRIX,
        distortion: tuple[float, ...] = (),
        frame: str = "optical",
    ) -> None:
        """Publish a CameraInfo."""
        info = camera_info(matrix, Header(frame_id=frame), (640, 480))
        info.d = list(distortion) or info.d
        self._info.publish(info)

    def measure(self, depth: np.ndarray, stamp: Any) -> None:
        """Publish a depth image, mm."""
        height, width = depth.shape
        self._depth.publish(
            Image(
                header=Header(frame_id="optical", stamp=stamp), height=height, width=width,
                encoding="16UC1", step=2 * width, data=depth.astype("<u2").tobytes(),
            )
        )  # fmt: skip

    def until_markers(self, repeat: Callable[[], None], action: int = Marker.ADD) -> MarkerArray:
        """Repeat, as cameras and policies do, until markers with this action come."""
        self.arrays.clear()

        def found() -> list[MarkerArray]:
            return [a for a in self.arrays if {m.action for m in a.markers} == {action}]

        return self.client.wait_for(found, "markers", repeat)[0]

    def until_status(self, words: str, repeat: Callable[[], None]) -> DiagnosticStatus:
        """Repeat until a status with these words comes."""

        def found() -> list[DiagnosticStatus]:
            return [
                status
                for array in self.diagnostics
                for status in array.status
                if status.name == "/molmoact_markers: projection" and words in status.message
            ]

        return self.client.wait_for(found, f"a status with '{words}'", repeat)[0]

    def stop(self) -> int:
        """Return the exit code after SIGTERM."""
        self.process.terminate()
        return self.process.wait(60.0)


@pytest.fixture
def scene(client: Any) -> Iterator[Callable[..., Scene]]:
    running: list[Scene] = []

    def start(*arguments: str) -> Scene:
        running.append(Scene(client, *arguments))
        return running[-1]

    yield start
    for one in running:
        if one.process.poll() is None:
            one.stop()  # killed, it would count as a subscriber for a while longer


def places(marker: Marker) -> np.ndarray:
    return np.array([(point.x, point.y, point.z) for point in marker.points])


def test_a_trajectory_appears_on_the_plane(scene: Callable[..., Scene], client: Any) -> None:
    lab = scene("-p", "plane_distance:=2.0")
    stamp = client.stamp()
    path = [(320.0, 240.0), (570.0, 240.0), (320.0, 490.0)]

    # Without CameraInfo: a warning that names the topic, and the node goes on.
    status = lab.until_status("no CameraInfo", lambda: lab.show(path, stamp))
    assert status.level == DiagnosticStatus.WARN and f"{NODE}/camera_info" in status.message
    assert not lab.arrays

    def both() -> None:
        lab.calibrate()
        lab.show(path, stamp)

    line, spheres, current = lab.until_markers(both).markers
    assert np.allclose(places(spheres), [[0, 0, 2], [1, 0, 2], [0, 1, 2]], atol=1e-9)
    assert len(line.points) == 4 and np.allclose(places(current), [[0, 0, 2]])
    assert line.header.frame_id == "optical" and line.header.stamp == stamp
    assert lab.until_status("all points are shown", both).level == DiagnosticStatus.OK

    far = lab.until_status("1 of 2 points", lambda: lab.show([(320, 240), (9e4, 240)], stamp))
    assert far.level == DiagnosticStatus.WARN
    wrong = lab.until_status("frame 'wrist'", lambda: lab.show(path, stamp, frame="wrist"))
    assert "'optical'" in wrong.message

    def uncalibrated() -> None:
        lab.calibrate(np.zeros((3, 3)))
        both()

    lab.until_status("not calibrated", uncalibrated)

    def impossible(**changes: Any) -> Callable[[], None]:
        def show() -> None:
            lab.calibrate(**changes)
            lab.show(path, stamp)

        return show

    lab.until_status("d has 6 coefficients", impossible(distortion=(0.1,) * 6))
    lab.until_status("frame_id has 1000 characters", impossible(frame="f" * 1000))

    def clear() -> None:
        lab.calibrate()
        lab.show([], stamp)

    lab.until_markers(clear, Marker.DELETE)
    assert lab.stop() == 0


def test_a_trajectory_appears_on_the_depth_image(scene: Callable[..., Scene], client: Any) -> None:
    lab = scene("-p", "surface:=depth", "-p", "max_depth_age:=1.0")
    stamp, old = client.stamp(), client.stamp(-30.0)
    path = [(320.0, 240.0), (570.0, 240.0)]
    depth = np.full((240, 320), 1500)

    def without_depth() -> None:
        lab.calibrate()
        lab.show(path, stamp)

    status = lab.until_status("no depth image", without_depth)
    assert f"{NODE}/metric_depth" in status.message

    def late() -> None:
        without_depth()
        lab.measure(depth, old)

    assert "max_depth_age" in lab.until_status("s apart", late).message

    def fresh() -> None:
        without_depth()
        lab.measure(depth, stamp)

    spheres = lab.until_markers(fresh).markers[1]
    assert np.allclose(places(spheres), [[0, 0, 1.5], [0.75, 0, 1.5]], atol=1e-3)


def test_a_fault_of_the_program_is_reported_and_ends_nothing(
    scene: Callable[..., Scene], client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tf2_ros.py").write_text(
        "class Buffer:\n    def lookup_transform(self, *_): raise KeyError('a fault')\n"
        "class TransformException(Exception): ...\n"
        "class TransformListener:\n    def __init__(self, *_): ...\n"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)
    lab = scene("-p", "plane_frame:=base_link")

    def show() -> None:
        lab.calibrate()
        lab.show([(320.0, 240.0)], client.stamp())

    status = lab.until_status("KeyError: 'a fault'", show)
    assert status.level == status.ERROR
    assert lab.stop() == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-p", "plane_frame:=base_link"], "tf2_ros"),
        (["-p", "plane_normal_z:=0.0"], "the normal is zero"),
        (["-p", "surface:=sphere"], "surface"),
        (["-p", "plane:=1"], "'plane' is unknown"),
    ],
)
def test_wrong_parameters_are_refused(
    ros_environment: dict[str, str], arguments: list[str], words: str
) -> None:
    if words == "tf2_ros" and _has_tf2():
        pytest.skip("tf2_ros is installed")
    done = subprocess.run(
        [*PROGRAM, "--ros-args", *arguments],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == CONFIGURATION_ERROR
    assert words in done.stderr and "Traceback" not in done.stderr


def _has_tf2() -> bool:
    try:
        import tf2_ros  # noqa: F401
    except ImportError:
        return False
    return True


def test_a_plane_of_another_frame(
    client: Any, monkeypatch: pytest.MonkeyPatch, ros_environment: dict[str, str]
) -> None:
    """The camera looks down from 1.4 m above the base; the table is at 0.4 m."""
    from molmoact_ros.markers_node.transforms import LookupFailed, create_lookup
    from molmoact_ros.viz.projection import Plane

    class TransformException(Exception):
        pass

    class Buffer:
        def lookup_transform(self, target: str, source: str, stamp: Any) -> Any:
            if source != "base_link":
                raise TransformException(f'"{source}" passed to lookupTransform does not exist')
            # Of the base in the camera's frame: half a turn about x, 1.4 m ahead.
            rotation = types.SimpleNamespace(x=1.0, y=0.0, z=0.0, w=0.0)
            translation = types.SimpleNamespace(x=0.0, y=0.0, z=1.4)
            return types.SimpleNamespace(
                transform=types.SimpleNamespace(rotation=rotation, translation=translation)
            )

    module: Any = types.ModuleType("tf2_ros")
    module.Buffer, module.TransformException = Buffer, TransformException
    module.TransformListener = lambda buffer, node: object()
    monkeypatch.setitem(sys.modules, "tf2_ros", module)
    lookup = create_lookup(client.node)
    table = Plane(np.array([0.0, 0.0, 1.0]), 0.4).moved(*lookup("optical", "base_link", None))
    assert np.allclose(table.normal * np.sign(table.distance), [0, 0, 1])
    assert abs(table.distance) == pytest.approx(1.0)
    with pytest.raises(LookupFailed, match="no transform from 'nowhere' to 'optical'"):
        lookup("optical", "nowhere", None)


def test_the_node_is_installed_as_an_executable() -> None:
    cmake = (Path(__file__).parents[2] / "CMakeLists.txt").read_text(encoding="utf-8")
    assert "markers_node=molmoact_ros.markers_node.node:main" in cmake
