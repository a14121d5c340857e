# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What files, settings and parameters show is reported before a weight is read, all at once."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from golden_files import CHECKPOINT

from molmoact_ros.model import MolmoActForActionReasoning
from molmoact_ros.model.safetensors_files import SINGLE_FILE
from molmoact_ros.policy import MolmoActPolicy
from molmoact_ros.policy.checkpoint_profile import (
    ActionSettings,
    AnswerSettings,
    CheckpointProfile,
    PromptSettings,
)
from molmoact_ros.policy.preflight import PolicyRequest, check_policy

REQUEST = PolicyRequest(CHECKPOINT, unnorm_key="molmoact", device="cpu", dtype="float32")
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "unnorm_key": ({"unnorm_key": "typo"}, "`unnorm_key`='typo' not in"),
    "key that is not given": ({"unnorm_key": None}, "please pass `unnorm_key` from"),
    "profile file": ({"profile": "none.yaml"}, "checkpoint profile none.yaml: cannot be read"),
    "dimensions": (
        {"profile": CheckpointProfile("two", actions=ActionSettings(names=("x", "gripper")))},
        "has 2 names, but norm_stats has 7 dimensions",
    ),
    "statistics that the profile names": (
        {"unnorm_key": None, "profile": CheckpointProfile("p", answer=AnswerSettings("absent"))},
        "`unnorm_key`='absent' not in",
    ),
    "instruction": ({"instruction": "close <im_patch>"}, "reserved token '<im_patch>'"),
    "long instruction": ({"instruction": "word " * 2000}, "instruction has 10000 characters, at"),
    "too many tokens": ({"max_new_tokens": 2000}, "an answer up to 2000 .max_new_tokens., and"),
    "too many cameras": ({"n_images": 60}, "60 images and their prompt take .* fewer cameras"),
    "device": ({"device": "gpu"}, "device 'gpu' is unknown"),
    "dtype": ({"dtype": "float7"}, "dtype 'float7'"),
    "quantization": ({"quantization": "int3"}, "quantization 'int3' is not one of"),
}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """Return a copy that a test may break."""
    directory = tmp_path / "checkpoint"
    shutil.copytree(CHECKPOINT, directory, ignore=shutil.ignore_patterns("cases"))
    return directory


def test_a_sound_policy_has_no_problem() -> None:
    found = check_policy(REQUEST)
    assert found.problems == found.warnings == []
    assert all(found.checks.values())
    assert found.stats is not None and found.stats.key == "molmoact"


@pytest.mark.parametrize("case", WRONG)
def test_each_is_reported(case: Any) -> None:
    changes, expected = WRONG[case]
    found = check_policy(replace(REQUEST, **changes))
    assert len(found.problems) == 1, found.problems
    with pytest.raises(ValueError, match=expected):
        found.require()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there() -> None:
    for name in ("cuda", "cuda:3"):
        (problem,) = check_policy(replace(REQUEST, device=name)).problems
        assert "torch finds no CUDA GPU; use device 'cpu'" in problem


def test_all_are_reported_together() -> None:
    request = replace(REQUEST, unnorm_key="typo", dtype="float7", instruction="say <DEPTH_1>")
    found = check_policy(request, lambda found: ["and one of the caller's"])
    assert len(found.problems) == 4


def test_nothing_is_loaded_before(checkpoint: Path) -> None:
    """`progress` would be called within the first 16 MB."""
    steps: list[Any] = []
    with pytest.raises(ValueError, match="'typo' not in"):
        MolmoActPolicy.from_pretrained(
            checkpoint, "typo", device="cpu", dtype="float32", progress=steps.append
        )
    assert steps == []


def test_a_checkpoint_that_was_checked_is_loaded_as_it_was_checked(checkpoint: Path) -> None:
    found = check_policy(replace(REQUEST, checkpoint=checkpoint))
    (checkpoint / SINGLE_FILE).write_bytes((checkpoint / SINGLE_FILE).read_bytes())
    with pytest.raises(ValueError, match=f"{SINGLE_FILE} has changed while it was loaded"):
        MolmoActPolicy.from_preflight(found)


def test_other_cameras_than_in_training_are_only_a_warning() -> None:
    profile = CheckpointProfile("p", prompt=PromptSettings(cameras=("primary", "wrist")))
    found = check_policy(replace(REQUEST, profile=profile, n_images=1))
    assert found.problems == []
    (warning,) = found.warnings
    assert warning == "the number of cameras is 1, profile p was trained with 2: primary, wrist"


def _edit(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text())
    content.update(changes)
    path.write_text(json.dumps(content))


def test_statistics_of_another_robot_may_be_broken(checkpoint: Path) -> None:
    stats = json.loads((checkpoint / "config.json").read_text())["norm_stats"]
    stats["libero_spatial_no_noops_modified"]["action"]["q01"] = []
    _edit(checkpoint / "config.json", norm_stats=stats)
    found = check_policy(replace(REQUEST, checkpoint=checkpoint))
    assert found.problems == [] and "must be a flat list" in found.warnings[0]
    found = check_policy(
        replace(REQUEST, checkpoint=checkpoint, unnorm_key="libero_spatial_no_noops_modified")
    )
    assert "must be a flat list" in found.problems[0] and found.warnings == []


def test_answers_that_would_never_end(checkpoint: Path) -> None:
    (checkpoint / "generation_config.json").write_text("{}")
    (problem,) = check_policy(replace(REQUEST, checkpoint=checkpoint)).problems
    assert "answers would never end" in problem


def test_crops_of_another_size_than_the_network(checkpoint: Path) -> None:
    _edit(checkpoint / "preprocessor_config.json", base_image_input_size=[84, 84])
    problems = check_policy(replace(REQUEST, checkpoint=checkpoint)).problems
    assert problems == [
        "preprocessor_config.json makes crops of (84, 84) px in patches of 14 px, config.json "
        "wants (70, 70) px and 14 px"
    ]


def test_more_memory_than_any_machine_has_is_refused_before_loading(checkpoint: Path) -> None:
    """Sparse weights of 2.4 TB, which take no room on the disk."""
    content = json.loads((checkpoint / "config.json").read_text())
    content["llm_config"].update(hidden_size=65_536, intermediate_size=1_000_000)
    content["adapter_config"]["text_hidden_size"] = 65_536
    _edit(checkpoint / "config.json", **content)
    _make_sparse(checkpoint)
    found = check_policy(replace(REQUEST, checkpoint=checkpoint))
    (problem,) = found.problems
    assert "device cpu: dtype float32 needs 2" in problem and "GB are free; nothing fits" in problem
    assert found.passing == [problem]


def _make_sparse(directory: Path) -> None:
    from molmoact_ros.model import load_config

    with torch.device("meta"):
        shapes = MolmoActForActionReasoning(load_config(directory)).state_dict()
    header, end = {}, 0
    for name, tensor in shapes.items():
        start, end = end, end + 4 * tensor.numel()
        header[name] = {"dtype": "F32", "shape": [*tensor.shape], "data_offsets": [start, end]}
    raw = json.dumps(header).encode()
    with (directory / SINGLE_FILE).open("wb") as file:
        file.write(len(raw).to_bytes(8, "little") + raw)
        file.truncate(8 + len(raw) + end)


def test_from_the_hub_large_files_are_fetched_only_when_the_small_ones_are_right(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache that holds all but the weights: the wrong key is reported, not their absence."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    repo = tmp_path / "cache" / "models--somebody--MolmoAct-mine"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(commit)
    (repo / "snapshots").mkdir()
    (checkpoint / SINGLE_FILE).unlink()
    checkpoint.rename(repo / "snapshots" / commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    request = replace(REQUEST, checkpoint="somebody/MolmoAct-mine")
    (problem,) = check_policy(replace(request, unnorm_key="typo")).problems
    assert "'typo' not in" in problem
    (problem,) = check_policy(request).problems
    assert "no model.safetensors" in problem
