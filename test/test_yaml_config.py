# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The one YAML reader: what is hostile or ambiguous is refused with file, line and key."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from molmoact_ros import control
from molmoact_ros.policy import checkpoint_profile as profile
from molmoact_ros.yaml_config import MAX_YAML_BYTES, ProfileError, read_yaml

CONFIG = Path(__file__).parents[1] / "config"
NAMES = [f"l{level}" for level in range(10)]
BOMB = "l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{below}'] * 10)}]\n"
    for below, name in zip(NAMES, NAMES[1:], strict=False)
)
DEEP = "a: " + "[" * 20_000
REFUSED = {
    "alias bomb": ("robot:\n  " + BOMB.replace("\n", "\n  "), "line 3: aliases are not accepted"),
    "20,000 brackets": (DEEP, "line 1: is nested more than 32 levels deep"),
    "duplicate key": (
        "a:\n  speed: 0.1\n  other: 1\n  speed: 0.3\n",
        "line 4: a.speed: is given twice, first in line 2",
    ),
    "duplicate key in a list": ("a: [{x: 1, x: 2}]", "line 1: a[0].x: is given twice"),
    "400 digits": (f"a:\n  b: {'9' * 400}", "line 2: a.b: is a number of 400 characters"),
    "5000 digits": (f"a: {'9' * 5000}", "line 1: a: is a number of 5000 characters"),
    "minutes": ("period: 1:30", "line 1: period: quote 1:30"),
    "key that is a boolean": ("a: {on: 1}", "line 1: a: the key True is not a short text"),
    "key of 100,000 characters": (f"? {'k' * 100_000}\n: 1", "is not a short text"),
    "list as a key": ("? [a]\n: 1", "the key ['a'] is not a short text"),
    "tag of Python": ("a: !!python/object/apply:os.getcwd []", "getcwd' is not accepted"),
    "set": ("a: !!set {x}", "line 1: a: the type 'tag:yaml.org,2002:set' is not accepted"),
    "wrong tag": ("a: !!int five", "line 1: a: 'five' is no int"),
    "wrong tag of a boolean": ("a: !!bool five", "line 1: a: 'five' is no bool"),
    "escape out of range": (r'a: "\UFFFFFFFF"', "some.yaml: is not YAML: "),
    "not closed": ("a: 1\nb: [1, 2", "line 2: is not YAML: while parsing a flow sequence"),
    "two documents": ("a: 1\n---\nb: 1", "line 2: is not YAML: expected a single document"),
    "control character": ("a: \x00", "is not YAML: unacceptable character"),
    "merge of an alias": ("a: &a {x: 1}\nb:\n  <<: *a", "line 3: aliases are not accepted"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_line_and_key_in_one_short_sentence(case: Any, tmp_path: Path) -> None:
    text, expected = REFUSED[case]
    path = tmp_path / "some.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ProfileError) as error:
        read_yaml(path)
    message = str(error.value)
    assert message.startswith(str(path)) and expected in message
    assert "\n" not in message and len(message) < len(str(path)) + 400


@pytest.mark.parametrize("load", [control.load_profile, profile.load_checkpoint_profile])
@pytest.mark.parametrize("case", ["alias bomb", "duplicate key", "400 digits"])
def test_profiles_are_read_by_it(load: Callable[[Path], Any], case: Any, tmp_path: Path) -> None:
    path = tmp_path / "some.yaml"
    path.write_text(REFUSED[case][0], encoding="utf-8")
    with pytest.raises(ProfileError) as error:
        load(path)
    assert REFUSED[case][1] in str(error.value)


def test_a_large_file_a_pipe_and_a_device_are_refused_unread(tmp_path: Path) -> None:
    large, pipe, zero = tmp_path / "large.yaml", tmp_path / "pipe.yaml", tmp_path / "zero.yaml"
    large.write_text("#" * (MAX_YAML_BYTES + 1))
    os.mkfifo(pipe)
    zero.symlink_to("/dev/zero")
    for path, expected in (
        (large, f"cannot be read: it has {MAX_YAML_BYTES + 1:,} bytes, at most"),
        (pipe, "cannot be read: it is a device or pipe, not a regular file"),
        (zero, "cannot be read: it is a device or pipe"),
        (tmp_path, "cannot be read: it is a directory"),
        (tmp_path / "nowhere.yaml", "cannot be read: No such file or directory"),
    ):
        with pytest.raises(ProfileError) as error:
            read_yaml(path)
        assert str(error.value).startswith(f"{path}: {expected}")


def test_other_encodings_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes("a: grün".encode("latin-1"))
    with pytest.raises(ProfileError, match="is not UTF-8 text"):
        read_yaml(path)
    path.write_bytes("a: grün".encode("utf-8-sig"))
    assert read_yaml(path) == {"a": "grün"}


def test_what_is_accepted_is_what_yaml_means(tmp_path: Path) -> None:
    path = tmp_path / "some.yaml"
    path.write_text(
        "text: [a, '1', \"y\", 2026-01-01]\nnumbers: [1, -2.5, 1.0e-3, 1e-3, .inf]\n"
        "flags: [true, off]\nnone: [null, ~, ]\nempty: {}\n"
    )
    assert read_yaml(path) == {
        "text": ["a", "1", "y", "2026-01-01"],
        "numbers": [1, -2.5, 0.001, 0.001, float("inf")],
        "flags": [True, False],
        "none": [None, None],
        "empty": {},
    }


@pytest.mark.parametrize("path", sorted(CONFIG.rglob("*.yaml")), ids=lambda path: path.name)
def test_shipped_files_read_as_with_yaml_itself(path: Path) -> None:
    assert read_yaml(path) == yaml.safe_load(path.read_text(encoding="utf-8"))


def test_a_value_in_a_message_is_short(tmp_path: Path) -> None:
    path = tmp_path / "robot.yaml"
    path.write_text(f"robot: [{', '.join(['x' * 1000] * 100)}]\nframe: a\n")
    with pytest.raises(ProfileError, match="robot.yaml: ") as error:
        control.load_profile(path)
    assert len(str(error.value)) < 1000


def test_the_bomb_takes_neither_time_nor_memory(tmp_path: Path) -> None:
    """In a process of its own, which ends with 1 GB or after 60 s."""
    path = tmp_path / "robot.yaml"
    path.write_text(REFUSED["alias bomb"][0])
    code = (
        "import sys; from molmoact_ros.yaml_config import read_yaml, ProfileError\n"
        "try: read_yaml(sys.argv[1])\nexcept ProfileError as error: print(error)"
    )

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (10**9, 10**9))

    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        preexec_fn=limit, timeout=60, capture_output=True, text=True,
    )  # fmt: skip
    assert "aliases are not accepted" in done.stdout, done.stderr


def test_a_name_that_no_file_can_have_is_refused() -> None:
    with pytest.raises(ProfileError, match="cannot be read: it cannot be the name of a file"):
        read_yaml("a\0b.yaml")
