"""Figure `comparison`: the LeNet-5 of 1998 and the LeNet-5 of today, test and training error after each pass."""

from pathlib import Path

from matplotlib.figure import Figure

from lenet1998 import paper
from paper_figures import curves
from paper_figures.runs import Runs, stem
from paper_figures.style import BLUE, COLUMN, GREY, ORANGE, save, style

RECIPES = ("lenet5", "modern")
NETWORKS = (("1998", "lenet5", BLUE), ("modern", "modern", ORANGE))
# Name, column of a record's curve, the paper's value for the network of 1998, least end of the axis in per cent.
PANELS = (
    ("test", "test_error_pct", paper.TEST_ERROR_PCT, 3.0),
    ("training", "train_error_pct", paper.TRAINING_ERROR_PCT, 3.0),
)


def make(recorded: Runs, out: Path, local: Runs | None = None) -> list[Path]:
    """Draw the figure into `out`, a person's own runs dashed; UserError where there is no run at all."""
    curves.require(RECIPES, recorded, local)
    rows = []
    with style():
        figure = Figure(figsize=(COLUMN, 4.2), layout="constrained")
        panels = figure.subplots(2, sharex=True)
        for axes, (name, quantity, stated, least) in zip(panels, PANELS, strict=True):
            drawn = []
            for network, recipe, colour in NETWORKS:
                for source in curves.sources(recipe, recorded, local):
                    ours = curves.curve(source.runs, quantity)
                    curves.draw(axes, ours, source, colour, f"{network}, {source.label}")
                    rows += curves.rows(ours, f"{name} {network}", source.label)
                    drawn.append((ours, source))
            axes.axhline(stated, color=GREY, linestyle=":", label="1998, paper")
            axes.set(xlim=(0, 20.5), ylim=(0, curves.top(least, drawn)), xticks=range(0, 21, 4))
            axes.set(ylabel=f"{name} error (%)")
        panels[0].set_title(curves.title("LeNet-5", recorded, local))
        panels[1].set(xlabel="passes through the training set")
        legend = sorted(zip(*panels[0].get_legend_handles_labels(), strict=True), key=lambda entry: entry[1])
        figure.legend(*zip(*legend, strict=True), loc="outside lower center", ncols=3 if len(legend) == 3 else 2)
        return save(figure, curves.COLUMNS, rows, _caption(recorded, local), out, stem("comparison", local))


def _caption(recorded: Runs, local: Runs | None) -> list[str]:
    return [
        "Comparison. Test error (above) and training error (below) of the LeNet-5 of 1998 and of the LeNet-5 of today "
        "after each pass through the training set. Both errors are those of the frozen network after the pass. "
        f"Dotted: what the paper states for 1998, {paper.TEST_ERROR_PCT:g}% on the test set and "
        f"{paper.TRAINING_ERROR_PCT:g}% on the training set, by its figure 5 an on-the-fly average. "
        + curves.OUR_CURVES,
        *curves.origins(RECIPES, recorded, local),
    ]
