import math
import statistics as standard_library

import numpy as np
import pytest

from lenet1998.statistics import holm, mcnemar, mean_sd, prediction_interval, welch, wilson


def test_wilson_is_the_formula_of_1927():
    z, n, errors = 1.959963984540054, 10_000, 95
    p = errors / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half_width = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert wilson(errors, n) == pytest.approx((100 * (centre - half_width), 100 * (centre + half_width)))


def test_wilson_is_two_tenths_wide_at_one_per_cent_of_10_000_digits():
    low, high = wilson(100, 10_000)
    assert 0.8 < low < 1.0 < high < 1.22
    assert high - 1.0 > 1.0 - low  # it is not symmetric
    assert wilson(0, 10_000)[0] == 0 < wilson(0, 10_000)[1]


def test_mean_and_sample_standard_deviation():
    values = [0.93, 1.02, 0.88, 0.97]
    assert mean_sd(values) == pytest.approx((standard_library.mean(values), standard_library.stdev(values)))
    assert mean_sd([0.95]) == (0.95, None)


def test_prediction_interval_of_three_runs():
    # Student's t for two degrees of freedom at 97.5% is 4.302653 in every table.
    half_width = 4.302653 * 1.0 * math.sqrt(1 + 1 / 3)
    assert prediction_interval([1.0, 2.0, 3.0]) == pytest.approx((2 - half_width, 2 + half_width), rel=1e-6)
    with pytest.raises(ValueError, match="two values"):
        prediction_interval([1.0])


def test_holm_in_the_order_given():
    # 3 x 0.01, 2 x 0.03, and 1 x 0.04, which is raised to the 0.06 before it.
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.5, 0.6]) == [1, 1]
    assert holm([0.05]) == [0.05] and holm([]) == []


def test_holm_rejects_what_his_steps_of_1979_reject():
    rng = np.random.default_rng(0)
    for _ in range(200):
        p_values = rng.uniform(0, 0.1, 6) ** 1.5
        rejected = set()
        for step, index in enumerate(sorted(range(6), key=lambda i: p_values[i])):
            if p_values[index] > 0.05 / (6 - step):
                break
            rejected.add(index)
        assert {i for i, p in enumerate(holm(p_values)) if p <= 0.05} == rejected


def test_welch_is_the_textbooks_formula():
    first, second = [1.0, 1.2, 0.9, 1.1], [1.4, 1.3, 1.9]
    a, b = (standard_library.variance(values) / len(values) for values in (first, second))
    statistic = (standard_library.mean(first) - standard_library.mean(second)) / math.sqrt(a + b)
    freedom = (a + b) ** 2 / (a**2 / 3 + b**2 / 2)

    def density(x: np.ndarray) -> np.ndarray:  # Student's
        constant = math.gamma((freedom + 1) / 2) / (math.sqrt(freedom * math.pi) * math.gamma(freedom / 2))
        return constant * (1 + x**2 / freedom) ** (-(freedom + 1) / 2)

    inside = np.linspace(-abs(statistic), abs(statistic), 100_001)
    assert welch(first, second) == pytest.approx(1 - np.trapezoid(density(inside), inside), abs=1e-8)
    assert welch([1.0], second) is None and welch([1.0, 1.0], [2.0, 2.0]) is None


def test_mcnemar_counts_the_digits_that_one_of_the_two_misreads():
    first, second = np.zeros((2, 100), bool)
    first[:13], second[10:15] = True, True  # ten alone, three together, two alone
    tail = sum(math.comb(12, k) for k in (0, 1, 2)) / 2**12
    assert mcnemar(first, second) == mcnemar(second, first) == pytest.approx(2 * tail)
    assert mcnemar(first, first) == 1
