# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Bags and disks: real bags are replayed, broken ones and full disks are reported."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..drill import Attempt, Unavailable, drill
from ..measure import Finished, run_program
from ..pipes import ROOT
from ..policy_rig import CHECKPOINT
from .pictures import jpeg_that_claims
from .yaml_files import check_refusal

_SECONDS = 120.0  # of CPU time
_IMAGES = "/tabletop/camera/image"
_REPLAY = "import sys; from molmoact_ros.cli.replay import main; sys.exit(main())"
_BAG = ROOT / "test" / "data" / "bags" / "tabletop"
_ANSWERS = 4
_DISK = "128k"  # less than the picture alone needs


def _replay(attempt: Attempt, bag: Path, out: str, *options: str) -> Finished:
    command = [
        sys.executable, "-c", _REPLAY, str(bag), "--checkpoint", str(CHECKPOINT), "--device", "cpu",
        "--dtype", "float32", "--out", str(attempt.folder / out), *options,
    ]  # fmt: skip
    return run_program(command, attempt.folder, {"OMP_NUM_THREADS": "1"}, _SECONDS, patience=200.0)


@drill()
def bags_with_images(attempt: Attempt) -> None:
    """A bag of the simulator with compressed and raw pictures: both get the same answers."""
    for package in ("rosbags", "mujoco"):
        _need(package)
    bag = attempt.folder / "bag"
    script = ROOT / "scripts" / "record_tabletop_bag.py"
    recorded = run_program(
        [sys.executable, str(script), str(bag), "--seconds", "1"], attempt.folder, seconds=_SECONDS
    )
    if recorded.code != 0:
        raise Unavailable(f"the simulator does not run here: {recorded.output[-200:]}")
    both = attempt.folder / "both"
    _copy_bag(bag, both, raw=True)
    answers = {}
    for topic in (f"{_IMAGES}/compressed", f"{_IMAGES}/raw"):
        out = topic.rsplit("/", 1)[-1]
        done = _replay(attempt, both, out, "--image-topic", topic, "--limit", str(_ANSWERS))
        words = f"{topic}: exit code {done.code}: {done.output[-300:]}"
        if not attempt.check(done.code == 0, words):
            return
        answers[topic] = (attempt.folder / out / "actions.csv").read_text()
        attempt.check(f"answers:     {_ANSWERS}" in done.output, f"{topic}: not {_ANSWERS} answers")
    attempt.check(len({*answers.values()}) == 1, "compressed and raw pictures get other answers")
    attempt.figures["answers"] = _ANSWERS


def _copy_bag(bag: Path, out: Path, raw: bool = False, bombs: int = 0) -> None:
    """Copy a bag.

    Args:
        bag: With compressed pictures.
        out: Folder that does not exist yet.
        raw: Add each picture also as a raw one of the same pixels.
        bombs: Of the first pictures that are replaced by a JPEG that claims 65500 x 65500 px.
    """
    import cv2
    from rosbags.rosbag2 import Reader, StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    types = get_typestore(Stores.ROS2_JAZZY)
    kind, seen = "sensor_msgs/msg/Image", 0
    with Reader(bag) as reader, Writer(out, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        links = {c.id: writer.add_connection(c.topic, c.msgtype, typestore=types)
                 for c in reader.connections}  # fmt: skip
        more = writer.add_connection(f"{_IMAGES}/raw", kind, typestore=types) if raw else None
        for link, time, data in reader.messages():
            if link.topic == f"{_IMAGES}/compressed":
                message = types.deserialize_cdr(data, link.msgtype)
                bgr = cv2.imdecode(np.asarray(message.data), cv2.IMREAD_COLOR)
                assert bgr is not None
                if more is not None:
                    height, width, _ = bgr.shape
                    image = types.types[kind](
                        header=message.header, height=height, width=width, encoding="bgr8",
                        is_bigendian=0, step=3 * width, data=bgr.ravel(),
                    )  # fmt: skip
                    writer.write(more, time, types.serialize_cdr(image, kind))
                seen += 1
                if seen <= bombs:
                    message.data = np.frombuffer(jpeg_that_claims(65500), np.uint8)
                    data = types.serialize_cdr(message, link.msgtype)
            writer.write(links[link.id], time, data)


@drill()
def broken_bags(attempt: Attempt) -> None:
    """Bags of 8 bytes, of noise, cut in half, and one with a bomb for a picture."""
    _need("rosbags")
    if not _BAG.is_dir():
        raise Unavailable("test/data is not there")
    (mcap,) = _BAG.glob("*.mcap")
    whole = mcap.read_bytes()
    bags = {
        "8 bytes": whole[:8],
        "noise": np.random.default_rng(0).bytes(10_000),
        "half": whole[: len(whole) // 2],
        "nothing": b"",
    }
    for number, (name, data) in enumerate(bags.items()):
        path = attempt.folder / f"bag_{number}.mcap"
        path.write_bytes(data)
        done = _replay(attempt, path, f"out_{number}", "--limit", "1")
        check_refusal(attempt, name, done)
        attempt.check(path.name in done.output, f"{name}: the file is not named")
    _copy_bag(_BAG, attempt.folder / "bombs", bombs=2)
    done = _replay(attempt, attempt.folder / "bombs", "bombed", "--limit", "2")
    attempt.check(done.code == 0, f"bombs: exit code {done.code}: {done.output[-300:]}")
    attempt.check("answers:     2" in done.output, "bombs: the good pictures are not answered")


@drill()
def full_disk(attempt: Attempt) -> None:
    """A disk that gets full under replay and demo: reported with the file, exit code 1."""
    _need("rosbags")
    unshare = shutil.which("unshare")
    if unshare is None or not _BAG.is_dir():
        raise Unavailable("needs unshare and test/data")
    disk = attempt.folder / "disk"
    disk.mkdir()
    if _on_small_disk(attempt, disk, ["true"]).code != 0:
        raise Unavailable("this system lets no user mount a small disk")
    replay = [sys.executable, "-c", _REPLAY, str(_BAG), "--checkpoint", str(CHECKPOINT)]
    replay += ["--device", "cpu", "--dtype", "float32", "--out", f"{disk}/out", "--limit", "8"]
    demo = [sys.executable, "-m", "molmoact_ros.demo", "--steps", "2", "--out", f"{disk}/demo"]
    for name, command in (("replay", replay), ("demo", demo)):
        done = _on_small_disk(attempt, disk, command)
        check_refusal(attempt, name, done)
        attempt.check(str(disk) in done.output, f"{name}: the file or folder is not named")


def _on_small_disk(attempt: Attempt, disk: Path, command: Sequence[str]) -> Finished:
    """Run a program that sees a disk of a few hundred kB at a folder."""
    mount = f'mount -t tmpfs -o size={_DISK} tmpfs {disk} && exec "$@"'
    inside = ["unshare", "--mount", "--map-root-user", "sh", "-c", mount, "disk", *command]
    settings = attempt.environment(images=True)
    return run_program(inside, attempt.folder, settings, _SECONDS, patience=200.0)


def _need(package: str) -> None:
    import importlib.util

    if importlib.util.find_spec(package) is None:
        raise Unavailable(f"{package} is not installed")
