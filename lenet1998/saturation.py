"""How the recipe fails that follows the paper to the letter: which units saturate, when, and what the curvature does.

  python -m lenet1998.saturation               train, and print where the runs are going
  python -m lenet1998.saturation --record      write results/saturation.json and .npz too, for figure `literal`

Four recipes are trained through their first two passes on MNIST, seed 0. Beside the literal one and the chosen one
there are the literal one with the chosen start, and the chosen one with the printed range of the initial weights: so
the start is told from everything else in which the two differ. The runs are stopped at marks, spaced about evenly on a
logarithmic scale, and measured there. That changes nothing: they are the runs of `lenet1998.training`, bit for bit.
"""

import argparse
import hashlib
import itertools
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from lenet1998 import data, records, study, training
from lenet1998.data import Dataset, Digits
from lenet1998.errors import UserError
from lenet1998.layers import ScaledTanh, build, load_flat
from lenet1998.online import OnlineTrainer
from lenet1998.recipes import LENET5_1998, LENET5_LITERAL, Recipe
from lenet1998.weights import layout

STORED = records.RESULTS / "saturation"  # without suffix
RECIPES = (
    LENET5_LITERAL,
    LENET5_1998,
    replace(LENET5_LITERAL, name="literal-chosen-start", initialisation=LENET5_1998.initialisation),
    {line.recipe.name: line.recipe for line in study.single_changes()}["change-range-2.4-over-F"],
)
LAYERS = ("C1", "S2", "C3", "S4", "C5", "F6")  # those that squash
SEED = 0
PASSES = 2
PER_DECADE = (1, 2, 3, 5, 7)
SATURATED = 0.99  # of the squashing function's bound A


@dataclass(frozen=True, eq=False)
class Course:
    """What a run was at each of m marks, on the patterns of its first estimate of the curvature; l layers."""

    saturated: np.ndarray  # (m, l), share of the states within 1% of the bounds
    slope: np.ndarray  # (m, l), mean squared slope of the squashing function over its largest, first factor of (27)
    curvature_median: np.ndarray  # (m, l), of a layer's weights or coefficients, as an estimate there would have it
    curvature_largest: np.ndarray  # (m, l)
    error_pct: np.ndarray  # (m,), of the frozen network
    on_the_fly_error_pct: np.ndarray  # (m,), of the patterns presented since the mark before; NaN at the first


def marks(patterns: int, passes: int = PASSES) -> list[int]:
    """Numbers of patterns presented: 0, five in each decade, and the end of each pass of `patterns`."""
    ends = [patterns * number for number in range(1, passes + 1)]
    decades = (digit * 10**power for power in itertools.count() for digit in PER_DECADE)
    between = itertools.takewhile(lambda mark: mark < ends[-1], decades)
    return sorted({0, *between, *ends})


def stops(recipe: Recipe, seed: int, digits: Digits, at: Sequence[int]) -> Iterator[tuple[OnlineTrainer, float]]:
    """Train a run, and stop `at` the given marks (ascending from 0, the end of each pass among them).

    Gives the trainer, and the error in per cent of the patterns since the mark before, on the fly.
    """
    trainer = OnlineTrainer(recipe, seed)
    patterns = len(digits.labels)
    yield trainer, np.nan
    for number in range(1, at[-1] // patterns + 1):
        order = training.presentation(recipe, seed, patterns, number)
        if (number - 1) % recipe.steps.every == 0:
            subset = training.curvature_subset(recipe, seed, order, number)
            trainer.estimate_curvature(*training.patterns_at(recipe, seed, digits, subset))
        trainer.begin_pass(recipe.rate(number))
        in_this_pass = [mark - (number - 1) * patterns for mark in at]
        for start, end in itertools.pairwise([0, *(mark for mark in in_this_pass if 0 < mark <= patterns)]):
            images, labels = training.patterns_at(recipe, seed, digits, order[start:end])
            _, answers = trainer.train(images, labels)
            yield trainer, 100 * float(np.mean(answers != labels))


def follow(recipe: Recipe, seed: int, digits: Digits, at: Sequence[int]) -> Course:
    """Train a run and measure it at every mark, always on the patterns of its first estimate of the curvature."""
    order = training.presentation(recipe, seed, len(digits.labels), 1)
    subset = training.curvature_subset(recipe, seed, order, 1)
    images, labels = training.patterns_at(recipe, seed, digits, subset)
    grey = data.grey_levels(images, recipe.network.input_size, recipe.network.background, recipe.network.ink)
    inputs = torch.from_numpy(grey)[:, None]
    twin = build(recipe.network)
    # An estimate sets the rates of the trainer that makes it; this one makes them in its place.
    gauge = OnlineTrainer(recipe, seed)
    rows = []
    for trainer, on_the_fly in stops(recipe, seed, digits, at):
        weights = trainer.weights
        load_flat(twin, weights)
        gauge.set_weights(weights)
        gauge.estimate_curvature(images, labels)
        error_pct = 100 * float(np.mean(gauge.answers(images) != labels))
        rows.append((*squashing(twin, inputs), *of_layers(recipe, gauge.curvature), error_pct, on_the_fly))
    return Course(*map(np.array, zip(*rows, strict=True)))


def squashing(network: nn.Sequential, inputs: Tensor) -> tuple[list[float], list[float]]:
    """The share of saturated states of each squashing layer, and its mean squared slope relative to the largest."""
    shares, slopes = [], []
    states = inputs
    with torch.inference_mode():
        for module in network:
            states = module(states)
            if isinstance(module, ScaledTanh):
                tanh = states / module.A
                shares.append((tanh.abs() > SATURATED).double().mean().item())
                slopes.append((1 - tanh.square()).square().double().mean().item())
    return shares, slopes


def of_layers(recipe: Recipe, curvature: np.ndarray) -> tuple[list[float], list[float]]:
    """Median and largest of a flat vector over the weights (or coefficients) of each layer."""
    parts = [curvature[parameter.slice] for parameter in layout(recipe.network) if parameter.role != "bias"]
    return [float(np.median(part)) for part in parts], [float(part.max()) for part in parts]


def measure(dataset: Dataset) -> tuple[dict, dict[str, np.ndarray]]:
    """The experiment: what is written as JSON, and arrays whose first axes are the recipes and the marks."""
    began, provenance = time.perf_counter(), records.provenance()
    at = marks(len(dataset.train.labels))
    courses = [follow(recipe, SEED, dataset.train, at) for recipe in RECIPES]
    arrays = {name: np.stack([vars(course)[name] for course in courses]) for name in vars(courses[0])}
    document = {
        "dataset": dataset.name,
        "data_sha256": dataset.sha256,
        "seed": SEED,
        "marks": at,
        "patterns_per_pass": len(dataset.train.labels),
        "measured_on": min(RECIPES[0].steps.patterns, len(dataset.train.labels)),
        "layers": LAYERS,
        "recipes": [records.plain(recipe.as_dict()) for recipe in RECIPES],
        "engine": OnlineTrainer.name,
        "arithmetic": training.ARITHMETIC,
        "provenance": {**provenance, "wall_seconds": round(time.perf_counter() - began, 2)},
    }
    return document, arrays


def save(document: dict, arrays: dict[str, np.ndarray], path: Path) -> list[Path]:
    """Write `path`.npz and `path`.json (no suffix in `path`)."""
    npz = records.npz_bytes(arrays)
    document = {**document, "arrays_sha256": hashlib.sha256(npz).hexdigest()}
    lines = [f"  {json.dumps(name)}: {_listed(value)}" for name, value in document.items()]
    contents = {".npz": npz, ".json": "{{\n{}\n}}\n".format(",\n".join(lines)).encode()}
    for suffix, content in contents.items():
        records.write_whole(path.with_suffix(suffix), content)
    return [path.with_suffix(suffix) for suffix in contents]


def _listed(value: object) -> str:
    """JSON on one line, or one line for each dictionary of a list."""
    if isinstance(value, list) and isinstance(value[0], dict):
        return "[\n    " + ",\n    ".join(map(json.dumps, value)) + "\n  ]"
    return json.dumps(value)


def text(document: dict, arrays: dict[str, np.ndarray]) -> str:
    """A short table for a terminal: every recipe at one mark of each decade, and at the end of each pass."""
    at, patterns = document["marks"], document["patterns_per_pass"]
    shown = [i for i, mark in enumerate(at) if mark in (0, patterns) or str(mark).strip("0") == "1" or mark == at[-1]]
    heading = "".join(f"{layer:>6}" for layer in LAYERS) + " |" + "".join(f"{layer:>9}" for layer in LAYERS)
    lines = [f"patterns | states saturated, %{'':>11}| median curvature of the weights{'':>23}| wrong, %"]
    lines += [f"{'':>8} |{heading} |"]
    for i, recipe in enumerate(document["recipes"]):
        lines.append(recipe["name"])
        for m in shown:
            shares = "".join(f"{100 * share:6.1f}" for share in arrays["saturated"][i, m])
            medians = "".join(f"{median:9.1e}" for median in arrays["curvature_median"][i, m])
            lines.append(f"{at[m]:8} |{shares} |{medians} |{arrays['error_pct'][i, m]:9.1f}")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Run the command line; the exit code is 0, or 2 where there is no MNIST or nowhere to write."""
    about, _, uses = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m lenet1998.saturation",
        description=about,
        epilog=uses,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", metavar="DIR", type=Path, help="where the four MNIST files are")
    parser.add_argument("--record", action="store_true", help="write the results that the figure is drawn from")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    try:
        document, arrays = measure(data.load("mnist", options.data))
        print(text(document, arrays))
        if options.record:
            print(*save(document, arrays, STORED), sep="\n")
    except UserError as error:
        print(f"saturation: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
