# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The losses of a training as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from molmoact_ros.output_files import writing

_MEAN_OF = 50  # steps


def plot_losses(path: Path, losses: Sequence[float]) -> None:
    """Write a PNG of the loss of each step and its running mean.

    Raises:
        WriteError: It cannot be written.
    """
    figure = Figure(figsize=(8, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot(losses, linewidth=0.5, alpha=0.5, label="step")
    width = min(_MEAN_OF, len(losses))
    mean = np.convolve(losses, np.ones(width) / width, mode="valid")
    axes.plot(np.arange(width - 1, len(losses)), mean, label=f"mean of {width}")
    axes.set(xlabel="step", ylabel="loss", yscale="log")
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    with writing(path):
        figure.savefig(path, dpi=100)
