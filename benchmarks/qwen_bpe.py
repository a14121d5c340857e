# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The real base vocabulary of MolmoAct-7B-D, fetched by pip for the time of a benchmark.

The ranks are a resource file of the package dashscope; tiktoken applies them with the
pre-tokeniser of format.md 10.1. Nothing of it is kept in this repository.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import tempfile
import unicodedata
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

BASE_VOCABULARY = 151643
EOS = 151643
DEPTH_START = 151665
HEAD = 152064  # rows of the 7B-D head
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


class QwenBpe:
    """Text to ids and back as the released 7B-D tokenizer does it, depth tokens included."""

    def __init__(self, encoding: Any) -> None:
        self._encoding = encoding

    def encode(self, text: str) -> list[int]:
        """Ids of an answer's text."""
        normal = unicodedata.normalize("NFC", text)
        return self._encoding.encode(normal, allowed_special="all")

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids, special tokens included."""
        return self._encoding.decode(list(ids))


def load_qwen_bpe(cache: Path | None = None) -> QwenBpe:
    """Fetch both packages into `cache` (default: a temporary folder) and load the ranks."""
    folder = cache or Path(tempfile.mkdtemp(prefix="qwen-bpe-"))
    if not list(folder.glob("dashscope*.whl")):
        _pip("download", "--no-deps", "--dest", str(folder), "dashscope")
        _pip("install", "--no-deps", "--target", str(folder / "lib"), "tiktoken", "regex")
    sys.path.append(str(folder / "lib"))
    tiktoken: Any = importlib.import_module("tiktoken")
    loader: Any = importlib.import_module("tiktoken.load")
    with zipfile.ZipFile(next(folder.glob("dashscope*.whl"))) as wheel:
        wheel.extract("dashscope/resources/qwen.tiktoken", folder)
    ranks = loader.load_tiktoken_bpe(str(folder / "dashscope/resources/qwen.tiktoken"))
    if len(ranks) != BASE_VOCABULARY:
        raise RuntimeError(f"qwen.tiktoken has {len(ranks)} ranks instead of {BASE_VOCABULARY}")
    added = ["<DEPTH_START>", "<DEPTH_END>", *(f"<DEPTH_{n}>" for n in range(128))]
    special = {"<|endoftext|>": EOS} | {t: DEPTH_START + n for n, t in enumerate(added)}
    return QwenBpe(
        tiktoken.Encoding("qwen", pat_str=_SPLIT, mergeable_ranks=ranks, special_tokens=special)
    )


def _pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", "-q", *arguments], check=True)
