# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""molmoact-finetune from a data set to a checkpoint that the other commands take."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from finetune_data import TABLETOP, edit, prepare
from golden_files import DATA, GOLDEN
from safetensors.torch import load_file

from molmoact_ros.cli.finetune import main
from molmoact_ros.cli.inspect import main as inspect
from molmoact_ros.finetune import loop
from molmoact_ros.finetune.export import write_weights
from molmoact_ros.finetune.held_out import measure
from molmoact_ros.finetune.losses import AnswerLoss
from molmoact_ros.finetune.network import Trained
from molmoact_ros.finetune.settings import FinetuneSettings
from molmoact_ros.model import MolmoActConfig, MolmoActForActionReasoning
from molmoact_ros.model.loading import random_model
from molmoact_ros.model.memory import Precision
from molmoact_ros.model.safetensors_files import list_tensors
from molmoact_ros.policy.preflight import PolicyRequest, check_policy

TAIL = TABLETOP.with_name("tabletop_tail")


def arguments(data: Path, out: Path, *more: str, checkpoint: Path = TABLETOP) -> list[str]:
    given = ["--checkpoint", str(checkpoint), "--data", str(data), "-o", str(out)]
    small = ["--steps", "4", "--batch", "2", "--answers", "1", "--precision", "float32"]
    return [*given, *small, "--device", "cpu", *more]


@pytest.fixture(scope="module")
def tuned(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tuned") / "mine"
    assert main(arguments(data, out)) == 0
    return out


def test_inspect_finds_nothing_wrong(tuned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect([str(tuned)]) == 0
    output = " ".join(capsys.readouterr().out.split())
    assert output.endswith("No problems.")
    assert "the checkpoint has the file checkpoint_profile.yaml" in output


def test_the_checkpoint_has_the_released_layout_and_a_profile(tuned: Path) -> None:
    assert not tuned.with_name("mine.partial").exists()
    before, after = (json.loads((f / "config.json").read_text()) for f in (TABLETOP, tuned))
    assert after["norm_stats"].keys() == {"tabletop", "cell"}
    assert after["norm_stats"]["tabletop"] == before["norm_stats"]["tabletop"]
    assert {**before, "norm_stats": 0} == {**after, "norm_stats": 0}
    for name in ("tokenizer.json", "preprocessor_config.json", "processor_config.json",
                 "generation_config.json", "vae-final.safetensors"):  # fmt: skip
        assert (tuned / name).read_bytes() == (TABLETOP / name).read_bytes()
    old, new = (load_file(folder / "model.safetensors") for folder in (TABLETOP, tuned))
    assert {n: (t.shape, t.dtype) for n, t in old.items()} == {
        n: (t.shape, t.dtype) for n, t in new.items()
    }
    assert any((old[name] != new[name]).any() for name in old)
    profile = check_policy(PolicyRequest(tuned)).profile
    assert profile is not None and profile.prompt.cameras == ("camera",)
    assert (profile.answer.unnorm_key, profile.answer.rows) == ("cell", 8)
    assert 230 < profile.answer.max_new_tokens < 400
    assert profile.actions.control_period == 0.2


def test_the_report_holds_losses_and_held_out_answers(tuned: Path) -> None:
    report = json.loads((tuned / "training.json").read_text())
    losses = json.loads((tuned / "losses.json").read_text())
    assert len(losses) == 4 and np.isfinite(losses).all()
    assert (tuned / "losses.png").read_bytes().startswith(b"\x89PNG")
    assert report["data"]["held_out"] == 1 and report["data"]["samples"] == 24
    for when in ("before", "after"):
        assert report[when]["answers"] == 1 and 0 <= report[when]["valid"] <= 1
    if report["before"]["valid"]:
        assert report["before"]["action_error"].keys() >= {"x", "gripper"}
        assert report["before"]["trajectory_error_px"] > 0


def test_adapters_are_merged_under_the_released_names(data: Path, tmp_path: Path) -> None:
    plan, read, samples = prepare(data)
    few = replace(plan.settings, answers=2)
    batch = samples.batch([0, 7], 0.25, np.random.default_rng(0))
    model = MolmoActForActionReasoning.from_pretrained(TABLETOP)
    loss = AnswerLoss(plan.writer)
    plain = float(Trained(model, loss, 0, False, False).loss(batch).detach())
    trained = Trained(model, loss, 4, False, recompute=True)
    names = set(trained.parameters)
    assert names and all(".lora_" in name for name in names)
    assert float(trained.loss(batch).detach()) == pytest.approx(plain), "it begins unchanged"
    optimizer = loop.make_optimizer(trained)
    for _ in range(3):
        trained.loss(batch).backward()
        for group in optimizer.param_groups:
            group["lr"] = 1e-2
        optimizer.step()
        optimizer.zero_grad()
    model.eval()
    profile = replace(plan.profile, answer=replace(plan.profile.answer, max_new_tokens=20))
    found = measure(trained, replace(plan, settings=few), read, samples, profile, lambda n: None)
    assert found == {"answers": 2, "valid": 0.0}, "they are cut off"
    tuned = float(trained.loss(batch).detach())
    assert tuned < plain - 0.1
    stored, changes = list_tensors(TABLETOP), trained.changes()
    assert set(changes) < set(stored)
    old = load_file(TABLETOP / "model.safetensors")
    new = {name: changes[name](t) if name in changes else t for name, t in old.items()}
    merged = MolmoActForActionReasoning.from_pretrained(TABLETOP)
    merged.load_state_dict(new)
    after = float(Trained(merged, loss, 0, False, False).loss(batch).detach())
    assert after == pytest.approx(tuned, abs=1e-4)


def test_samples_at_once_change_nothing(data: Path) -> None:
    """Two halves of a batch give the gradients of the whole, but for the weights of tokens."""
    plan, _, samples = prepare(data)
    weights = []
    for at_once in (4, 2):
        settings = FinetuneSettings(
            TABLETOP, data, data / "out", steps=1, batch=4, at_once=at_once, rate=1e-3, steering=0
        )
        model = MolmoActForActionReasoning.from_pretrained(TABLETOP)
        trained = Trained(model, AnswerLoss(plan.writer), 0, False, False)
        loop.run_step(trained, loop.make_optimizer(trained), samples, settings, 0)
        weights.append(model.lm_head.weight.detach().clone())
    assert (weights[0] - weights[1]).abs().mean() < 2e-4


def test_each_sample_comes_once_before_one_comes_twice() -> None:
    settings = FinetuneSettings(TABLETOP, TABLETOP, TABLETOP, steps=10, batch=4, rate=1.0)
    seen = np.concatenate([loop.drawn(6, settings, step) for step in range(3)])
    assert sorted(seen[:6]) == sorted(seen[6:]) == list(range(6))
    rates = [loop.learning_rate(settings, step) for step in range(10)]
    assert rates[0] == 1.0 and rates == sorted(rates, reverse=True) and rates[-1] < 0.05


def test_large_weights_are_split_into_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("molmoact_ros.finetune.export.SHARD_BYTES", 100)
    tensors = {f"t{i}": torch.full((20,), float(i)) for i in range(3)}
    write_weights(tmp_path, tensors.items(), 240)
    assert len(list(tmp_path.glob("model-0000?-of-00003.safetensors"))) == 3
    assert list_tensors(tmp_path).keys() == tensors.keys()


@pytest.mark.long
@pytest.mark.parametrize("more", [[], ["--lora", "4"]], ids=["all", "lora"])
def test_values_of_several_tokens(data: Path, tmp_path: Path, more: list[str]) -> None:
    out = tmp_path / "out"
    assert main(arguments(data, out, *more, checkpoint=TAIL)) == 0
    assert inspect([str(out)]) == 0


@pytest.mark.long
@pytest.mark.parametrize("variant", ["qwen_siglip", "olmo_clip"])
def test_released_tokenizers(variant: str, own_data: Path, tmp_path: Path) -> None:
    """Numbers are several tokens there, and the vocabulary has other parts."""
    folder = tmp_path / "released"
    shutil.copytree(GOLDEN / variant, folder, ignore=shutil.ignore_patterns("cases"))
    vqvae = shutil.copy(TABLETOP / "vae-final.safetensors", folder)
    digest = hashlib.sha256(Path(vqvae).read_bytes()).hexdigest()
    edit(own_data, lambda c: c["depth"].update(vqvae_sha256=digest))
    out = tmp_path / "out"
    assert main(arguments(own_data, out, "--lora", "4", checkpoint=folder)) == 0
    assert inspect([str(out)]) == 0


# The command, killed in a step: the weights are changed, the state is not saved.
KILLED = """
import os, signal, sys
from molmoact_ros.cli.finetune import main
from molmoact_ros.finetune import loop

step = loop.run_step

def killed(*given):
    loss = step(*given)
    if given[-1] == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
    return loss

loop.run_step = killed
main(sys.argv[2:])
"""


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_kill_changes_nothing(data: Path, tmp_path: Path) -> None:
    """The same weights as without, to the last bit."""
    more = ["--steps", "12", "--save-every", "0"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert main(arguments(data, whole, *more)) == 0
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    state = tmp_path / "killed.partial" / "state.pt"
    for done in (3, 6):
        command = [sys.executable, "-c", KILLED, str(done), *arguments(data, killed, *more)]
        ended = subprocess.run(command, env=environment, capture_output=True)
        assert ended.returncode == -signal.SIGKILL
        assert len(torch.load(state, weights_only=True)["losses"]) == done
        assert not killed.exists()
    assert main(arguments(data, killed, *more)) == 0
    weights = [(out / "model.safetensors").read_bytes() for out in (whole, killed)]
    assert weights[0] == weights[1]
    losses = [json.loads((out / "losses.json").read_text()) for out in (whole, killed)]
    assert losses[0] == losses[1] and len(losses[0]) == 12


def test_ctrl_c_saves_and_the_same_command_goes_on(
    data: Path, tuned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out, step = tmp_path / "out", loop.run_step

    def interrupted(*given: object) -> float:
        if given[-1] == 1:
            signal.raise_signal(signal.SIGINT)
        return step(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "run_step", interrupted)
    assert main(arguments(data, out)) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: stopped; give the same command again to go on from ")
    assert main(arguments(data, out, "--rate", "0.1")) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert "was begun with other arguments (rate: 0.0005, now 0.1)" in error
    monkeypatch.undo()
    assert main(arguments(data, out)) == 0
    assert "at step 2 of 4" in capsys.readouterr().out
    same = [(folder / "model.safetensors").read_bytes() for folder in (out, tuned)]
    assert same[0] == same[1]


@pytest.mark.long
@pytest.mark.timeout(600)
def test_one_step_at_the_width_of_seven_billion(data: Path) -> None:
    """LoRA on two layers of 7B-D's language model and four of its vision tower."""
    table = json.loads((DATA / "tensors_7b.json").read_text())["7B-D"]["config"]
    table["llm_config"]["num_hidden_layers"] = 2
    table["vit_config"]["num_hidden_layers"] = 4
    table["adapter_config"]["vit_layers"] = [-1, -3]
    config = MolmoActConfig.from_dict(table)
    model = random_model(
        MolmoActForActionReasoning, config, Precision(torch.bfloat16), torch.device("cpu")
    )
    plan, _, samples = prepare(data)
    batch = samples.batch([3], 0.0, np.random.default_rng(0))
    trained = Trained(model, AnswerLoss(plan.writer), 8, True, recompute=True)
    assert sum(w.numel() for w in trained.parameters.values()) > 1_000_000
    assert plan.found.config is not None
    patches = torch.zeros(1, 2, 729, 588)
    index = torch.arange(25 * 4).reshape(1, 25, 4)
    ids = batch.ids.clone()
    ids[ids == plan.found.config.image_patch_id] = config.image_patch_id
    model.train()
    large = replace(batch, ids=ids, images=patches, pooled=index)
    before = {name: weights.detach().clone() for name, weights in trained.parameters.items()}
    optimizer = loop.make_optimizer(trained)
    loss = trained.loss(large)
    loss.backward()
    for group in optimizer.param_groups:
        group["lr"] = 1e-3
    optimizer.step()
    assert torch.isfinite(loss)
    changed = [n for n, w in trained.parameters.items() if (w != before[n]).any()]
    assert any("blocks.1." in name for name in changed)
    assert any("image_vit" in name for name in changed)
