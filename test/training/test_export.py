# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What training writes is what the product reads: same tokens, pixels, answers."""

from pathlib import Path

import numpy as np
import torch

from molmoact_ros.answer.prompts import reasoning_prompt
from molmoact_ros.decoding import generate
from molmoact_ros.model import MolmoActForActionReasoning, load_vqvae
from molmoact_ros.processing import MolmoActProcessor
from molmoact_ros.sim import Tabletop, Task
from training.data import Frames, halve
from training.evaluate import answer_ids
from training.heads import Heads
from training.losses import Trainer
from training.network import patches, pooling_index
from training.sequences import Targets, Vocabulary


def test_processor_sees_what_training_saw(
    exported: tuple[Path, MolmoActForActionReasoning], vocab: Vocabulary
) -> None:
    folder, _ = exported
    processor = MolmoActProcessor.from_pretrained(folder)
    table = Tabletop(3)
    rgb, _ = table.render()
    table.close()
    batch = processor(images=rgb, text=reasoning_prompt("reach the green block", 1))
    form = vocab.formats["full"][0]
    expected = [*vocab.prefix, *form.prompts[1]]
    assert batch["input_ids"][0].tolist() == [int(token) for token in expected]
    # The processor rounds halves like training, to one grey level at most.
    difference = (batch["images"] - patches(halve(rgb)[None])).abs()
    assert difference.max() <= 2.0 / 255 + 1e-6 and difference.mean() < 1e-3
    assert (batch["pooled_patches_idx"] == pooling_index(1)).all()


def test_loaded_network_answers_like_the_batched_decoder(
    exported: tuple[Path, MolmoActForActionReasoning], vocab: Vocabulary, frames: Frames
) -> None:
    folder, model = exported
    loaded = MolmoActForActionReasoning.from_pretrained(folder).eval()
    processor = MolmoActProcessor.from_pretrained(folder)
    tasks = [Task("push", "red", "left"), Task("push", "blue", "right")]
    answers = answer_ids(model, vocab, vocab.prompts("full", tasks), frames.images[:2])
    for image, task, ids in zip(frames.images[:2], tasks, answers, strict=True):
        batch = processor(images=image, text=reasoning_prompt(task.instruction, 1))
        result = generate(loaded, batch, max_new_tokens=vocab.longest_answer)
        assert result.ids == ids


def test_config_names_the_scheme_and_the_statistics(
    exported: tuple[Path, MolmoActForActionReasoning],
) -> None:
    folder, _ = exported
    config = MolmoActForActionReasoning.from_pretrained(folder).config
    assert config.action_codebook == "byte_level"
    action = config.norm_stats["tabletop"]["action"]
    assert action["mask"] == [True] * 6 + [False]
    assert all(low < high for low, high in zip(action["q01"][:3], action["q99"][:3], strict=True))


def test_vqvae_has_ten_by_ten_codes(exported: tuple[Path, MolmoActForActionReasoning]) -> None:
    folder, _ = exported
    network = load_vqvae(folder / "vae-final.safetensors")
    codes = network.encode(torch.rand(1, 1, 40, 40))
    assert codes.shape == (1, 10, 10)
    assert network.decode(codes).shape == (1, 1, 40, 40)


def test_no_colour_sees_another_ones_answer(
    vocab: Vocabulary,
    frames: Frames,
    targets: Targets,
    exported: tuple[Path, MolmoActForActionReasoning],
) -> None:
    """Packing three instructions into one row gives the loss of three separate rows."""
    _, model = exported
    trainer = Trainer(model, Heads(), vocab)
    images = patches(frames.images[:2])
    form = vocab.formats["action"][0]
    prompts = torch.from_numpy(form.prompts).expand(2, -1, -1)
    answers = torch.from_numpy(vocab.answers(form, targets[np.arange(2)].of_group(0)).ids)
    with torch.inference_mode():
        packed, _ = trainer._run(prompts, images, answers, packed=True)
        apart, _ = trainer._run(prompts, images, answers, packed=False)
    assert torch.allclose(packed, apart, atol=1e-4)
