# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The robot's side of the console: what is subscribed to while a page is open, and requests.

Everything of ROS runs in the node's own thread; pages, in another thread, take snapshots and post
requests.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Mapping
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import GetState
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import GetParameters
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import NameValidationException
from rclpy.expand_topic_name import expand_topic_name
from rclpy.node import NodeNameNonExistentError
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.validate_full_topic_name import validate_full_topic_name
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Empty, String
from std_srvs.srv import SetBool, Trigger

from molmoact_ros.msg import ActionReasoning, ExecutorStatus, Trajectory2D
from molmoact_ros.ros import qos
from molmoact_ros.ros.conversions import clock_seconds, seconds
from molmoact_ros.ros.running import ClosableNode, StartError

from .parameters import MAX_CAMERAS, ConsoleParameters
from .pictures import PictureFeed
from .readings import Answer, Diagnostic, ExecutorReading, Graph, Reply, Snapshot
from .receiving import answer, executor_reading, merged

try:
    from rclpy.event_handler import PublisherEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import PublisherEventCallbacks

SETTINGS = (
    "robot", "action_scale", "min_confidence", "execute_steps", "require_approval",
    "operator_heartbeat",
)  # fmt: skip
_NEWEST = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.BEST_EFFORT
)
# Humble's policy takes those of latching publishers only.
_INSTRUCTION = qos.RESULT if qos.HAS_MESSAGE_INFO else qos.LATCHED
_ASK_PERIOD = 0.2  # s between two questions to the policy node
_LOOK_PERIOD = 1.0  # s between two looks at the graph
_LOST = 0.6  # s after which a question counts as lost and is asked again
_ANSWERS, _REPLIES = 50, 8  # that are kept
_MOST_REQUESTS = 100  # that wait for the node's thread
_IMAGES = {"sensor_msgs/msg/Image": Image, "sensor_msgs/msg/CompressedImage": CompressedImage}


class Robot:
    """Subscriptions, requests and what came of them.

    Attributes:
        policy: Full name of the policy node.
        executor: Full name of the executor node.
        feeds: Pictures of the cameras, the first camera first.
        depth: Pictures of the decoded depth.
        on_picture: Called in the node's thread with a feed that has a new picture.
    """

    def __init__(self, node: ClosableNode, parameters: ConsoleParameters) -> None:
        """Create what requests need; nothing is subscribed to before `watch`.

        Raises:
            StartError: A name is none.
        """
        self._node = node
        self._parameters = parameters
        self.policy = _full_name(node, "policy", parameters.policy)
        self.executor = _full_name(node, "executor", parameters.executor)
        self._topics = [
            _full_name(node, "image_topics", topic) for topic in parameters.image_topics
        ]
        self.feeds: tuple[PictureFeed, ...] = ()
        self.depth = PictureFeed(f"{self.policy}/depth_image", compressed=False)
        self.on_picture: Callable[[PictureFeed], None] = lambda feed: None
        self._requests: queue.Queue[Callable[[], None]] = queue.Queue(_MOST_REQUESTS)
        self._wake = node.create_guard_condition(self._serve)
        self._watching = False
        self._made: list[tuple[Callable[[Any], Any], Any]] = []  # how and what to destroy
        self._cameras: list[Any] = []  # subscriptions
        self._replies: tuple[Reply, ...] = ()
        self._forget()
        if parameters.operators:
            self._create_requests()

    def _create_requests(self) -> None:
        node = self._node
        self._enable = node.create_client(SetBool, f"{self.executor}/enable")
        self._triggers = {
            name: node.create_client(Trigger, f"{self.executor}/{name}")
            for name in ("halt", "clear", "approve")
        }
        # Not latched: a policy that is started again must not follow an instruction of long ago.
        # It subscribes to latched ones as well, which DDS would warn about.
        self._instruction = node.create_publisher(
            String,
            f"{self.policy}/instruction",
            _INSTRUCTION,
            event_callbacks=PublisherEventCallbacks(use_default_callbacks=False),
        )
        self._hint = node.create_publisher(
            Trajectory2D, f"{self.policy}/trajectory_hint", qos.RESULT
        )
        self._beats = node.create_publisher(Empty, f"{self.executor}/operator_heartbeat", _NEWEST)

    # For pages: from any thread.

    def watch(self, on: bool) -> None:
        """Subscribe, or unsubscribe."""
        self._post(self._subscribe if on else self._unsubscribe)

    def snapshot(self) -> Snapshot:
        """Return what is known now."""
        now = time.monotonic()
        return Snapshot(
            now=now,
            watched_since=self._watched_since,
            graph=self._graph,
            executor=self._executor,
            policy_answered=self._policy_answered,
            policy_state=self._policy_state,
            answers=self._answers,
            cameras=tuple(feed.reading(now) for feed in self.feeds),
            diagnostics=self._diagnostics,
            settings=self._settings,
            replies=self._replies,
        )

    def enable(self, on: bool) -> None:
        """Ask the executor to switch motion on or off."""
        name = "enable" if on else "disable"
        self._post(lambda: self._call(name, self._enable, SetBool.Request(data=on)))

    def trigger(self, name: str) -> None:
        """Ask the executor to halt, clear or approve."""
        self._post(lambda: self._call(name, self._triggers[name], Trigger.Request()))

    def instruct(self, text: str) -> None:
        """Ask the policy to follow an instruction; empty: none."""
        self._post(lambda: self._publish("instruction", self._instruction, String(data=text)))

    def steer(self, points: list[tuple[float, float]], size: tuple[int, int]) -> None:
        """Ask the policy to follow a path.

        Args:
            points: (x, y) in pixels; none: no path.
            size: Width and height of the picture that it was drawn on, px.
        """
        message = Trajectory2D(
            image_width=size[0],
            image_height=size[1],
            x=[x for x, _ in points],
            y=[y for _, y in points],
            source=Trajectory2D.SOURCE_USER,
        )
        self._post(lambda: self._publish("line", self._hint, message))

    def beat(self) -> None:
        """Publish that an operator is present."""
        self._beats.publish(Empty())

    # In the node's thread.

    def _post(self, request: Callable[[], None]) -> None:
        try:
            self._requests.put_nowait(request)
        except queue.Full:
            self._note(Reply("request", False, "too many requests at once", time.monotonic()))
        self._wake.trigger()

    def _serve(self) -> None:
        while True:
            try:
                request = self._requests.get_nowait()
            except queue.Empty:
                return
            request()

    def _call(self, name: str, client: Any, request: Any) -> None:
        if not client.service_is_ready():
            text = f"{client.srv_name} is not there"
            self._note(Reply(name, False, text, time.monotonic()))
            return
        self._note(Reply(name, None, "sent, no answer yet", time.monotonic()))

        def answered(future: Any) -> None:
            result = future.result()
            if result is not None:
                self._note(Reply(name, result.success, result.message[:400], time.monotonic()))

        client.call_async(request).add_done_callback(answered)

    def _publish(self, name: str, publisher: Any, message: Any) -> None:
        is_received = publisher.get_subscription_count() > 0
        text = "sent" if is_received else f"nobody subscribes to {publisher.topic_name}"
        if is_received:
            publisher.publish(message)
        self._note(Reply(name, is_received, text, time.monotonic()))

    def _note(self, reply: Reply) -> None:
        self._replies = (*self._replies[-_REPLIES:], reply)

    def _forget(self) -> None:
        """Begin anew: what came while nobody looked on is not known."""
        self._watched_since = time.monotonic()
        self._graph = Graph()
        self._executor: ExecutorReading | None = None
        self._policy_answered: float | None = None
        self._policy_state = ""
        self._answers: tuple[Answer, ...] = ()
        self._diagnostics: tuple[Diagnostic, ...] = ()
        self._settings: Mapping[str, str] = {}
        self._replies = ()
        self._asked: dict[str, float] = {}

    def _subscribe(self) -> None:
        if self._watching:
            return
        self._watching = True
        self._forget()
        node = self._node
        for kind, topic, take, profile in (
            (ExecutorStatus, f"{self.executor}/status", self._on_status, qos.RESULT),
            (ActionReasoning, f"{self.policy}/reasoning", self._on_reasoning, qos.RESULT),
            (DiagnosticArray, "/diagnostics", self._on_diagnostics, qos.RESULT),
            (Image, f"{self.policy}/depth_image", self._on_depth, qos.PICTURE),
        ):
            made = node.create_subscription(kind, topic, take, profile)
            self._made.append((node.destroy_subscription, made))
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        for period, call in ((_ASK_PERIOD, self._ask), (_LOOK_PERIOD, self._look)):
            self._made.append((node.destroy_timer, node.create_timer(period, call, clock=steady)))
        self._state_client = node.create_client(GetState, f"{self.policy}/get_state")
        self._settings_client = node.create_client(GetParameters, f"{self.executor}/get_parameters")
        for client in (self._state_client, self._settings_client):
            self._made.append((node.destroy_client, client))
        self._look()

    def _unsubscribe(self) -> None:
        self._watching = False
        for destroy, made in self._made:
            destroy(made)
        self._made.clear()
        self._show_cameras({})

    def _show_cameras(self, kinds: Mapping[str, type]) -> None:
        for subscription in self._cameras:
            self._node.destroy_subscription(subscription)
        self._cameras.clear()
        feeds = []
        for topic, kind in kinds.items():
            feed = PictureFeed(topic, compressed=kind is CompressedImage)
            feeds.append(feed)
            take = self._taker(feed)
            self._cameras.append(self._node.create_subscription(kind, topic, take, _NEWEST))
        self.feeds = tuple(feeds)

    def _taker(self, feed: PictureFeed) -> Callable[[Any], None]:
        def take(message: Any) -> None:
            delay = clock_seconds(self._node) - seconds(message.header.stamp)
            feed.take(message, time.monotonic(), delay)
            self.on_picture(feed)

        return take

    def _on_status(self, message: ExecutorStatus) -> None:
        self._executor = executor_reading(message, time.monotonic())

    def _on_reasoning(self, message: ActionReasoning) -> None:
        self._answers = (*self._answers[-_ANSWERS:], answer(message, time.monotonic()))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self._diagnostics = merged(self._diagnostics, message.status, time.monotonic())

    def _on_depth(self, message: Image) -> None:
        self.depth.take(message, time.monotonic(), 0.0)  # as old as the answer: seconds
        self.on_picture(self.depth)

    def _ask(self) -> None:
        """Ask the policy for its state: the only sign of life that comes within a second."""
        self._question("state", self._state_client, GetState.Request(), self._on_state)

    def _on_state(self, result: GetState.Response) -> None:
        self._policy_answered = time.monotonic()
        self._policy_state = result.current_state.label[:40]

    def _on_settings(self, result: GetParameters.Response) -> None:
        self._settings = {
            name: _shown(value)
            for name, value in zip(SETTINGS, result.values, strict=False)
            if value.type != ParameterType.PARAMETER_NOT_SET
        }

    def _question(self, name: str, client: Any, request: Any, take: Callable[[Any], None]) -> None:
        """Call a service that reads something, one request at a time."""
        now = time.monotonic()
        if not client.service_is_ready() or now - self._asked.get(name, -_LOST) < _LOST:
            return
        self._asked[name] = now

        def answered(future: Any) -> None:
            self._asked.pop(name, None)
            if future.result() is not None:
                take(future.result())

        client.call_async(request).add_done_callback(answered)

    def _look(self) -> None:
        """Look who is there, and which cameras."""
        node = self._node
        topics, note = self._camera_topics()
        if tuple(topics) != self._graph.cameras:
            self._show_cameras(topics)
        self._graph = Graph(
            executors=node.count_publishers(f"{self.executor}/status"),
            policies=node.count_publishers(f"{self.policy}/reasoning"),
            cameras=tuple(topics),
            note=note,
        )
        request = GetParameters.Request(names=list(SETTINGS))
        self._question("settings", self._settings_client, request, self._on_settings)

    def _camera_topics(self) -> tuple[dict[str, type], str]:
        """Return the type of each image topic to show, and why there is none."""
        parameters, node = self._parameters, self._node
        if self._topics:
            kind = CompressedImage if parameters.image_transport == "compressed" else Image
            return dict.fromkeys(self._topics, kind), ""
        namespace, _, name = self.policy.rpartition("/")
        try:
            found = node.get_subscriber_names_and_types_by_node(name, namespace or "/")
        except NodeNameNonExistentError:
            found = []
        topics = {
            topic: _IMAGES[kinds[0]] for topic, kinds in found if kinds and kinds[0] in _IMAGES
        }
        if len(topics) == 1:
            return topics, ""
        if topics:
            return {}, (
                f"The policy has {min(len(topics), MAX_CAMERAS)} cameras or more: name them in "
                "the parameter image_topics of the console, the first camera first."
            )
        # One that was known and is gone goes on to be shown as not live.
        return dict.fromkeys(self._graph.cameras, Image), (
            ""
            if self._graph.cameras
            else f"No camera: {self.policy} subscribes to no images, and image_topics is empty."
        )


def _full_name(node: ClosableNode, parameter: str, name: str) -> str:
    """Return a name of a node or topic with the console's namespace."""
    try:
        full = str(expand_topic_name(name, node.get_name(), node.get_namespace()))
        validate_full_topic_name(full)
    except (ValueError, NameValidationException) as error:
        raise StartError(f"parameter '{parameter}': {error}") from error
    return full


def _shown(value: Any) -> str:
    """Return a parameter's value as text."""
    kinds = {
        ParameterType.PARAMETER_BOOL: lambda: str(value.bool_value).lower(),
        ParameterType.PARAMETER_INTEGER: lambda: str(value.integer_value),
        ParameterType.PARAMETER_DOUBLE: lambda: f"{value.double_value:g}",
        ParameterType.PARAMETER_STRING: lambda: value.string_value[:200],
    }
    return kinds.get(value.type, lambda: "?")()
