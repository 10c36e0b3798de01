"""A network's compiled parts, put together from its description."""

from dataclasses import dataclass
from typing import Any

from numba import njit

from lenet1998.networks import Network
from lenet1998.online.heads import Head, make_head
from lenet1998.online.kernels import backward_kernel, forward_kernel
from lenet1998.online.plan import Plan, make_plan
from lenet1998.weights import layout

CLASSIFY, TRAIN, CURVATURE = 0, 1, 2  # the tasks of a compiled network


@dataclass(frozen=True)
class Machine:
    """All compiled functions of one network: the pieces that a generated module calls by name."""

    load: Any
    forward: tuple[Any, ...]
    head: Head
    backward: tuple[Any, ...]


def plan_of(network: Network) -> Plan:
    """The memory plan of `network`, over the flat parameter vector that both engines share."""
    return make_plan(network, {parameter.name: (parameter.start, parameter.stop) for parameter in layout(network)})


def make_machine(network: Network, dtype: str) -> Machine:
    """Specialise every kernel on `network`; nothing is compiled before it is first called."""
    plan = plan_of(network)
    return Machine(
        load=make_load(network, plan),
        forward=tuple(forward_kernel(step, dtype) for step in plan.steps),
        head=make_head(network, plan),
        backward=tuple(backward_kernel(step, dtype) for step in plan.steps),
    )


def make_load(network: Network, plan: Plan):
    """Compiled: an image of grey bytes (or floats) into the middle of the input map, in the network's grey levels."""
    place = plan.steps[0].states_in
    start, pitch, size = place.start, place.pitch, network.input_size
    background, ink = network.background, network.ink

    @njit(error_model="numpy")
    def load(image, memory):
        rows, columns = image.shape
        top, left = (size - rows) // 2, (size - columns) // 2
        for i in range(start, start + size * pitch):
            memory[i] = background
        for y in range(rows):
            row = memory[start + (top + y) * pitch + left : start + (top + y) * pitch + left + columns]
            for x in range(columns):
                row[x] = background + image[y, x] * ((ink - background) / 255.0)

    return load
