# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How long two camera frames take to become model input, on one CPU core.

Writes `benchmarks/results/preprocessing.json` and `.md`:
`python -m benchmarks.preprocessing`. CPU time is reported beside wall time, because only the
former means something on a machine that is shared.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.report import write_results
from molmoact_ros.processing import ImageSettings
from molmoact_ros.processing.image_inputs import cut_patches, prepare_images
from molmoact_ros.processing.resize import normalize_, resize

SIGLIP = ImageSettings(
    crop_mode="overlap-and-resize-c2",
    resize_mode="siglip",
    normalize_mode="siglip",
    crop_size=378,
    patch_size=14,
    overlap_margins=(4, 4),
    pooling=(2, 2),
    max_crops=8,
    max_multi_image_crops=8,
)
CLIP = ImageSettings(
    crop_mode="overlap-and-resize-c2",
    resize_mode="default",
    normalize_mode="openai",
    crop_size=336,
    patch_size=14,
    overlap_margins=(4, 4),
    pooling=(2, 2),
    max_crops=8,
    max_multi_image_crops=8,
)


def frames(width: int, height: int, count: int = 2) -> list[np.ndarray]:
    """Return smooth random pictures with some noise, like camera frames."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (count, 12, 16, 3)).astype(np.float32)
    grown = torch.nn.functional.interpolate(
        torch.from_numpy(coarse).permute(0, 3, 1, 2), size=(height, width), mode="bicubic"
    )
    noisy = grown.permute(0, 2, 3, 1).numpy() + rng.normal(0, 3, (count, height, width, 3))
    return list(np.clip(noisy, 0, 255).astype(np.uint8))


def plain(pictures: list[np.ndarray]) -> torch.Tensor:
    """Do the siglip job step by step through torch's interpolate, for comparison."""
    parts = []
    for picture in pictures:
        for size in ((378, 378), (644, 644)):
            pixels, _ = resize(torch.from_numpy(picture), size, "siglip", 0.0)
            parts.append(cut_patches(normalize_(pixels, "siglip"), SIGLIP))
    return torch.cat(parts)


def measure(job: Callable[[], Any], rounds: int) -> dict[str, float]:
    """Time a job in milliseconds of CPU and of wall time."""
    for _ in range(3):
        job()
    cpu, wall = [], []
    for _ in range(rounds):
        start = time.process_time(), time.perf_counter()
        job()
        cpu.append(1e3 * (time.process_time() - start[0]))
        wall.append(1e3 * (time.perf_counter() - start[1]))
    return {
        "CPU ms, median": statistics.median(cpu),
        "CPU ms, best": min(cpu),
        "wall ms, median": statistics.median(wall),
    }


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=60)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    vga, small = frames(640, 480), frames(320, 240)
    jobs = {
        "378 px SigLIP, 640x480": lambda: prepare_images(vga, 8, SIGLIP),
        "the same by torch's interpolate": lambda: plain(vga),
        "378 px SigLIP, 320x240": lambda: prepare_images(small, 8, SIGLIP),
        "336 px CLIP, 640x480": lambda: prepare_images(vga, 8, CLIP),
        "336 px CLIP, 320x240": lambda: prepare_images(small, 8, CLIP),
    }
    rows = [{"job": name, **measure(job, rounds)} for name, job in jobs.items()]
    path = write_results(
        "preprocessing",
        "Preprocessing: camera frames to model input",
        {"Two frames, base and high-resolution view, one CPU thread": rows},
        {"threads": 1, "rounds": rounds, "load average": round(os.getloadavg()[0], 1)},
        "Resize, cut, normalise and flatten. CPU time is what counts on a machine that other work"
        " shares (see the load average at the end); wall time is what this run took.",
    )
    print(path.read_text())


if __name__ == "__main__":
    main()
