# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Robot profiles that are traps: the executor ends at once, with one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..drill import Attempt, drill
from ..measure import Finished, run_program
from ..profiles import TABLETOP
from ..rig import executor_command

# What a refusal may cost: an executor that starts takes 0.5 s and 60 MB.
_SECONDS = 5.0  # of CPU time
_MEGABYTES = 400.0
_STARTED = "ready: robot"
_CONFIGURATION = 78  # exit code of a node whose settings are wrong
_CHARACTERS = 3000


def check_refusal(attempt: Attempt, name: str, done: Finished, code: int = 1) -> None:
    """Check that a program ended by itself, with an exit code, a sentence and no traceback."""
    cost = f"{done.seconds:.1f} s of CPU time and {done.peak:.0f} MB"
    if _STARTED in done.output:
        attempt.check(False, f"{name}: accepted")
        return
    if done.code is None:
        attempt.check(False, f"{name}: killed, it would not end; {cost}")
        return
    attempt.check(done.code == code, f"{name}: exit code {done.code}")
    attempt.check("Traceback" not in done.output, f"{name}: a traceback")
    attempt.check(bool(done.output.strip()), f"{name}: no output")
    length = len(done.output)
    attempt.check(length <= _CHARACTERS, f"{name}: {length} characters of output")


def _alias_bomb(levels: int, key: str = "robot") -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for level in range(1, levels):
        lines.append(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]")
    return f"{key}:\n" + "\n".join("  " + line for line in lines) + "\n"


def _profiles(marker: Path) -> dict[str, str]:
    good = TABLETOP.read_text(encoding="utf-8")
    name, speed = "robot: tabletop\n", "linear: {speed: 0.3,"
    assert name in good and speed in good
    return {
        "alias bomb of 9 levels": good.replace(name, _alias_bomb(9)),
        "alias bomb of 6 levels": good.replace(name, _alias_bomb(6)),
        "alias bomb as the frame": good.replace("frame: base_link\n", _alias_bomb(8, "frame"), 1),
        "merge keys": "a: &a {x: 1}\n" + "b: &b {<<: [*a, *a, *a, *a]}\n" * 3 + good,
        "a number of 400 digits": good.replace("0.3,", "3" * 400 + ",", 1),
        "20,000 brackets": "[" * 20_000,
        "20,000 braces": "{a: " * 20_000,
        "a duplicate key": good.replace("linear: {", "linear: {speed: 0.1, "),
        "a duplicate section": good + "\nlimits: {}\n",
        "speed 1e308": good.replace(speed, "linear: {speed: 1.0e+308,"),
        "speed infinite": good.replace(speed, "linear: {speed: .inf,"),
        "code in a tag": f"robot: !!python/object/apply:os.mkdir ['{marker}']\n" + good,
        "bytes that are no text": "\x00\x01\x02",
        "nothing": "",
        "10 MB of a": "a" * 10_000_000,
    }


@drill(quick=True)
def robot_profiles(attempt: Attempt) -> None:
    """Bombs, duplicate keys, endless numbers and brackets, code in tags, in a robot's YAML."""
    marker = attempt.folder / "was_run"
    profiles = _profiles(marker)
    names = list(profiles)
    if attempt.quick:
        names = ["alias bomb of 9 levels", "a duplicate key", "20,000 brackets", "speed 1e308"]
    longest, largest = 0.0, 0.0
    for number, name in enumerate(names):
        path = attempt.folder / f"robot_{number}.yaml"
        path.write_text(profiles[name], encoding="utf-8")
        done = _start(attempt, str(path))
        check_refusal(attempt, name, done, _CONFIGURATION)
        longest, largest = max(longest, done.seconds), max(largest, done.peak)
        attempt.check(done.peak <= _MEGABYTES, f"{name}: {done.peak:.0f} MB of memory")
    attempt.figures |= {"files": len(names), "most CPU s": round(longest, 1)}
    attempt.figures["largest MB"] = round(largest)
    attempt.check(not marker.exists(), "code of the file was run")


@drill()
def odd_parameters(attempt: Attempt) -> None:
    """Names that are not ASCII with the C locale, and profiles that are no files."""
    ascii_only = {"PYTHONUTF8": "0", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}
    link = attempt.folder / "endless.yaml"
    link.symlink_to("/dev/zero")
    cases: dict[str, tuple[str, dict[str, str]]] = {
        "robot:=röbot": ("röbot", ascii_only),
        "robot:=röbot.yaml": ("röbot.yaml", ascii_only),
        "a folder": (f"{attempt.folder}/", {}),
        "a folder named .yaml": (str(_folder(attempt.folder / "folder.yaml")), {}),
        "/dev/zero": (str(link), {}),
        "no such file": ("/no/such/robot.yaml", {}),
    }
    for name, (robot, environment) in cases.items():
        done = _start(attempt, robot, environment)
        check_refusal(attempt, name, done, _CONFIGURATION)
        attempt.check("UnicodeEncodeError" not in done.output, f"{name}: UnicodeEncodeError")


def _start(attempt: Attempt, robot: str, environment: Mapping[str, str] | None = None) -> Finished:
    """Start an executor that should not start."""
    settings = attempt.environment() | dict(environment or {})
    command = executor_command(robot, {})
    return run_program(
        command, attempt.folder, settings, _SECONDS, megabytes=2000.0, until=_STARTED
    )


def _folder(path: Path) -> Path:
    path.mkdir()
    return path
