# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How many kernels a pass starts, eager and compiled, at the widths of the released networks.

    python -m benchmarks.kernels [--sizes 7b-d 7b-o] [--slots 8 64] [--weights bf16 int8]

Counted without a GPU, for networks of full width with two blocks, and extrapolated. Eager:
operations that compute, by a dispatch mode, where attention and norm are one each, as on a GPU.
Compiled: what Inductor emits on the CPU, each outermost loop of its C++ code and each call of a
library. That is a proxy: on a GPU, Inductor fuses by the same rules but writes other kernels.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.report import write_results
from molmoact_ros.decoding.compiled import compiled_block
from molmoact_ros.model import MolmoActConfig, MolmoActForActionReasoning
from molmoact_ros.model.quantization import is_quantized, make_quantizer
from molmoact_ros.selfcheck.measure import make_block
from molmoact_ros.selfcheck.released import RELEASED, released_config

CAPTION = "Kernels that a pass starts"
CAPACITY = 2112  # positions of the cache
# What each cpp_fused function holds: its outermost loops, each in braces of its own.
_FUNCTION = re.compile(
    r"^(cpp_fused\w*) = async_compile\.cpp_pybinding\(.*?'''(.*?)'''", re.S | re.M
)
_LOOP = re.compile(r"^    \{$", re.M)
_LIBRARY = re.compile(r"= torch\.ops\.|extern_kernels\.\w+\(")


def network(size: str, weights: str) -> MolmoActForActionReasoning:
    """Return a network of a released size with two blocks and arbitrary weights, on the CPU.

    Args:
        size: Of `RELEASED`.
        weights: "bf16", or "int8" for the matrices of the blocks.
    """
    content = released_config(size).to_dict()
    content["llm_config"]["num_hidden_layers"] = 2
    content["vit_config"]["num_hidden_layers"] = 1
    content["adapter_config"]["vit_layers"] = [-1]
    with torch.device("meta"):
        made = MolmoActForActionReasoning(MolmoActConfig.from_dict(content)).to(torch.bfloat16)
    made = made.to_empty(device="cpu").eval().requires_grad_(False)
    if weights == "int8":
        quantize = make_quantizer("int8", torch.device("cpu"), torch.bfloat16)
        for name, module in made.model.transformer.blocks.named_modules():
            if is_quantized(f"model.transformer.blocks.{name}.weight"):
                quantize(module)
    return made


def eager_operations(model: MolmoActForActionReasoning, slots: int) -> list[str]:
    """Return the operations of a pass that compute, in their order; views and `empty` do not."""
    compute = make_block(model, slots, CAPACITY)
    with one_kernel_each(), Computing() as found:
        compute()
    return found.names


def emitted_kernels(model: MolmoActForActionReasoning, slots: int) -> tuple[int, int]:
    """Compile the block of a network on the CPU.

    Returns:
        Outermost loops of the functions that the compiled block calls, and its calls of libraries.
    """
    from torch._inductor.utils import run_and_get_code

    torch.compiler.reset()
    _, codes = run_and_get_code(make_block(model, slots, CAPACITY, compiled_block()))
    (code,) = codes  # one function for all blocks
    loops = {name: len(_LOOP.findall(body)) for name, body in _FUNCTION.findall(code)}
    calls = code[code.index("def call(") :]
    called = re.findall(r"^\s+(cpp_fused\w*)\(", calls, re.M)
    return sum(loops[name] for name in called), len(_LIBRARY.findall(calls))


@torch.no_grad()
def measure(size: str, slots: int, weights: str) -> list[dict[str, Any]]:
    """Return the rows of one network: eager and compiled."""
    shallow = network(size, weights)
    both = len(eager_operations(shallow, slots))
    generated, libraries = emitted_kernels(shallow, slots)
    transformer = shallow.model.transformer
    transformer.blocks = transformer.blocks[:1]
    eager = both - len(eager_operations(shallow, slots))
    beside = both - 2 * eager
    blocks = released_config(size).llm_config.num_hidden_layers
    return [
        {
            "network": size,
            "slots": slots,
            "weights": weights,
            "pass": kind,
            "generated per block": loops,
            "of libraries per block": calls,
            "per block": count,
            "beside the blocks": beside,
            "blocks": blocks,
            "per pass": count * blocks + beside,
        }
        for kind, loops, calls, count in (
            ("eager", "-", "-", eager),
            ("compiled", generated, libraries, generated + libraries),
        )
    ]


class Computing(TorchDispatchMode):
    """Lists the operations that compute: neither views nor mere allocations.

    Attributes:
        names: Of the operations, in their order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Take note of an operation and run it."""
        returns = func._schema.returns
        view = any(r.alias_info is not None and not r.alias_info.is_write for r in returns)
        name = func._schema.name.removeprefix("aten::")
        if not view and not name.startswith(("empty", "_unsafe_view", "detach")):
            self.names.append(name)
        return func(*args, **(kwargs or {}))


@contextmanager
def one_kernel_each() -> Iterator[None]:
    """Let attention and norm be one operation each, as they are one kernel each on a GPU."""

    def fused(x: Tensor, *others: Any, **settings: Any) -> Tensor:
        return torch.clone(x)

    functional = torch.nn.functional
    names = ("scaled_dot_product_attention", "rms_norm")
    before = {name: getattr(functional, name) for name in names}
    try:
        for name in names:
            setattr(functional, name, fused)
        yield
    finally:
        for name, function in before.items():
            setattr(functional, name, function)


def main() -> None:
    """Count and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sizes", nargs="+", choices=RELEASED, default=list(RELEASED))
    parser.add_argument("--slots", nargs="+", type=int, default=[8, 64])
    parser.add_argument("--weights", nargs="+", choices=["bf16", "int8"], default=["bf16", "int8"])
    arguments = parser.parse_args()
    rows = []
    for size in arguments.sizes:
        for weights in arguments.weights:
            for slots in arguments.slots:
                rows += measure(size, slots, weights)
                print(rows[-2:], flush=True)
    path = write_results(
        "kernels",
        CAPTION,
        {"Counted on the CPU, for passes with fixed shapes": rows},
        {"positions of the cache": CAPACITY},
        "A network of full width with two blocks, extrapolated to all: `per block` times `blocks`,"
        " and what is `beside the blocks`, which is never compiled. Eager: operations of torch that"
        " compute, attention and norm as one each, as on a GPU. Compiled, a proxy: what Inductor"
        " emits on the CPU for the block, each outermost loop of its code (`generated`) and each"
        " call of a library. On a GPU Inductor fuses by the same rules, but writes other kernels;"
        " `molmoact-selfcheck` counts those. The four copies of the pass's inputs are counted.",
    )
    print(path.read_text())


if __name__ == "__main__":
    main()
