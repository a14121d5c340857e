# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the network promises beside its numbers: merging, training, number types."""

from typing import Any

import numpy as np
import pytest
import torch

from molmoact_ros.model import MolmoActForActionReasoning
from molmoact_ros.model.adapter import gather_slots
from molmoact_ros.model.layers import RMSNorm, rotary_angles, rotate
from molmoact_ros.model.vision import resize_positions


@pytest.fixture
def model(models: Any) -> Any:
    return models["qwen_siglip"]


@pytest.fixture
def batch(golden: Any) -> Any:
    """Two prompts of equal length, each with two small images."""
    with np.load(golden / "qwen_siglip" / "cases" / "two_mid_256.npz") as file:
        case = {key[3:]: torch.from_numpy(file[key]) for key in file if key.startswith("in.")}
    doubled = {key: torch.cat([value, value]) for key, value in case.items()}
    doubled["images"][1] += 0.1
    return doubled


@torch.no_grad()
def test_batch_equals_its_rows(model: Any, batch: Any) -> None:
    together = model(**batch).logits
    for row in range(2):
        alone = model(**{key: value[row : row + 1] for key, value in batch.items()}).logits
        torch.testing.assert_close(together[row : row + 1], alone, atol=1e-4, rtol=0)


def test_every_parameter_learns(golden: Any, batch: Any) -> None:
    """One backward pass reaches all parameters except tokens and codes that are absent."""
    model = MolmoActForActionReasoning.from_pretrained(golden / "qwen_siglip").train()
    model(**batch).logits.logsumexp(-1).sum().backward()
    silent = [
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().sum() > 0
    ]
    assert not silent
    table = model.model.transformer.wte
    absent = torch.ones(len(table.embedding), dtype=torch.bool)
    absent[batch["input_ids"][batch["input_ids"] < len(absent)]] = False
    assert not table.embedding.grad[absent].any()


@torch.no_grad()
def test_both_tables_read_as_one(model: Any) -> None:
    """Ids from the vocabulary size on read the second table; -1 reads row 0 (format.md 6)."""
    table = model.get_input_embeddings()
    joined = torch.cat([table.embedding, table.new_embedding])
    ids = torch.tensor([[0, 895, 896, 898, 1023, -1]])
    assert torch.equal(model.embed(ids)[0, :5], joined[ids[0, :5]])
    assert torch.equal(model.embed(ids)[0, 5], joined[0])
    with pytest.raises(IndexError):
        model.embed(torch.tensor([[1024]]))


def test_the_head_is_the_output_embedding(model: Any) -> None:
    """The reference returns nothing here (fidelity.md row 1)."""
    assert model.get_output_embeddings() is model.lm_head


@torch.no_grad()
def test_features_are_added_not_written(model: Any, batch: Any) -> None:
    """fidelity.md row 16: another runtime overwrites; training added."""
    row = {key: value[:1] for key, value in batch.items()}
    embeds = model.embed(row["input_ids"], row["images"], row["pooled_patches_idx"])
    features = model.model.vision_backbone(row["images"], row["pooled_patches_idx"])
    at_patch = row["input_ids"] == model.config.image_patch_id
    token = model.embed(torch.tensor([[model.config.image_patch_id]]))[0, 0]
    torch.testing.assert_close(embeds[at_patch], features + token)
    assert torch.equal(embeds[~at_patch], model.embed(row["input_ids"])[~at_patch])


def test_pooling_mean_divides_by_four_always() -> None:
    """Empty slots are zeros that count (fidelity.md row 14)."""
    features = torch.arange(12.0).reshape(1, 6, 2) + 1
    query, slots = gather_slots(features, torch.tensor([[[0, 2, -1, -1], [1, 3, 4, 5]]]))
    assert torch.equal(slots[0], torch.tensor([[1.0, 2.0], [5.0, 6.0], [0.0, 0.0], [0.0, 0.0]]))
    assert torch.equal(query[:, 0], torch.tensor([[1.5, 2.0], [7.5, 8.5]]))


@torch.no_grad()
def test_wrong_number_of_patch_tokens(model: Any, batch: Any) -> None:
    row = {key: value[:1] for key, value in batch.items()}
    row["input_ids"][row["input_ids"] == model.config.image_patch_id] = 5
    with pytest.raises(ValueError, match="0 image patch tokens, but the images give 50"):
        model(**row)


@torch.no_grad()
def test_equal_neighbouring_crops_are_encoded_once(model: Any, batch: Any) -> None:
    """A small image's high-resolution crop equals its base crop (format.md 9.2)."""
    backbone = model.model.vision_backbone
    seen = []
    hook = backbone.image_vit.register_forward_hook(
        lambda _module, arguments, _output: seen.append(len(arguments[0]))
    )
    try:
        images = batch["images"][:1].clone()
        images[0, 1], images[0, 5], images[0, 6] = images[0, 0], images[0, 4], images[0, 4]
        features = backbone(images, batch["pooled_patches_idx"][:1])
    finally:
        hook.remove()
    assert seen == [images.shape[1] - 3]
    twice = backbone(torch.cat([images, images]), batch["pooled_patches_idx"])
    torch.testing.assert_close(features, twice[: len(features)], atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("variant", ["qwen_siglip", "olmo_clip"])
def test_half_precision_stays_near(golden: Any, models: Any, variant: str) -> None:
    """bfloat16 weights: same argmax nearly everywhere, rotary angles not degraded."""
    case = "two_mid_256"
    with np.load(golden / variant / "cases" / f"{case}.npz") as file:
        inputs = {key[3:]: torch.from_numpy(file[key]) for key in file if key.startswith("in.")}
    half = MolmoActForActionReasoning.from_pretrained(golden / variant, dtype=torch.bfloat16)
    logits = half(**inputs).logits
    assert logits.dtype == torch.float32
    exact = models[variant](**inputs).logits
    assert (logits.argmax(-1) == exact.argmax(-1)).float().mean() > 0.9
    assert (logits - exact).abs().mean() < 0.05


def test_rotary_angles_are_computed_in_float32() -> None:
    positions = torch.tensor([[0, 1, 1000, 4095]])
    cos, sin = rotary_angles(positions, 128, 1e6, torch.float32)
    exponents = torch.arange(0, 128, 2, dtype=torch.float64) / 128
    angles = positions[0, :, None] / (1e6**exponents)
    torch.testing.assert_close(cos[0, 0, :, :64].double(), angles.cos(), atol=5e-4, rtol=0)
    torch.testing.assert_close(sin[0, 0, :, 64:].double(), angles.sin(), atol=5e-4, rtol=0)
    assert torch.equal(sin[..., :64], -sin[..., 64:])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_norm_and_rotation_are_those_of_the_reference_bit_for_bit(dtype: Any) -> None:
    x = torch.randn(1, 4, 64, 128, generator=torch.Generator().manual_seed(0)).to(dtype)
    norm = RMSNorm(128, 1e-6).to(dtype)
    x32 = x.float()
    x32 = x32 * torch.rsqrt(x32.square().mean(-1, keepdim=True) + 1e-6)
    assert torch.equal(norm(x), norm.weight * x32.to(dtype))
    cos, sin = rotary_angles(torch.arange(64)[None], 128, 1e6, dtype)
    first, second = x.chunk(2, dim=-1)
    plain = torch.cat((sin[..., 64:], sin[..., 64:]), dim=-1)
    expected = x * cos + torch.cat((-second, first), dim=-1) * plain
    assert torch.equal(rotate(x, cos, sin), expected)


@pytest.mark.parametrize("index", range(3))
def test_position_tables_are_resized_like_the_reference(golden: Any, index: Any) -> None:
    with np.load(golden / "vision" / "misc.npz") as file:
        table, expected, grid = (file[f"posemb{index}.{key}"] for key in ("in", "out", "grid"))
    resized = resize_positions(torch.from_numpy(table), tuple(grid.tolist()))
    torch.testing.assert_close(resized, torch.from_numpy(expected), atol=1e-6, rtol=0)


@torch.no_grad()
def test_fresh_network_is_initialised(models: Any) -> None:
    """Training starts from this; nothing may be left as uninitialised memory."""
    config = models["olmo_clip"].config
    fresh = MolmoActForActionReasoning(config)
    for name, parameter in fresh.named_parameters():
        if name.endswith("norm.weight") or "ln" in name or name.endswith("bias"):
            assert parameter.unique().numel() == 1, name
        else:
            assert 0.01 < parameter.std() < 0.03, name


@torch.no_grad()
@pytest.mark.parametrize("qk_norm_type", ["olmo", "qwen3"])
def test_kinds_of_qk_norm_differ_only_by_their_span(models: Any, qk_norm_type: str) -> None:
    """qwen3 normalises each head, olmo the whole vector (format.md 7)."""
    content = models["olmo_clip"].config.to_dict()
    content["llm_config"]["qk_norm_type"] = qk_norm_type
    torch.manual_seed(0)
    network = MolmoActForActionReasoning(type(models["olmo_clip"].config).from_dict(content))
    transformer: Any = network.model.transformer
    attention = transformer.blocks[0].self_attn
    assert attention.q_norm.weight.shape == ((16,) if qk_norm_type == "qwen3" else (64,))
    x = torch.randn(1, 3, attention.att_proj.in_features)
    angles = rotary_angles(torch.arange(3)[None], 16, 1e4, torch.float32)
    with torch.no_grad():
        attention.att_proj.weight *= 20  # so that queries matter
        before = attention(x, *angles, None, None)
        attention.att_proj.weight[:16] *= 3  # the first head's queries
        after = attention(x, *angles, None, None)
    same = bool((before - after).abs().max() < 1e-4)
    assert same == (qk_norm_type == "qwen3")
