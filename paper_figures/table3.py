"""Table 3: every number that sections II and III.B state about LeNet-5, what was measured, and a verdict.

It is not a table of the paper. `lenet1998.verdicts` has the rule of the verdicts, `paper_figures.measures` what is read
out of the runs; the notes below the table repeat both.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from lenet1998 import data, paper, verdicts
from lenet1998.statistics import mean_sd, prediction_interval, wilson
from lenet1998.verdicts import CANNOT_BE_TESTED, NOT_REPRODUCED, UNDECIDED, WORDS, Verdict
from paper_figures import tablec3
from paper_figures.measures import ERRORS, FACTOR, FIGURE_5_PASSES, PER_CENT, Measure, measures, whole
from paper_figures.runs import Runs, mean_sd_text, processor_text, source_text, stem
from paper_figures.tables import Table, as_text, write

RECIPES = ("lenet5", "lenet5-15000", "lenet5-30000", "lenet5-distorted")
# What the two sections state and no row has, by its name in lenet1998.paper: a setting is no result.
LEFT_OUT = {
    "INPUT_SIZE": "the size of the input",
    "BACKGROUND": "the grey level of white",
    "INK": "the grey level of black",
    "SCHEDULE": "the learning rates",
    "MU": "mu",
    "CURVATURE_PATTERNS": "the patterns for the curvature",
    "PASSES": "the passes",
    "DISTORTED_PATTERNS": "the distorted patterns",
    "DISTORTED_VISITS": "the visits to each of them",
}
ROUGHLY = 0.1  # how far from a number that is stated without digits still agrees with it
NONE = "–"
DATA_COLUMNS = (
    "statement",
    "where",
    "paper",
    "paper_low",
    "paper_high",
    "ours",
    "sd",
    "runs",
    "one_more_low",
    "one_more_high",
    "wilson_low",
    "wilson_high",
    "unit",
    "steered_the_choice",
    "recipe",
    "verdict",
    "reason",
    "dataset",
)


@dataclass(frozen=True)
class Entry:
    """One statement of the paper and what came of it."""

    statement: str
    where: str
    paper: str  # this and the next three as printed
    ours: str
    verdict: Verdict
    one_more: str = NONE
    other_digits: str = NONE
    steered: bool = False
    numbers: dict[str, Any] = field(default_factory=dict)  # the other columns of the CSV

    @property
    def cells(self) -> tuple[str, ...]:
        statement = self.statement + "*" * self.steered
        return statement, self.where, self.paper, self.ours, self.one_more, self.other_digits, str(self.verdict)

    @property
    def data(self) -> tuple[object, ...]:
        known = self.numbers | {
            "statement": self.statement,
            "where": self.where,
            "steered_the_choice": int(self.steered),
            "verdict": self.verdict.word,
            "reason": self.verdict.reason or None,
        }
        values = (known.get(column) for column in DATA_COLUMNS)
        return tuple(float(f"{value:.6g}") if isinstance(value, float) else value for value in values)


def text(recorded: Runs, local: Runs | None = None) -> str:
    """The table for a terminal."""
    return as_text(table(local or recorded, own=local is not None))


def make(recorded: Runs, out: Path, local: Runs | None = None) -> list[Path]:
    """Write the table into `out`, of a person's own runs where there are any."""
    return write([table(local or recorded, own=local is not None)], out, stem("table3", local))


def table(runs: Runs, own: bool = False) -> Table:
    sections = {"II": section_ii(), "III.B": section_iii(runs)}
    entries = [entry for found in sections.values() for entry in found]
    title = "What sections II and III.B state about LeNet-5, and what was measured"
    if own:
        title += f"; your run: {runs.title}"
    ours = f"{'your run' if own else 'ours'},\n{runs.title}\n(runs)"
    columns = ("statement", "where", "paper", ours, "one more\nrun of ours,\n95%", "other\ndigits,\n95%", "verdict")
    return Table(
        title,
        columns,
        "llrrrrl",
        tuple(entry.cells for entry in entries),
        DATA_COLUMNS,
        tuple(entry.data for entry in entries),
        (summary(sections), *notes(runs, own)),
    )


# --- Section II: counted in the network that is built, or computed ---------------------------------------------------


def section_ii() -> list[Entry]:
    """Layers, squashing function and grey levels; no run has a say in them."""
    from lenet1998.layers import LeNet5, ScaledTanh, audit  # torch takes a second

    network = LeNet5()
    layers = audit(network, paper.INPUT_SIZE)
    grid = [mark for _, *row in tablec3.connections(network.C3.table).rows for mark in row]
    printed = [mark for row in paper.TABLE_I for mark in row.split()]
    alike = sum(ours == theirs for ours, theirs in zip(grid, printed, strict=True))
    c1, s2, c3, *_ = layers
    # Neighbouring units of C3 look at places as far apart as neighbouring units of S2 do.
    side = c3.rows * (c1.rows // s2.rows)
    fixed = [layer.layer for layer in layers if not layer.parameters]

    arguments, values = zip(*paper.SQUASHED, strict=True)
    squashed = [ScaledTanh.A * math.tanh(ScaledTanh.S * a) for a in arguments]
    # tanh'' is -2 tanh (1 - tanh^2), whose absolute value is greatest where tanh^2 is a third.
    sharpest = math.atanh(3**-0.5) / ScaledTanh.S
    constants = (paper.SQUASH_AMPLITUDE, paper.SQUASH_SLOPE), (ScaledTanh.A, ScaledTanh.S)
    mean, variance = input_moments()
    return [
        *_layers(tablec3.counts(layers).data),
        counted("Table I: marks that agree", "II.B", [len(printed)], [alike]),
        counted(
            "layers, all with trainable parameters",
            "II.B",
            [paper.TRAINABLE_LAYERS],
            [len(layers) - len(fixed)],
            f"the {', '.join(fixed)} has none",
        ),
        counted("centres of C3's fields, pixels a side", "II.B", [paper.C3_FIELD_CENTRES], [side]),
        computed("A; S of equation 6", "II.B", *constants, tolerance=0, form=".5g"),
        computed("; ".join(f"f({a})" for a in arguments), "app. A", values, squashed),
        computed("second derivative of f greatest at ±", "app. A", [paper.SHARPEST_AT], [sharpest]),
        computed("mean of the input, roughly", "II.B", [paper.INPUT_MEAN], [mean]),
        computed("variance of the input, roughly", "II.B", [paper.INPUT_VARIANCE], [variance]),
    ]


@cache
def input_moments() -> tuple[float, float]:
    """Mean and variance of the grey levels of the sample's padded training digits."""
    grey = data.grey_levels(data.load("sample").train.images, dtype=np.float64)
    return float(grey.mean()), float(grey.var())


def _layers(counts: Sequence[tuple]) -> list[Entry]:
    """An entry for what the paper states of each layer and of all of them, and one for the sizes of the layers."""
    stated_sizes = {name: size for name, size, *_ in paper.LAYERS}
    sizes = [built == stated_sizes[name] for name, built, *_ in counts if name in stated_sizes]
    found = [counted("layers whose maps agree, number and size", "II.B", [len(stated_sizes)], [sum(sizes)])]
    for name, _, *ours, parameters, connections in counts:
        columns = zip(("parameters", "connections"), (parameters, connections), ours, strict=True)
        if known := [column for column in columns if column[1] is not None]:
            what, theirs, own = zip(*known, strict=True)
            found.append(counted(f"{name}: {'; '.join(what)}", "II.B", theirs, own))
    return found


def counted(statement: str, where: str, stated: Sequence, ours: Sequence, difference: str = "") -> Entry:
    """An entry of counts; `difference` says why they are not equal, where they are not."""
    verdict = verdicts.of_counts(stated, ours)
    if verdict.word == NOT_REPRODUCED:
        verdict = Verdict(NOT_REPRODUCED, difference)
    theirs, own = ("; ".join(f"{n:,}" if isinstance(n, int) else n for n in side) for side in (stated, ours))
    return Entry(statement, where, theirs, own, verdict, numbers=_numbers(stated, ours, "count"))


def computed(
    statement: str,
    where: str,
    stated: Sequence[float],
    ours: Sequence[float],
    tolerance: float = ROUGHLY,
    form: str = ".3g",
) -> Entry:
    """An entry of numbers that do not vary from run to run."""
    verdict = verdicts.of_constants(stated, ours, tolerance)
    theirs, own = ("; ".join(f"{n:{form}}" for n in side) for side in (stated, ours))
    return Entry(statement, where, theirs, own, verdict, numbers=_numbers(stated, ours, "number"))


def _numbers(stated: Sequence, ours: Sequence, unit: str) -> dict[str, str]:
    theirs, own = ("; ".join(f"{n:.8g}" if isinstance(n, float) else str(n) for n in side) for side in (stated, ours))
    return {"paper": theirs, "ours": own, "unit": unit}


# --- Section III.B: measured in runs ---------------------------------------------------------------------------------


def section_iii(runs: Runs) -> list[Entry]:
    return [*(assessed(measure, runs) for measure in measures()), training_time(runs)]


def assessed(measure: Measure, runs: Runs) -> Entry:
    """What the runs say about a number; "not measured yet" without any."""
    scale, values = measure.scale, measure.values(runs)
    low, high = (bound if math.isfinite(bound) else None for bound in measure.stated)
    numbers = {"paper_low": low, "paper_high": high, "unit": scale.unit, "recipe": measure.recipe}
    if not isinstance(measure.paper, str):
        numbers["paper"] = measure.paper
    printed = measure.paper if isinstance(measure.paper, str) else f"{measure.paper:g}"
    head = (measure.statement, measure.where, printed)
    if not values:
        verdict = verdict_on(measure, runs, values)
        return Entry(*head, "not measured yet", verdict, steered=measure.steered, numbers=numbers)

    (mean, sd), interval = spread(measure, values)
    numbers |= {"ours": mean, "sd": sd, "runs": len(values), "dataset": runs.dataset}
    ours = f"{mean:{scale.form}}"
    if sd is not None:
        ours += f" ± {100 * sd:.0f}%" if scale.ratio else f" ± {sd:{scale.form}}"
    one_more = other_digits = NONE
    if interval:
        numbers |= zip(("one_more_low", "one_more_high"), interval, strict=True)
        one_more = " to ".join(f"{bound:{scale.form}}" for bound in interval)
    if measure.on_test_digits:
        digits = runs.labels.size
        bounds = wilson(round(mean * digits / 100), digits)
        numbers |= zip(("wilson_low", "wilson_high"), bounds, strict=True)
        other_digits = " to ".join(f"{bound:{scale.form}}" for bound in bounds)
    ours = f"{ours} ({len(values)})"
    return Entry(*head, ours, verdict_on(measure, runs, values), one_more, other_digits, measure.steered, numbers)


def spread(measure: Measure, values: Sequence[float]) -> tuple[tuple[float, float | None], tuple[float, float] | None]:
    """Mean and deviation of the values, and where one more run would fall where there are two."""
    into, back = (np.log, np.exp) if measure.scale.ratio else (np.asarray, np.asarray)
    mean, sd = mean_sd(into(values))
    interval = tuple(float(back(b)) for b in prediction_interval(into(values))) if len(values) > 1 else None
    return (float(back(mean)), sd), interval


def verdict_on(measure: Measure, runs: Runs, values: Sequence[float]) -> Verdict:
    if runs.dataset == "sample":
        return Verdict(CANNOT_BE_TESTED, "not the paper's digits")
    if not values:
        return Verdict(UNDECIDED, "no runs")
    low, high = measure.stated
    if math.isinf(low):
        return verdicts.at_most(high, values)
    if measure.scale.ratio:
        return verdicts.of_runs((math.log(low), math.log(high)), np.log(values), measure.scale.widest)
    return verdicts.of_runs((low, high), values, measure.scale.widest)


def training_time(runs: Runs) -> Entry:
    """How long a run took, beside how long it took then."""
    minutes = [sum(entry["seconds"] for entry in record.curve) / 60 for record in whole(runs, "lenet5")]
    numbers = {"paper": paper.TRAINING_TIME, "unit": "minutes", "recipe": "lenet5"}
    if minutes:
        mean, sd = mean_sd(minutes)
        numbers |= {"ours": mean, "sd": sd, "runs": len(minutes), "dataset": runs.dataset}
    ours = f"{mean_sd_text(minutes)} min ({len(minutes)})" if minutes else "not measured yet"
    verdict = Verdict(CANNOT_BE_TESTED, "no such machine here")
    statement = f"training time on one {paper.TRAINING_MACHINE}"
    return Entry(statement, "III.D", paper.TRAINING_TIME, ours, verdict, numbers=numbers)


# --- Notes -----------------------------------------------------------------------------------------------------------


def summary(sections: dict[str, list[Entry]]) -> str:
    """How many statements have which verdict, as in "Section II: 16 reproduced, 2 not reproduced."."""
    sentences = []
    for name, entries in sections.items():
        counts = Counter(entry.verdict.word for entry in entries)
        sentences.append(
            f"Section {name}: " + ", ".join(f"{counts[word]} {word}" for word in WORDS if counts[word]) + "."
        )
    return " ".join(sentences)


def notes(runs: Runs, own: bool) -> tuple[str, ...]:
    around, at_latest = paper.STABLE_AFTER_PASSES
    tolerance = f"{paper.ERROR_UNCERTAINTY_PCT:g} point"
    lines = [
        "It is not a table of the paper. A number that runs give is reproduced where the paper's, with its rounding "
        "(0.95 is 0.945 to 0.955) or the resolution with which it was read off a figure "
        f"({paper.FIGURE_5_RESOLUTION_PCT:g} and {paper.FIGURE_6_RESOLUTION_PCT:g} points), overlaps the interval of "
        f"one more run of ours, mean ± t sd sqrt(1 + 1/n), which is no wider than ±{PER_CENT.widest:g} point "
        f"({ERRORS.widest} errors, {at_latest - around} passes, half of the stated fall by the distortions, a factor "
        f"of {FACTOR:g} for rates, which are compared by their logarithms; what is stated approximately counts as "
        "printed). Beside training errors that is much. Undecided: they overlap but it is wider, or there are fewer "
        f"than {verdicts.FEWEST_RUNS} runs. Not reproduced: no overlap.",
        "The paper's test digits are ours too, so the question is whether its one run could be one of ours, not "
        "whether our mean is its number; at 95% one true statement in twenty is missed by chance. Other digits: "
        "Wilson's interval around our mean for a test set of that size, the uncertainty about other digits than these. "
        "It has no part in the verdicts.",
        f"Counts, A and S are equal or not. What is stated roughly, and appendix A, holds within {ROUGHLY:g}. The "
        "centres of C3's fields stand 2 pixels apart, 10 a side, and each counts with its 2 pixels. Mean and variance "
        f"of the input are those of the {data.SAMPLE.counts[0]:,} training digits that ship with the package; those of "
        f"all {data.MNIST.counts[0]:,} differ by less than 0.001.",
        "Training errors are on the fly. Figure 6 does not say how its own were measured; the last of them is the "
        f"text's. Stable: the first pass from which on the test error stays within {tolerance} (the paper's own "
        f'uncertainty) of that after pass {paper.PASSES}; the text says "around {around}", the caption of figure 5 '
        f'"{around} to {at_latest}", and its points, by this measure, less. Over-training: the test error '
        f"after pass {paper.PASSES} less that after pass {at_latest}, reproduced where the whole interval is at most "
        f"{tolerance}. Fall by the distortions: the test error without them less that with them, ours by seed. The sd "
        "of a rate is that of its logarithm.",
        "*: no independent test. The recipe was chosen, among readings of what the paper leaves open, by figure 5's "
        "training error, and weights within ±1.2/√F were among these readings because their effective rates come near "
        "the paper's. No other row had a part in the choice.",
        f"Left out, as settings: {', '.join(LEFT_OUT.values())}. Of figure 5's {len(paper.FIGURE_5)} points, one more "
        f"than there are passes, those after passes {', '.join(map(str, FIGURE_5_PASSES))} are compared. Statements "
        "that repeat one measurement count each.",
    ]
    who = "Your run" if own else "Ours"
    lines += [f"{who}: {source_text(name, runs)}" for name in RECIPES if runs.of(name)]
    if timed := whole(runs, "lenet5"):
        processors = "; ".join(dict.fromkeys(processor_text(record.provenance) for record in timed))
        lines.append(f"Training time, without the evaluations: on one core of {processors}.")
    if runs.dataset == "sample":
        lines.append(
            f"The {runs.title} has {{:,}} digits to train and {{:,}} to test: there is no verdict on what the paper "
            "measured with {:,} and {:,}.".format(*data.SAMPLE.counts, *data.MNIST.counts)
        )
    return tuple(lines)
