# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that are traps: molmoact-inspect names what is wrong, soon and with little memory."""

from __future__ import annotations

import json
import os
import shutil
import struct
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..drill import Attempt, drill
from ..measure import Finished, run_program
from ..pipes import ROOT
from .yaml_files import check_refusal

CHECKPOINT = ROOT / "checkpoints" / "tabletop"
_SECONDS = 10.0  # of CPU time above what a good checkpoint takes
_MEGABYTES = 300.0  # the same of memory
_INSPECT = "import sys; from molmoact_ros.cli.inspect import main; sys.exit(main())"
_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 8402208\n"
_WEIGHTS = "model.safetensors"


def _json(name: str, change: Callable[[dict], None]) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        content = json.loads((folder / name).read_text())
        change(content)
        (folder / name).write_text(json.dumps(content))

    return act


def _text(name: str, text: str) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        _replace(folder, name).write_text(text)

    return act


def _replace(folder: Path, name: str) -> Path:
    path = folder / name
    path.unlink()
    return path


def _fifo(folder: Path) -> None:
    os.mkfifo(_replace(folder, "config.json"))


def _endless(folder: Path) -> None:
    _replace(folder, "config.json").symlink_to("/dev/zero")


def _sparse(name: str, size: int) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        with _replace(folder, name).open("wb") as file:
            file.truncate(size)

    return act


def _longer(folder: Path) -> None:
    with (folder / _WEIGHTS).open("ab") as file:
        file.write(b"\0" * 1000)


def _wrong_type(folder: Path) -> None:
    path = folder / _WEIGHTS
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = data[8 : 8 + length].replace(b'"F32"', b'"F16"', 1).replace(b'"BF16"', b'"F64" ', 1)
    path.write_bytes(data[:8] + header + data[8 + length :])


def _no_end(folder: Path) -> None:
    path = folder / _WEIGHTS
    path.write_bytes(struct.pack("<Q", 2**62) + path.read_bytes()[8:])


def _auto_map(folder: Path) -> None:
    (folder / "trap.py").write_text(f"import os; os.mkdir({str(folder / 'was_run')!r})\n")
    _json("config.json", lambda c: c.update({"auto_map": {"AutoConfig": "trap.Trap"}}))(folder)


TRAPS: dict[str, tuple[Callable[[Path], None], str]] = {
    "config.json is a pipe": (_fifo, "config.json"),
    "config.json is /dev/zero": (_endless, "config.json"),
    "10^9 layers": (
        _json("config.json", lambda c: c["llm_config"].update(num_hidden_layers=10**9)),
        "num_hidden_layers",
    ),
    "a vocabulary of 10^12": (
        _json("config.json", lambda c: c["llm_config"].update(vocab_size=10**12)),
        "",
    ),
    "100,000 brackets": (_text("config.json", "[" * 100_000), "config.json"),
    "a tokenizer of 1 GB": (_sparse("tokenizer.json", 10**9), "tokenizer.json"),
    "weights are an empty file": (_sparse(_WEIGHTS, 0), _WEIGHTS),
    "weights are a git-lfs pointer": (_text(_WEIGHTS, _POINTER.format("0" * 64)), _WEIGHTS),
    "weights are longer than in their header": (_longer, _WEIGHTS),
    "a type that does not fit its offsets": (_wrong_type, _WEIGHTS),
    "a header of 2^62 bytes": (_no_end, _WEIGHTS),
}


def _inspect(attempt: Attempt, folder: Path, seconds: float = 60.0) -> Finished:
    command = [sys.executable, "-c", _INSPECT, str(folder)]
    return run_program(command, attempt.folder, {"OMP_NUM_THREADS": "1"}, seconds)


def _spring(attempt: Attempt, trap: str, good: Finished) -> Finished:
    """Inspect a copy of the shipped checkpoint with a trap in it."""
    folder = attempt.folder / f"checkpoint_{list(TRAPS).index(trap)}"
    shutil.copytree(CHECKPOINT, folder)
    TRAPS[trap][0](folder)
    done = _inspect(attempt, folder, good.seconds + _SECONDS)
    shutil.rmtree(folder)
    return done


@drill()
def checkpoint_traps(attempt: Attempt) -> None:
    """Pipes, /dev/zero, a billion layers, 100,000 brackets, broken weights in a checkpoint."""
    good = _inspect(attempt, CHECKPOINT)
    attempt.check(good.code == 0, f"the shipped checkpoint is refused: {good.output[-300:]}")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        done = dict(zip(TRAPS, pool.map(lambda t: _spring(attempt, t, good), TRAPS), strict=True))
    for name, (_, word) in TRAPS.items():
        check_refusal(attempt, name, done[name])
        attempt.check(word in done[name].output, f"{name}: '{word}' is not named")
        more = done[name].peak - good.peak
        attempt.check(more <= _MEGABYTES, f"{name}: {more:.0f} MB more than a good one")
    longest = max(each.seconds for each in done.values())
    largest = max(each.peak for each in done.values())
    attempt.figures |= {
        "traps": len(TRAPS),
        "good: CPU s": round(good.seconds, 1),
        "most CPU s": round(longest, 1),
        "good: MB": round(good.peak),
        "largest MB": round(largest),
    }


@drill()
def code_in_a_checkpoint(attempt: Attempt) -> None:
    """Python files that a checkpoint names in auto_map are not run."""
    folder = attempt.folder / "checkpoint"
    shutil.copytree(CHECKPOINT, folder)
    _auto_map(folder)
    done = _inspect(attempt, folder)
    attempt.check(done.code is not None, "it has no end")
    attempt.check("Traceback" not in done.output, "a traceback")
    attempt.check(not (folder / "was_run").exists(), "the checkpoint's code was run")
