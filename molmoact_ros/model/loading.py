# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Loading a checkpoint into the network: checked first, then streamed tensor by tensor."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers import GenerationConfig

from molmoact_ros.small_files import shown

from .config import MolmoActConfig
from .device import device_faults
from .files import CheckpointError, checkpoint_directory, read_json
from .memory import CONTEXT_LENGTH, Precision, check_memory, free_bytes
from .quantization import is_quantized, make_quantizer
from .safetensors_files import StoredTensor, list_tensors, read_tensors, shorten

if TYPE_CHECKING:
    from .molmoact import MolmoActForActionReasoning

WEIGHT_FILES = (
    "config.json",
    "generation_config.json",
    "*.safetensors",
    "model.safetensors.index.json",
)
_SURE_SHARE, _SURE_SECONDS = 0.01, 2.0  # read before an estimate means anything


@dataclass(frozen=True)
class LoadProgress:
    """How far a load has come.

    Attributes:
        bytes_done: Bytes of the files that are loaded.
        bytes_total: Bytes of all tensors in the files.
        seconds: Since the load began.
    """

    bytes_done: int
    bytes_total: int
    seconds: float

    @property
    def seconds_left(self) -> float:
        """Estimate from the mean speed so far; infinite while too little is read for one."""
        if self.bytes_done == self.bytes_total:
            return 0.0
        if self.seconds < _SURE_SECONDS or self.bytes_done < _SURE_SHARE * self.bytes_total:
            return float("inf")
        return self.seconds * (self.bytes_total - self.bytes_done) / self.bytes_done

    def __str__(self) -> str:
        """Return done and total, and where it is known the time left, for a person."""
        unit, size = ("GB", 1e9) if self.bytes_total >= 1e9 else ("MB", 1e6)
        text = f"{self.bytes_done / size:.1f} of {self.bytes_total / size:.1f} {unit}"
        left = self.seconds_left
        return text if math.isinf(left) else f"{text}, {left:.0f} s left"


def load_config(path_or_id: str | Path, revision: str | None = None) -> MolmoActConfig:
    """Read and check ``config.json`` of a checkpoint.

    Raises:
        CheckpointError: The file is missing, or is not a MolmoAct configuration.
    """
    directory = checkpoint_directory(path_or_id, revision, ("config.json",))
    content = read_json(directory, "config.json")
    if content.get("model_type") != MolmoActConfig.model_type:
        raise CheckpointError(
            f"{directory / 'config.json'}: model_type is {shown(content.get('model_type'))},"
            f" not '{MolmoActConfig.model_type}': this is not a MolmoAct checkpoint"
        )
    try:
        return MolmoActConfig.from_dict(content)
    except (ValueError, TypeError, LookupError, AttributeError) as error:  # also of transformers
        raise CheckpointError(f"{directory}: {error}") from error


def load_model(
    model_class: type[MolmoActForActionReasoning],
    path_or_id: str | Path,
    *,
    config: MolmoActConfig | None,
    dtype: torch.dtype | str | None,
    device: torch.device,
    revision: str | None,
    quantization: str | None,
    progress: Callable[[LoadProgress], None] | None,
) -> MolmoActForActionReasoning:
    """Plan and fill a network; see `MolmoActForActionReasoning.from_pretrained`.

    Raises:
        CheckpointError: As `plan_model` and `fill_model`.
        DeviceLostError: As `fill_model`.
        DeviceMemoryError: As `fill_model`.
        ValueError: As `plan_model`.
    """
    directory = checkpoint_directory(path_or_id, revision, WEIGHT_FILES)
    config = config or load_config(directory)
    plan = plan_model(model_class, directory, config, list_tensors(directory))
    precision = choose_precision(plan, device, dtype, quantization)
    return fill_model(plan, precision, device, progress)


@dataclass(frozen=True)
class ModelPlan:
    """A network without memory, and where its weights lie.

    Attributes:
        model: On the meta device; `fill_model` fills this very network.
        tensors: Of the weight files, by name; they fit the network.
        generation: Content of ``generation_config.json``; None: there is none.
    """

    model: MolmoActForActionReasoning
    tensors: dict[str, StoredTensor]
    generation: GenerationConfig | None


def plan_model(
    model_class: type[MolmoActForActionReasoning],
    directory: Path,
    config: MolmoActConfig,
    tensors: dict[str, StoredTensor],
) -> ModelPlan:
    """Build the network without memory, and check the files against it.

    Args:
        model_class: Of the network.
        directory: Of the checkpoint.
        config: Its configuration.
        tensors: As `list_tensors` returns them.

    Raises:
        CheckpointError: The configuration does not make a network, tensors are missing, unexpected
            or of another shape than it declares, or ``generation_config.json`` is broken.
    """
    try:
        with torch.device("meta"):
            model = model_class(config)
    except ValueError as error:
        raise CheckpointError(f"{directory / 'config.json'}: {error}") from error
    check_fit(model, tensors, directory)
    return ModelPlan(model.eval(), tensors, load_generation_config(directory))


def choose_precision(
    plan: ModelPlan,
    device: torch.device,
    dtype: torch.dtype | str | None,
    quantization: str | None,
    context_length: int = CONTEXT_LENGTH,
) -> Precision:
    """Return how the weights will be kept.

    Args:
        plan: The network.
        device: Where it shall be.
        dtype: None or "auto": the type that most bytes are stored in.
        quantization: None, or a mode of `quantization.QUANTIZATIONS`.
        context_length: Tokens of prompt and answer for which there must be memory as well.

    Raises:
        ValueError: `dtype` or `quantization` is unknown or not to be had on `device`.
        MemoryShortError: So much memory is not free on the device.
    """
    precision = Precision(_parse_dtype(dtype) or _common_dtype(plan.tensors), quantization)
    if quantization is not None:
        make_quantizer(quantization, device, precision.dtype)
    shapes = {name: stored.shape for name, stored in plan.tensors.items()}
    free = free_bytes(device)
    check_memory(plan.model.config, shapes, device, precision, free, context_length)
    return precision


def fill_model(
    plan: ModelPlan,
    precision: Precision,
    device: torch.device,
    progress: Callable[[LoadProgress], None] | None = None,
) -> MolmoActForActionReasoning:
    """Read the weights, tensor by tensor; the host holds 16 MB beside what `device` keeps.

    Raises:
        CheckpointError: A file cannot be read or has changed since the plan was made.
        DeviceLostError: The device failed for good.
        DeviceMemoryError: Other programs have taken the memory meanwhile.
    """
    model, put = plan.model, _putter(plan.model, precision, device)
    counter = _counter(plan.tensors, progress)
    with device_faults(model, device):
        for name, tensor in read_tensors(plan.tensors, device, precision.dtype, counter):
            put(name, tensor)
    if plan.generation is not None:
        model.generation_config = plan.generation
    return model


def random_model(
    model_class: type[MolmoActForActionReasoning],
    config: MolmoActConfig,
    precision: Precision,
    device: torch.device,
    seed: int = 0,
) -> MolmoActForActionReasoning:
    """Build a network with random weights on the device, to measure what its shapes cost.

    Like a checkpoint it is made and quantised tensor by tensor, so that memory never holds more
    than the finished network and one tensor.

    Raises:
        DeviceLostError: The device failed for good.
        DeviceMemoryError: The device's memory is too small.
        ValueError: The quantisation is unknown or not to be had on `device`.
    """
    with torch.device("meta"):
        model = model_class(config).eval()
    put = _putter(model, precision, device)
    random = torch.Generator(device).manual_seed(seed)
    with device_faults(model, device):
        for name, weights in list(model.named_parameters()):
            tensor = torch.empty(weights.shape, device=device, dtype=precision.dtype)
            if weights.ndim > 1:
                tensor.normal_(std=config.initializer_range, generator=random)
            else:
                tensor.fill_(0.0 if name.endswith("bias") else 1.0)
            put(name, tensor)
    return model


def load_generation_config(directory: Path) -> GenerationConfig | None:
    """Read ``generation_config.json``, which may be absent.

    Raises:
        CheckpointError: It is broken.
    """
    name = "generation_config.json"
    if not (directory / name).exists():
        return None
    content = read_json(directory, name)
    end = content.get("eos_token_id")
    if not all(type(token) is int for token in (end if isinstance(end, list) else [end or 0])):
        raise CheckpointError(f"{directory / name}: eos_token_id is {shown(end)}, not a token's id")
    try:
        return GenerationConfig.from_dict(content)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise CheckpointError(f"{directory / name}: {error}") from error


def check_fit(model: nn.Module, tensors: dict[str, StoredTensor], directory: Path) -> None:
    """Compare the tensors of the files with those of a network, which may be on the meta device.

    Raises:
        CheckpointError: Tensors are missing, unexpected or of another shape; all are listed.
    """
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    problems = []
    if missing := sorted(set(wanted) - set(tensors)):
        problems.append(f"missing tensors: {shorten(missing)}")
    if unexpected := sorted(set(tensors) - set(wanted)):
        problems.append(f"unexpected tensors: {shorten(unexpected)}")
    wrong = [
        f"{name} has {list(tensors[name].shape)}, config.json asks for {list(shape)}"
        for name, shape in wanted.items()
        if name in tensors and tensors[name].shape != shape
    ]
    if wrong:
        problems.append(f"wrong shapes: {shorten(wrong)}")
    if problems:
        raise CheckpointError(
            f"{directory}: the weights do not fit config.json; {'; '.join(problems)}"
        )


def _place(model: nn.Module, name: str, tensor: torch.Tensor) -> None:
    """Put a tensor in the place of the parameter `name`, which has no memory yet."""
    parent, _, leaf = name.rpartition(".")
    setattr(model.get_submodule(parent), leaf, nn.Parameter(tensor))


def _putter(
    model: MolmoActForActionReasoning, precision: Precision, device: torch.device
) -> Callable[[str, torch.Tensor], None]:
    """Return a function that puts a tensor in its place and quantises it where it must be."""
    quantize = None
    if precision.quantization is not None:
        quantize = make_quantizer(precision.quantization, device, precision.dtype)
    model.config.dtype, model.precision = precision.dtype, precision

    def put(name: str, tensor: torch.Tensor) -> None:
        _place(model, name, tensor)
        if quantize is not None and is_quantized(name):
            layer = model.get_submodule(name.removesuffix(".weight"))
            assert isinstance(layer, nn.Linear)
            quantize(layer)

    return put


def _counter(
    tensors: dict[str, StoredTensor], progress: Callable[[LoadProgress], None] | None
) -> Callable[[int], None]:
    """Return a function that adds up bytes and reports them."""
    total = sum(stored.nbytes for stored in tensors.values())
    start, done = time.monotonic(), 0

    def count(nbytes: int) -> None:
        nonlocal done
        done += nbytes
        if progress is not None:
            progress(LoadProgress(done, total, time.monotonic() - start))

    return count


def _parse_dtype(dtype: torch.dtype | str | None) -> torch.dtype | None:
    if dtype is None or dtype == "auto" or isinstance(dtype, torch.dtype):
        return None if dtype == "auto" else dtype  # type: ignore[return-value]
    parsed: Any = getattr(torch, dtype, None)
    if not isinstance(parsed, torch.dtype):
        raise ValueError(f"dtype '{dtype}' is not a torch number type such as 'bfloat16'")
    return parsed


def _common_dtype(tensors: dict[str, StoredTensor]) -> torch.dtype:
    """Return the type that most bytes are stored in."""
    share: dict[torch.dtype, int] = {}
    for stored in tensors.values():
        share[stored.dtype] = share.get(stored.dtype, 0) + stored.nbytes
    return max(share, key=lambda kind: share[kind])
