# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Action values as text and back: the codebooks `vocab_tail` and `byte_level` (format.md 12).

Both codebooks name the same 256 bins of [-1, 1]: bin k is written as `strings[k]`, and a larger
bin is a larger value. Bin k covers [e_k, e_k+1) of the edges e = linspace(-1, 1, 256); bin 255
holds the single value 1 and decodes like bin 254, because 256 edges have only 255 centres.

* `vocab_tail` (released checkpoints): entry 151642 - k of the Qwen2 base vocabulary, in the
  vocabulary's own text form. The model writes 2 to 5 tokens for one value.
* `byte_level`: byte k, shown as the Braille pattern U+2800 + k, one added token for one value.
  Raw bytes cannot be shown: most of them alone are no valid text.
"""

import json
from functools import lru_cache
from importlib import resources

import numpy as np
from numpy.typing import ArrayLike, NDArray

from molmoact_ros.answer.vocabulary import in_base_vocabulary

N_BINS = 256
CODEBOOKS = ("vocab_tail", "byte_level")
_BRAILLE = 0x2800
_EDGES = np.linspace(-1.0, 1.0, N_BINS)
_CENTRES = (_EDGES[:-1] + _EDGES[1:]) / 2


class ActionTokenizer:
    """Turns normalised action values into the strings that the model reads and writes.

    Attributes:
        codebook: "vocab_tail" or "byte_level".
        strings: The 256 strings in the order of their bins.
        values: float64 [256], the value that each bin decodes to, non-decreasing.
    """

    def __init__(self, codebook: str = "vocab_tail") -> None:
        """Choose a codebook.

        Args:
            codebook: "vocab_tail" or "byte_level" (`action_codebook` of config.json; absent
                there means "vocab_tail").

        Raises:
            ValueError: When the codebook is not known.
        """
        if codebook not in CODEBOOKS:
            raise ValueError(f"action_codebook is {codebook!r}; known are {', '.join(CODEBOOKS)}")
        self.codebook = codebook
        self.strings = _vocab_tail() if codebook == "vocab_tail" else _byte_level()
        self.values = np.append(_CENTRES, _CENTRES[-1])
        self.values.setflags(write=False)
        self._bins = {string: bin_ for bin_, string in enumerate(self.strings)}

    def bin_of(self, string: str) -> int | None:
        """Bin 0..255 of an action string; None when it is not one of the 256."""
        return self._bins.get(string)

    def encode_bins(self, values: ArrayLike) -> NDArray[np.int64]:
        """Bins 0..255 of normalised values of any shape, which are clipped to [-1, 1]."""
        clipped = np.clip(np.asarray(values), -1.0, 1.0)
        return np.digitize(clipped, _EDGES).astype(np.int64) - 1

    def encode(self, values: ArrayLike) -> str:
        """Write one action [D] as `[s1, s2]` or a chunk [T, D] as `[[s1, s2], [s1, s2]]`.

        Raises:
            ValueError: When the values have another number of dimensions or are not finite.
        """
        array = np.asarray(values)
        if array.ndim not in (1, 2) or not np.all(np.isfinite(array)):
            raise ValueError(f"Actions must be finite and [D] or [T, D]; shape is {array.shape}")
        bins = self.encode_bins(array)
        if bins.ndim == 1:
            return self._row(bins)
        return "[" + ", ".join(self._row(row) for row in bins) + "]"

    def decode_string(self, string: str) -> float:
        """Value of one string exactly as the reference reads it, wrong strings included.

        An ordinary string of the Qwen2 base vocabulary gives the largest value, anything else
        that is no action string the smallest (fidelity.md row 6). For control use `bin_of`.
        """
        bin_ = self._bins.get(string)
        if bin_ is None:
            bin_ = N_BINS - 1 if in_base_vocabulary(string) else 0
        return float(self.values[bin_])

    def _row(self, bins: NDArray[np.int64]) -> str:
        return "[" + ", ".join(self.strings[bin_] for bin_ in bins) + "]"


@lru_cache(maxsize=1)
def _vocab_tail() -> tuple[str, ...]:
    text = resources.files(__package__).joinpath("vocab_tail.json").read_text(encoding="utf-8")
    return tuple(json.loads(text)["strings"])


def _byte_level() -> tuple[str, ...]:
    return tuple(chr(_BRAILLE + byte) for byte in range(N_BINS))
