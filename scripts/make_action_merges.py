# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Write what the Qwen2 base vocabulary does to action strings, for training and its tests.

    python scripts/make_action_merges.py qwen.tiktoken

training/qwen2_action_merges.json gets every merge that happens when a list of actions is tokenised,
in the vocabulary's order. test/data/action_spellings.json gets random lists with their tokens, by
the whole vocabulary. The file qwen.tiktoken is a resource of the PyPI package dashscope.
"""

import base64
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from make_vocabulary import byte_level_alphabet
from tokenizers import Regex, pre_tokenizers

from molmoact_ros.answer import ActionTokenizer
from molmoact_ros.finetune.spelling import VALUE_CONTEXTS
from training.tail_tokenizer import QWEN_SPLIT

Merge = tuple[str, str]


class BasePairEncoding:
    """The Qwen2 base vocabulary: the pair of neighbours with the lowest rank merges first."""

    def __init__(self, file: Path) -> None:
        """Read the ranks."""
        alphabet = byte_level_alphabet()
        self.ranks: dict[str, int] = {}
        for line in file.read_text(encoding="ascii").splitlines():
            entry, rank = line.split()
            self.ranks["".join(alphabet[byte] for byte in base64.b64decode(entry))] = int(rank)
        self.merges: set[Merge] = set()
        self._split = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(QWEN_SPLIT), behavior="isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )

    def encode(self, text: str) -> list[str]:
        """Return the tokens of a text in byte-level form; merges are added to `merges`."""
        tokens = []
        for piece, _ in self._split.pre_tokenize_str(text):
            tokens += self._merge(list(piece))
        return tokens

    def _merge(self, parts: list[str]) -> list[str]:
        while True:
            ranked = [
                (self.ranks[left + right], place)
                for place, (left, right) in enumerate(zip(parts, parts[1:], strict=False))
                if left + right in self.ranks
            ]
            if not ranked:
                return parts
            place = min(ranked)[1]
            self.merges.add((parts[place], parts[place + 1]))
            parts[place : place + 2] = [parts[place] + parts[place + 1]]


def main() -> None:
    """Read the ranks and write both files."""
    encoding = BasePairEncoding(Path(sys.argv[1]))
    codec, root = ActionTokenizer(), Path(__file__).parents[1]
    for opening, closing in VALUE_CONTEXTS:
        for string in codec.strings:
            encoding.encode(opening + string + closing)
    ordered = sorted(encoding.merges, key=lambda merge: encoding.ranks["".join(merge)])
    _write(root / "training" / "qwen2_action_merges.json", ordered)

    rng, lists = np.random.default_rng(0), []
    for shape in [(7,)] * 12 + [(8, 7)] * 4:
        text = f" {codec.encode(rng.uniform(-1, 1, shape))}."
        lists.append([text, *encoding.encode(text)])
    _write(root / "test" / "data" / "action_spellings.json", lists)


def _write(path: Path, rows: Sequence[Sequence[str]]) -> None:
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
