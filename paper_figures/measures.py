"""The numbers that section III.B states about LeNet-5's runs, and how each is read out of our records, for table 3."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lenet1998 import paper
from lenet1998.records import Record
from lenet1998.verdicts import read_off, rounded
from paper_figures.runs import Runs

FIGURE_5_PASSES = (1, 5, 10, 20)  # the points of figure 5 that are compared

Values = Callable[[Runs], list[float]]  # one value for each run that has it


@dataclass(frozen=True)
class Scale:
    """How the values of a quantity are compared and printed."""

    unit: str
    form: str
    widest: float  # largest half-width of an interval that still tells something; of the logarithms for a ratio
    ratio: bool = False  # compared by logarithms: the mean is geometric, the deviation is that of the logarithms


PER_CENT = Scale("%", ".2f", 0.2)
ERRORS = Scale("errors", ".1f", 20)  # among 10,000 digits: the same 0.2 point
FACTOR = 1.25  # at the paper's 0.95%, 0.2 point is about as much
RATE = Scale("rate", ".1e", math.log(FACTOR), ratio=True)


@dataclass(frozen=True)
class Measure:
    """A number that the paper states once and every run of a recipe gives anew."""

    statement: str
    where: str
    paper: float | str
    stated: tuple[float, float]  # the paper's number with its rounding or resolution; from -inf for "at most"
    recipe: str
    values: Values
    scale: Scale = PER_CENT
    on_test_digits: bool = False
    steered: bool = False  # it had a part in the choice of the recipe


def measures() -> list[Measure]:
    """All of them, in the order of the paper."""
    return [*_rates(), *_regular_training(), *_figure_5(), *_distortions(), *_figure_6()]


def _rates() -> list[Measure]:
    named = zip(("smallest", "greatest"), ("rate_min", "rate_max"), paper.FIRST_PASS_RATES, strict=True)
    return [
        Measure(
            f"{name} effective rate, first pass",
            "III.B",
            rate,
            rounded(rate),
            "lenet5",
            after(1, "lenet5", quantity),
            RATE,
            steered=True,
        )
        for name, quantity, rate in named
    ]


def _regular_training() -> list[Measure]:
    before_last = paper.PASSES - 1  # "after 19 passes"
    around, at_latest = paper.STABLE_AFTER_PASSES
    # What figure 5 shows, if any two of its points were each read off by up to half its resolution.
    theirs = [test for _, _, test in paper.FIGURE_5[: paper.PASSES]]
    earliest, latest = (
        stable_from(theirs, paper.ERROR_UNCERTAINTY_PCT + sign * paper.FIGURE_5_RESOLUTION_PCT) for sign in (1, -1)
    )

    def stable(statement: str, where: str, first: int, last: int) -> Measure:
        return Measure(
            statement,
            where,
            f"{first} to {last}",
            (first - 0.5, last + 0.5),
            "lenet5",
            lambda runs: [stable_from(errors) for errors in test_curves(runs, "lenet5")],
            Scale("passes", ".1f", at_latest - around),
        )

    def rises(runs: Runs) -> list[float]:
        return [errors[-1] - errors[at_latest - 1] for errors in test_curves(runs, "lenet5")]

    return [
        Measure(
            "test error, %",
            "III.B",
            paper.TEST_ERROR_PCT,
            rounded(paper.TEST_ERROR_PCT),
            "lenet5",
            at_the_end("lenet5"),
            on_test_digits=True,
        ),
        stable("pass from which the test error is stable", "III.B", around, at_latest),
        stable("pass from which it is, by figure 5's points", "figure 5", earliest, latest),
        Measure(
            f"training error after pass {before_last}, %",
            "III.B",
            paper.TRAINING_ERROR_PCT,
            rounded(paper.TRAINING_ERROR_PCT),
            "lenet5",
            after(before_last, "lenet5", "on_the_fly_error_pct"),
            steered=True,
        ),
        Measure(
            f"over-training: rise after pass {at_latest}, points",
            "III.B",
            paper.OVER_TRAINING,
            (-math.inf, paper.ERROR_UNCERTAINTY_PCT),
            "lenet5",
            rises,
        ),
    ]


def _figure_5() -> list[Measure]:
    def point(what: str, number: int, error: float, values: Values, **rest: bool) -> Measure:
        stated = read_off(error, paper.FIGURE_5_RESOLUTION_PCT)
        return Measure(f"{what} error after pass {number}, %", "figure 5", error, stated, "lenet5", values, **rest)

    found = {number: errors for number, *errors in paper.FIGURE_5 if number in FIGURE_5_PASSES}
    training = [
        point("training", number, error, after(number, "lenet5", "on_the_fly_error_pct"), steered=True)
        for number, (error, _) in found.items()
    ]
    test = [
        point("test", number, error, after(number, "lenet5", "test_error_pct"), on_test_digits=True)
        for number, (_, error) in found.items()
    ]
    return [*training, *test]


def _distortions() -> list[Measure]:
    recipe = "lenet5-distorted"
    without, added = paper.TEST_ERROR_PCT, paper.DISTORTED_TEST_ERROR_PCT
    (without_low, without_high), (added_low, added_high) = rounded(without), rounded(added)

    def wrong(runs: Runs) -> list[float]:
        return [error * runs.labels.size / 100 for error in at_the_end(recipe)(runs)]

    def falls(runs: Runs) -> list[float]:
        last = [
            {record.seed: record.curve[-1]["test_error_pct"] for record in whole(runs, name)}
            for name in ("lenet5", recipe)
        ]
        return [last[0][seed] - last[1][seed] for seed in sorted(last[0].keys() & last[1].keys())]

    return [
        Measure(
            "test error with distortions, %",
            "III.B",
            added,
            (added_low, added_high),
            recipe,
            at_the_end(recipe),
            on_test_digits=True,
        ),
        Measure(
            "its fall by the distortions, points",
            "III.B",
            round(without - added, 2),
            (without_low - added_high, without_high - added_low),
            recipe,
            falls,
            Scale("points", ".2f", round((without - added) / 2, 3)),  # as wide as the fall, it tells of none
        ),
        Measure(
            "its misread test digits",
            "figure 8",
            paper.MISCLASSIFIED,
            rounded(paper.MISCLASSIFIED),
            recipe,
            wrong,
            ERRORS,
        ),
    ]


def _figure_6() -> list[Measure]:
    def point(what: str, error: float, recipe: str, values: Values, **rest: bool) -> Measure:
        return Measure(what, "figure 6", error, read_off(error, paper.FIGURE_6_RESOLUTION_PCT), recipe, values, **rest)

    found = []
    largest = max(patterns for patterns, _, _ in paper.FIGURE_6)
    for patterns, training, test in paper.FIGURE_6:
        recipe = "lenet5" if patterns == largest else f"lenet5-{patterns}"
        on_the_fly = after(paper.PASSES, recipe, "on_the_fly_error_pct")
        found += [
            point(
                f"training error, {patterns:,} patterns, %", training, recipe, on_the_fly, steered=recipe == "lenet5"
            ),
            point(f"test error, {patterns:,} patterns, %", test, recipe, at_the_end(recipe), on_test_digits=True),
        ]
    distorted = paper.FIGURE_6_DISTORTED_TEST_ERROR_PCT
    recipe = "lenet5-distorted"
    what = "test error, 60,000 and distortions, %"
    return [*found, point(what, distorted, recipe, at_the_end(recipe), on_test_digits=True)]


def after(number: int, recipe: str, quantity: str) -> Values:
    """One column of the learning curve after pass `number`, of the runs that went so far and measured it."""

    def values(runs: Runs) -> list[float]:
        found = [record.curve[number - 1][quantity] for record in runs.of(recipe) if record.passes >= number]
        return [value for value in found if value is not None]

    return values


def at_the_end(recipe: str) -> Values:
    """The test error in per cent after the paper's passes, recomputed from the predictions."""
    return lambda runs: runs.test_errors_pct(recipe, paper.PASSES)


def whole(runs: Runs, recipe: str) -> list[Record]:
    """The runs of a recipe that went through all the paper's passes."""
    return [record for record in runs.of(recipe) if record.passes == paper.PASSES]


def test_curves(runs: Runs, recipe: str) -> list[list[float]]:
    """The test error in per cent after every pass, of the whole runs that measured it."""
    curves = ([entry["test_error_pct"] for entry in record.curve] for record in whole(runs, recipe))
    return [errors for errors in curves if None not in errors]


def stable_from(errors_pct: Sequence[float], tolerance: float = paper.ERROR_UNCERTAINTY_PCT) -> int:
    """The first pass from which on the error stays within the paper's "about 0.1%" of that after the last."""
    # Differences of digits counted come out of float arithmetic as 0.1 and a little.
    far = [abs(error - errors_pct[-1]) > tolerance + 1e-9 for error in errors_pct]
    return max((number for number, is_far in enumerate(far, 1) if is_far), default=0) + 1
