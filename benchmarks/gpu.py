# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What MolmoAct-7B-D's shapes cost on this GPU, with random weights.

    python -m benchmarks.gpu [--quantization none int8 int4] [--vocabulary FOLDER]

Time of a pass for each block size as a CUDA graph, its bandwidth as a share of a measured device
copy, vision and prefill of two images, seconds per 8x7 chunk at the passes that the drafts need,
plain decoding beside it, and memory. Drafted chunks are repeatable: all passes have the largest
block.
"""

from __future__ import annotations

import argparse
import gc
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from benchmarks.qwen_bpe import EOS, HEAD, QwenBpe, load_qwen_bpe
from benchmarks.report import write_results
from benchmarks.scripted import OverruledModel
from benchmarks.synthetic import RecordedStream, answer_text
from molmoact_ros.answer import ActionTokenizer
from molmoact_ros.decoding import Decoder, Draft
from molmoact_ros.decoding.blocks import BLOCK_SIZES
from molmoact_ros.decoding.drafts import AnswerReader
from molmoact_ros.decoding.drafts.wording import example_answers
from molmoact_ros.model import MolmoActConfig, MolmoActForActionReasoning
from molmoact_ros.model.loading import random_model
from molmoact_ros.model.memory import Precision

PROMPT_TOKENS = 959
IMAGES, CROPS, PATCHES, POOLED = 2, 2, 729, 196  # two images, each a base view and an equal crop
CAPACITY = 1600
WARM_ANSWERS, ANSWERS = 3, 12
EXECUTED_STEPS = (1, 4, 8)


def config_7b() -> MolmoActConfig:
    """The shapes of 7B-D."""
    return MolmoActConfig(
        vit_config={
            "hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27,
            "num_attention_heads": 16, "num_key_value_heads": 16, "head_dim": 72,
            "hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6,
            "image_default_input_size": [378, 378], "image_patch_size": 14, "image_num_pos": 729,
            "float32_attention": True, "use_cls_token": False, "patch_bias": True,
            "pre_layernorm": False,
        },
        adapter_config={
            "vit_layers": [-3, -9], "hidden_size": 1152, "num_attention_heads": 16,
            "num_key_value_heads": 16, "head_dim": 72, "float32_attention": True,
            "hidden_act": "silu", "intermediate_size": 18944, "text_hidden_size": 3584,
        },
        llm_config={
            "hidden_size": 3584, "num_attention_heads": 28, "num_key_value_heads": 4,
            "head_dim": 128, "num_hidden_layers": 28, "intermediate_size": 18944,
            "hidden_act": "silu", "vocab_size": HEAD, "additional_vocab_size": 128,
            "qkv_bias": True, "use_qk_norm": False, "norm_after": False, "layer_norm_eps": 1e-6,
            "rope_theta": 1e6,
        },
        image_patch_id=HEAD + 2,
    )  # fmt: skip


def copy_bandwidth(gigabytes: int = 4) -> float:
    """Bytes per second read and written by a device copy."""
    source = torch.empty(gigabytes * 2**30, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    return 2 * source.numel() / _gpu_seconds(lambda: target.copy_(source), repeats=10)


def bytes_per_pass(model: MolmoActForActionReasoning) -> int:
    """Weights that every pass reads: the blocks and the head; of the embeddings only rows."""
    tensors = [*model.model.transformer.blocks.parameters(), model.lm_head.weight]
    return sum(_stored_bytes(tensor) for tensor in tensors)


def prompt_with_images() -> tuple[list[int], dict[str, torch.Tensor]]:
    """A prompt with two images of random pixels, the second crop of each equal to the first."""
    rng = torch.Generator().manual_seed(0)
    views = torch.rand(IMAGES, 1, PATCHES, 588, generator=rng) * 2 - 1
    crops = views.expand(-1, CROPS, -1, -1).reshape(1, IMAGES * CROPS, PATCHES, 588)
    grid = torch.arange(28 * 28).view(28, 28)  # 27 x 27 patches, padded behind
    cells = grid.unfold(0, 2, 2).unfold(1, 2, 2).reshape(POOLED, 4)
    rows = torch.where(cells % 28 < 27, cells // 28 * 27 + cells % 28, -1)
    rows[cells // 28 >= 27] = -1
    pooled = torch.cat(
        [torch.where(rows >= 0, rows + crop * PATCHES, -1) for crop in range(IMAGES * CROPS)]
    )
    image_tokens = [HEAD + 2] * len(pooled)
    prompt = [EOS, *image_tokens, *[100] * (PROMPT_TOKENS - 1 - len(image_tokens))]
    return prompt, {"images": crops.contiguous(), "pooled_patches_idx": pooled[None]}


def measure(quantization: str, copy: float, bpe: QwenBpe) -> tuple[dict[str, Any], list[Any]]:
    """A row of pass times, and rows of seconds per chunk."""
    torch.cuda.reset_peak_memory_stats()
    model = random_model(
        MolmoActForActionReasoning,
        config_7b(),
        Precision(torch.bfloat16, None if quantization == "none" else quantization),
        torch.device("cuda", torch.cuda.current_device()),
    )
    weights, peak = torch.cuda.memory_allocated(), torch.cuda.max_memory_allocated()
    overruled = OverruledModel(model, EOS)
    ordinary = Decoder(cast(Any, overruled), CAPACITY, repeatable=False)
    times = ordinary.warm_up(repeats=20)
    decoder = Decoder(cast(Any, overruled), CAPACITY)
    decoder.warm_up(repeats=20)
    row: dict[str, Any] = {"weights": quantization.replace("none", "bf16")}
    row |= {f"pass({size}) ms": 1e3 * times[size] if size in times else "-" for size in BLOCK_SIZES}
    row["share of copy bandwidth"] = bytes_per_pass(model) / times[1] / copy
    row["largest/pass(1)"] = times[max(times)] / times[1]
    row["GB weights"] = weights / 1e9
    row["GB peak of loading"] = peak / 1e9

    actions = ActionTokenizer()
    reader = AnswerReader(bpe.encode, bpe.decode, EOS, actions)
    prompt, images = prompt_with_images()
    chunks = []
    for steps in EXECUTED_STEPS:
        draft = Draft(reader, example_answers(actions, 8, 7))
        stream = RecordedStream(np.random.default_rng(7), steps)
        results = []
        for number in range(WARM_ANSWERS + ANSWERS):
            ids = reader.encode(answer_text(stream.next(), actions))
            batch = overruled.script(prompt, ids) | images
            result = decoder.generate(batch, 512, draft)
            if result.ids != ids:
                raise RuntimeError("drafted decoding changed the answer")
            draft.observe(ids, steps)
            if number >= WARM_ANSWERS:
                results.append(result)
        chunks.append(_chunk_row(row["weights"], f"drafted, {steps} executed steps", results))
    for name, way in (("plain, repeatable", decoder), ("plain, one slot per pass", ordinary)):
        chunks.append(_chunk_row(row["weights"], name, [way.generate(batch, 512)]))
    row["GB peak"] = torch.cuda.max_memory_allocated() / 1e9
    return row, chunks


def _chunk_row(weights: str, decoding: str, results: list[Any]) -> dict[str, Any]:
    row: dict[str, Any] = {"weights": weights, "decoding": decoding}
    row["tokens"] = statistics.mean(len(r.ids) for r in results)
    row["passes"] = statistics.mean(r.forward_passes for r in results)
    for stage in ("vision", "prefill", "decode"):
        row[f"{stage} s"] = statistics.median(r.seconds[stage] for r in results)
    row["s per chunk"] = statistics.median(sum(r.seconds.values()) for r in results)
    row["ms per pass with draft"] = 1e3 * row["decode s"] / row["passes"]
    return row


def _stored_bytes(tensor: torch.Tensor) -> int:
    """Bytes of a tensor, also when it wraps packed data and scales."""
    flatten = getattr(tensor, "__tensor_flatten__", None)
    if flatten is None:
        return tensor.numel() * tensor.element_size()
    return sum(_stored_bytes(getattr(tensor, name)) for name in flatten()[0])


def _gpu_seconds(work: Callable[[], Any], repeats: int) -> float:
    work()
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(repeats):
        work()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / 1e3 / repeats


def main() -> None:
    """Measure all modes and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    modes = ("none", "int8", "int4")
    parser.add_argument("--quantization", nargs="+", choices=modes, default=modes)
    parser.add_argument("--vocabulary", type=Path, help="keep the fetched packages here")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("benchmarks.gpu needs a CUDA GPU, and torch finds none")
    bpe = load_qwen_bpe(arguments.vocabulary)
    copy = copy_bandwidth()
    rows, chunks = [], []
    for mode in arguments.quantization:
        row, more = measure(mode, copy, bpe)
        rows.append(row)
        chunks += more
        gc.collect()
        torch.cuda.empty_cache()
    path = write_results(
        "gpu",
        "MolmoAct-7B-D's shapes on a GPU (random weights)",
        {"Time of a pass": rows, "Seconds per 8x7 vocab_tail chunk": chunks},
        {"prompt tokens": PROMPT_TOKENS, "copy GB/s": round(copy / 1e9), "capacity": CAPACITY},
        "Pass times include the argmax and its transfer to the host. Chunks follow the statistics"
        " of a scripted expert (benchmarks/synthetic.py); vision encodes two images.",
    )
    print(path.read_text())


if __name__ == "__main__":
    main()
