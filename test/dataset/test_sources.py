# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where episodes and depth come from: instructions, lists of times, notes, estimators."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from rosbags.typesys.store import Typestore

from molmoact_ros.cli.dataset import main
from molmoact_ros.record import notes
from molmoact_ros.sim import Tabletop, Task
from molmoact_ros.sim.expert import expert_move

ROOT = Path(__file__).parents[2]
CHECKPOINT = ROOT / "checkpoints" / "tabletop"
START = 1_700_000_000.0
INSTRUCTION = "/operator/instruction"


def facts_of(out: Path) -> dict[str, Any]:
    return json.loads((out / "meta" / "molmoact.json").read_text())


def test_a_plain_bag_is_cut_by_the_instruction(
    pick: Any, types: Typestore, write: Callable[..., Path], recording: Path, tmp_path: Path
) -> None:
    more = [
        (START + 1.2, INSTRUCTION, notes.STRING, types.types[notes.STRING](data="lift it")),
        (START + 2.5, INSTRUCTION, notes.STRING, types.types[notes.STRING](data="")),
    ]
    bag = write(tmp_path / "run", types, pick, more=more)
    assert main([str(bag), "-o", str(tmp_path / "out"), "--recording", str(recording)]) == 0
    episodes = sorted(facts_of(tmp_path / "out")["episodes"], key=lambda e: e["start"])
    assert [e["instruction"] for e in episodes] == ["pick up the blue block", "lift it"]
    assert [e["name"] for e in episodes] == ["run@0.0", "run@1.2"]
    assert episodes[0]["end"] <= START + 1.2 <= episodes[1]["start"]
    assert episodes[1]["end"] <= START + 2.5, "an empty instruction ends an episode"


def test_a_list_of_times_cuts_it_otherwise_and_counts_what_failed(
    bags: Path, recording: Path, tmp_path: Path
) -> None:
    cuts = tmp_path / "cuts.yaml"
    cuts.write_text(
        "- {bag: pick, start: 0.5, end: 1.5}\n"
        f"- {{bag: pick, start: {START + 2.0}, end: {START + 3.0}, instruction: lift it}}\n"
        "- {bag: reach, start: 0.0, end: 2.0, failed: true}\n"
    )
    arguments = [str(bags), "-o", str(tmp_path / "out"), "--recording", str(recording)]
    assert main([*arguments, "--cuts", str(cuts)]) == 0
    facts = facts_of(tmp_path / "out")
    instructions = {e["instruction"] for e in facts["episodes"]}
    assert instructions == {"pick up the blue block", "lift it"} and facts["dropped"]["failed"] == 1


def test_the_recorders_notes_need_no_other_file(
    reach: Any, types: Typestore, write: Callable[..., Path], recording: Path, tmp_path: Path
) -> None:
    content = {**yaml.safe_load(recording.read_text()), "human": "/operator/drives"}
    profile = yaml.safe_load((ROOT / "config" / "robots" / "tabletop.yaml").read_text())
    begin = notes.BeginNote("go to red", content, {**profile, "robot": "my_arm"})
    end = notes.EndNote(True, 3.0, {}, {"/joint_states": 7})
    texts: list[tuple[float, str, Any]] = [
        (START, notes.BEGIN_TOPIC, begin),
        (START + 3.0, notes.END_TOPIC, end),
    ]
    make = types.types[notes.STRING]
    more = [(time, topic, notes.STRING, make(data=notes.note_text(n))) for time, topic, n in texts]
    drives = types.types["std_msgs/msg/Bool"]
    for time, value in ((0.0, False), (0.65, True), (1.05, False)):
        more.append((START + time, "/operator/drives", "std_msgs/msg/Bool", drives(data=value)))
    bag = write(tmp_path / "episode", types, reach, more=more)
    assert main([str(bag), "-o", str(tmp_path / "out")]) == 0
    facts = facts_of(tmp_path / "out")
    assert facts["robot"] == "my_arm" and facts["lost_messages"] == {"/joint_states": 7}
    assert [e["instruction"] for e in facts["episodes"]] == ["go to red"]
    table = pq.read_table(tmp_path / "out" / "data" / "chunk-000" / "file-000.parquet")
    assert table["annotation.human"].to_pylist()[:13] == [False] * 7 + [True] * 4 + [False] * 2


def test_commands_instead_of_the_measured_motion(
    bags: Path, recording: Path, tmp_path: Path
) -> None:
    arguments = [str(bags / "reach"), "--recording", str(recording)]
    rows = {}
    for kind in ("measured", "commanded"):
        assert main([*arguments, "-o", str(tmp_path / kind), "--actions", kind]) == 0
        table = pq.read_table(tmp_path / kind / "data" / "chunk-000" / "file-000.parquet")
        rows[kind] = np.array(table["action"].to_pylist())[:10, :3]
    sim = Tabletop(3)
    move, _ = expert_move(
        Task("reach", "red"), sim.ee_pose()[0], sim.finger_opening(), sim.block_places()
    )
    sim.close()
    assert np.allclose(rows["commanded"][0], move, atol=1e-6), "as the person has commanded"
    assert not np.allclose(rows["measured"][0], move, atol=1e-4), "the arm lags at first"
    left = (rows["measured"] - rows["commanded"]).sum(axis=0)
    assert np.allclose(left, 0.0, atol=0.01), "but follows"


def test_one_episode_is_for_training_whatever_is_held_out(
    bags: Path, recording: Path, tmp_path: Path
) -> None:
    given = [str(bags / "reach"), "-o", str(tmp_path / "out"), "--recording", str(recording)]
    assert main([*given, "--held-out", "1", "--license", "CC-BY-4.0: all of it"]) == 0
    assert facts_of(tmp_path / "out")["split"] == {"training": [0], "held_out": []}
    header = (tmp_path / "out" / "README.md").read_text().split("---")[1]
    assert yaml.safe_load(header)["license"] == "CC-BY-4.0: all of it"


@pytest.mark.long
def test_depth_codes_of_an_estimator(bags: Path, recording: Path, tmp_path: Path) -> None:
    """A small one with random weights: that codes come matters, not which they are."""
    import torch
    from transformers import DPTConfig, DPTForDepthEstimation, DPTImageProcessor

    torch.manual_seed(0)
    small = DPTConfig(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=16,
        image_size=32, patch_size=16, backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 8, 8, 8], fusion_hidden_size=8, is_hybrid=False, head_in_index=-1,
    )  # fmt: skip
    DPTForDepthEstimation(small).save_pretrained(tmp_path / "depth")
    DPTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(tmp_path / "depth")
    arguments = [str(bags / "reach"), "-o", str(tmp_path / "out"), "--recording", str(recording)]
    arguments += ["--checkpoint", str(CHECKPOINT), "--depth-model", str(tmp_path / "depth")]
    assert main(arguments) == 0
    assert facts_of(tmp_path / "out")["depth"]["source"] == str(tmp_path / "depth")
    table = pq.read_table(tmp_path / "out" / "data" / "chunk-000" / "file-000.parquet")
    codes = np.array(table["annotation.depth_codes"].to_pylist())
    assert codes.shape[1] == 100 and codes.max() < 128


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--depth-model", "x"], "depth codes need --checkpoint"),
        (["--depth", "model", "--checkpoint", "x"], "--depth model needs --depth-model"),
        (["--checkpoint", "nowhere"], "nowhere has no vae-final.safetensors"),
        (["--cuts", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
    ],
)
def test_wrong_options(
    arguments: list[str], words: str, bags: Path, recording: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    given = [str(bags), "-o", str(tmp_path / "out"), "--recording", str(recording), *arguments]
    assert main(given) == 1
    assert words in capsys.readouterr().err and not (tmp_path / "out").exists()
