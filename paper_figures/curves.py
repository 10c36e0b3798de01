"""Learning curves over the passes: what figures that draw them share."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from lenet1998 import data
from lenet1998.errors import UserError
from lenet1998.records import Record
from paper_figures.runs import Runs, source_text

COLUMNS = ("curve", "source", "pass", "mean_pct", "low_pct", "high_pct", "seeds")
OUR_CURVES = "Lines are means over the seeds; bands reach from the smallest to the largest seed."


@dataclass(frozen=True, eq=False)
class Curve:
    """One quantity of the learning curve over the seeds of a recipe; arrays are (passes,), errors in per cent."""

    passes: np.ndarray  # from 1
    mean: np.ndarray
    low: np.ndarray  # smallest of the seeds
    high: np.ndarray  # largest of the seeds
    seeds: int


@dataclass(frozen=True, eq=False)
class Source:
    """Runs that are drawn alike."""

    label: str
    runs: tuple[Record, ...]
    own: bool  # a person's own runs, beside the recorded ones


def sources(recipe: str, recorded: Runs, local: Runs | None) -> list[Source]:
    """The recorded runs of a recipe and a person's own, as far as there are any."""
    found = [Source("recorded", recorded.of(recipe), own=False)]
    if local:
        found.append(Source("your run", local.of(recipe), own=True))
    return [source for source in found if source.runs]


def require(recipes: Sequence[str], recorded: Runs, local: Runs | None) -> None:
    """UserError where there is nothing to draw."""
    if not any(sources(recipe, recorded, local) for recipe in recipes):
        raise UserError(
            f"There is no record of {' or '.join(recipes)} on {recorded.title} to draw: train one by leaving out "
            "--recorded."
        )


def curve(runs: tuple[Record, ...], quantity: str) -> Curve:
    """Mean and range over seeds of one column of the records' curves, as far as all of them go."""
    passes = min(record.passes for record in runs)
    values = np.array([[row[quantity] for row in record.curve[:passes]] for record in runs], dtype=float)
    return Curve(np.arange(1, passes + 1), values.mean(axis=0), values.min(axis=0), values.max(axis=0), len(runs))


def draw(axes: Axes, drawn: Curve, source: Source, colour: str, label: str) -> None:
    """The mean over seeds as a line, dashed for a person's own runs, and the range as a band."""
    # A run of one pass is a point, which a line would not show.
    marker = "." if len(drawn.passes) == 1 else None
    axes.plot(drawn.passes, drawn.mean, color=colour, linestyle="--" if source.own else "-", marker=marker, label=label)
    if drawn.seeds > 1:
        axes.fill_between(drawn.passes, drawn.low, drawn.high, color=colour, alpha=0.25, linewidth=0)


def top(least: float, drawn: Sequence[tuple[Curve, Source]]) -> float:
    """Where the error axis ends: `least`, or the whole per cent above everything that is drawn.

    The first pass of a person's own runs has no say: on the sample it lies so high that nothing else could be read.
    """
    values = [least]
    for ours, source in drawn:
        values += ours.high[1 if source.own and len(ours.high) > 1 else 0 :].tolist()
    return least if max(values) <= least else float(math.ceil(max(values)))


def rows(drawn: Curve, name: str, source: str) -> list[tuple[object, ...]]:
    """A curve as rows of the CSV."""
    values = zip(drawn.passes.tolist(), drawn.mean, drawn.low, drawn.high, strict=True)
    return [(name, source, p, *(f"{value:.4f}" for value in errors), drawn.seeds) for p, *errors in values]


def title(subject: str, recorded: Runs, local: Runs | None) -> str:
    """What is drawn and from which digits."""
    if local is None or local.dataset == recorded.dataset:
        return f"{subject} on {recorded.digits}"
    if not any(recorded.records.values()):
        return f"{subject} on {local.digits}"
    return f"{subject} on {recorded.title}; dashed: {local.title}"


def origins(recipes: Sequence[str], recorded: Runs, local: Runs | None) -> list[str]:
    """One sentence for each recipe drawn, for the caption."""
    found = []
    for recipe in recipes:
        for source in sources(recipe, recorded, local):
            who, runs = ("Your run (dashed)", local) if source.own else ("Recorded", recorded)
            found.append(f"{who}: {source_text(recipe, runs)}")
    if local:
        found.append("Where the first pass of your run lies above the axis, it is in the CSV beside the figure.")
    if local and local.dataset == "sample":
        found.append("The {} has {:,} digits to train and {:,} to test.".format(local.title, *data.SAMPLE.counts))
    return found
