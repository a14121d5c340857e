# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoint profiles: the shipped files, the choice, and errors that name the key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from golden_files import GOLDEN

from molmoact_ros.policy.checkpoint_profile import (
    PROFILE_FILE,
    ActionSettings,
    ImagePreparation,
    choose_profile,
    load_checkpoint_profile,
    load_checkpoint_profiles,
    profile_directory,
)
from molmoact_ros.yaml_config import ProfileError

ARRAYS = np.load(GOLDEN / "vision" / "misc.npz")
PUBLISHED = {
    "allenai/MolmoAct-7B-D-0812": ("molmoact_7b_d_0812", "molmoact", 1, 2),
    "allenai/MolmoAct-7B-O-0812": ("molmoact_7b_o_0812", "molmoact", 1, 2),
    "allenai/MolmoAct-7B-D-Pretrain-0812": ("molmoact_7b_d_pretrain_0812", None, 1, 1),
    "allenai/MolmoAct-7B-D-Pretrain-RT-1-0812": (
        "molmoact_7b_d_pretrain_rt_1_0812",
        "fractal20220817_data",
        1,
        1,
    ),
    **{
        f"allenai/MolmoAct-7B-D-LIBERO-{suite}-0812": (
            f"molmoact_7b_d_libero_{suite.lower()}_0812",
            f"libero_{key}_no_noops_modified",
            8,
            2,
        )
        for suite, key in {
            "Spatial": "spatial",
            "Object": "object",
            "Goal": "goal",
            "Long": "10",
        }.items()
    },
    "checkpoints/tabletop": ("tabletop", "tabletop", 8, 1),
    "checkpoints/tabletop_tail": ("tabletop_tail", "tabletop", 8, 1),
}


@pytest.mark.parametrize("checkpoint", PUBLISHED)
def test_published_checkpoint_is_found_by_name(checkpoint: str) -> None:
    name, key, rows, cameras = PUBLISHED[checkpoint]
    profile, reason = choose_profile(checkpoint, None, 0)
    assert profile.name == name and checkpoint.split("/")[1] in reason
    assert (profile.answer.unnorm_key, profile.answer.rows) == (key, rows)
    assert len(profile.prompt.cameras) == profile.prompt.n_images(cameras) == cameras
    profile.actions.check_dof(7)


def test_every_profile_is_listed_and_has_the_name_of_its_file() -> None:
    files = {path.stem for path in profile_directory().glob("*.yaml")} - {"template"}
    assert files == {profile.name for profile in load_checkpoint_profiles()}
    assert files == {name for name, *_ in PUBLISHED.values()}


@pytest.mark.parametrize(
    "norm_stats, vocab_size, name",
    [
        (["molmoact"], 152064, "molmoact_7b_d_0812"),
        (["molmoact"], 100864, "molmoact_7b_o_0812"),
        (["libero_10_no_noops_modified"], 152064, "molmoact_7b_d_libero_long_0812"),
        (["molmoact", "my_robot"], 152064, "generic"),
        ([], 152064, "generic"),
    ],
)
def test_renamed_checkpoint_is_found_by_content(
    norm_stats: Any, vocab_size: int, name: str, tmp_path: Path
) -> None:
    profile, reason = choose_profile(tmp_path, dict.fromkeys(norm_stats), vocab_size)
    assert profile.name == name and reason


@pytest.mark.parametrize("is_fetched", [False, True])
def test_a_profile_in_the_checkpoints_folder_comes_first(tmp_path: Path, is_fetched: bool) -> None:
    folder = tmp_path / "tabletop"
    folder.mkdir()
    (folder / PROFILE_FILE).write_text("name: mine\nanswer: {rows: 3}\n")
    name, directory = ("owner/tabletop", folder) if is_fetched else (folder, None)
    stats: dict[str, Any] = {"tabletop": {}}
    profile, reason = choose_profile(name, stats, 1088, directory=directory)
    assert (profile.name, profile.answer.rows) == ("mine", 3) and PROFILE_FILE in reason
    (folder / PROFILE_FILE).write_text("name: mine\nanswers: {rows: 3}\n")
    with pytest.raises(ProfileError, match=f"{PROFILE_FILE}: answers"):
        choose_profile(name, stats, 1088, directory=directory)


def test_several_profiles_fit(tmp_path: Path) -> None:
    template = load_checkpoint_profile(profile_directory() / "template.yaml")
    profile, reason = choose_profile("x/my-robot-1", None, 0, [template, template])
    assert profile.name == "generic" and "my_robot, my_robot" in reason


def test_template_explains_every_key() -> None:
    text = (profile_directory() / "template.yaml").read_text(encoding="utf-8")

    def check(content: Any, cls: Any) -> None:
        assert set(content) == {field for field in cls.__dataclass_fields__}
        for key, value in content.items():
            kind: Any = type(getattr(profile, key, None)) if cls is type(profile) else None
            if isinstance(value, dict) and kind is not None:
                assert set(value) == set(kind.__dataclass_fields__)

    profile = load_checkpoint_profile(profile_directory() / "template.yaml")
    check(yaml.safe_load(text), type(profile))
    for line in text.splitlines():
        if ":" in line and not line.startswith("#") and not line.rstrip().endswith(":"):
            assert "#" in line, f"no comment: {line}"


BROKEN = {
    "name: x\nimages: {sise: [1, 2]}": "images.sise: unknown key",
    "name: x\nanswer: {rows: 0}": "answer.rows: must be 1..1000, is 0",
    "name: x\nanswer: {rows: eight}": "answer.rows: must be a whole number",
    "name: x\nanswer: {max_new_tokens: 0}": "answer.max_new_tokens: must be 1..4096",
    "name: x\nimages: {size: [320]}": "images.size: must have 2 entries",
    "name: x\nimages: {size: [320, 2]}": r"images.size\[1\]: must be 14..4096",
    "name: x\nimages: {size: [320, 240], longest_side: 336}": "images.longest_side: cannot",
    "name: x\nimages: {kernel: cubic}": "images.kernel: 'cubic' is not one of bilinear",
    "name: x\nimages: {crop_area: 1.5}": "images.crop_area: must be 0.1..1",
    "name: x\nprompt: {cameras: []}": "prompt.cameras: must name at least one",
    "name: x\nprompt: {cameras: [a, a]}": "prompt.cameras: names one camera twice",
    "name: x\nprompt: {style: poem}": "prompt.style: 'poem' is not one of",
    "name: x\nactions: {control_period: -1}": "actions.control_period: must be",
    "name: x\nactions: {control_period: .nan}": "actions.control_period: must be a finite",
    "name: x\nactions: {action_space: torque}": "actions.action_space: 'torque'",
    "name: x\nactions: {gripper: {convention: two_minus}}": "actions.gripper.convention: 'two_mi",
    "name: x\nactions: {gripper: {convention: libero, threshold: 0.5}}": "gripper.threshold",
    "name: x\nactions: {gripper: {threshold: 7}}": "actions.gripper.threshold: must be 0..1",
    "description: no name": "name: is missing",
    "- a list": "must be a mapping",
    "a: [": "line 1: is not YAML",
}


@pytest.mark.parametrize("text", BROKEN)
def test_broken_profile_is_refused_with_the_path_of_the_key(text: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(ProfileError, match=BROKEN[text]) as error:
        load_checkpoint_profile(path)
    assert str(path) in str(error.value)


def test_absent_profile() -> None:
    with pytest.raises(ProfileError, match="nowhere.yaml: cannot be read"):
        load_checkpoint_profile("nowhere.yaml")


def test_other_number_of_dimensions() -> None:
    with pytest.raises(ProfileError, match="has 7 names, but norm_stats has 14 dimensions"):
        ActionSettings().check_dof(14)


def test_images_are_prepared_as_in_the_published_evaluations() -> None:
    folder = profile_directory()
    libero = load_checkpoint_profile(folder / "molmoact_7b_d_libero_goal_0812.yaml").images
    np.testing.assert_array_equal(libero.apply(ARRAYS["crop09.in"]), ARRAYS["crop09.out"])
    rt_1 = load_checkpoint_profile(folder / "molmoact_7b_d_pretrain_rt_1_0812.yaml").images
    np.testing.assert_array_equal(rt_1.apply(ARRAYS["simpler_in"]), ARRAYS["simpler_resized"])


def test_image_sizes() -> None:
    frame = np.zeros((480, 640, 3), np.uint8)
    assert ImagePreparation().apply(frame).shape == (480, 640, 3)
    assert ImagePreparation(size=(320, 240)).apply(frame).shape == (240, 320, 3)
    assert ImagePreparation(longest_side=336).apply(frame).shape == (252, 336, 3)
    assert ImagePreparation(crop_area=0.9).apply(frame).shape == (480, 640, 3)


def test_trajectories_of_a_cropped_frame_are_brought_back_to_the_camera() -> None:
    images = ImagePreparation(crop_area=0.81)
    corners = np.array([[0.0, 0.0], [255.0, 255.0], [127.5, 0.0]])
    np.testing.assert_allclose(
        images.to_camera(corners), [[12.75, 12.75], [242.25, 242.25], [127.5, 12.75]]
    )
    np.testing.assert_allclose(images.from_camera(images.to_camera(corners)), corners, atol=1e-9)
    np.testing.assert_array_equal(images.from_camera([[0.0, 255.0]]), [[0.0, 255.0]])
    np.testing.assert_array_equal(ImagePreparation().to_camera(corners), corners)
