# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""config.json: explicit values, clear refusals, one warning for unknown keys."""

import json
import logging
from typing import Any

import pytest

from molmoact_ros.model import MolmoActConfig


@pytest.fixture
def content(golden: Any) -> Any:
    return json.loads((golden / "qwen_siglip" / "config.json").read_text())


@pytest.mark.parametrize(
    ("part", "key"),
    [
        ("llm_config", "num_hidden_layers"),
        ("llm_config", "norm_after"),
        ("vit_config", "image_num_pos"),
        ("adapter_config", "vit_layers"),
    ],
)
def test_sizes_are_never_guessed(content: Any, part: str, key: str) -> None:
    """The reference's defaults disagree with its releases (fidelity.md row 9)."""
    del content[part][key]
    with pytest.raises(ValueError, match=f"'{part}' misses the keys {key}"):
        MolmoActConfig.from_dict(content)


@pytest.mark.parametrize("key", ["vit_config", "adapter_config", "llm_config", "image_patch_id"])
def test_whole_parts_are_required(content: Any, key: str) -> None:
    del content[key]
    with pytest.raises(ValueError, match=f"misses the keys {key}"):
        MolmoActConfig.from_dict(content)


@pytest.mark.parametrize(
    ("part", "key", "value", "message"),
    [
        ("llm_config", "hidden_size", "64", "llm_config.hidden_size' is '64'"),
        ("llm_config", "hidden_size", -1, "llm_config.hidden_size' is -1"),
        ("llm_config", "num_hidden_layers", 2.5, "llm_config.num_hidden_layers' is 2.5"),
        ("llm_config", "num_hidden_layers", 10**9, "is 1000000000; at most 1,000 are accepted"),
        ("llm_config", "vocab_size", 10**30, "vocab_size' is 1000.*; at most 10,000,000 are"),
        ("llm_config", "rope_theta", float("inf"), "rope_theta' is inf, not a valid float"),
        ("llm_config", "rope_scaling", "yarn", "rope_scaling is 'yarn', not an object"),
        ("vit_config", "image_default_input_size", [10**9, 10**9], "1000000000 is not 1..8192 pix"),
        ("vit_config", "image_default_input_size", ["a", 1], r"is .'a', 1., not a list of whole"),
        ("adapter_config", "vit_layers", [1] * 2000, "vit_layers names 2000 layers"),
        ("llm_config", "qkv_bias", "yes", "llm_config.qkv_bias' is 'yes'"),
        ("llm_config", "num_key_value_heads", 3, "4 is not a multiple of num_key_value_heads 3"),
        ("llm_config", "qk_norm_type", "rms", "qk_norm_type 'rms'"),
        ("llm_config", "rope_scaling", {"rope_type": "yarn"}, "rope_scaling is not supported"),
        ("vit_config", "image_num_pos", 26, "26 patch positions do not form a square"),
        ("vit_config", "image_default_input_size", [70, 71], "not a multiple of image_patch_size"),
        ("adapter_config", "vit_layers", [-3, -11], "do not exist in a vision tower of 10 layers"),
        ("adapter_config", "text_hidden_size", 32, "text_hidden_size 32 differs"),
        ("adapter_config", "image_padding_embed", "regress", "image_padding_embed 'regress'"),
    ],
)
def test_impossible_values_are_named(
    content: Any, part: str, key: str, value: Any, message: str
) -> None:
    content[part][key] = value
    with pytest.raises(ValueError, match=message):
        MolmoActConfig.from_dict(content)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("image_patch_id", "898"),
        ("image_patch_id", 10**12),
        ("n_action_bins", 2.5),
        ("action_codebook", ["vocab_tail"]),
        ("norm_stats", [1]),
    ],
)
def test_impossible_values_of_the_whole_are_named(content: Any, key: str, value: Any) -> None:
    content[key] = value
    with pytest.raises(ValueError, match=f"config.json: '{key}' is "):
        MolmoActConfig.from_dict(content)


def test_tied_embeddings_are_refused(content: Any) -> None:
    content["tie_word_embeddings"] = True
    with pytest.raises(ValueError, match="tie_word_embeddings"):
        MolmoActConfig.from_dict(content)


def test_layers_count_from_the_whole_tower(content: Any, golden: Any) -> None:
    """Negative indices resolve by the original depth, not by the stored blocks (format.md 2)."""
    assert MolmoActConfig.from_dict(content).vit_layers == (7, 1)
    olmo = json.loads((golden / "olmo_clip" / "config.json").read_text())
    assert MolmoActConfig.from_dict(olmo).vit_layers == (8, 1)


def test_unknown_keys_warn_once(content: Any, caplog: pytest.LogCaptureFixture) -> None:
    content["llm_config"]["test_unknown_inner"] = 1
    content["test_unknown_outer"] = 2
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            MolmoActConfig.from_dict(content)
    warnings = [record.getMessage() for record in caplog.records]
    assert sum("llm_config.test_unknown_inner" in text for text in warnings) == 1
    assert sum("test_unknown_outer" in text for text in warnings) == 1


def test_released_keys_do_not_warn(golden: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for variant in ("qwen_siglip", "olmo_clip"):
            content = json.loads((golden / variant / "config.json").read_text())
            MolmoActConfig.from_dict(content)
    assert not caplog.records


def test_json_round_trip(content: Any) -> None:
    config = MolmoActConfig.from_dict(content)
    again = MolmoActConfig.from_dict(json.loads(config.to_json_string()))
    assert again.to_dict() == config.to_dict()
    for part in ("vit_config", "adapter_config", "llm_config"):
        written = json.loads(config.to_json_string())[part]
        assert all(content[part][key] == value for key, value in written.items())
