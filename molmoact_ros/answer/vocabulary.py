# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which strings are entries of the Qwen2 base vocabulary.

The reference looks every action string up in that vocabulary and decodes an ordinary entry, such as
"hello", differently from a string that is no entry at all (format.md 12). To give the same
values without shipping or fetching the vocabulary, this module keeps 32 bits of a hash of each
entry: a string that is no entry passes for one in 1 of 28,000 cases.
"""

from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from importlib import resources

import numpy as np
from numpy.typing import NDArray

FILE = "qwen2_vocabulary.npz"


def in_base_vocabulary(string: str) -> bool:
    """Whether the string, in byte-level form, is one of the 151643 base entries."""
    known = _load()
    place = int(np.searchsorted(known, fingerprint(string)))
    return place < len(known) and bool(known[place] == fingerprint(string))


def fingerprint(string: str) -> np.uint32:
    """32 bits of a hash of the string."""
    return np.uint32(int.from_bytes(blake2b(string.encode(), digest_size=4).digest(), "little"))


def pack(strings: Iterable[str]) -> NDArray[np.uint32]:
    """Fingerprints as the file holds them: sorted, each as the difference to the one before."""
    ordered = np.array(sorted({int(fingerprint(string)) for string in strings}), dtype=np.uint32)
    return np.diff(ordered, prepend=np.uint32(0))


@lru_cache(maxsize=1)
def _load() -> NDArray[np.uint32]:
    with resources.files(__package__).joinpath(FILE).open("rb") as file:
        return np.cumsum(np.load(file)["differences"], dtype=np.uint32)
