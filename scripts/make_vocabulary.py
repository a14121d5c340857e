# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Write molmoact_ros/answer/qwen2_vocabulary.npz from the ranks of the Qwen base vocabulary.

    python scripts/make_vocabulary.py qwen.tiktoken

The file qwen.tiktoken is a resource of the PyPI package dashscope.
"""

import base64
import sys
from pathlib import Path

import numpy as np

from molmoact_ros.answer.vocabulary import FILE, pack

ENTRIES = 151643


def byte_level_alphabet() -> list[str]:
    """Return the character that stands for each byte in the vocabulary's text form."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    stand_ins = {byte: chr(byte) for byte in printable}
    stand_ins |= {byte: chr(256 + number) for number, byte in enumerate(others)}
    return [stand_ins[byte] for byte in range(256)]


def main() -> None:
    """Read the ranks and write the fingerprints beside the module that reads them."""
    alphabet = byte_level_alphabet()
    lines = Path(sys.argv[1]).read_text(encoding="ascii").splitlines()
    entries = {
        "".join(alphabet[byte] for byte in base64.b64decode(line.split()[0])) for line in lines
    }
    if len(entries) != ENTRIES:
        raise SystemExit(f"{sys.argv[1]} has {len(entries)} entries instead of {ENTRIES}")
    target = Path(__file__).parents[1] / "molmoact_ros" / "answer" / FILE
    np.savez_compressed(target, differences=pack(entries))


if __name__ == "__main__":
    main()
