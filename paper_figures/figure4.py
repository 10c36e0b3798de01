"""Figure 4: the paper's 100 digits, which are training digits."""

from pathlib import Path

from matplotlib.figure import Figure

from paper_figures.digits import stored, table
from paper_figures.pictures import framed, mosaic, place
from paper_figures.runs import Runs
from paper_figures.style import COLUMN, save, style

RECIPES = ()
ACROSS = 10


def make(recorded: Runs, out: Path, local: Runs | None = None) -> list[Path]:
    """Draw the figure into `out`; no run has any part in it."""
    digits = stored("figure4")
    with style():
        figure = Figure(figsize=(COLUMN, 3.44))
        axes = place(figure, mosaic(framed(digits.images), ACROSS), left=45, top=58, scale=3)
        axes.set_title("The 100 digits of figure 4: MNIST, training set")
        rows = zip(range(len(digits.labels)), digits.indices.tolist(), digits.labels.tolist(), strict=True)
        return save(figure, ("position", "index", "label"), rows, _caption(), out, "figure4")


def _caption() -> list[str]:
    distances = table("figure4_digits")["squared_distance"]
    return [
        "Figure 4. Size-normalized examples from the MNIST database.",
        "These are the paper's 100 digits in its order, drawn from MNIST by the indices in the CSV beside the figure "
        "(training set, from 0). The paper says that they were picked from the test set: each of the 100 images in the "
        "authors' preprint equals one training digit up to rounding (the squared distances, summed over 32x32 pixels "
        f"of 0 to 255, are {distances.min():,} to {distances.max():,}), and none equals a test digit. No run stands "
        "behind this figure.",
    ]
