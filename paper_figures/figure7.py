"""Figure 7: ten training digits under the paper's 100 distortions, and under ours."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from lenet1998 import distortions
from paper_figures.digits import MATRIX, figure7_matrices, stored, table
from paper_figures.pictures import mosaic, place
from paper_figures.runs import Runs
from paper_figures.style import COLUMN, GREY, save, style

RECIPES = ()
SEED = 0
COPIES = 10  # of each digit, in the paper's figure and in our training set, whose copy 0 is the original
SCALE, MARGIN, TOP, APART = 1.5, 25, 58, 40  # the first in dots a pixel, the others in dots
LABELS = {
    "paper": ("the paper's, recovered", f"{COPIES} distorted"),
    "ours": (f"ours, seed {SEED}", f"original | {COPIES - 1} distorted"),
}


def make(recorded: Runs, out: Path, local: Runs | None = None) -> list[Path]:
    """Draw the figure into `out`; no run has any part in it."""
    digits = stored("figure7")
    drawn = {"paper": figure7_matrices(), "ours": our_matrices(digits.indices)}
    rows = []
    with style():
        figure = Figure(figsize=(COLUMN, 2.0))
        left = MARGIN
        for source, matrices in drawn.items():
            pixels = mosaic(distorted(digits.images, matrices), COPIES)
            axes = place(figure, pixels, left, TOP, SCALE)
            title, below = LABELS[source]
            axes.set(title=title, xlabel=below)
            if source == "ours":
                axes.axvline(distortions.SIZE - 0.5, color=GREY, linewidth=0.6)
            left += SCALE * pixels.shape[1] + APART
            rows += [
                (source, digit, index, copy, *(f"{value:.4f}" for value in matrix))
                for digit, index, copies in zip(digits.labels.tolist(), digits.indices.tolist(), matrices, strict=True)
                for copy, matrix in enumerate(copies)
            ]
        return save(figure, ("source", "digit", "index", "copy", *MATRIX), rows, _caption(), out, "figure7")


def our_matrices(indices: np.ndarray) -> np.ndarray:
    """The (n, 10, 6) distortions of the training digits `indices` (n,) in our training set, copies 0 to 9."""
    base, copy = np.meshgrid(indices, np.arange(COPIES), indexing="ij")
    return distortions.matrices(SEED, base.ravel(), copy.ravel()).reshape(len(indices), COPIES, len(MATRIX))


def distorted(images: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """The (n, rows, columns) images under their (n, copies, 6) matrices: (n * copies, 32, 32) uint8."""
    copies = matrices.shape[1]
    return distortions.warp(np.repeat(images, copies, axis=0), matrices.reshape(-1, matrices.shape[2]))


def _caption() -> list[str]:
    residuals = table("figure7_distortions")["residual_rms"]
    ranges = (
        _range("inverse scale", distortions.SCALE),
        _range("squeeze", distortions.SQUEEZE),
        _range("shear", distortions.SHEAR),
        _range("shifts", distortions.SHIFT_X) + " pixels",
    )
    return [
        "Figure 7. Examples of distortions of ten training patterns.",
        "Left: the paper's ten digits, taken from MNIST's training set, under the paper's own 100 distortions, "
        "recovered from the images of the authors' preprint, from which what is drawn differs by "
        f"{residuals.min():.1f} to {residuals.max():.1f} of 255 grey levels (root mean square). The first copy is "
        "distorted like the others.",
        f"Right: the same ten digits as they stand in our distorted training set with seed {SEED}: the original, left "
        f"of the line, and its {COPIES - 1} distortions, drawn uniformly from ranges measured on the paper's 100: "
        f"{', '.join(ranges)}. The CSV beside the figure has the index of each digit (training set, from 0) and every "
        "matrix. No run stands behind this figure.",
    ]


def _range(name: str, limits: tuple[float, float]) -> str:
    low, high = limits
    return f"{name} {f'±{high:g}' if low == -high else f'{low:g} to {high:g}'}"
