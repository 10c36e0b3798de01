"""Whether a stated number was reproduced: the rule behind the last column of table 3.

The paper's test digits were ours too, so the question is whether its one run could be one of ours. Its value, with its
rounding or the resolution at which it was read off a figure, is held against where one more run of ours would fall
(`statistics.prediction_interval`, 95%):

- "reproduced": the two overlap, and the interval is narrow enough to say something;
- "undecided": they overlap but the interval is wider than that, or there are fewer than three runs;
- "not reproduced": they do not overlap;
- "cannot be tested": no run of ours can answer, for the reason that is given.

A count of something built is reproduced where it is equal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from lenet1998.statistics import prediction_interval

REPRODUCED = "reproduced"
NOT_REPRODUCED = "not reproduced"
UNDECIDED = "undecided"
CANNOT_BE_TESTED = "cannot be tested"
WORDS = (REPRODUCED, NOT_REPRODUCED, UNDECIDED, CANNOT_BE_TESTED)

FEWEST_RUNS = 3
_ROUNDING = 1e-9  # of float arithmetic: bounds that touch, overlap


@dataclass(frozen=True)
class Verdict:
    word: str  # one of WORDS
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.word}: {self.reason}" if self.reason else self.word


def rounded(printed: float) -> tuple[float, float]:
    """What is printed as this number: half a unit of its last digit either way, 0.945 to 0.955 for 0.95."""
    value = Decimal(repr(printed))
    half = Decimal((0, (5,), value.as_tuple().exponent - 1))
    return float(value - half), float(value + half)


def read_off(value: float, resolution: float) -> tuple[float, float]:
    """What a value read off a figure may stand for."""
    return value - resolution, value + resolution


def of_runs(stated: tuple[float, float], values: Sequence[float], widest: float) -> Verdict:
    """The verdict on a stated range of values by one value of each run; `widest` is the largest half-width that tells.

    All three in the same unit, logarithms for instance.
    """
    if len(values) < FEWEST_RUNS:
        return _few()
    low, high = prediction_interval(values)
    if high < stated[0] - _ROUNDING or low > stated[1] + _ROUNDING:
        return Verdict(NOT_REPRODUCED)
    if (high - low) / 2 > widest + _ROUNDING:
        return Verdict(UNDECIDED, "wide interval")
    return Verdict(REPRODUCED)


def at_most(limit: float, values: Sequence[float]) -> Verdict:
    """The verdict on "no more than that": reproduced where the whole interval is, not where none of it is."""
    if len(values) < FEWEST_RUNS:
        return _few()
    low, high = prediction_interval(values)
    if high <= limit + _ROUNDING:
        return Verdict(REPRODUCED)
    return Verdict(NOT_REPRODUCED) if low > limit + _ROUNDING else Verdict(UNDECIDED, "wide interval")


def of_counts(stated: Sequence[object], ours: Sequence[object]) -> Verdict:
    """The verdict on what can be counted: equal or not."""
    return Verdict(REPRODUCED if tuple(stated) == tuple(ours) else NOT_REPRODUCED)


def of_constants(stated: Sequence[float], ours: Sequence[float], tolerance: float) -> Verdict:
    """The verdict on numbers that do not vary from run to run: all of them within the tolerance."""
    near = (abs(a - b) <= tolerance + _ROUNDING for a, b in zip(stated, ours, strict=True))
    return Verdict(REPRODUCED if all(near) else NOT_REPRODUCED)


def _few() -> Verdict:
    return Verdict(UNDECIDED, f"fewer than {FEWEST_RUNS} runs")
