# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The cache: both windows store the same, compaction keeps the confirmed path."""

import pytest
import torch

from molmoact_ros.decoding.static_cache import ContextTooLongError, StaticCache


def _cache() -> StaticCache:
    return StaticCache(torch.zeros(2, 2, 1, 3, 10, 4))


def _entries(start: int, count: int) -> torch.Tensor:
    """[1, 3, count, 4] whose entries are their positions."""
    return torch.arange(start, start + count).float().view(1, 1, count, 1).expand(1, 3, count, 4)


def test_both_windows_store_the_same() -> None:
    sliced, indexed = _cache(), _cache()
    for start, count in ((0, 3), (3, 4)):
        slots = torch.arange(start, start + count)
        for layer in range(2):
            new = _entries(start, count) + 100 * layer
            keys, values = sliced.sliced(count).layer(layer).update(new, -new)
            all_keys, all_values = indexed.indexed(slots).layer(layer).update(new, -new)
            assert keys.shape == (1, 3, start + count, 4)
            assert all_keys.shape == (1, 3, 10, 4)
            assert torch.equal(keys, all_keys[:, :, : start + count])
            assert torch.equal(values, all_values[:, :, : start + count])
        sliced.keep(range(count))
        indexed.keep(range(count))


def test_keep_compacts_the_confirmed_path() -> None:
    cache = _cache()
    for layer in range(2):
        cache.sliced(2).layer(layer).update(_entries(0, 2), _entries(0, 2))
    cache.keep([0, 1])
    for layer in range(2):
        cache.sliced(6).layer(layer).update(_entries(2, 6), _entries(2, 6))
    cache.keep([0, 2, 5])
    assert cache.length == 5
    keys, values = cache.sliced(1).layer(1).update(_entries(9, 1), _entries(9, 1))
    assert keys[0, 0, :, 0].tolist() == [0, 1, 2, 4, 7, 9]
    assert values[0, 2, :, 3].tolist() == [0, 1, 2, 4, 7, 9]


def test_a_full_cache_is_an_error() -> None:
    cache = _cache()
    cache.length = 8
    with pytest.raises(ContextTooLongError, match="8 cached and 3 new.*capacity of 10"):
        cache.sliced(3)
