# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Labels and token sequences agree with the frames they were made of."""

from dataclasses import replace

import numpy as np
import pytest

from molmoact_ros.answer import ActionStats, ActionTokenizer, parse_answer
from molmoact_ros.answer.prompts import reasoning_prompt
from molmoact_ros.finetune.answers import STILL
from molmoact_ros.sim import Task
from molmoact_ros.sim.expert import GOAL_ABOVE_BLOCK, Labels, Scenes, expert_labels
from molmoact_ros.sim.scene import COLORS
from training.data import Frames, halve, to_unit
from training.export import norm_statistics
from training.sequences import GROUPS, ActionScale, Targets, Vocabulary, gripping


def _labels(frames: Frames, color: int) -> Labels:
    scenes = Scenes(frames.gripper, frames.fingers, frames.blocks[:, color])
    return expert_labels("reach", "", scenes)


def test_labels_begin_now_and_end_at_the_block(frames: Frames) -> None:
    labels = _labels(frames, 1)
    assert labels.points[:, 0] == pytest.approx(frames.gripper)
    ends = labels.points[:, -1] - frames.blocks[:, 1] - GOAL_ABOVE_BLOCK
    assert np.linalg.norm(ends, axis=-1).max() < 0.012
    assert labels.deltas.shape == (len(frames), 8, 3)


def test_trajectory_ends_on_the_blocks_pixels(frames: Frames, targets: Targets) -> None:
    ends = targets.coordinates[:, 0, :, -2:] / 255 * 125
    for image, uv, blocks in zip(frames.images, ends, targets.block_uv, strict=True):
        for channel, (x, y) in enumerate(np.rint(uv).astype(int)):
            assert np.linalg.norm([x, y] - blocks[channel] / 255 * 125) < 6
            around = image[max(0, y - 3) : y + 7, max(0, x - 4) : x + 5].astype(int)
            others = np.delete(around, channel, axis=-1).max(axis=-1)
            visible = (around[..., channel] > 1.5 * others).any()
            hidden = np.linalg.norm(frames.gripper - frames.blocks[:, channel], axis=-1).min() < 1
            assert visible or hidden


def test_full_answer_reads_back_as_the_labels(
    frames: Frames, targets: Targets, scale: ActionScale, vocab: Vocabulary
) -> None:
    stats = norm_statistics(frames, scale)
    batch = targets.of_group(0)
    answers = vocab.answers(vocab.formats["full"][0], batch)
    labels = _labels(frames, 2)
    for i in range(len(frames)):
        text = vocab.tokenizer.decode(answers.ids[i, 2].tolist(), skip_special_tokens=True)
        answer = parse_answer(text, stats, action_tokenizer=ActionTokenizer("byte_level"), rows=8)
        assert answer.problems == ()
        assert answer.depth is not None and answer.trajectory is not None
        assert (answer.depth.ravel() == targets.codes[i]).all()
        assert (answer.trajectory.ravel() == batch.coordinates[i, 2]).all()
        low, high = scale.q01[:3], scale.q99[:3]
        expected = np.clip(labels.deltas[i], low, high)
        assert answer.actions[:, :3] == pytest.approx(expected, abs=1.1 * np.max(high - low) / 255)
        assert (answer.actions[:, 3:] == 0).all()


def test_bytes_of_rotations_that_never_happen_are_free(frames: Frames, scale: ActionScale) -> None:
    marked = replace(scale, still=STILL[:3])
    moves = np.array([[0.01, -0.01, 0.0]])
    written, plain = (some.encode(moves, np.ones(1))[0] for some in (marked, scale))
    assert written[3:6].tolist() == list(STILL[:3]) != plain[3:6].tolist()
    assert (np.delete(written, slice(3, 6)) == np.delete(plain, slice(3, 6))).all()
    stats = ActionStats.from_norm_stats(norm_statistics(frames, marked), "tabletop")
    values = ActionTokenizer("byte_level").values[written]
    assert (stats.unnormalize(values)[3:6] == 0).all()


@pytest.mark.parametrize("group", range(len(GROUPS)))
@pytest.mark.parametrize("name", ["opening", "full"])
def test_prompts_are_those_of_the_product(vocab: Vocabulary, name: str, group: int) -> None:
    form = vocab.formats[name][group]
    for color, row in zip(COLORS, form.prompts, strict=True):
        instruction = Task(GROUPS[group][0], color, GROUPS[group][1]).instruction
        text = f"User: {reasoning_prompt(instruction, 1)} Assistant:"
        assert vocab.tokenizer.encode(text, add_special_tokens=False).ids == row.tolist()
        assert vocab.tokenizer.decode([row[form.last_color]]).strip() == color


def test_opening_is_the_beginning_of_the_full_answer(vocab: Vocabulary, targets: Targets) -> None:
    batch = targets[np.arange(3)].of_group(1)
    full = vocab.answers(vocab.formats["full"][1], batch).ids
    opening = vocab.answers(vocab.formats["opening"][1], batch).ids
    assert (full[:, :, : opening.shape[-1]] == opening).all()
    assert (full[:, :, -1] == vocab.eos).all()


def test_gripper_is_open_in_the_middle_byte_and_closed_in_the_last(targets: Targets) -> None:
    codec = ActionTokenizer("byte_level")
    assert (codec.values[targets.of_group(0).actions[..., 6]] == 0.0).all()
    assert codec.encode_bins(1.0) == 255


def test_recorded_frames_match_the_simulator(frames: Frames) -> None:
    assert frames.images.shape == (12, 126, 126, 3) and frames.images.dtype == np.uint8
    assert 0.0 <= frames.depth.min() and frames.depth.max() <= 1.0
    assert np.ptp(frames.depth.astype(float)) > 0.5
    constant = np.full((252, 252, 3), 7, dtype=np.uint8)
    assert (halve(constant) == 7).all()


def test_pixels_scale_to_the_trajectory_range() -> None:
    assert to_unit(np.array([0.0, 125.0])) == pytest.approx([0.0, 255.0])


def test_frames_that_hold_a_block_or_nothing_are_as_many_as_those_around_one(
    frames: Frames,
) -> None:
    blocks, fingers = frames.blocks.copy(), frames.fingers.copy()
    blocks[3, 2, 2] = 0.5  # in the air
    fingers[4] = 0.002  # shut, with nothing between
    some = gripping(replace(frames, blocks=blocks, fingers=fingers)).tolist()
    around = set(some) - {3, 4}
    assert some.count(3) == some.count(4) == len(around) + (4 in _around(frames)) > 0
    assert around <= _around(frames)


def _around(frames: Frames) -> set[int]:
    away = np.abs(frames.blocks + GOAL_ABOVE_BLOCK - frames.gripper[:, None]).max(axis=-1)
    return set(np.flatnonzero(away.min(axis=1) < 0.04).tolist())
