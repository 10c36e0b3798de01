"""The layer kinds: each a pair of compiled functions, forward and backward, specialised on the layer's sizes.

forward(weights, memory) computes a layer's states from the states below. backward(weights, memory, update, sweep)
turns the derivatives of its states into those of its weighted sums, passes derivatives down, and has the parameters
updated at once, so that no gradient of the whole network is ever stored.

The curvature sweep is the same backward pass on squared weights and squared states: equations 23, 25 and 27 are
back-propagation with every factor squared, so a layer kind is written once. `sweep` says which of the two it is.

Sizes are closure constants: numba freezes them, and LLVM then unrolls the taps and vectorises along the rows.
"""

import numpy as np
from numba import njit

from lenet1998.networks import Convolution, FullyConnected, Subsampling
from lenet1998.online.plan import Step, is_dense, padded
from lenet1998.online.rules import DESCEND, apply
from lenet1998.online.squash import FAST, SQUASH

# What a backward sweep carries: first derivatives, or curvature with one of two readings of the subsampling
# coefficient's (equation 23 read literally, or what the same authors' later code does).
GRADIENT, SUM_OF_SQUARES, SQUARE_OF_SUM = 0, 1, 2

CACHED = 4096  # numbers that stay in the nearest cache

compiled = njit(fastmath=FAST, error_model="numpy")


def forward_kernel(step: Step, dtype: str):
    """The compiled forward(weights, memory) of one layer."""
    layer = step.layer
    value = SQUASH[layer.squash](dtype)[0]
    if isinstance(layer, Subsampling):
        return subsampling_forward(step, value, dtype)
    if is_dense(layer, step.states_in.rows, step.states_in.columns):
        return dense_forward(step, value)
    return convolution_forward(step, value)


def backward_kernel(step: Step, dtype: str):
    """The compiled backward(weights, memory, update, sweep) of one layer."""
    layer = step.layer
    apply_slope = slope_kernel(step, dtype)
    if isinstance(layer, Subsampling):
        return subsampling_backward(step, apply_slope, dtype)
    if is_dense(layer, step.states_in.rows, step.states_in.columns):
        return dense_backward(step, apply_slope)
    return convolution_backward(step, apply_slope, dtype)


def kernel_pairs(layer: Convolution, maps_in: int) -> np.ndarray:
    """(kernels, 2): the map that each kernel adds to and the input map it reads, in the order of the parameters."""
    table = layer.table or (tuple(range(maps_in)),) * layer.maps
    return np.array([(m, source) for m, sources in enumerate(table) for source in sources])


def slope_kernel(step: Step, dtype: str):
    """Compiled: multiply the derivatives of the layer's states by the slope of the squashing function, in place."""
    length, states, deltas = step.states_out.length, step.states_out.start, step.deltas_out.start
    _, slope, squared_slope = SQUASH[step.layer.squash](dtype)

    @compiled
    def apply_slope(memory, sweep):
        state = memory[states : states + length]
        delta = memory[deltas : deltas + length]
        if sweep == GRADIENT:
            for i in range(length):
                delta[i] *= slope(state[i])
        else:
            for i in range(length):
                delta[i] *= squared_slope(state[i])

    return apply_slope


# --- convolutions ------------------------------------------------------------------------------------------------


def convolution_forward(step: Step, value):
    below, made = step.states_in, step.states_out
    kernel, pairs = step.layer.kernel, kernel_pairs(step.layer, step.states_in.maps)
    first, maps, plane, pitch, taps = pairs[:, 0].copy(), made.maps, made.plane, made.pitch, kernel * kernel
    source = pairs[:, 1].copy()
    kernels = len(pairs)
    length, copy, scratch = below.length, padded(below.length), step.scratch
    below_start, below_plane, made_start = below.start, below.plane, made.start
    weight, bias = step.weight, step.bias

    @compiled
    def forward(weights, memory):
        # One copy of the input per column of the kernel, shifted, so that every tap reads whole aligned vectors.
        for shift in range(kernel):
            shifted = memory[scratch + shift * copy : scratch + shift * copy + length]
            states = memory[below_start + shift : below_start + shift + length]
            for i in range(length):
                shifted[i] = states[i]
        for m in range(maps):
            out = memory[made_start + m * plane : made_start + (m + 1) * plane]
            b = weights[bias + m]
            for i in range(plane):
                out[i] = b
        for k in range(kernels):
            out = memory[made_start + first[k] * plane : made_start + (first[k] + 1) * plane]
            start = scratch + source[k] * below_plane
            rows = memory[start : start + kernel * copy]
            w = weights[weight + k * taps : weight + (k + 1) * taps]
            for i in range(plane):
                total = out[i]
                for y in range(kernel):
                    for x in range(kernel):
                        total += w[y * kernel + x] * rows[x * copy + y * pitch + i]
                out[i] = total
        out = memory[made_start : made_start + maps * plane]
        for i in range(maps * plane):
            out[i] = value(out[i])

    return forward


def convolution_backward(step: Step, apply_slope, dtype: str):
    below, made = step.states_in, step.states_out
    kernel, pairs = step.layer.kernel, kernel_pairs(step.layer, step.states_in.maps)
    first, maps, plane, pitch, taps = pairs[:, 0].copy(), made.maps, made.plane, made.pitch, kernel * kernel
    source = pairs[:, 1].copy()
    kernels = len(pairs)
    copy, scratch, below_plane = padded(below.length), step.scratch, below.plane
    deltas, deltas_in, length, weight = step.deltas_out.start, step.deltas_in.start, below.length, step.weight
    margin = (kernel - 1) * pitch
    tall_plane = plane + 2 * margin
    tall, tall_copy = scratch + kernel * copy, padded(maps * tall_plane)
    passes_down = step.index > 0
    zero = np.dtype(dtype).type(0)

    @compiled
    def backward(weights, memory, update, sweep):
        apply_slope(memory, sweep)
        derivatives = update.derivatives
        if passes_down:
            for shift in range(kernel):
                for m in range(maps):
                    start = tall + shift * tall_copy + m * tall_plane + margin
                    shifted = memory[start + shift : start + plane]
                    delta = memory[deltas + m * plane : deltas + (m + 1) * plane]
                    for i in range(plane - shift):
                        shifted[i] = delta[i]
            down = memory[deltas_in : deltas_in + length]
            for i in range(length):
                down[i] = 0
            for k in range(kernels):
                out = memory[deltas_in + source[k] * below_plane : deltas_in + (source[k] + 1) * below_plane]
                start = tall + first[k] * tall_plane
                rows = memory[start : start + kernel * tall_copy]
                w = weights[weight + k * taps : weight + (k + 1) * taps]
                for i in range(below_plane):
                    total = out[i]
                    for y in range(kernel):
                        for x in range(kernel):
                            total += w[y * kernel + x] * rows[x * tall_copy + margin - y * pitch + i]
                    out[i] = total
        for m in range(maps):
            delta = memory[deltas + m * plane : deltas + (m + 1) * plane]
            total = zero
            for i in range(plane):
                total += delta[i]
            derivatives[kernels * taps + m] = total
        for k in range(kernels):
            delta = memory[deltas + first[k] * plane : deltas + (first[k] + 1) * plane]
            start = scratch + source[k] * below_plane
            for y in range(kernel):
                at = k * taps + y * kernel
                if kernel == 5:
                    # Five sums at a time, so that each derivative is loaded once for a whole row of taps.
                    rows = memory[start + y * pitch : start + y * pitch + 4 * copy + plane]
                    d0, d1, d2, d3, d4 = zero, zero, zero, zero, zero
                    for i in range(plane):
                        d = delta[i]
                        d0 += d * rows[i]
                        d1 += d * rows[i + copy]
                        d2 += d * rows[i + 2 * copy]
                        d3 += d * rows[i + 3 * copy]
                        d4 += d * rows[i + 4 * copy]
                    derivatives[at] = d0
                    derivatives[at + 1] = d1
                    derivatives[at + 2] = d2
                    derivatives[at + 3] = d3
                    derivatives[at + 4] = d4
                else:
                    for x in range(kernel):
                        row = memory[start + x * copy + y * pitch : start + x * copy + y * pitch + plane]
                        total = zero
                        for i in range(plane):
                            total += delta[i] * row[i]
                        derivatives[at + x] = total
        apply(update, weight, kernels * taps + maps, weights)

    return backward


# --- subsampling and average pooling -------------------------------------------------------------------------------


def subsampling_forward(step: Step, value, dtype: str):
    below, made, trainable = step.states_in, step.states_out, step.layer.trainable
    table = np.array(step.layer.table or range(made.maps))
    maps, rows, width, pitch, pitch_in = made.maps, made.rows, row_width(step), made.pitch, below.pitch
    start_in, plane_in, start, plane = below.start, below.plane, made.start, made.plane
    scratch, weight, bias = step.scratch, step.weight, step.bias
    share, zero = np.dtype(dtype).type(input_share(step)), np.dtype(dtype).type(0)

    @compiled
    def forward(weights, memory):
        for m in range(maps):
            c = weights[weight + m] * share if trainable else share
            b = weights[bias + m] if trainable else zero
            for y in range(rows):
                at = start_in + table[m] * plane_in + 2 * y * pitch_in
                upper = memory[at : at + 2 * width]
                lower = memory[at + pitch_in : at + pitch_in + 2 * width]
                at = m * plane + y * pitch
                sums = memory[scratch + at : scratch + at + width]
                out = memory[start + at : start + at + width]
                for x in range(width):
                    total = (upper[2 * x] + lower[2 * x]) + (upper[2 * x + 1] + lower[2 * x + 1])
                    sums[x] = total
                    out[x] = value(c * total + b)

    return forward


def input_share(step: Step) -> float:
    """What each of the four inputs counts before the coefficient."""
    return 1 / 4 if step.layer.average or not step.layer.trainable else 1.0


def row_width(step: Step) -> int:
    """Columns of a subsampled row that are computed: whole vectors where the row below is long enough."""
    made = step.states_out
    return made.pitch if step.states_in.pitch >= 2 * made.pitch else made.columns


def subsampling_backward(step: Step, apply_slope, dtype: str):
    below, made, trainable = step.states_in, step.states_out, step.layer.trainable
    table = np.array(step.layer.table or range(made.maps))
    maps, rows, width, pitch, pitch_in = made.maps, made.rows, row_width(step), made.pitch, below.pitch
    start_in, deltas_in, plane_in, plane = below.start, step.deltas_in.start, below.plane, made.plane
    deltas, scratch, weight, length = step.deltas_out.start, step.scratch, step.weight, below.length
    shared, passes_down = len(set(table.tolist())) < maps, step.index > 0
    number = np.dtype(dtype).type
    share, squared_share, zero = number(input_share(step)), number(input_share(step) ** 2), number(0)

    @compiled
    def backward(weights, memory, update, sweep):
        apply_slope(memory, sweep)
        derivatives = update.derivatives
        if shared and passes_down:
            down = memory[deltas_in : deltas_in + length]
            for i in range(length):
                down[i] = 0
        for m in range(maps):
            factor = share if sweep == GRADIENT else squared_share
            c = weights[weight + m] * factor if trainable else factor
            of_coefficient = zero
            of_bias = zero
            for y in range(rows):
                at = m * plane + y * pitch
                delta = memory[deltas + at : deltas + at + width]
                sums = memory[scratch + at : scratch + at + width]
                at = table[m] * plane_in + 2 * y * pitch_in
                if trainable and sweep == SUM_OF_SQUARES:
                    # Memory holds squares here, and each of the four inputs is a connection of its own.
                    upper = memory[start_in + at : start_in + at + 2 * width]
                    lower = memory[start_in + at + pitch_in : start_in + at + pitch_in + 2 * width]
                    for x in range(width):
                        total = (upper[2 * x] + lower[2 * x]) + (upper[2 * x + 1] + lower[2 * x + 1])
                        of_coefficient += delta[x] * total
                        of_bias += delta[x]
                elif trainable:
                    for x in range(width):
                        of_coefficient += delta[x] * sums[x]
                        of_bias += delta[x]
                if passes_down:
                    upper = memory[deltas_in + at : deltas_in + at + 2 * width]
                    lower = memory[deltas_in + at + pitch_in : deltas_in + at + pitch_in + 2 * width]
                    if shared:
                        for x in range(width):
                            d = c * delta[x]
                            upper[2 * x] += d
                            upper[2 * x + 1] += d
                            lower[2 * x] += d
                            lower[2 * x + 1] += d
                    else:
                        for x in range(width):
                            d = c * delta[x]
                            upper[2 * x] = d
                            upper[2 * x + 1] = d
                            lower[2 * x] = d
                            lower[2 * x + 1] = d
            derivatives[m] = factor * of_coefficient
            derivatives[maps + m] = of_bias
        if trainable:
            apply(update, weight, 2 * maps, weights)

    return backward


# --- layers whose units read whole maps -----------------------------------------------------------------------------


def dense_blocks(step: Step) -> tuple[np.ndarray, np.ndarray, int]:
    """For each run of weights the unit it adds to and the first state it reads, and the runs' common length."""
    below, layer = step.states_in, step.layer
    if isinstance(layer, FullyConnected) or layer.table is None:
        units = step.states_out.maps
        return np.arange(units), np.full(units, below.start), below.length
    pairs = kernel_pairs(layer, below.maps)
    return pairs[:, 0].copy(), below.start + pairs[:, 1] * below.plane, below.plane


def dense_forward(step: Step, value):
    unit, starts, length = dense_blocks(step)
    runs, units, made, weight, bias = len(unit), step.states_out.maps, step.states_out.start, step.weight, step.bias

    @compiled
    def forward(weights, memory):
        out = memory[made : made + units]
        b = weights[bias : bias + units]
        for u in range(units):
            out[u] = b[u]
        for k in range(runs):
            states = memory[starts[k] : starts[k] + length]
            w = weights[weight + k * length : weight + (k + 1) * length]
            total = out[unit[k]]
            for i in range(length):
                total += w[i] * states[i]
            out[unit[k]] = total
        for u in range(units):
            out[u] = value(out[u])

    return forward


def dense_backward(step: Step, apply_slope):
    unit, starts, length = dense_blocks(step)
    runs, units, weight = len(unit), step.states_out.maps, step.weight
    # Derivatives are used while they are still in the nearest cache, a few runs at a time.
    together = max(1, min(runs, CACHED // length))
    rest = runs % together
    deltas, deltas_in, length_in = step.deltas_out.start, step.deltas_in.start, step.states_in.length
    to_delta = deltas_in - step.states_in.start
    passes_down = step.index > 0

    @compiled
    def backward(weights, memory, update, sweep):
        apply_slope(memory, sweep)
        derivatives = update.derivatives
        if passes_down:
            down = memory[deltas_in : deltas_in + length_in]
            for i in range(length_in):
                down[i] = 0
        if update.rule == DESCEND and passes_down:
            # The largest layers of every network in one loop, each weight loaded once: the rule of `apply`, in place.
            for k in range(runs):
                d = memory[deltas + unit[k]]
                states = memory[starts[k] : starts[k] + length]
                down = memory[starts[k] + to_delta : starts[k] + to_delta + length]
                w = weights[weight + k * length : weight + (k + 1) * length]
                rates = update.rates[weight + k * length : weight + (k + 1) * length]
                for i in range(length):
                    old = w[i]
                    down[i] += d * old
                    w[i] = old - rates[i] * (d * states[i])
            for u in range(units):
                derivatives[u] = memory[deltas + u]
            apply(update, weight + runs * length, units, weights)
            return
        for k in range(runs):
            d = memory[deltas + unit[k]]
            states = memory[starts[k] : starts[k] + length]
            down = memory[starts[k] + to_delta : starts[k] + to_delta + length]
            w = weights[weight + k * length : weight + (k + 1) * length]
            if passes_down:
                for i in range(length):
                    down[i] += d * w[i]
            part = derivatives[(k % together) * length : (k % together + 1) * length]
            for i in range(length):
                part[i] = d * states[i]
            if k % together == together - 1:
                apply(update, weight + (k + 1 - together) * length, together * length, weights)
        for u in range(units):
            derivatives[rest * length + u] = memory[deltas + u]
        apply(update, weight + (runs - rest) * length, rest * length + units, weights)

    return backward
