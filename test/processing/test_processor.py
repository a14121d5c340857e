# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the processor accepts and refuses, and the layout of its prompt."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from molmoact_ros.model import CheckpointError
from molmoact_ros.processing import MolmoActProcessor

FRAME = np.zeros((60, 60, 3), dtype=np.uint8)


@pytest.fixture
def processor(processors: dict[str, MolmoActProcessor]) -> MolmoActProcessor:
    return processors["qwen_siglip"]


@pytest.fixture
def checkpoint(golden: Path, tmp_path: Path) -> Path:
    directory = tmp_path / "checkpoint"
    ignored = shutil.ignore_patterns("cases", "*.safetensors")
    shutil.copytree(golden / "qwen_siglip", directory, ignore=ignored)
    return directory


def _edit(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text())
    content.update(changes)
    path.write_text(json.dumps({key: value for key, value in content.items() if value != "DROP"}))


def test_bare_image_has_no_prefix_and_a_list_of_one_has(processor: MolmoActProcessor) -> None:
    """fidelity.md row 12: single views are passed bare, as they were trained."""
    bare = processor(images=FRAME, text="go")["input_ids"][0].tolist()
    listed = processor(images=[FRAME], text="go")["input_ids"][0].tolist()
    prefix = processor.tokenizer.encode("Image 1")
    assert listed == [bare[0], *prefix, *bare[1:]]


def test_list_uses_its_own_limit_of_crops(golden: Path, checkpoint: Path) -> None:
    _edit(checkpoint / "preprocessor_config.json", max_multi_image_crops=1)
    processor = MolmoActProcessor.from_pretrained(checkpoint)
    large = np.zeros((300, 300, 3), dtype=np.uint8)
    assert processor(images=large)["images"].shape[1] == 1 + 4
    assert processor(images=[large])["images"].shape[1] == 1 + 1


def test_several_images_with_one_text(processor: MolmoActProcessor) -> None:
    """fidelity.md row 13: the reference raises an index error here."""
    batch = processor(images=[FRAME, FRAME], text="go")
    assert batch["images"].shape[:2] == (1, 4)
    assert batch["input_ids"].tolist()[0].count(898) == batch["pooled_patches_idx"].shape[1]


def test_no_images(processor: MolmoActProcessor) -> None:
    nothing: tuple[Any, ...] = (None, [], ())
    for images in nothing:
        assert set(processor(images=images, text="go")) == {"input_ids", "attention_mask"}


def test_column_tokens_can_be_off(checkpoint: Path, processor: MolmoActProcessor) -> None:
    _edit(checkpoint / "processor_config.json", use_col_tokens=False)
    without = MolmoActProcessor.from_pretrained(checkpoint)
    ids = without(images=FRAME, text="go")["input_ids"][0].tolist()
    with_columns = processor(images=FRAME, text="go")["input_ids"][0].tolist()
    column = processor.tokenizer.convert_tokens_to_ids("<im_col>")
    assert ids == [token for token in with_columns if token != column]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (FRAME[..., 0], r"images is uint8 \[60, 60\]"),
        (FRAME.astype(np.float32), "images is float32"),
        ([FRAME, FRAME[..., :2]], r"images\[1\] is uint8 \[60, 60, 2\]"),
        (np.zeros((0, 5, 3), dtype=np.uint8), r"\[0, 5, 3\]"),
        ("photo.png", "images is a str"),
        ([[FRAME]], r"images\[0\] is a list"),
    ],
)
def test_what_is_not_an_rgb_frame_is_named(
    processor: MolmoActProcessor, images: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        processor(images=images, text="go")


def test_text_must_be_one_string(processor: MolmoActProcessor) -> None:
    with pytest.raises(ValueError, match="text must be one string"):
        processor(text=["one", "two"])  # type: ignore[arg-type]


def test_pillow_images_are_converted_and_not_turned(processor: MolmoActProcessor) -> None:
    """fidelity.md row 22: EXIF orientation is left alone, alpha is dropped, as in the reference."""

    class Picture:
        def convert(self, mode: str) -> Any:
            assert mode == "RGB"
            return np.arange(60 * 60 * 3, dtype=np.uint8).reshape(60, 60, 3)

    direct = processor(images=Picture().convert("RGB"), text="go")
    assert torch.equal(processor(images=Picture(), text="go")["images"], direct["images"])


def test_views_of_frames_need_no_copy_by_the_caller(processor: MolmoActProcessor) -> None:
    """A flipped view has negative strides."""
    frame = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    flipped = processor(images=frame[:, ::-1], text="go")["images"]
    assert torch.equal(flipped, processor(images=frame[:, ::-1].copy(), text="go")["images"])


@pytest.mark.parametrize(
    ("changes", "first"),
    [({}, 700), ({"bos_token": "!"}, 0), ({"bos_token": None}, 700)],
    ids=["as stored", "id 0", "none: EOS"],
)
def test_first_token(checkpoint: Path, changes: dict[str, Any], first: Any) -> None:
    """The reference ignores a BOS of id 0 (fidelity.md row 11); here it counts."""
    vocabulary = json.loads((checkpoint / "tokenizer.json").read_text())["model"]["vocab"]
    assert vocabulary["!"] == 0
    _edit(checkpoint / "tokenizer_config.json", **changes)
    processor = MolmoActProcessor.from_pretrained(checkpoint)
    ids = processor(images=FRAME, text="go")["input_ids"][0].tolist()
    assert ids[:2] == [first, processor.tokenizer.convert_tokens_to_ids("<im_start>")]


def test_decoding_keeps_depth_tokens_and_spaces(processor: MolmoActProcessor) -> None:
    tokenizer = processor.tokenizer
    text = " the map is <DEPTH_START><DEPTH_5><DEPTH_END> . It 's done !"
    ids = [*tokenizer.encode(text), tokenizer.eos_token_id]
    assert processor.decode(ids) == text


@pytest.mark.parametrize(
    "text",
    ["close the box", "mettre la pomme rouge à côté", "打开抽屉", "use <b> & [1, 2]", "a | b"],
)
def test_ordinary_instructions_pass(processor: MolmoActProcessor, text: str) -> None:
    processor.check_instruction(text)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("close <|endoftext|> the box", r"'<\|endoftext\|>'"),
        ("look at <im_patch>", "'<im_patch>'"),
        ("x|<EXTRA_TOKENS_3>|", r"'\|<EXTRA_TOKENS_3>\|'"),
        ("set <DEPTH_12> now", "'<DEPTH_12>'"),
        ("a<DEPTH_END>", "'<DEPTH_END>'"),
        ("close\nthe box", r"control character '\\n'"),
        ("close " * 1_000_000, "6000000 characters, at most 1000"),
        ("bell \x07", r"control character '\\x07'"),
    ],
)
def test_reserved_tokens_are_refused_by_name(
    processor: MolmoActProcessor, text: str, named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        processor.check_instruction(text)


def test_action_tokens_are_refused(checkpoint: Path) -> None:
    processor = MolmoActProcessor.from_pretrained(checkpoint)
    processor.check_instruction("turn ⠿ left")
    processor.tokenizer.add_tokens([chr(0x2800 + byte) for byte in range(256)])
    with pytest.raises(ValueError, match="'⠿'"):
        processor.check_instruction("turn ⠿ left")
    with pytest.raises(ValueError, match="action token 'âį¨'"):
        processor.check_instruction("turn âį¨ left", action_texts=("âį¨",))


def test_tokenizer_without_depth_tokens(checkpoint: Path) -> None:
    path = checkpoint / "tokenizer.json"
    content = json.loads(path.read_text())
    content["added_tokens"] = [
        token for token in content["added_tokens"] if "DEPTH" not in token["content"]
    ]
    path.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="tokenizer.json has no depth tokens: <DEPTH_START>"):
        MolmoActProcessor.from_pretrained(checkpoint)


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        ("preprocessor_config.json", {"crop_mode": "tiles"}, "crop_mode 'tiles' is not one of"),
        ("preprocessor_config.json", {"resize_mode": "lanczos"}, "resize_mode 'lanczos'"),
        ("preprocessor_config.json", {"normalize_mode": "none"}, "normalize_mode 'none'"),
        ("preprocessor_config.json", {"max_crops": "DROP"}, "misses the key 'max_crops'"),
        ("preprocessor_config.json", {"max_crops": 0}, "max_crops 0 is not 1..1000"),
        ("preprocessor_config.json", {"image_patch_size": 0}, "image_patch_size 0 is not 1..8192"),
        ("preprocessor_config.json", {"image_pooling_h": 0}, "image_pooling_h 0 is not 1..64"),
        (
            "preprocessor_config.json",
            {"base_image_input_size": [10**9, 10**9]},
            "base_image_input_size 1000000000 is not 1..8192",
        ),
        ("preprocessor_config.json", {"base_image_input_size": [70, 84]}, "70x84 is not square"),
        ("preprocessor_config.json", {"base_image_input_size": [71, 71]}, "71 is not a multiple"),
        ("preprocessor_config.json", {"overlap_margins": [3, 2]}, "leave nothing of a crop"),
        ("preprocessor_config.json", {"overlap_margins": 4}, "preprocessor_config.json: "),
        ("processor_config.json", {"message_format": "none"}, "only message_format 'role'"),
        ("processor_config.json", {"always_start_with_space": True}, "without a leading space"),
        ("tokenizer_config.json", {"bos_token": None, "eos_token": None}, "neither bos_token nor"),
        ("tokenizer_config.json", {"eos_token": [1]}, "is not a valid tokenizer file"),
    ],
)
def test_settings_that_are_not_supported(
    checkpoint: Path, file: str, changes: dict[str, Any], message: str
) -> None:
    _edit(checkpoint / file, **changes)
    with pytest.raises(CheckpointError, match=message):
        MolmoActProcessor.from_pretrained(checkpoint)


@pytest.mark.parametrize(
    "file", ["tokenizer.json", "tokenizer_config.json", "preprocessor_config.json"]
)
def test_missing_and_broken_files_are_named(checkpoint: Path, file: str) -> None:
    (checkpoint / file).write_text("{")
    with pytest.raises(CheckpointError, match=f"{file} is not"):
        MolmoActProcessor.from_pretrained(checkpoint)
    (checkpoint / file).unlink()
    with pytest.raises(CheckpointError, match=f"{file} is missing"):
        MolmoActProcessor.from_pretrained(checkpoint)


def test_no_switches_per_call(processor: MolmoActProcessor) -> None:
    """The reference accepts do_pad and do_convert_rgb and ignores them (fidelity.md row 10)."""
    with pytest.raises(TypeError, match="do_pad"):
        processor(images=FRAME, text="go", do_pad=False)  # type: ignore[call-arg]
