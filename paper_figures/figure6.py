"""Figure 6: training and test error of LeNet-5 against the size of the training set, ours over the paper's."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lenet1998 import data, paper
from lenet1998.records import Record
from paper_figures import curves
from paper_figures.runs import Runs, source_text, stem
from paper_figures.style import BLUE, COLUMN, ORANGE, VERMILLION, save, style

SIZES = ("lenet5-15000", "lenet5-30000", "lenet5")
DISTORTED = "lenet5-distorted"
RECIPES = (*SIZES, DISTORTED)
COLUMNS = ("curve", "source", "training_patterns", "mean_pct", "low_pct", "high_pct", "seeds")
PATTERNS = {edition.name: edition.counts[0] for edition in (data.MNIST, data.SAMPLE)}  # for training
TOP = 2.0  # per cent, where the error axis ends unless something lies above
# Points stand side by side: thousands of patterns from their place, without distortions and with them.
ASIDE = {"your run": (-2.2, -3.4), "paper": (-0.8, -0.8), "recorded": (0.8, 2.4)}


@dataclass(frozen=True)
class Curve:
    name: str
    quantity: str  # of the last pass, in a record's curve
    recipes: tuple[str, ...]
    paper: tuple[tuple[int, float], ...]  # training patterns, error in per cent
    colour: str = ""  # "" is not drawn
    marker: str = ""
    own: str = ""  # marker of a person's own runs


TRAINING = tuple((size, error) for size, error, _ in paper.FIGURE_6)
TEST = tuple((size, error) for size, _, error in paper.FIGURE_6)
TEST_DISTORTED = ((paper.FIGURE_6[-1][0], paper.FIGURE_6_DISTORTED_TEST_ERROR_PCT),)
CURVES = (
    Curve("training", "on_the_fly_error_pct", SIZES, TRAINING, BLUE, "o", "x"),
    Curve("test", "test_error_pct", SIZES, TEST, VERMILLION, "s", "x"),
    Curve("test, distorted", "test_error_pct", (DISTORTED,), TEST_DISTORTED, ORANGE, "D", "+"),
    Curve("training, frozen", "train_error_pct", SIZES, ()),
)


@dataclass(frozen=True)
class Point:
    """One recipe's error over the seeds, in per cent."""

    patterns: int  # for training, without distortions
    mean: float
    low: float  # smallest of the seeds
    high: float  # largest of the seeds
    seeds: int


def make(recorded: Runs, out: Path, local: Runs | None = None) -> list[Path]:
    """Draw the figure into `out`, a person's own runs as crosses; UserError where there is no run at all."""
    curves.require(RECIPES, recorded, local)
    sources = [("recorded", recorded), *([("your run", local)] if local else [])]
    rows, highest = [], 0.0
    with style():
        figure = Figure(figsize=(COLUMN, 3.1), layout="constrained")
        axes = figure.add_subplot()
        for curve in CURVES:
            rows += [(curve.name, "paper", size, f"{error:.4f}", None, None, None) for size, error in curve.paper]
            if curve.colour:
                _draw_paper(axes, curve)
        for source, runs in sources:
            for curve in CURVES:
                ours = points(curve, runs)
                rows += [_row(curve, source, point) for point in ours]
                if curve.colour and ours:
                    _draw(axes, curve, ours, source, own=runs is local)
                    highest = max(highest, *(point.high for point in ours))
        # Whole per cents, and some room for what is drawn around the highest point.
        axes.set(xlim=(0, 65), ylim=(0, max(TOP, np.ceil(highest + 0.1))))
        axes.set(xticks=[0, *(size / 1000 for size, *_ in paper.FIGURE_6)])
        axes.set(xlabel="training patterns (thousands)", ylabel="error rate (%)")
        axes.set_title(_title(recorded, local))
        figure.legend(loc="outside lower center", ncols=2)
        return save(figure, COLUMNS, rows, _caption(recorded, local), out, stem("figure6", local))


def points(curve: Curve, runs: Runs) -> list[Point]:
    """The recipes of a curve that have been run, each after its last pass."""
    found = []
    for recipe in curve.recipes:
        if records := runs.of(recipe):
            errors = [record.curve[-1][curve.quantity] for record in records]
            patterns = training_patterns(records[0])
            found.append(Point(patterns, float(np.mean(errors)), min(errors), max(errors), len(errors)))
    return found


def training_patterns(record: Record) -> int:
    """How many training digits of its dataset a run has used."""
    available = PATTERNS[record.dataset]
    return min(available, record.recipe["training_patterns"] or available)


def _draw_paper(axes: Axes, curve: Curve) -> None:
    sizes, errors = zip(*curve.paper, strict=True)
    hollow = {"markerfacecolor": "white", "markeredgecolor": curve.colour, "markeredgewidth": 0.8}
    axes.plot(_beside(sizes, curve, "paper"), errors, curve.marker, label=f"{curve.name}, paper", **hollow)


def _draw(axes: Axes, curve: Curve, ours: list[Point], source: str, own: bool) -> None:
    """Means over the seeds, and the range where there are several."""
    sizes, mean, low, high = np.array([(p.patterns, p.mean, p.low, p.high) for p in ours]).T
    line = ("--" if own else "-") if len(curve.recipes) > 1 else ""
    axes.errorbar(
        _beside(sizes, curve, source),
        mean,
        yerr=(mean - low, high - mean) if max(point.seeds for point in ours) > 1 else None,
        fmt=(curve.own if own else curve.marker) + line,
        color=curve.colour,
        elinewidth=0.8,
        capsize=1.6,
        label=f"{curve.name}, {source}",
    )


def _beside(sizes: Sequence[float], curve: Curve, source: str) -> np.ndarray:
    """Where points stand, in thousands of patterns."""
    return np.array(sizes) / 1000 + ASIDE[source][DISTORTED in curve.recipes]


def _row(curve: Curve, label: str, point: Point) -> tuple[object, ...]:
    errors = (f"{value:.4f}" for value in (point.mean, point.low, point.high))
    return (curve.name, label, point.patterns, *errors, point.seeds)


def _title(recorded: Runs, local: Runs | None) -> str:
    if local is None or local.dataset == recorded.dataset:
        return f"LeNet-5 on {recorded.digits}"
    if not any(recorded.records.values()):
        return f"LeNet-5 on {local.digits}"
    return f"LeNet-5 on {recorded.title}; crosses: {local.title}"


def _caption(recorded: Runs, local: Runs | None) -> list[str]:
    paragraphs = [
        "Figure 6. Training and test error of LeNet-5 achieved using training sets of various sizes, and its test "
        "error when the training set is extended by random distortions; the test digits are not distorted. Hollow: "
        "the paper's figure 6, digitised. Filled: means over the seeds after the last pass; bars reach from the "
        "smallest to the largest seed. Both stand beside the size that they belong to.",
        "The training error is the on-the-fly average of the last pass, as in figure 5; the CSV beside the figure has "
        "that of the frozen network too. Smaller sets are the first digits of MNIST's training set. The paper does not "
        f"say how many passes they were given, nor at which rates: ours keep the {paper.PASSES} passes and the "
        "schedule of the whole set.",
    ]
    for who, runs in (("Recorded", recorded), ("Your run (crosses)", local)):
        if runs:
            paragraphs += [f"{who}: {source_text(name, runs)}" for name in RECIPES if runs.of(name)]
    if local and local.dataset == "sample":
        paragraphs.append(
            f"The {local.title} has {PATTERNS['sample']:,} digits to train and 1,000 to test; with it, every size is "
            "the whole of it."
        )
    return paragraphs
