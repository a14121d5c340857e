# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Limits, ties, probes and statistics of the decoder."""

from typing import Any

import numpy as np
import pytest
import torch

from molmoact_ros.decoding import (
    ContextTooLongError,
    Decoder,
    StoppedError,
    generate,
    pass_set,
)
from molmoact_ros.decoding.passes import FixedPass


def test_a_context_beyond_the_cache_names_the_limit(random_model: Any) -> None:
    decoder = Decoder(random_model(0), capacity=30)
    batch = {"input_ids": torch.zeros(1, 20, dtype=torch.long)}
    assert len(decoder.generate(batch, 10).ids) <= 10
    with pytest.raises(ContextTooLongError, match="20 tokens.*max_new_tokens is 11.*holds 30"):
        decoder.generate(batch, 11)


def test_bad_requests_are_refused(random_model: Any) -> None:
    decoder = Decoder(random_model(0), capacity=30)
    with pytest.raises(ValueError, match="one prompt"):
        decoder.generate({"input_ids": torch.zeros(2, 5, dtype=torch.long)}, 5)
    with pytest.raises(ValueError, match="max_new_tokens is 0"):
        decoder.generate({"input_ids": torch.zeros(1, 5, dtype=torch.long)}, 0)
    with pytest.raises(ValueError, match="block_sizes must contain 1"):
        Decoder(random_model(0), capacity=30, block_sizes=(8, 16))


def test_a_tie_goes_to_the_smallest_id(random_model: Any, twins: Any) -> None:
    model = random_model(5, vocab_size=32)
    with torch.no_grad():
        model.lm_head.weight[16:] = model.lm_head.weight[:16]  # every id has an equal above it
    prompt = {"input_ids": torch.tensor([[1, 2, 3]])}
    plain = generate(model, prompt, 40)
    assert max(plain.ids) < 16
    # Both twins are drafted, the wrong one first: the rule decides, not the order of the draft.
    drafted = generate(model, prompt, 40, twins(plain.ids))
    assert drafted.ids == plain.ids


def test_generation_stops_at_eos_inside_a_block(random_model: Any, twins: Any) -> None:
    model = random_model(2)
    plain = generate(model, {"input_ids": torch.tensor([[4, 9]])}, 30)
    eos = plain.ids[10]
    stop = plain.ids.index(eos)
    model.generation_config.eos_token_id = [eos]
    try:
        result = generate(model, {"input_ids": torch.tensor([[4, 9]])}, 30, twins(plain.ids))
    finally:
        model.generation_config.eos_token_id = 3
    assert result.ids == plain.ids[: stop + 1]
    assert result.ended


def test_probes_are_the_softmax_over_the_probe_ids(random_model: Any, twins: Any) -> None:
    model = random_model(7)
    prompt = torch.tensor([[8, 1, 30]])
    plain = generate(model, {"input_ids": prompt}, 25)
    probe_ids = torch.tensor(sorted(set(plain.ids))[:4])
    wanted = [i for i, token in enumerate(plain.ids) if token in probe_ids]
    logits = model(torch.cat([prompt, torch.tensor([plain.ids])], dim=1)).logits[0]
    for draft in (None, twins(plain.ids)):
        result = generate(model, {"input_ids": prompt}, 25, draft, probe_ids=probe_ids)
        assert sorted(result.probes) == wanted
        for position, probabilities in result.probes.items():
            row = logits[prompt.shape[1] + position - 1, probe_ids]
            expected = row.softmax(-1).detach().numpy()
            np.testing.assert_allclose(probabilities, expected, atol=1e-5)


def test_warm_up_times_every_block_and_leaves_no_trace(random_model: Any) -> None:
    model = random_model(3)
    batch = {"input_ids": torch.tensor([[5, 6, 7]])}
    plain = generate(model, batch, 20)
    decoder = Decoder(model, 40)
    times = decoder.warm_up(repeats=1)
    assert sorted(times) == [1, 8, 16, 32, 64]
    assert decoder.pass_costs == times
    assert decoder.generate(batch, 20).ids == plain.ids


def test_an_answer_can_be_given_up_between_passes(random_model: Any) -> None:
    decoder = Decoder(random_model(0), capacity=60)
    batch = {"input_ids": torch.tensor([[5, 6, 7]])}
    whole = decoder.generate(batch, 20).ids
    asked = iter([False, False, True])
    with pytest.raises(StoppedError, match="given up after 3 tokens"):
        decoder.generate(batch, 20, should_stop=lambda: next(asked))
    assert decoder.generate(batch, 20).ids == whole


@pytest.mark.parametrize("repeatable", [True, False])
def test_a_pass_sends_its_inputs_to_the_device_and_nothing_else(
    random_model: Any, twins: Any, monkeypatch: pytest.MonkeyPatch, repeatable: bool
) -> None:
    """Numbers of slots, named to the device, would be copied there and waited for."""
    monkeypatch.setattr(pass_set, "EagerPass", lambda model, cache: FixedPass(model, cache, 64))
    decoder = Decoder(random_model(1), 64, repeatable=repeatable)
    monkeypatch.setattr(decoder, "pass_costs", {64: 1.0})
    batch, probes = {"input_ids": torch.tensor([[5, 6, 7]])}, torch.arange(4)
    truth = decoder.generate(batch, 40).ids
    sent = []
    make = torch.tensor

    def watched(data: Any, **settings: Any) -> Any:
        if "device" in settings:
            sent.append(data)
        return make(data, **settings)

    monkeypatch.setattr(torch, "tensor", watched)
    drafted = decoder.generate(batch, 40, twins(truth), probes)
    assert drafted.ids == truth and drafted.accepted
    assert sent == []
