"""Table 1: test error of the LeNet-5 of 1998 and of today's, beside the paper's. It is not the paper's Table I."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lenet1998 import data, paper
from lenet1998.errors import UserError
from lenet1998.records import Record
from lenet1998.statistics import holm, mcnemar, mean_sd, welch, wilson
from paper_figures.runs import Runs, counted, mean_sd_text, processor_text, seeds_text, source_text, stem
from paper_figures.tables import Table, as_text, write

RECIPES = ("lenet5", "lenet5-distorted", "modern")
TITLE = "Test error: the paper, this repository, today"
DATA_COLUMNS = (
    "method",
    "training_data",
    "paper_pct",
    "recorded_mean_pct",
    "recorded_sd_pct",
    "recorded_seeds",
    "interval_low_pct",
    "interval_high_pct",
    "parameters",
    "train_seconds",
    "dataset",
)
NONE = "–"


@dataclass(frozen=True)
class Row:
    method: str  # this and the next as the paper's figure 9 has them, where it has them
    training_data: str
    paper_pct: float | None
    time_1998: str | None
    recipe: str
    passes: int


# What is compared, each after its last pass.
COMPARED = (
    ("LeNet-5 with distortions against without", "lenet5-distorted", "lenet5"),
    ("modern against 1998", "modern", "lenet5"),
)

ROWS = (
    Row("LeNet-5", "regular", paper.TEST_ERROR_PCT, paper.TRAINING_TIME, "lenet5", paper.PASSES),
    Row("LeNet-5", "distorted", paper.DISTORTED_TEST_ERROR_PCT, None, "lenet5-distorted", paper.PASSES),
    Row("modern, 5 epochs", "regular", None, None, "modern", 5),
    Row("modern, 20 epochs", "regular", None, None, "modern", 20),
)


@dataclass(frozen=True)
class Measured:
    """One row as one set of runs has it."""

    errors_pct: list[float]  # one per seed
    test_digits: int
    parameters: int
    seconds: float  # of training up to the pass reported, mean over the seeds

    @property
    def interval_pct(self) -> tuple[float, float]:
        """Wilson's, around the mean over the seeds."""
        mean, _ = mean_sd(self.errors_pct)
        return wilson(round(mean * self.test_digits / 100), self.test_digits)


def text(recorded: Runs, local: Runs | None = None) -> str:
    """The table for a terminal."""
    return as_text(table(recorded, local))


def make(recorded: Runs, out: Path, local: Runs | None = None) -> list[Path]:
    """Write the table into `out`; with a person's own runs in a column and CSV rows of their own."""
    return write([table(recorded, local)], out, stem("table1", local))


def table(recorded: Runs, local: Runs | None = None) -> Table:
    measured = [(row, measure(recorded, row), measure(local, row, partial=True) if local else None) for row in ROWS]
    columns = ["method", "trained on", "paper,\n%", f"recorded,\n{recorded.title}, %\n(seeds)"]
    columns += [f"95% interval,\n{recorded.labels.size or 10_000:,}\ndigits, %", "free\nparameters"]
    columns += ["training\ntime,\n1998", "training\ntime,\n" + ("yours" if local else "now")]
    cells = [_cells(row, found, own if local else found, found or own) for row, found, own in measured]
    data = [_data(row, found, recorded.dataset) for row, found, _ in measured]
    title = TITLE
    if local:
        columns.insert(3, f"your run,\n{local.title}, %")
        for line, (row, _, own) in zip(cells, measured, strict=True):
            line.insert(3, _own_text(own, local.of(row.recipe), row.passes))
        data += [_data(row, own, f"{local.dataset} (your run)") for row, _, own in measured if own]
        if local.dataset == "sample":
            title += f"; your run: {local.title}"
    align = "ll" + "r" * (len(columns) - 2)
    notes = _notes(recorded, local)
    return Table(title, tuple(columns), align, tuple(map(tuple, cells)), DATA_COLUMNS, tuple(data), notes)


def measure(runs: Runs, row: Row, partial: bool = False) -> Measured | None:
    """What the runs say about a row, or None without runs.

    `partial` takes the last pass of a run that was cut short, for the row of the longest training; otherwise a run
    without the pass that the row reports raises UserError.
    """
    found = runs.of(row.recipe)
    longest = row.passes == max(r.passes for r in ROWS if r.recipe == row.recipe)
    errors = runs.test_errors_pct(row.recipe, None if partial and longest else row.passes)
    if not partial and len(errors) != len(found):
        raise UserError(
            f"A record of {row.recipe} on {runs.title} has no predictions after pass {row.passes}: "
            "remove it and train again."
        )
    if not errors:
        return None
    seconds = [sum(turn["seconds"] for turn in record.curve[: row.passes]) for record in found]
    return Measured(errors, runs.labels.size, found[0].parameters, float(np.mean(seconds)))


def _cells(row: Row, found: Measured | None, timed: Measured | None, known: Measured | None) -> list[str]:
    cells = [row.method, row.training_data, NONE if row.paper_pct is None else f"{row.paper_pct:g}"]
    if found:
        low, high = found.interval_pct
        cells += [f"{mean_sd_text(found.errors_pct)} ({len(found.errors_pct)})", f"{low:.2f} to {high:.2f}"]
    else:
        cells += ["not measured yet", NONE]
    cells += [f"{known.parameters:,}" if known else NONE, row.time_1998 or NONE]
    return [*cells, _time_text(timed.seconds) if timed else NONE]


def _data(row: Row, found: Measured | None, dataset: str) -> tuple[object, ...]:
    head = (row.method, row.training_data, row.paper_pct)
    if found is None:
        return (*head, *[None] * (len(DATA_COLUMNS) - len(head) - 1), dataset)
    mean, sd = mean_sd(found.errors_pct)
    rounded = (None if value is None else round(value, 4) for value in (mean, sd))
    interval = (round(bound, 4) for bound in found.interval_pct)
    seeds = len(found.errors_pct)
    return (*head, *rounded, seeds, *interval, found.parameters, round(found.seconds, 1), dataset)


def _own_text(own: Measured | None, runs: tuple[Record, ...], passes: int) -> str:
    if own is None:
        return NONE
    shorter = min(record.passes for record in runs)
    remark = f", {counted(shorter, 'pass', 'passes')}" if shorter < passes else ""
    return f"{mean_sd_text(own.errors_pct)} ({seeds_text(runs)}{remark})"


def _time_text(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _notes(recorded: Runs, local: Runs | None) -> tuple[str, ...]:
    notes = [
        "This is not the paper's Table I, which lists the connections of layer C3 (table c3 here). "
        "Every error is that of the last pass, never of the best.",
        "Recorded: mean ± standard deviation over the seeds, all on the same test digits. The interval is Wilson's for "
        "a test set of that size around the mean: how far the result would carry to other digits.",
    ]
    timed = local or recorded
    times = f"Training time, 1998: on one {paper.TRAINING_MACHINE}."
    if runs := [record for name in RECIPES for record in timed.of(name)]:
        times += f" {'Yours' if local else 'Now'}, mean over the seeds, without the evaluations: on {_machines(runs)}."
    notes.append(times)
    if compared := _compared_text(recorded):
        notes.append(compared)
    notes += [f"Recorded: {source_text(name, recorded)}" for name in RECIPES if recorded.of(name)]
    if local:
        notes += [f"Your run: {source_text(name, local)}" for name in RECIPES if local.of(name)]
    if local and local.dataset == "sample":
        notes.append(
            "Your run used the {}, {:,} digits to train and {:,} to test: it is no measure of the paper's numbers, "
            "which are on {:,} and {:,}.".format(local.title, *data.SAMPLE.counts, *data.MNIST.counts)
        )
    return tuple(notes)


@dataclass(frozen=True)
class Difference:
    """Two recipes on the same test digits, after their last passes."""

    name: str
    points: float  # between the means over the seeds
    p_seeds: float  # Welch's
    only_first: int  # digits that the first misreads with its first seed, and the second does not
    only_second: int
    p_digits: float  # McNemar's


def differences(recorded: Runs) -> list[Difference]:
    """Those that can be compared; no p-value is corrected."""
    found = []
    for name, one, other in COMPARED:
        ours, theirs = recorded.test_errors_pct(one), recorded.test_errors_pct(other)
        if (p := welch(ours, theirs)) is None:
            continue
        first, second = (recorded.of(recipe)[0].arrays["predictions"] != recorded.labels for recipe in (one, other))
        alone = (int(np.sum(a & ~b)) for a, b in ((first, second), (second, first)))
        found.append(Difference(name, float(np.mean(ours) - np.mean(theirs)), p, *alone, mcnemar(first, second)))
    return found


def _compared_text(recorded: Runs) -> str:
    """Which of the recorded means differ; empty where there is nothing to compare."""
    found = differences(recorded)
    if not found:
        return ""
    corrected = (holm([getattr(one, p) for one in found]) for p in ("p_seeds", "p_digits"))
    sentences = [
        f"{one.name[0].upper()}{one.name[1:]}: {one.points:+.2f} points, p = {p:.2g}; {one.only_first} digits against "
        f"{one.only_second}, p = {q:.2g}."
        for one, p, q in zip(found, *corrected, strict=True)
    ]
    about = (
        "Do the recorded means differ? By Welch's test over the seeds; with seed 0, by McNemar's exact test on the "
        "digits that only one of the two misreads. All after the last pass, with Holm's correction."
    )
    return " ".join([about, *sentences])


def _machines(runs: list[Record]) -> str:
    kinds = ((processor_text(record.provenance), record.provenance["threads"]) for record in runs)
    return "; ".join(dict.fromkeys(f"{processor}, {n} thread{'s' if n != 1 else ''}" for processor, n in kinds))
