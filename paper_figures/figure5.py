"""Figure 5: training and test error of LeNet-5 after each pass, ours over the paper's."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from lenet1998 import paper
from paper_figures import curves
from paper_figures.curves import Curve
from paper_figures.runs import Runs, stem
from paper_figures.style import BLUE, COLUMN, VERMILLION, save, style

RECIPES = ("lenet5",)
# Name, column of a record's curve, column of the paper's, colour, marker of the paper's points.
CURVES = (
    ("training", "on_the_fly_error_pct", 1, BLUE, "o"),
    ("test", "test_error_pct", 2, VERMILLION, "s"),
)
TOP = 5.0  # per cent, the end of the paper's axis


def make(recorded: Runs, out: Path, local: Runs | None = None) -> list[Path]:
    """Draw the figure into `out`, a person's own runs dashed; UserError where there is no run at all."""
    curves.require(RECIPES, recorded, local)
    rows, drawn = [], []
    with style():
        figure = Figure(figsize=(COLUMN, 3.1), layout="constrained")
        axes = figure.add_subplot()
        for name, quantity, column, colour, marker in CURVES:
            theirs = _paper(column)
            points = {"markerfacecolor": "white", "markeredgecolor": colour, "markeredgewidth": 0.8}
            axes.plot(theirs.passes, theirs.mean, marker, label=f"{name}, paper", **points)
            rows += curves.rows(theirs, name, "paper")
            for source in curves.sources("lenet5", recorded, local):
                ours = curves.curve(source.runs, quantity)
                curves.draw(axes, ours, source, colour, f"{name}, {source.label}")
                rows += curves.rows(ours, name, source.label)
                drawn.append((ours, source))
        axes.set(xlim=(0, 21.5), ylim=(0, curves.top(TOP, drawn)), xticks=range(0, 21, 4))
        axes.set(xlabel="passes through the training set", ylabel="error rate (%)")
        axes.set_title(curves.title("LeNet-5", recorded, local))
        figure.legend(loc="outside lower center", ncols=2)
        return save(figure, curves.COLUMNS, rows, _caption(recorded, local), out, stem("figure5", local))


def _paper(column: int) -> Curve:
    passes, values = (np.array([point[i] for point in paper.FIGURE_5]) for i in (0, column))
    return Curve(passes, values, values, values, seeds=1)


def _caption(recorded: Runs, local: Runs | None) -> list[str]:
    return [
        "Figure 5. Training and test error of LeNet-5 as a function of the number of passes through the training set, "
        "without distortions. The training error is the on-the-fly average of each pass, measured while the weights "
        "change. Points are the paper's figure 5, digitised; it has 21 of them where the text says 20 passes. "
        + curves.OUR_CURVES,
        *curves.origins(RECIPES, recorded, local),
    ]
