"""The criterion on top of the last layer, as compiled functions of the trainer's memory.

A head has three: `criterion(memory, label, terms)` returns (loss, answer) and leaves the loss's derivatives where the
last layer's backward kernel finds them; `answer(memory)` only answers; `curvature(memory, squares, label, terms)`
leaves second derivatives in the block of squares. RBF units are fixed, so they are part of the head. Sums run in
float64.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from lenet1998.bitmaps import codes
from lenet1998.networks import RBF, Network
from lenet1998.online.plan import Plan
from lenet1998.recipes import SDLM, Criterion

compiled = njit(error_model="numpy")


@dataclass(frozen=True)
class Head:
    """The three compiled functions."""

    criterion: Any
    answer: Any
    curvature: Any


class Terms(NamedTuple):
    """The numbers of the criterion that a compiled head is given at run time."""

    competitive: bool  # equation 9 rather than 8; softmax cross-entropy rather than half squared error
    j: float
    exact: bool  # the exact diagonal at the top of the curvature sweep, rather than
    top: float  # a constant


def make_terms(network: Network, criterion: Criterion, steps: object) -> Terms:
    """The terms of a recipe's criterion; ValueError where criterion and output layer do not go together."""
    if isinstance(network.layers[-1], RBF) != (criterion.kind in ("mle", "map")):
        raise ValueError(f"the criterion {criterion.kind!r} does not fit the output layer of {network.name}")
    top = steps.top if isinstance(steps, SDLM) else 0.0
    exact = top == "exact"
    j = 0.0 if criterion.j is None else criterion.j
    return Terms(criterion.kind in ("map", "cross-entropy"), float(j), exact, 0.0 if exact else float(top))


def make_head(network: Network, plan: Plan) -> Head:
    """The compiled functions of the network's output layer."""
    output = network.layers[-1]
    return rbf_head(plan, output) if isinstance(output, RBF) else plain_head(plan)


def rbf_head(plan: Plan, layer: RBF) -> Head:
    """Equations 7, 8 and 9 on the states of F6; the answer is the class of smallest penalty."""
    last = plan.steps[-1]
    states, deltas, units = last.states_out.start, last.deltas_out.start, last.states_out.maps
    targets = codes(layer.characters)
    classes = len(targets)
    scale = 0.5 if layer.half else 1.0

    @compiled
    def penalties(memory):
        y = np.empty(classes)
        for c in range(classes):
            total = 0.0
            for u in range(units):
                difference = memory[states + u] - targets[c, u]
                total += difference * difference
            y[c] = scale * total
        return y

    @compiled
    def posterior(y, j):
        # The rubbish class has the constant penalty j; the smallest penalty is taken out before exponentiating.
        smallest = j
        for c in range(classes):
            smallest = min(smallest, y[c])
        p = np.empty(classes)
        total = math.exp(smallest - j)
        for c in range(classes):
            p[c] = math.exp(smallest - y[c])
            total += p[c]
        for c in range(classes):
            p[c] /= total
        return p, math.log(total) - smallest

    @compiled
    def criterion_of(memory, label, terms):
        y = penalties(memory)
        loss = y[label]
        pull = np.zeros(classes)
        pull[label] = 1.0
        if terms.competitive:
            p, log_total = posterior(y, terms.j)
            loss += log_total
            pull -= p
        for u in range(units):
            total = 0.0
            for c in range(classes):
                total += pull[c] * (memory[states + u] - targets[c, u])
            memory[deltas + u] = 2.0 * scale * total
        return loss, np.argmin(y)

    @compiled
    def answer(memory):
        return np.argmin(penalties(memory))

    @compiled
    def curvature(memory, squares, label, terms):
        if not terms.exact:
            for u in range(units):
                squares[deltas + u] = terms.top
        elif not terms.competitive:
            for u in range(units):
                squares[deltas + u] = 2.0 * scale
        else:
            p, _ = posterior(penalties(memory), terms.j)
            rubbish = 1.0 - p.sum()
            for u in range(units):
                mean = 0.0
                mean_square = 0.0
                for c in range(classes):
                    difference = memory[states + u] - targets[c, u]
                    mean += p[c] * difference
                    mean_square += p[c] * difference * difference
                squares[deltas + u] = 2.0 * scale * rubbish + 4.0 * scale * scale * (mean_square - mean * mean)

    return Head(criterion_of, answer, curvature)


def plain_head(plan: Plan) -> Head:
    """Ten outputs, the largest is the answer: half squared error against +-1, or softmax cross-entropy."""
    last = plan.steps[-1]
    states, deltas, units = last.states_out.start, last.deltas_out.start, last.states_out.maps

    @compiled
    def outputs(memory):
        y = np.empty(units)
        for u in range(units):
            y[u] = memory[states + u]
        return y

    @compiled
    def criterion_of(memory, label, terms):
        y = outputs(memory)
        if terms.competitive:
            p = np.exp(y - y.max())
            total = p.sum()
            loss = math.log(total) + y.max() - y[label]
            slope = p / total
            slope[label] -= 1.0
        else:
            slope = y + 1.0
            slope[label] -= 2.0
            loss = 0.5 * (slope * slope).sum()
        for u in range(units):
            memory[deltas + u] = slope[u]
        return loss, np.argmax(y)

    @compiled
    def answer(memory):
        return np.argmax(outputs(memory))

    @compiled
    def curvature(memory, squares, label, terms):
        if terms.exact and terms.competitive:
            y = outputs(memory)
            p = np.exp(y - y.max())
            p /= p.sum()
            for u in range(units):
                squares[deltas + u] = p[u] * (1.0 - p[u])
        else:
            for u in range(units):
                squares[deltas + u] = 1.0 if terms.exact else terms.top

    return Head(criterion_of, answer, curvature)
