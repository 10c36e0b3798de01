"""How sure a number is. Errors go in and come out in per cent.

Two intervals that answer two questions. The paper's own digits were our test set too, so whether its one run could be
one of ours is asked of the spread over seeds: `prediction_interval`. How far a result would carry to other digits is
asked of the size of the test set: `wilson`. Two tests likewise: `welch` of two sets of seeds, `mcnemar` of two runs'
errors on the same digits; `holm` corrects either for several comparisons.
"""

from collections.abc import Sequence

import numpy as np

# scipy.stats is imported where it is used: it takes most of a second, and only the end of a job needs it.


def mean_sd(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and sample standard deviation (n - 1 below); None for the deviation of a single value."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None


def prediction_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Where one more run would fall: mean +- t * sd * sqrt(1 + 1/n); ValueError for fewer than two values."""
    from scipy.stats import t

    mean, sd = mean_sd(values)
    if sd is None:
        raise ValueError("a prediction interval needs at least two values")
    n = len(values)
    half_width = float(t.ppf((1 + confidence) / 2, n - 1)) * sd * (1 + 1 / n) ** 0.5
    return mean - half_width, mean + half_width


def wilson(errors: int, patterns: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval, in per cent, of the error rate behind `errors` wrong answers to `patterns` digits."""
    from scipy.stats import binomtest

    interval = binomtest(errors, patterns).proportion_ci(confidence, method="wilson")
    return 100 * float(interval.low), 100 * float(interval.high)


def welch(first: Sequence[float], second: Sequence[float]) -> float | None:
    """p-value of Welch's t-test, two-sided; None where there is no deviation to judge a difference by."""
    from scipy.stats import ttest_ind

    if min(len(first), len(second)) < 2 or len(set(first)) == len(set(second)) == 1:
        return None
    return float(ttest_ind(first, second, equal_var=False).pvalue)


def mcnemar(first_wrong: np.ndarray, second_wrong: np.ndarray) -> float:
    """p-value of McNemar's exact test, two-sided, of two methods' errors on the same digits, each (n,) bool.

    Only the digits that one of the two misreads count; 1 where there are none.
    """
    from scipy.stats import binomtest

    only_first, only_second = (
        int(np.sum(a & ~b)) for a, b in ((first_wrong, second_wrong), (second_wrong, first_wrong))
    )
    discordant = only_first + only_second
    return float(binomtest(only_first, discordant).pvalue) if discordant else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction of the p-values of several comparisons, in the order given; 1 at most."""
    order = np.argsort(p_values)
    stepped = np.asarray(p_values)[order] * np.arange(len(order), 0, -1)
    corrected = np.empty(len(order))
    # A comparison is never more certain than one with a smaller p-value.
    corrected[order] = np.minimum(np.maximum.accumulate(stepped), 1)
    return corrected.tolist()
