# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The policy's trajectory in 3D for RViz and Foxglove: back from the image into space."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from molmoact_ros.msg import Trajectory2D
from molmoact_ros.policy.pixels import MAX_IMAGE_PIXELS, ImageError
from molmoact_ros.ros import qos
from molmoact_ros.ros.conversions import MessageError, seconds, trajectory_from_message
from molmoact_ros.ros.diagnostics import Diagnosis, Diagnostics, Level
from molmoact_ros.ros.parameters import declare_parameters, parameter
from molmoact_ros.ros.running import ClosableNode, StartError, run_node
from molmoact_ros.viz.overlay import Source, path_colours
from molmoact_ros.viz.projection import (
    MAX_COEFFICIENTS,
    PinholeCamera,
    Plane,
    onto_depth,
    onto_plane,
)

from .markers import trajectory_markers
from .metric_depth import metres_from_image
from .transforms import Lookup, LookupFailed, create_lookup

_LONGEST_FRAME = 255  # characters of a frame's name
PLANE = "plane"
DEPTH = "depth"


@dataclass(frozen=True)
class MarkersParameters:
    """Parameters of the node."""

    surface: str = parameter(
        PLANE,
        "What the points lie on: a plane, or the image of a depth camera (~/metric_depth).",
        choices=(PLANE, DEPTH),
    )
    plane_normal_x: float = parameter(0.0, "Normal of the plane, x.", limits=(-1.0, 1.0))
    plane_normal_y: float = parameter(0.0, "Normal of the plane, y.", limits=(-1.0, 1.0))
    plane_normal_z: float = parameter(1.0, "Normal of the plane, z.", limits=(-1.0, 1.0))
    plane_distance: float = parameter(
        1.0,
        "Distance of the plane from the origin of its frame, along the normal.",
        unit="m",
        limits=(-100.0, 100.0),
    )
    plane_frame: str = parameter(
        "",
        "Frame of the plane, e.g. base_link for a table at a known height; needs tf2_ros. "
        "Empty: the camera's optical frame (x right, y down, z forward).",
    )
    max_range: float = parameter(
        5.0,
        "Points farther from the camera are left out.",
        unit="m",
        limits=(0.1, 1000.0),
    )
    max_image_pixels: int = parameter(
        MAX_IMAGE_PIXELS,
        "Largest width x height of a depth image; larger ones are not used.",
        unit="px",
        limits=(10_000, 500_000_000),
    )
    max_depth_age: float = parameter(
        2.0,
        "Largest difference between the stamps of depth image and trajectory.",
        unit="s",
        limits=(0.01, 60.0),
    )
    line_width: float = parameter(0.008, "Width of the line.", unit="m", limits=(0.0001, 1.0))
    lifetime: float = parameter(
        10.0,
        "Viewers remove a trajectory after this time without a new one; 0: never.",
        unit="s",
        limits=(0.0, 3600.0),
    )


class NotShown(ValueError):
    """A trajectory cannot be shown; the text is the reason."""


class MarkersNode(ClosableNode):
    """Projects each trajectory as it comes; what is missing is a warning, never an end."""

    def __init__(self, lookup: Callable[[ClosableNode], Lookup] = create_lookup) -> None:
        """Subscribe.

        Args:
            lookup: Returns the source of transforms; called only when one is needed.
        """
        super().__init__("molmoact_markers")
        self._parameters = parameters = declare_parameters(self, MarkersParameters)
        self._plane = _plane(parameters)
        self._lookup: Lookup | None = None
        if parameters.surface == PLANE and parameters.plane_frame:
            self._lookup = lookup(self)
        self._info: CameraInfo | None = None
        self._depth: Image | None = None
        self._state = Diagnosis(Level.OK, "no trajectory yet")
        self._failures = 0
        self._markers = self.create_publisher(MarkerArray, "~/markers", qos.RESULT)
        self.create_subscription(Trajectory2D, "~/trajectory", self._on_trajectory, qos.RESULT)
        self.create_subscription(CameraInfo, "~/camera_info", self._on_info, qos.IMAGE)
        if parameters.surface == DEPTH:
            self.create_subscription(Image, "~/metric_depth", self._on_depth, qos.IMAGE)
        Diagnostics(self, {"projection": lambda: self._state})

    def _on_info(self, message: CameraInfo) -> None:
        self._info = message

    def _on_depth(self, message: Image) -> None:
        self._depth = message

    def _on_trajectory(self, message: Trajectory2D) -> None:
        try:
            self._show(message)
        except (NotShown, MessageError, ImageError, LookupFailed) as error:
            self._state = Diagnosis(Level.WARN, str(error))
            self.get_logger().warning(f"no markers: {error}", throttle_duration_sec=5.0)
        except Exception as error:  # noqa: BLE001 - the next trajectory may be a better one
            text = f"{type(error).__name__}: {error}"
            self._failures += 1
            self._state = Diagnosis(Level.ERROR, text, {"failures": self._failures})
            self.get_logger().error(f"no markers: {text}", throttle_duration_sec=5.0)

    def _show(self, message: Trajectory2D) -> None:
        header, points = self._project(message)
        self._state = _state(points)
        source: Source = "user" if message.source == Trajectory2D.SOURCE_USER else "predicted"
        colours = path_colours(source, len(points))
        parameters = self._parameters
        self._markers.publish(
            trajectory_markers(points, colours, header, parameters.line_width, parameters.lifetime)
        )

    def _project(self, message: Trajectory2D) -> tuple[Header, np.ndarray]:
        """Return header and points `[K, 3]` in the camera's frame, or raise why not."""
        camera, info = self._camera(message.header)
        header = Header(stamp=message.header.stamp, frame_id=info.header.frame_id)
        trajectory_from_message(message)  # raises when the message contradicts itself
        pixels = np.column_stack([message.x, message.y])
        size = (message.image_width, message.image_height)
        if not len(pixels):
            return header, np.empty((0, 3))
        rays = camera.rays(pixels, size)
        far = self._parameters.max_range
        if self._parameters.surface == DEPTH:
            return header, onto_depth(rays, pixels, size, self._metric_depth(header.stamp), far)
        return header, onto_plane(rays, self._plane_now(header), far)

    def _camera(self, header: Header) -> tuple[PinholeCamera, CameraInfo]:
        info = self._info
        if info is None:
            topic = self.resolve_topic_name("~/camera_info")
            raise NotShown(f"no CameraInfo has arrived on {topic}")
        if len(info.header.frame_id) > _LONGEST_FRAME:
            raise NotShown(
                f"CameraInfo: frame_id has {len(info.header.frame_id)} characters, "
                f"at most {_LONGEST_FRAME} are allowed"
            )
        if header.frame_id and info.header.frame_id != header.frame_id:
            raise NotShown(
                f"the trajectory belongs to frame '{header.frame_id:.{_LONGEST_FRAME}}', "
                f"CameraInfo to '{info.header.frame_id}'"
            )
        try:
            camera = PinholeCamera(
                info.width,
                info.height,
                np.array(info.k).reshape(3, 3),
                tuple(info.d[: MAX_COEFFICIENTS + 1]),
                info.distortion_model,
            )
        except ValueError as error:
            raise NotShown(f"CameraInfo: {error}") from error
        return camera, info

    def _metric_depth(self, stamp: Time) -> np.ndarray:
        topic, image = self.resolve_topic_name("~/metric_depth"), self._depth
        if image is None:
            raise NotShown(f"no depth image has arrived on {topic}")
        apart = abs(seconds(image.header.stamp) - seconds(stamp))
        limit = self._parameters.max_depth_age
        if apart > limit:
            raise NotShown(
                f"the depth image on {topic} is {apart:.2f} s apart from the trajectory, "
                f"more than max_depth_age ({limit} s)"
            )
        return metres_from_image(image, topic, self._parameters.max_image_pixels)

    def _plane_now(self, header: Header) -> Plane:
        if self._lookup is None:
            return self._plane
        rotation, translation = self._lookup(
            header.frame_id, self._parameters.plane_frame, header.stamp
        )
        return self._plane.moved(rotation, translation)


def _state(points: np.ndarray) -> Diagnosis:
    """Return the status of projected points `[K, 3]`."""
    shown = int(np.isfinite(points).all(axis=1).sum())
    values = {"points": len(points), "shown": shown}
    if shown == len(points):
        return Diagnosis(Level.OK, "all points are shown", values)
    reason = "beyond max_range, behind the camera, or without depth"
    text = f"{len(points) - shown} of {len(points)} points are {reason}"
    return Diagnosis(Level.WARN, text, values)


def _plane(parameters: MarkersParameters) -> Plane:
    """Return the plane in its own frame; the normal gets length 1."""
    normal = np.array(
        [parameters.plane_normal_x, parameters.plane_normal_y, parameters.plane_normal_z]
    )
    length = np.linalg.norm(normal)
    if length < 1e-6:
        raise StartError("parameters 'plane_normal_x', '_y' and '_z': the normal is zero")
    return Plane(normal / length, parameters.plane_distance)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node."""
    return run_node(MarkersNode, args)
