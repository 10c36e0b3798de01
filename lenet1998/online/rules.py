"""What is done with a layer's derivatives: the update rules, and the sums of the curvature sweep."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lenet1998.online.squash import FAST

DESCEND, ADAM, ACCUMULATE = 0, 1, 2


class Update(NamedTuple):
    """What an update needs beside the weights."""

    rule: int  # DESCEND, ADAM or ACCUMULATE
    rates: np.ndarray  # one effective rate per parameter; with ACCUMULATE the sums
    moments: np.ndarray  # (2, parameters) with ADAM, else (2, 0)
    adam: np.ndarray  # (6,) float64: beta1, beta2, epsilon, steps taken so far, and this step's bias corrections
    derivatives: np.ndarray  # scratch space for those of one layer


@njit(fastmath=FAST, error_model="numpy")
def apply(update, start, count, weights):
    """Use the derivatives of parameters `start` .. `start + count`.

    DESCEND is equation 18, one rate per parameter, which SDLM estimates and plain SGD makes all the same; ADAM steps
    as torch.optim.Adam does; ACCUMULATE adds the derivatives up and leaves the weights alone.
    """
    derivatives = update.derivatives
    rates = update.rates[start : start + count]
    w = weights[start : start + count]
    if update.rule == DESCEND:
        for i in range(count):
            w[i] -= rates[i] * derivatives[i]
    elif update.rule == ACCUMULATE:
        for i in range(count):
            rates[i] += derivatives[i]
    else:
        number = weights.dtype.type
        first = update.moments[0, start : start + count]
        second = update.moments[1, start : start + count]
        beta1, rest1 = number(update.adam[0]), number(1 - update.adam[0])
        beta2, rest2 = number(update.adam[1]), number(1 - update.adam[1])
        epsilon, step1, step2 = number(update.adam[2]), number(update.adam[4]), number(update.adam[5])
        for i in range(count):
            d = derivatives[i]
            first[i] = beta1 * first[i] + rest1 * d
            second[i] = beta2 * second[i] + rest2 * d * d
            w[i] -= rates[i] * step1 * first[i] / (np.sqrt(second[i]) * step2 + epsilon)


@njit
def count_step(update):
    """Count an update, and set Adam's bias corrections for it."""
    if update.rule == ADAM:
        adam = update.adam
        adam[3] += 1.0
        adam[4] = 1.0 / (1.0 - adam[0] ** adam[3])
        adam[5] = 1.0 / (1.0 - adam[1] ** adam[3]) ** 0.5
