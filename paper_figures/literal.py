"""Figure `literal`: which units saturate, when, and what the curvature does, by the paper's letter and as chosen."""

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from lenet1998.errors import UserError
from lenet1998.recipes import criterion_text
from lenet1998.records import RESULTS
from paper_figures.runs import TITLES, Runs, revision_text
from paper_figures.style import BLUE, COLUMN, GREY, ORANGE, VERMILLION, save, style

RECIPES = ()
STORED = RESULTS / "saturation"  # without suffix
LITERAL, CHOSEN = "lenet5-literal", "lenet5"
CHOSEN_START, PRINTED_RANGE = "literal-chosen-start", "change-range-2.4-over-F"
PANELS = {LITERAL: "the paper's letter", CHOSEN: "as chosen here"}
COLOURS = {"C1": "#56B4E9", "S2": ORANGE, "C3": "#009E73", "S4": GREY, "C5": VERMILLION, "F6": BLUE}
ERRORS = {
    LITERAL: ("the paper's letter", VERMILLION, "-"),
    CHOSEN_START: ("the same, chosen start", VERMILLION, "--"),
    CHOSEN: ("as chosen here", BLUE, "-"),
    PRINTED_RANGE: ("the same, printed range", BLUE, "--"),
}
PER_LAYER = ("saturated", "slope", "curvature_median", "curvature_largest")
LOWEST, HIGHEST = 1e-10, 1e2  # ends of the curvature's axis


@dataclass(frozen=True, eq=False)
class Measured:
    """What `python -m lenet1998.saturation --record` has written: the runs at m marks, l layers."""

    marks: np.ndarray  # (m,) patterns presented
    layers: tuple[str, ...]  # (l,)
    recipes: dict[str, dict[str, Any]]  # by name, in the order of the arrays' first axis
    arrays: dict[str, np.ndarray]
    about: dict[str, Any]  # the rest of the JSON file

    def of(self, quantity: str, recipe: str) -> np.ndarray:
        """(m, l) or (m,), as `lenet1998.saturation.Course` has it."""
        return self.arrays[quantity][list(self.recipes).index(recipe)]

    def at(self, mark: int) -> int:
        """The place of a mark."""
        return self.marks.tolist().index(mark)


def read(path: Path) -> Measured:
    """The measurements at `path` (no suffix); UserError where one of the two files is missing or damaged."""
    again = "restore it, or measure again with python -m lenet1998.saturation --record."
    try:
        npz = path.with_suffix(".npz").read_bytes()
        about = json.loads(path.with_suffix(".json").read_bytes())
        if hashlib.sha256(npz).hexdigest() != about["arrays_sha256"]:
            raise UserError(f"{path.with_suffix('.npz')} does not belong to {path.name}.json: {again}")
        with np.load(io.BytesIO(npz), allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
        recipes = {recipe["name"]: recipe for recipe in about["recipes"]}
        if not ERRORS.keys() <= recipes.keys():
            raise ValueError
        return Measured(np.array(about["marks"]), tuple(about["layers"]), recipes, arrays, about)
    except OSError as error:
        raise UserError(f"{error.filename} cannot be read ({error.strerror}): {again}") from None
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        raise UserError(f"{path.with_suffix('.json')} is damaged: {again}") from None


def make(recorded: Runs, out: Path, local: Runs | None = None) -> list[Path]:
    """Draw the figure into `out` from its own measurements; no record of a run has any part in it."""
    measured = read(STORED)
    with style():
        figure = Figure(figsize=(COLUMN, 4.9), layout="constrained")
        columns = list(PANELS)
        rows = [[f"{quantity} {recipe}" for recipe in columns] for quantity in ("saturated", "curvature")]
        panels = figure.subplot_mosaic([*rows, ["error", "error"]])
        for recipe, title in PANELS.items():
            saturated, curvature = (panels[f"{quantity} {recipe}"] for quantity in ("saturated", "curvature"))
            _draw_layers(saturated, measured, 100 * measured.of("saturated", recipe))
            _draw_layers(curvature, measured, measured.of("curvature_median", recipe))
            saturated.set(ylim=(-4, 104), title=title)
            curvature.set(yscale="log", ylim=(LOWEST, HIGHEST))
            mu = measured.recipes[recipe]["steps"]["mu"]
            curvature.axhline(mu, color="black", linewidth=0.8, linestyle=":")
            curvature.annotate("μ", (1, mu), xycoords=curvature.get_yaxis_transform(), va="center")
        for quantity, label in {"saturated": "states saturated (%)", "curvature": "median curvature"}.items():
            panels[f"{quantity} {LITERAL}"].set(ylabel=label)
            panels[f"{quantity} {CHOSEN}"].tick_params(labelleft=False)
        figure.legend(*panels[f"saturated {LITERAL}"].get_legend_handles_labels(), loc="outside upper center", ncols=6)
        _draw_errors(panels["error"], measured)
        for axes in panels.values():
            _mark_patterns(axes, measured)
        panels["error"].set(xlabel="patterns presented (dotted: end of the first pass)")
        figure.legend(*panels["error"].get_legend_handles_labels(), loc="outside lower center", ncols=2)
        return save(figure, *_table(measured), _caption(measured), out, "literal")


def _draw_layers(axes: Axes, measured: Measured, values: np.ndarray) -> None:
    for layer, course in zip(measured.layers, values.T, strict=True):
        axes.plot(measured.marks, course, color=COLOURS[layer], label=layer)


def _draw_errors(axes: Axes, measured: Measured) -> None:
    for recipe, (label, colour, line) in ERRORS.items():
        axes.plot(measured.marks, measured.of("error_pct", recipe), line, color=colour, label=label)
    axes.set(ylim=(0, 100), ylabel="wrong (%)")


def _mark_patterns(axes: Axes, measured: Measured) -> None:
    """The axis of the patterns presented: linear from 0 to 1, then logarithmic."""
    ticks = {0: "0", 1: "1", 100: "100", 10_000: "10,000"}
    axes.set_xscale("symlog", linthresh=1, linscale=0.4)
    axes.set_xlim(0, measured.marks[-1])
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.axvline(measured.about["patterns_per_pass"], color="black", linewidth=0.8, linestyle=":")


def _table(measured: Measured) -> tuple[list[str], list[list[object]]]:
    """Columns and rows of the CSV: one row for each recipe and mark."""
    columns = ["recipe", "patterns", "error_pct", "on_the_fly_error_pct"]
    columns += [f"{layer}_{quantity}" for quantity in PER_LAYER for layer in measured.layers]
    rows = []
    for recipe in measured.recipes:
        alone = [measured.of(quantity, recipe)[:, None] for quantity in ("error_pct", "on_the_fly_error_pct")]
        values = np.concatenate([*alone, *(measured.of(quantity, recipe) for quantity in PER_LAYER)], axis=1)
        for mark, row in zip(measured.marks.tolist(), values, strict=True):
            rows.append([recipe, mark, *("" if np.isnan(value) else f"{value:.4g}" for value in row)])
    return columns, rows


def _caption(measured: Measured) -> list[str]:
    about, layers, literal = measured.about, measured.layers, measured.recipes[LITERAL]
    rate, mu, gain = literal["schedule"][0][1], literal["steps"]["mu"], literal["initialisation"]["gain"]
    first, second = measured.at(about["patterns_per_pass"]), len(measured.marks) - 1  # ends of the passes

    def wrong(recipe: str) -> str:
        after_first, after_second = measured.of("error_pct", recipe)[[first, second]]
        return f"{after_first:.1f}% are wrong after the first pass and {after_second:.1f}% after the second"

    def saturated(recipe: str, mark: int) -> str:
        return f"{_range(100 * measured.of('saturated', recipe)[mark], layers, '{:.0f}%')} of a layer's states"

    def rates(recipe: str) -> str:
        curvature = measured.of("curvature_median", recipe)[0]
        medians, rates = _range(curvature, layers, "{:.1e}"), _range(rate / (mu + curvature), layers, "{:.2g}")
        return f"the medians are {medians}, which makes rates of {rates}"

    most = 100 * measured.of("saturated", LITERAL)[0].max()
    at_start = f"up to {most:.1g}% of a layer's states are" if most else "no state is"
    slopes = _range(100 * measured.of("slope", LITERAL)[0], layers, "{:.0f}%")
    largest = measured.of("curvature_largest", LITERAL)[first].max()
    return [
        f"Literal. The first two passes of the recipe that follows the paper to the letter (left: initial weights, "
        f"biases and coefficients within ±{gain:g}/F, {criterion_text(literal)}) and of the recipe chosen here "
        f"(right), on {TITLES[about['dataset']]} with seed {about['seed']}. Above: states within 1% of the bounds of "
        "the squashing function. Middle: median curvature of each layer's weights or coefficients, as an estimate at "
        f"that moment would have it; the axis ends at {LOWEST:g}. A parameter's rate is {rate:g}/(μ + h), μ = {mu:g}, "
        "with the curvature h at the start of the pass: far below the dotted line it is at its cap, "
        f"{rate / mu:g}. Below: error. All are measured on the first {about['measured_on']} patterns of the order of "
        "presentation, with the weights frozen.",
        f"By the letter, {at_start} saturated at the start: the mean squared slope of the squashing function, a factor "
        f"of equation 27, is {slopes} of its largest. What makes the curvature small are the small weights, whose "
        "squares equation 27 has, and the states that they produce, whose squares equation 25 has: "
        f"{rates(LITERAL)}. {_saturation(measured, LITERAL)} At the end of the first pass {saturated(LITERAL, first)} "
        f"are saturated, and the largest curvature of a weight is {largest:.0e}. {wrong(LITERAL)}.",
        f"As chosen, {rates(CHOSEN)}. {wrong(CHOSEN)}, with {saturated(CHOSEN, second)} saturated.",
        f"Dashed. With the chosen start and all else by the letter, {wrong(CHOSEN_START)}, with "
        f"{saturated(CHOSEN_START, second)} saturated. With the printed range of the initial weights and all else as "
        f"chosen, {wrong(PRINTED_RANGE)}.",
        f"Measured by python -m lenet1998.saturation, {about['engine']} engine, "
        f"{revision_text(about['provenance'])}; the CSV beside the figure has everything.",
    ]


def _range(values: np.ndarray, layers: tuple[str, ...], form: str) -> str:
    """Smallest and largest, each with its layer."""
    ends = (int(values.argmin()), int(values.argmax()))
    return " to ".join(f"{form.format(values[i])} ({layers[i]})" for i in ends)


def _saturation(measured: Measured, recipe: str) -> str:
    """When most of a layer's states are saturated for the first time, and of which layers."""
    shares = measured.of("saturated", recipe)
    mostly = np.flatnonzero((shares > 0.5).any(axis=1))
    if not mostly.size:
        return "No layer has most of its states saturated at any mark."
    found = [
        f"{100 * share:.0f}% of {layer}'s"
        for layer, share in zip(measured.layers, shares[mostly[0]], strict=True)
        if share > 0.5
    ]
    return f"After {_counted(int(measured.marks[mostly[0]]))}, {' and '.join(found)} states are saturated."


def _counted(patterns: int) -> str:
    return "1 pattern" if patterns == 1 else f"{patterns:,} patterns"
