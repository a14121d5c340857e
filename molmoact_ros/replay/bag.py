# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Reads a rosbag2 (sqlite3 or MCAP) and finds the topics that the policy needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rosbags.rosbag2 import Reader, ReaderError
from rosbags.serde import SerdeError
from rosbags.typesys.store import Typestore

from molmoact_ros.policy.pixels import RGB_ENCODINGS

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
STRING = "std_msgs/msg/String"

# Pictures that a policy node has published itself; never what a camera saw.
_OWN_PICTURES = ("/overlay", "/overlay/compressed", "/depth_image")


class BagError(ValueError):
    """The bag cannot be used; the text gives the reason and the remedy."""


@dataclass(frozen=True)
class Topic:
    """One topic of a bag."""

    name: str
    type: str
    count: int


@dataclass(frozen=True)
class Message:
    """One message of a bag.

    Attributes:
        topic: Its name.
        log_time: When it was recorded, ns.
        content: The message; fields as in ROS, arrays as numpy arrays.
    """

    topic: str
    log_time: int
    content: Any


class Bag:
    """An open bag."""

    def __init__(self, path: Path, types: Typestore) -> None:
        """Open.

        Args:
            path: Folder with metadata.yaml, or a single .mcap or .db3 file.
            types: Message types, `types.message_types`.

        Raises:
            BagError: There is no bag, or it is broken.
        """
        _check_path(path)
        self.path = path
        self._types = types
        try:
            self._reader = Reader(path)
            self._reader.open()
        except Exception as error:  # noqa: BLE001 - rosbags meets damage with errors of any kind
            raise BagError(f"bag {path} cannot be read: {_reason(error)}") from error
        counts: dict[tuple[str, str], int] = {}
        for link in self._reader.connections:
            key = (link.topic, link.msgtype)
            counts[key] = counts.get(key, 0) + link.msgcount
        self.topics = tuple(Topic(*key, counts[key]) for key in sorted(counts))

    def __enter__(self) -> Bag:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    @property
    def is_mcap(self) -> bool:
        """Whether the bag is stored as MCAP, not as sqlite3."""
        files = [self.path] if self.path.is_file() else list(self.path.iterdir())
        return any(".mcap" in file.suffixes for file in files)

    def rate(self, name: str, period: float = 0.0) -> float:
        """Return the mean rate of a topic, Hz, when it is read every `period` s at most."""
        count = sum(topic.count for topic in self.topics if topic.name == name)
        seconds = (self._reader.end_time - self._reader.start_time) * 1e-9
        spacing = max(seconds / max(count, 1), period)
        return 1.0 / spacing if spacing > 0.0 else 1.0

    def messages(self, names: Sequence[str]) -> Iterator[Message]:
        """Read the messages of some topics in the order in which they were recorded.

        Topics that the bag does not have are left out.

        Raises:
            BagError: The file is damaged, or a message does not fit its type.
        """
        links = [link for link in self._reader.connections if link.topic in names]
        if not links:  # rosbags would take that for all topics
            return
        try:
            for link, log_time, data in self._reader.messages(connections=links):
                content = self._types.deserialize_cdr(data, link.msgtype)
                yield Message(link.topic, log_time, content)
        except Exception as error:  # noqa: BLE001 - as when it was opened
            raise BagError(f"bag {self.path} is damaged: {_reason(error)}") from error

    def first(self, name: str) -> Any:
        """Return the first message of a topic, None when it has none."""
        return next((message.content for message in self.messages([name])), None)


def choose_images(bag: Bag, wanted: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the camera topics to use.

    Args:
        bag: An open bag.
        wanted: Topics in the order of the checkpoint's cameras; empty: the only camera there is.

    Raises:
        BagError: No such topic, or no or several cameras; the text lists the image topics.
    """
    images = [t for t in bag.topics if t.type in (IMAGE, COMPRESSED_IMAGE) and t.count]
    if wanted:
        missing = [name for name in wanted if name not in {t.name for t in images}]
        if missing:
            raise BagError(f"{bag.path} has no image topic {missing[0]}; {_list(bag, images)}")
        return tuple(wanted)
    cameras = [topic for topic in images if _is_camera(bag, topic)]
    names = {topic.name for topic in cameras}
    # Of one camera the raw images are taken, which have lost nothing.
    cameras = [topic for topic in cameras if topic.name.removesuffix("/compressed") not in
               names - {topic.name}]  # fmt: skip
    if len(cameras) == 1:
        return (cameras[0].name,)
    if not cameras:
        raise BagError(f"{bag.path} has no camera topic; {_list(bag, images)}")
    raise BagError(
        f"{bag.path} has {len(cameras)} cameras; choose by --image-topic, once per camera "
        f"in the order that the checkpoint wants; {_list(bag, cameras)}"
    )


def choose_instruction(bag: Bag, wanted: str = "") -> str:
    """Return the topic that carries the instruction.

    Args:
        bag: An open bag.
        wanted: Topic name; empty: the only String topic that ends with `/instruction`.

    Raises:
        BagError: No such topic, or none or several; the text lists the String topics.
    """
    texts = [topic for topic in bag.topics if topic.type == STRING and topic.count]
    if wanted:
        if wanted not in {topic.name for topic in texts}:
            raise BagError(f"{bag.path} has no String topic {wanted}; {_list(bag, texts)}")
        return wanted
    fitting = [topic for topic in texts if topic.name.endswith("/instruction")]
    if len(fitting) == 1:
        return fitting[0].name
    count = "several instruction topics" if fitting else "no instruction topic"
    raise BagError(
        f"{bag.path} has {count}; give --instruction or --instruction-topic; {_list(bag, texts)}"
    )


def _check_path(path: Path) -> None:
    if not path.exists():
        raise BagError(f"there is no bag {path}")
    if path.suffix == ".bag":
        raise BagError(f"{path} is a ROS 1 bag; convert it: rosbags-convert --src {path} --dst DIR")
    if path.is_dir() and not (path / "metadata.yaml").is_file():
        raise BagError(
            f"{path} has no metadata.yaml, so it is no rosbag2; give the folder that has one, "
            f"or a single .mcap or .db3 file, or repair it: ros2 bag reindex {path}"
        )


def _is_camera(bag: Bag, topic: Topic) -> bool:
    """Whether a topic holds colour pictures that no policy has made."""
    if topic.name.endswith(_OWN_PICTURES):
        return False
    first = bag.first(topic.name)
    if topic.type == IMAGE:
        return first is not None and first.encoding in RGB_ENCODINGS
    return first is not None and "compressedDepth" not in first.format


def _reason(error: Exception) -> str:
    """Return an error's words, and where it is not one of bags, its kind."""
    is_own = isinstance(error, (ReaderError, SerdeError, OSError))
    return str(error) if is_own else f"{type(error).__name__}: {error}"


def _list(bag: Bag, topics: Sequence[Topic]) -> str:
    if not topics:
        everything = ", ".join(f"{topic.name} ({topic.type})" for topic in bag.topics)
        return f"its topics: {everything or 'none'}"
    return "there are: " + ", ".join(f"{t.name} ({t.type}, {t.count})" for t in topics)
