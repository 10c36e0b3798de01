import math
import statistics as standard_library

import pytest

from lenet1998.statistics import mean_sd, prediction_interval, wilson


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
