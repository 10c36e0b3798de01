"""The screening of the study: every crossed reading of what the paper leaves open, by its distance from figure 5."""

from collections import Counter
from pathlib import Path

import numpy as np

from lenet1998 import paper, study
from lenet1998.recipes import criterion_text
from lenet1998.records import Record
from paper_figures.runs import Runs, counted, mean_sd_text, revision_text, seeds_text, stem
from paper_figures.tables import Table, as_text, write

RECIPES = tuple(recipe.name for recipe in study.screening())
DATA_COLUMNS = (
    "recipe",
    "criterion",
    "weights",
    "top",
    "seeds",
    "first_pass_rate_min",
    "first_pass_rate_max",
    "rms_from_figure5_pct",
    "on_the_fly_pass1_pct",
    "on_the_fly_pass19_pct",
    "train_error_pct",
    "dataset",
)


def text(recorded: Runs, local: Runs | None = None) -> str:
    """The table for a terminal."""
    return as_text(table(local or recorded))


def make(recorded: Runs, out: Path, local: Runs | None = None) -> list[Path]:
    """Write the table into `out`, of a person's own runs where there are any."""
    return write([table(local or recorded)], out, stem("screening", local))


def table(runs: Runs) -> Table:
    found = {name: runs.of(name) for name in RECIPES if runs.of(name)}
    measured = sorted(
        ((distances(records), name) for name, records in found.items()), key=lambda pair: np.mean(pair[0])
    )
    cells, data = [], []
    for distance, name in measured:
        records = found[name]
        recipe = records[0].recipe
        weights, top = initial_text(recipe), top_text(recipe)
        rates = [float(np.mean([record.curve[0][key] for record in records])) for key in ("rate_min", "rate_max")]
        errors = [
            on_the_fly(records, 1),
            on_the_fly(records, 19),
            [record.curve[-1]["train_error_pct"] for record in records],
        ]
        criterion = criterion_text(recipe)
        printed = [mean_sd_text(values) if values else "–" for values in (distance, *errors)]
        cells.append((criterion, weights, top, f"{rates[0]:.1e} to {rates[1]:.1e}", *printed))
        means = [round(float(np.mean(values)), 4) if values else None for values in (distance, *errors)]
        data.append(
            (name, criterion, weights, top, len(records), *(float(f"{r:.3e}") for r in rates), *means, runs.dataset)
        )
    low, high = paper.FIRST_PASS_RATES
    first, last = paper.FIGURE_5[0][1], paper.TRAINING_ERROR_PCT
    paper_row = ("the paper", "", "", f"{low:.1e} to {high:.1e}", "0", f"{first:.2f}", f"{last:.2f}", "–")
    columns = (
        "criterion",
        "initial\nweights",
        "curvature\nat the top",
        "effective rates,\nfirst pass",
        "distance from\nfigure 5, %",
        "on the fly,\npass 1, %",
        "on the fly,\npass 19, %",
        "frozen,\nlast pass, %",
    )
    title = f"Screening of the readings that the paper leaves open, on {runs.digits}"
    return Table(title, columns, "lllrrrrr", (paper_row, *cells), DATA_COLUMNS, tuple(data), notes(found))


def distances(records: tuple[Record, ...]) -> list[float]:
    """Root-mean-square distance of each run's on-the-fly training error from figure 5, in points of per cent."""
    return [
        study.distance_from_figure5([entry["on_the_fly_error_pct"] for entry in record.curve]) for record in records
    ]


def on_the_fly(records: tuple[Record, ...], number: int) -> list[float]:
    """The on-the-fly training error of pass `number` of each run that has one, in per cent."""
    return [record.curve[number - 1]["on_the_fly_error_pct"] for record in records if record.passes >= number]


def initial_text(recipe: dict) -> str:
    initial = recipe["initialisation"]
    return f"±{initial['gain']:g}/" + ("√F" if initial["power"] == 0.5 else "F")


def top_text(recipe: dict) -> str:
    top = recipe["steps"]["top"]
    return "exact" if top == "exact" else f"{top:g}"


def notes(found: dict[str, tuple[Record, ...]]) -> tuple[str, ...]:
    records = [record for runs in found.values() for record in runs]
    chosen = study.CHOSEN.recipe.as_dict()
    lines = [
        "Ordered by the distance: root mean square, over passes 1 to 20, of the on-the-fly training error less that of "
        "figure 5. The rule that these runs serve was written down before them (lenet1998/study.py); none of them has "
        "read the test set. With several seeds: mean ± standard deviation.",
        f"Chosen, by the rule's first criterion: {criterion_text(chosen)}, weights within {initial_text(chosen)}, "
        f"curvature at the top {top_text(chosen)}.",
        "±2.4/F is the paper's letter: biases and subsampling coefficients are drawn like weights there, and elsewhere "
        "start at 0 and 0.5. Curvature at the top: the second derivative of the criterion in each state of F6.",
    ]
    if records:
        revisions = ", ".join(dict.fromkeys(revision_text(record.provenance) for record in records))
        counts = Counter(map(seeds_text, found.values()))
        recipes = ", ".join(f"{counted(n, 'recipe', 'recipes')} with {seeds}" for seeds, n in counts.most_common())
        lines.append(f"{recipes}; {records[0].engine} engine, {revisions}.")
    return tuple(lines)
