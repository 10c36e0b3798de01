"""Table 2: what each choice costs. The chosen recipe with one thing changed, the paper's letter, the later protocol.

It is not a table of the paper. The lines are those of `lenet1998.study`; the notes below the table say how to read it.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lenet1998 import data, paper, study
from lenet1998.recipes import criterion_text
from lenet1998.records import Record
from lenet1998.statistics import holm, mean_sd, welch
from lenet1998.study import Line
from paper_figures.runs import Runs, counted, mean_sd_text, revision_text, seeds_text, stem
from paper_figures.screening import distances, initial_text, top_text
from paper_figures.tables import Table, as_text, write

RECIPES = tuple(recipe.name for line in study.table2_lines() for recipe in (line.recipe, line.validated))
CHANCE_PCT = 90  # ten classes
TRAINS_BELOW_PCT = 10  # on the fly, in the last pass
FEWEST_SEEDS = 3  # of a line, to say that all of them lie beyond the chosen recipe's
SIGNIFICANT = 0.05  # a corrected p-value below it earns an asterisk
LONGEST_READING = 30  # characters; a longer one is printed in a note
NONE = "–"
COLUMNS = (
    "what is changed",
    "to",
    "effective rates,\nfirst pass",
    "distance from\nfigure 5, %",
    "on the fly,\nlast pass, %",
    "validation\nerror, %",
    "test\nerror, %",
    "trains",
)
DATA_COLUMNS = (
    "recipe",
    "point",
    "reading",
    "seeds",
    "first_pass_rate_min",
    "first_pass_rate_max",
    "rms_from_figure5_mean_pct",
    "rms_from_figure5_sd_pct",
    "on_the_fly_mean_pct",
    "on_the_fly_sd_pct",
    "validated_seeds",
    "validation_mean_pct",
    "validation_sd_pct",
    "test_mean_pct",
    "test_sd_pct",
    "trained_seeds",
    "trained_validated_seeds",
    "distance_p",
    "distance_p_holm",
    "distance_differs",
    "test_p",
    "test_p_holm",
    "test_differs",
    "dataset",
)


@dataclass(frozen=True)
class Measured:
    """What the runs say about a line; each list has a value for every run that measured it."""

    line: Line
    records: tuple[Record, ...]  # on all training patterns
    validated: tuple[Record, ...]  # on those that are not held out
    rates: list[float]  # smallest and largest of the first pass, means over the runs; empty without runs
    distance: list[float]  # from figure 5, points of per cent; empty where the recipe has not its passes
    on_the_fly: list[float]  # this and the next two in per cent, of the last pass
    validation: list[float]
    test: list[float]

    @property
    def trained(self) -> int:
        """How many of the runs on all patterns train."""
        return _trained(self.records)

    @property
    def trained_validated(self) -> int:
        """How many of the validated runs train."""
        return _trained(self.validated)

    @property
    def trains(self) -> bool:
        """Whether every run on all patterns does: the mean over some that do and some that do not says nothing."""
        return bool(self.records) and self.trained == len(self.records)

    @property
    def name(self) -> str:
        """As in "order: reshuffled"; what is no single change is known by its own name."""
        if self.line == study.CHOSEN:
            return "the chosen recipe"
        return self.line.point if _is_long(self.line) else f"{self.line.point}: {self.line.reading}"


def _trained(found: Sequence[Record]) -> int:
    return sum(record.curve[-1]["on_the_fly_error_pct"] < TRAINS_BELOW_PCT for record in found)


@dataclass(frozen=True)
class Difference:
    """How sure it is that a line's mean is not the chosen recipe's."""

    p: float  # Welch's
    corrected: float  # Holm's, over all the lines compared

    @property
    def differs(self) -> bool:
        return self.corrected < SIGNIFICANT


Differences = dict[str, Difference]  # by the recipe's name, of the lines that were compared


def text(recorded: Runs, local: Runs | None = None) -> str:
    """The table for a terminal."""
    return as_text(table(local or recorded, own=local is not None))


def make(recorded: Runs, out: Path, local: Runs | None = None) -> list[Path]:
    """Write the table into `out`, of a person's own runs where there are any."""
    return write([table(local or recorded, own=local is not None)], out, stem("table2", local))


def table(runs: Runs, own: bool = False) -> Table:
    measured = [measure(runs, line) for line in study.table2_lines()]
    by_distance = differences(measured, lambda line: line.distance)
    by_test = differences(measured, lambda line: line.test)
    title = "What each choice costs: the chosen recipe with one thing changed, the paper's letter, the later protocol"
    title += f"; your run: {runs.title}" if own else f", on {runs.digits}"
    cells = [_cells(line, by_distance, by_test) for line in measured]
    data = [_data(line, by_distance, by_test, runs.dataset) for line in measured]
    notes = _notes(runs, measured, by_distance, by_test, own)
    return Table(title, COLUMNS, "llrrrrrl", (_paper_cells(), *cells), DATA_COLUMNS, tuple(data), notes)


# --- What is measured and compared -----------------------------------------------------------------------------------


def measure(runs: Runs, line: Line) -> Measured:
    records, validated = runs.of(line.recipe.name), runs.of(line.validated.name)
    keys = ("rate_min", "rate_max") if records else ()
    validation = [record.curve[-1]["validation_error_pct"] for record in validated]
    return Measured(
        line,
        records,
        validated,
        rates=[float(np.mean([record.curve[0][key] for record in records])) for key in keys],
        # Pass for pass it compares with a figure of as many passes only.
        distance=distances(records) if line.recipe.passes == paper.PASSES else [],
        on_the_fly=[record.curve[-1]["on_the_fly_error_pct"] for record in records],
        validation=[error for error in validation if error is not None],
        test=runs.test_errors_pct(line.recipe.name),
    )


def differences(measured: Sequence[Measured], values: Callable[[Measured], list[float]]) -> Differences:
    """Each line that trains against the first, the chosen recipe, in the quantity that `values` reads out of a line."""
    chosen, *others = measured
    if not chosen.trains:
        return {}
    tested = {line.line.recipe.name: welch(values(chosen), values(line)) for line in others if line.trains}
    raw = {name: p for name, p in tested.items() if p is not None}
    corrected = holm(list(raw.values()))
    return {name: Difference(p, q) for (name, p), q in zip(raw.items(), corrected, strict=True)}


def nearest(measured: Sequence[Measured]) -> list[Measured]:
    """The line whose mean distance from figure 5 is smallest, then those that it cannot be told from.

    These are further off by less than the deviation over seeds, pooled over the two lines, as in the study's rule.
    Lines with a run that does not train, and those with a single run, are left out; none where fewer than two remain.
    """
    able = [line for line in measured if line.trains and len(line.distance) > 1]
    if len(able) < 2:
        return []
    first, *others = sorted(able, key=lambda line: mean_sd(line.distance)[0])
    least = mean_sd(first.distance)[0]
    tied = [line for line in others if mean_sd(line.distance)[0] - least < pooled_sd(first.distance, line.distance)]
    return [first, *tied]


def beyond(measured: Sequence[Measured], values: Callable[[Measured], list[float]], sign: int) -> list[Measured]:
    """The lines of which every seed lies above (`sign` 1) or below (-1) every seed of the first, the chosen recipe.

    Lines with a run that does not train, and those with fewer than `FEWEST_SEEDS`, are left out.
    """
    chosen, *others = measured
    able = [line for line in others if line.trains and len(values(line)) >= FEWEST_SEEDS]
    if not chosen.trains or len(values(chosen)) < FEWEST_SEEDS:
        return []
    return [line for line in able if min(sign * v for v in values(line)) > max(sign * v for v in values(chosen))]


def pooled_sd(*samples: Sequence[float]) -> float:
    """Standard deviation within the samples, each around its own mean; every sample has at least two values."""
    squares = sum(float(np.var(values)) * len(values) for values in samples)
    return (squares / sum(len(values) - 1 for values in samples)) ** 0.5


# --- Rows ------------------------------------------------------------------------------------------------------------


def _paper_cells() -> tuple[str, ...]:
    _, on_the_fly, _ = paper.FIGURE_5[paper.PASSES - 1]
    rates = _rates_text(paper.FIRST_PASS_RATES)
    return "the paper", "", rates, _marked("0"), f"{on_the_fly:.2f}", NONE, _marked(f"{paper.TEST_ERROR_PCT:g}"), "yes"


def _cells(line: Measured, by_distance: Differences, by_test: Differences) -> tuple[str, ...]:
    def printed(errors: list[float]) -> str:
        return mean_sd_text(errors) if errors else NONE

    reading = "see below" if _is_long(line.line) else line.line.reading
    recipe = line.line.recipe.name
    return (
        line.line.point,
        reading,
        _rates_text(line.rates) if line.rates else "not measured yet",
        _marked(printed(line.distance), by_distance.get(recipe)),
        printed(line.on_the_fly),
        printed(line.validation),
        _marked(printed(line.test), by_test.get(recipe)),
        _trains_text(line),
    )


def _data(line: Measured, by_distance: Differences, by_test: Differences, dataset: str) -> tuple[object, ...]:
    def both(errors: list[float]) -> list[float | None]:
        mean, sd = mean_sd(errors) if errors else (None, None)
        return [value if value is None else round(value, 4) for value in (mean, sd)]

    def certainty(found: Difference | None) -> list[float | int | None]:
        if found is None:
            return [None] * 3
        return [_digits(found.p, 4), _digits(found.corrected, 4), int(found.differs)]

    recipe = line.line.recipe.name
    return (
        recipe,
        line.line.point,
        line.line.reading,
        len(line.records),
        *([_digits(rate, 4) for rate in line.rates] or [None, None]),
        *both(line.distance),
        *both(line.on_the_fly),
        len(line.validated),
        *both(line.validation),
        *both(line.test),
        line.trained,
        line.trained_validated,
        *certainty(by_distance.get(recipe)),
        *certainty(by_test.get(recipe)),
        dataset,
    )


def _is_long(line: Line) -> bool:
    return len(line.reading) > LONGEST_READING


def _rates_text(rates: Sequence[float]) -> str:
    low, high = rates
    return f"{low:.1e} to {high:.1e}"


def _marked(printed: str, difference: Difference | None = None) -> str:
    """With an asterisk, or a blank of its width: the numbers stay below each other."""
    return printed + ("*" if difference and difference.differs else " ")


def _trains_text(line: Measured) -> str:
    """Of all the runs, validated ones too: a recipe may fail with one set of patterns and not with another."""
    runs, trained = len(line.records) + len(line.validated), line.trained + line.trained_validated
    if not runs:
        return NONE
    return {0: "no", runs: "yes"}.get(trained, f"{trained} of {runs}")


def _digits(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")


# --- Notes -----------------------------------------------------------------------------------------------------------


def _notes(
    runs: Runs, measured: Sequence[Measured], by_distance: Differences, by_test: Differences, own: bool
) -> tuple[str, ...]:
    lines = [
        "It is not a table of the paper. Mean ± standard deviation over the seeds, each with the errors of its last "
        "pass. Effective rates: the smallest and the largest. Distance: root mean square, over passes 1 to "
        f"{paper.PASSES}, of the on-the-fly training error less that of figure 5; none for another number of passes. "
        f"Validation: the same recipe without the last {study.VALIDATION_PATTERNS:,} training patterns, on which its "
        f"error is measured. Trains: fewer than {TRAINS_BELOW_PCT}% wrong on the fly in the last pass, where chance is "
        f"{CHANCE_PCT}%; of all the runs of a line, those with validation too.",
        chosen_text(study.CHOSEN.recipe.as_dict()),
        *(f"{line.name[0].upper()}{line.name[1:]}: {line.line.reading}." for line in measured if _is_long(line.line)),
        f"The authors published {paper.LATER_TEST_ERROR_PCT:g} ± {paper.LATER_TEST_ERROR_TWO_SIGMA_PCT:g}% "
        '("two-sigma") for the later protocol (README of QMNIST, Yadav and Bottou 2019).',
    ]
    if not own:
        lines.append(
            "The rule in lenet1998/study.py made the choice, from runs that read no test set, and the choice was "
            "committed before these lines were run. They read the test set after their last pass; the chosen recipe "
            "after every pass, for figure 5. Readings that the screening has too were run again for it, and the chosen "
            "recipe's distance has the seeds in it by which it was chosen. With weights within ±1/√F it was this "
            "repository's recipe before the study, with a test error that was known; the rule does not use it."
        )
    if found := nearest(measured):
        lines.append(_nearest_text(found))
    if said := _beyond_text(measured):
        lines.append(said)
    if by_distance or by_test:
        lines.append(
            f"An asterisk: the mean differs from the chosen recipe's, p < {SIGNIFICANT:g} by Welch's test over the "
            "seeds, after Holm's correction for all the lines of which every run trains "
            f"({len(by_distance)} comparisons of distances, {len(by_test)} of test errors). No asterisk does not say "
            "that two are equal: the seeds are few."
        )
    return (*lines, *_provenance(runs, measured))


def chosen_text(recipe: dict) -> str:
    """What the chosen recipe, as `Recipe.as_dict` has it, has in the place of each change."""
    initial, steps = recipe["initialisation"], recipe["steps"]
    subsampling = next(layer for layer in recipe["network"]["layers"] if layer["kind"] == "Subsampling")
    return (
        f"As chosen: initial weights within {initial_text(recipe)}, biases {initial['biases']}, coefficients "
        f"{initial['coefficient']}; {criterion_text(recipe)}; curvature at the top {top_text(recipe)}, of a "
        f"coefficient by the {steps['coefficient']}, on the {steps['subset']} {steps['patterns']} patterns; inputs of "
        f"subsampling {'averaged' if subsampling['average'] else 'added'}; order {recipe['order']}; learning rates and "
        "squashing function as printed."
    )


def _nearest_text(found: Sequence[Measured]) -> str:
    first, *tied = [f"{line.name} ({mean_sd_text(line.distance)})" for line in found]
    said = f"Nearest to figure 5 is {first}. "
    if not tied:
        return said + "No other line is within their pooled standard deviation of it."
    return said + f"It explains the paper's curve no better than these, by the pooled deviation: {'; '.join(tied)}."


def _beyond_text(measured: Sequence[Measured]) -> str:
    """Which changes matter, by a measure that three seeds are enough for; empty where no line is beyond."""
    kinds = (
        ("Further from figure 5", lambda line: line.distance, 1),
        ("Nearer to figure 5", lambda line: line.distance, -1),
        ("Worse on the test digits", lambda line: line.test, 1),
        ("Better on the test digits", lambda line: line.test, -1),
    )
    found = {kind: beyond(measured, values, sign) for kind, values, sign in kinds}
    parts = [f"{kind}: {'; '.join(line.name for line in lines)}." for kind, lines in found.items() if lines]
    if not parts:
        return ""
    fewest = min(len(line.records) for lines in found.values() for line in lines)
    # Of all orders of the seeds, those with the line's first and those with them last.
    chance = math.comb(len(measured[0].records) + fewest, fewest) / 2
    return (
        "Every seed is beyond every seed of the chosen recipe in these (by chance, for a single line of "
        f"{fewest} seeds and a single quantity, once in {chance:.0f}). {' '.join(parts)}"
    )


def _provenance(runs: Runs, measured: Sequence[Measured]) -> list[str]:
    groups = {"Runs": [line.records for line in measured], "with validation": [line.validated for line in measured]}
    parts = [f"{name}: {seeds}" for name, found in groups.items() if (seeds := _seeds_of_lines(found))]
    if not parts:
        return []
    every = [record for found in groups.values() for records in found for record in records]
    engines = ", ".join(dict.fromkeys(record.engine for record in every))
    revisions = ", ".join(dict.fromkeys(revision_text(record.provenance) for record in every))
    notes = ["; ".join([*parts, f"{engines} engine, {revisions}."])]
    passes = {recipe.name: recipe.passes for line in measured for recipe in (line.line.recipe, line.line.validated)}
    if short := Counter(record.passes for record in every if record.passes < passes[record.name]):
        counts = ", ".join(f"{count} after pass {number}" for number, count in sorted(short.items()))
        notes.append(f"Cut short, so that their lines do not tell what the whole recipes do: {counts}.")
    if runs.dataset == "sample":
        notes.append(
            "The {} has {:,} digits to train and {:,} to test: it is no measure of the paper's numbers, which are on "
            "{:,} and {:,}. Held out for validation is a sixth of those to train.".format(
                runs.title, *data.SAMPLE.counts, *data.MNIST.counts
            )
        )
    return notes


def _seeds_of_lines(found: Sequence[tuple[Record, ...]]) -> str:
    """As in "1 line with seeds 0 to 9, 22 lines with seeds 0 to 2"; empty without any run."""
    counts = Counter(seeds_text(records) for records in found if records)
    return ", ".join(f"{counted(n, 'line', 'lines')} with {seeds}" for seeds, n in counts.items())
