# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Samples contain what the data set contains, in the prompts and pictures of inference."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from finetune_data import STEPS, TABLETOP, edit, prepare, write_data

from molmoact_ros.answer import ActionTokenizer, Answer, parse_answer
from molmoact_ros.answer.prompts import reasoning_prompt, steering_prompt
from molmoact_ros.finetune.answers import STILL
from molmoact_ros.finetune.demonstrations import read_demonstrations
from molmoact_ros.finetune.plan import Plan, make_plan
from molmoact_ros.finetune.samples import Batch, Samples
from molmoact_ros.finetune.settings import FinetuneSettings
from molmoact_ros.viz.overlay import HINT_COLOUR


def texts(plan: Plan, batch: Batch) -> list[tuple[str, str]]:
    """Return prompt and wanted answer of each sample."""
    processor, answers = plan.found.processor, batch.answers
    assert processor is not None
    ids = answers.ids.copy()
    values = answers.kind >= 2
    ids[values] = plan.writer.spelling.tokens[0, answers.label[values], 0]
    assert plan.writer.numbers is not None
    points = answers.kind == 1
    ids[points] = plan.writer.numbers[answers.label[points]]
    wanted = [processor.decode(r[w > 0]) for r, w in zip(ids, answers.weight, strict=True)]
    given = [processor.decode(row.tolist()) for row in batch.ids]
    return [(text, answer) for text, answer in zip(given, wanted, strict=True)]


def parsed(plan: Plan, text: str, steered: bool = False) -> Answer:
    codec = ActionTokenizer(plan.writer.codebook)
    key = plan.stats.key
    answer = parse_answer(
        text, plan.norm_stats, key, action_tokenizer=codec, rows=plan.profile.answer.rows,
        steered=steered,
    )  # fmt: skip
    assert answer.valid, answer.problems
    return answer


@pytest.mark.parametrize("gripper", [(0.0, 1.0), (1.0, 0.0)])
def test_the_answers_are_the_rows_of_the_data_set(
    own_data: Path, gripper: tuple[float, float]
) -> None:
    names = ("open", "closed")
    edit(own_data, lambda c: c["gripper"].update(zip(names, gripper, strict=True)))
    plan, data, samples = prepare(own_data)
    assert len(samples) == 2 * STEPS and samples.left_out == 0
    batch = samples.batch(range(STEPS), 0.0, np.random.default_rng(0))
    episode = data.episodes[0]
    span = plan.stats.q99 - plan.stats.q01
    for step, (prompt, text) in enumerate(texts(plan, batch)):
        assert f"User: {reasoning_prompt('reach the red block', 1)} Assistant:" in prompt
        answer = parsed(plan, text)
        assert answer.depth is not None and answer.trajectory is not None
        assert (answer.depth.ravel() == episode.codes[step]).all()
        count = episode.counts[step]
        assert (answer.trajectory == np.rint(episode.trajectories[step, :count])).all()
        wanted = np.zeros((8, 7))
        rows = episode.actions[step : step + 8]
        wanted[: len(rows)] = rows
        wanted[len(rows) :, 6] = rows[-1, 6]  # behind the end it rests, the gripper as it was
        low, high = plan.stats.q01[:3], plan.stats.q99[:3]
        near = np.clip(wanted[:, :3], low, high)
        assert answer.actions[:, :3] == pytest.approx(near, abs=float(span[:3].max()) / 250)
        converter = plan.profile.actions.gripper.converter()
        assert converter.convert(answer.actions[:, 6]) == pytest.approx(wanted[:, 6], abs=0.01)
    # The network goes on writing 1 for a closed gripper.
    value = ActionTokenizer(plan.writer.codebook).values[samples.bins(episode.actions[-1:])[0, 6]]
    assert (value > 0.9) == (gripper == (0.0, 1.0))
    assert plan.profile.actions.gripper.convention == ("as_is" if gripper[1] else "one_minus")


def test_columns_that_never_move_have_a_bin_of_their_own(data: Path) -> None:
    plan, read, samples = prepare(data)
    bins = samples.bins(read.episodes[0].actions)
    assert (bins[:, 3:6] == STILL[:3]).all()
    answers = samples.batch([0, 5], 0.0, np.random.default_rng(0)).answers
    kinds = answers.kind[answers.kind >= 2].reshape(-1, 7)
    assert (kinds[:, :3] == 2).all() and (kinds[:, 3:] == 3).all()


def test_lines_are_drawn_in_and_the_answer_follows_them(data: Path) -> None:
    plan, read, samples = prepare(data)
    batch = samples.batch(range(STEPS), 1.0, np.random.default_rng(1))
    plain = samples.batch(range(STEPS), 0.0, np.random.default_rng(1))
    tasks = {f"reach the {color} block" for color in ("red", "green")}
    found = set()
    for step, (prompt, text) in enumerate(texts(plan, batch)):
        told = [t for t in tasks if f"User: {steering_prompt(t, 1)} Assistant:" in prompt]
        found.update(told)
        assert len(told) == 1
        rows = parsed(plan, text, steered=True).actions
        same = parsed(plan, texts(plan, plain)[step][1]).actions
        assert (rows == same).all()
    assert found == tasks, "some lines lead elsewhere than the words"
    cyan = np.array(HINT_COLOUR) / 127.5 - 1.0
    for pictures, is_drawn in ((batch.images, True), (plain.images, False)):
        pixels = pictures[0].reshape(-1, 3).numpy()
        assert (np.abs(pixels - cyan).max(axis=1) < 0.5).any() == is_drawn


def test_what_is_fed_is_noisy_and_light_differs(data: Path) -> None:
    _, _, samples = prepare(data)
    one, again = (samples.batch([3], 0.0, np.random.default_rng(0)) for _ in range(2))
    other = samples.batch([3], 0.0, np.random.default_rng(1))
    assert (one.ids == again.ids).all() and (one.images == again.images).all()
    assert (one.answers.label == other.answers.label).all()
    assert (one.ids != other.ids).any() and (one.images != other.images).any()
    assert (one.images - other.images).abs().mean() < 0.3


def test_steps_in_which_the_policy_moved_are_left_out(own_data: Path) -> None:
    _, read, _ = prepare(own_data)
    human = np.ones(STEPS, dtype=bool)
    human[4] = False
    episodes = (replace(read.episodes[0], human=human), *read.episodes[1:])
    plan, _, _ = prepare(own_data)
    assert plan.found.processor is not None
    arguments = (plan.profile, plan.stats, plan.found.processor, plan.writer)
    samples = Samples(replace(read, episodes=episodes), [0], *arguments)
    assert samples.left_out == 5, "the chunks of steps 0 to 4 hold it"
    assert [step for _, step in samples.places] == list(range(5, STEPS))


def test_two_cameras(tmp_path: Path) -> None:
    data = write_data(tmp_path / "two", cameras=("camera", "wrist"))
    plan, _, samples = prepare(data)
    assert plan.profile.prompt.cameras == ("camera", "wrist")
    batch = samples.batch([0], 0.0, np.random.default_rng(0))
    ((prompt, answer),) = texts(plan, batch)
    assert reasoning_prompt("reach the red block", 2) in prompt
    assert answer.startswith(" The depth map of the first image is")


def test_pictures_kept_as_jpeg_are_nearly_the_same(data: Path) -> None:
    plan = make_plan(FinetuneSettings(TABLETOP, data, data / "out"))
    raw, packed = (read_demonstrations(plan.description, c, lambda n: None) for c in (False, True))
    for one, other in zip(raw.pictures(1, 4), packed.pictures(1, 4), strict=True):
        assert np.abs(one.astype(int) - other).mean() < 4
