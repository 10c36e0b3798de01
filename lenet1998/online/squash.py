"""Squashing functions as compiled scalar functions: value, slope from the state, and squared slope from its square.

The curvature sweep multiplies by the squared slope where back-propagation multiplies by the slope (equation 27), and
finds squares of states where back-propagation finds states.
"""

import math
from functools import partial

import numpy as np
from numba import njit

# Sums may be reordered, so that they run in vector registers; NaN and infinity keep their meaning.
FAST = {"reassoc", "nsz", "contract", "arcp"}


def tanh(dtype: str, amplitude: float = 1.7159, slope: float = 2 / 3):
    """A tanh(S a) of equation 6: exact in float64, in float32 a rational function within 5e-7 of it.

    With p/q the seventh convergent of Lambert's continued fraction for tanh(x/2), tanh(x) is 2pq / (p^2 + q^2). It
    has no branches, so whole rows go through it at once. (The same authors' later code has a rational function too.)
    """
    number = np.dtype(dtype).type
    half, twice = number(slope / 2), number(2 * amplitude)
    amplitude, slope = number(amplitude), number(slope)
    if dtype == "float64":

        @njit(inline="always")
        def value(a):
            return amplitude * math.tanh(slope * a)

    else:
        limit = number(4.5)
        p1, p3, p5 = number(135135), number(17325), number(378)
        q0, q2, q4, q6 = number(135135), number(62370), number(3150), number(28)

        @njit(inline="always")
        def value(a):
            x = min(max(half * a, -limit), limit)
            s = x * x
            p = x * (p1 + s * (p3 + s * (p5 + s)))
            q = q0 + s * (q2 + s * (q4 + s * q6))
            return twice * p * q / (p * p + q * q)

    square, ratio = amplitude * amplitude, slope / amplitude

    @njit(inline="always")
    def slope_at(state):
        return ratio * (square - state * state)

    @njit(inline="always")
    def squared_slope_at(squared_state):
        return (ratio * (square - squared_state)) ** 2

    return value, slope_at, squared_slope_at


def relu(dtype: str):
    """max(0, a)."""
    zero, one = np.dtype(dtype).type(0), np.dtype(dtype).type(1)

    @njit(inline="always")
    def value(a):
        return max(a, zero)

    @njit(inline="always")
    def slope_at(state):
        return one if state > zero else zero

    return value, slope_at, slope_at


def linear(dtype: str):
    """The sum itself."""
    one = np.dtype(dtype).type(1)

    @njit(inline="always")
    def value(a):
        return a

    @njit(inline="always")
    def slope_at(state):
        return one

    return value, slope_at, slope_at


SQUASH = {"tanh": tanh, "plain tanh": partial(tanh, amplitude=1.0, slope=1.0), "relu": relu, "linear": linear}
