# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The configuration of a MolmoAct network: ``config.json`` as checked, typed values.

The three nested parts are frozen dataclasses without defaults for any size: the defaults of the
reference classes disagree with the released models (fidelity.md row 9), so a missing key is
an error.
"""

from __future__ import annotations

import dataclasses
import logging
import math
from typing import Any, TypeVar

from transformers import PretrainedConfig

from molmoact_ros.small_files import shown

_LOG = logging.getLogger(__name__)
_Part = TypeVar("_Part", bound="_ConfigPart")

# The largest sizes that are built: far above all released ones, and small enough that a wrong
# number is refused before it takes time or memory.
_LARGEST = {
    "num_hidden_layers": 1_000,
    "num_attention_heads": 4_096,
    "num_key_value_heads": 4_096,
    "head_dim": 4_096,
    "hidden_size": 65_536,
    "text_hidden_size": 65_536,
    "intermediate_size": 1_000_000,
    "vocab_size": 10_000_000,
    "additional_vocab_size": 10_000_000,
    "image_patch_size": 1_024,
    "image_num_pos": 1_000_000,
    "image_patch_id": 20_000_000,
    "n_action_bins": 65_536,
}
_LARGEST_IMAGE = 8_192  # pixels of a crop's side
# Keys of the nested parts that exist in released files and change nothing at inference.
_IGNORED_KEYS = frozenset(
    {
        "model_type",
        "initializer_range",
        "attention_dropout",
        "residual_dropout",
        "embedding_dropout",
        "image_feature_dropout",
        "max_position_embeddings",
        "use_cache",
    }
)
# Keys that every transformers release writes for its own use, at any level.
_TRANSFORMERS_KEYS = frozenset(PretrainedConfig().to_dict()) | {
    "auto_map",
    "dtype",
    "torch_dtype",
    "use_cache",
    "transformers_version",
    "_attn_implementation_autoset",
    "_commit_hash",
    "attn_implementation",
    "name_or_path",
    "return_unused_kwargs",
}
_warned_keys: set[str] = set()


@dataclasses.dataclass(frozen=True)
class _ConfigPart:
    """A nested part of ``config.json``."""

    @classmethod
    def parse(cls: type[_Part], value: _Part | dict[str, Any], where: str) -> _Part:
        """Check and convert the JSON object `value`.

        Args:
            value: The JSON object, or an instance that is returned as it is.
            where: Its key in ``config.json``, for messages.

        Raises:
            ValueError: A key is missing, or a value is inconsistent.
        """
        if isinstance(value, cls):
            return value
        if not isinstance(value, dict):
            raise ValueError(f"config.json: '{where}' is a {type(value).__name__}, not an object")
        fields = {field.name: field for field in dataclasses.fields(cls)}
        missing = [
            name
            for name, field in fields.items()
            if name not in value and field.default is dataclasses.MISSING
        ]
        if missing:
            raise ValueError(f"config.json: '{where}' misses the keys {', '.join(sorted(missing))}")
        unknown = set(value) - set(fields) - _IGNORED_KEYS - _TRANSFORMERS_KEYS
        _warn_unknown({f"{where}.{key}" for key in unknown})
        known = {name: value[name] for name in fields if name in value}
        for name, entry in known.items():
            _check_type(f"{where}.{name}", entry, str(fields[name].type))
        try:
            return cls(**known)
        except (TypeError, ValueError) as error:
            raise ValueError(f"config.json: '{where}': {error}") from error


@dataclasses.dataclass(frozen=True)
class VitConfig(_ConfigPart):
    """The vision tower (format.md 2 and 4)."""

    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    hidden_act: str
    layer_norm_eps: float
    image_default_input_size: tuple[int, int]
    image_patch_size: int
    image_num_pos: int
    float32_attention: bool
    use_cls_token: bool
    patch_bias: bool
    pre_layernorm: bool

    def __post_init__(self) -> None:
        height, width = _integers("image_default_input_size", self.image_default_input_size)
        if not (0 < height <= _LARGEST_IMAGE and 0 < width <= _LARGEST_IMAGE):
            raise ValueError(
                f"image_default_input_size {height}x{width} is not 1..{_LARGEST_IMAGE} pixels"
            )
        object.__setattr__(self, "image_default_input_size", (height, width))
        _check_heads(self.num_attention_heads, self.num_key_value_heads)
        if height % self.image_patch_size or width % self.image_patch_size:
            raise ValueError(
                f"image_default_input_size {height}x{width} is not a multiple of"
                f" image_patch_size {self.image_patch_size}"
            )
        positions = self.image_num_pos - int(self.use_cls_token)
        if math.isqrt(max(positions, 0)) ** 2 != positions:
            raise ValueError(f"image_num_pos: {positions} patch positions do not form a square")

    @property
    def patch_grid(self) -> tuple[int, int]:
        """Rows and columns of patches of one crop."""
        height, width = self.image_default_input_size
        return height // self.image_patch_size, width // self.image_patch_size


@dataclasses.dataclass(frozen=True)
class AdapterConfig(_ConfigPart):
    """Pooling and projection of image features (format.md 2 and 5)."""

    vit_layers: tuple[int, ...]
    hidden_size: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    float32_attention: bool
    hidden_act: str
    intermediate_size: int
    text_hidden_size: int
    image_padding_embed: str | None = None

    def __post_init__(self) -> None:
        layers = _integers("vit_layers", self.vit_layers)
        if not 1 <= len(layers) <= _LARGEST["num_hidden_layers"]:
            raise ValueError(f"vit_layers names {len(layers)} layers")
        object.__setattr__(self, "vit_layers", layers)
        _check_heads(self.num_attention_heads, self.num_key_value_heads)
        if self.image_padding_embed not in (None, "pad_and_partial_pad"):
            raise ValueError(f"image_padding_embed {shown(self.image_padding_embed)} is not known")


@dataclasses.dataclass(frozen=True)
class LlmConfig(_ConfigPart):
    """The language model (format.md 2 and 7)."""

    hidden_size: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    num_hidden_layers: int
    intermediate_size: int
    hidden_act: str
    vocab_size: int
    additional_vocab_size: int
    qkv_bias: bool
    use_qk_norm: bool
    norm_after: bool
    layer_norm_eps: float
    rope_theta: float
    qk_norm_type: str = "olmo"
    rope_scaling: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        _check_heads(self.num_attention_heads, self.num_key_value_heads)
        if self.qk_norm_type not in ("olmo", "qwen3"):
            raise ValueError(f"qk_norm_type {shown(self.qk_norm_type)} is not 'olmo' or 'qwen3'")
        scaling = self.rope_scaling or {}
        if not isinstance(scaling, dict):
            raise ValueError(f"rope_scaling is {shown(scaling)}, not an object")
        if scaling.get("rope_type", scaling.get("type", "default")) != "default":
            raise ValueError("rope_scaling is not supported (no released model uses it)")


class MolmoActConfig(PretrainedConfig):
    """Configuration of a whole MolmoAct network (format.md 2).

    Args:
        vit_config: Vision tower, as a JSON object or `VitConfig`.
        adapter_config: Pooling and projector, as a JSON object or `AdapterConfig`.
        llm_config: Language model, as a JSON object or `LlmConfig`.
        image_patch_id: Token id whose positions receive the image features.
        n_action_bins: Number of action tokens.
        norm_stats: Statistics to un-normalise actions, by key (format.md 12), or None.
        action_codebook: Codebook of the action tokens: ``vocab_tail`` or ``byte_level``.
        **kwargs: Keys that belong to transformers.

    Raises:
        ValueError: A key is missing or values contradict each other; the message names them.
    """

    model_type = "molmoact"
    has_no_defaults_at_init = True

    def __init__(
        self,
        vit_config: VitConfig | dict[str, Any] | None = None,
        adapter_config: AdapterConfig | dict[str, Any] | None = None,
        llm_config: LlmConfig | dict[str, Any] | None = None,
        image_patch_id: int | None = None,
        n_action_bins: int = 256,
        norm_stats: dict[str, Any] | None = None,
        action_codebook: str = "vocab_tail",
        initializer_range: float = 0.02,
        **kwargs: Any,
    ) -> None:
        parts = {
            "vit_config": vit_config,
            "adapter_config": adapter_config,
            "llm_config": llm_config,
            "image_patch_id": image_patch_id,
        }
        absent = [name for name, value in parts.items() if value is None]
        if absent:
            raise ValueError(f"config.json misses the keys {', '.join(absent)}")
        if kwargs.get("tie_word_embeddings"):
            raise ValueError("config.json: tie_word_embeddings must be false for MolmoAct")
        kwargs["tie_word_embeddings"] = False
        _warn_unknown(set(kwargs) - _TRANSFORMERS_KEYS - {"tie_word_embeddings"})
        super().__init__(**kwargs)
        self.vit_config = VitConfig.parse(vit_config or {}, "vit_config")
        self.adapter_config = AdapterConfig.parse(adapter_config or {}, "adapter_config")
        self.llm_config = LlmConfig.parse(llm_config or {}, "llm_config")
        self.image_patch_id = image_patch_id
        self.n_action_bins = n_action_bins
        self.norm_stats = norm_stats
        self.action_codebook = action_codebook
        self.initializer_range = initializer_range
        self._check()

    @property
    def vit_layers(self) -> tuple[int, ...]:
        """The selected blocks of the vision tower, as non-negative indices in listed order."""
        depth = self.vit_config.num_hidden_layers
        return tuple(
            layer + depth if layer < 0 else layer for layer in self.adapter_config.vit_layers
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the content of ``config.json``."""
        result = super().to_dict()
        for name, kind in _PART_MODEL_TYPES.items():
            result[name] = {**dataclasses.asdict(getattr(self, name)), "model_type": kind}
        return result

    def to_diff_dict(self) -> dict[str, Any]:
        """Return the content of ``config.json``: always complete, never only what differs."""
        return self.to_dict()

    def _check(self) -> None:
        _check_type("image_patch_id", self.image_patch_id, "int")
        _check_type("n_action_bins", self.n_action_bins, "int")
        _check_type("action_codebook", self.action_codebook, "str")
        if self.norm_stats is not None and not isinstance(self.norm_stats, dict):
            kind = type(self.norm_stats).__name__
            raise ValueError(f"config.json: 'norm_stats' is a {kind}, not an object")
        depth = self.vit_config.num_hidden_layers
        if not all(0 <= layer < depth for layer in self.vit_layers):
            named = shown(list(self.adapter_config.vit_layers))
            raise ValueError(
                f"config.json: adapter_config.vit_layers {named} do not exist in a vision tower of"
                f" {depth} layers"
            )
        if self.adapter_config.text_hidden_size != self.llm_config.hidden_size:
            raise ValueError(
                f"config.json: adapter_config.text_hidden_size"
                f" {self.adapter_config.text_hidden_size} differs from llm_config.hidden_size"
                f" {self.llm_config.hidden_size}"
            )


_PART_MODEL_TYPES = {
    "vit_config": "molmoact_vit",
    "adapter_config": "",
    "llm_config": "molmoact_llm",
}


def _check_type(key: str, value: Any, annotation: str) -> None:
    """Refuse a value of the wrong kind or size, by the annotation of its field."""
    if annotation == "bool":
        right = isinstance(value, bool)
    elif annotation == "int":
        name = key.rpartition(".")[2]
        # Only the second embedding table may be empty, and only a token's id may be 0.
        least = 0 if name in ("additional_vocab_size", "image_patch_id") else 1
        right = type(value) is int and value >= least
        if right and value > _LARGEST[name]:
            raise ValueError(
                f"config.json: '{key}' is {shown(value)}; at most {_LARGEST[name]:,} are accepted"
            )
    elif annotation == "float":
        right = type(value) in (int, float) and 0 < value < math.inf
    elif annotation == "str":
        right = isinstance(value, str)
    else:
        return
    if not right:
        raise ValueError(f"config.json: '{key}' is {shown(value)}, not a valid {annotation}")


def _integers(key: str, values: Any) -> tuple[int, ...]:
    if not isinstance(values, (list, tuple)) or not all(type(value) is int for value in values):
        raise ValueError(f"{key} is {shown(values)}, not a list of whole numbers")
    return tuple(values)


def _check_heads(heads: int, kv_heads: int) -> None:
    if kv_heads < 1 or heads % kv_heads:
        raise ValueError(
            f"num_attention_heads {heads} is not a multiple of num_key_value_heads {kv_heads}"
        )


def _warn_unknown(keys: set[str]) -> None:
    """Warn about unknown keys, once per key and process."""
    new = keys - _warned_keys
    if new:
        _warned_keys.update(new)
        _LOG.warning("config.json: unknown keys are ignored: %s", ", ".join(sorted(new)))
