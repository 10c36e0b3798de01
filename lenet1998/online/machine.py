"""A network's compiled parts, put together from its description."""

import hashlib
from dataclasses import dataclass
from typing import Any

from numba import njit
from numba.core.dispatcher import Dispatcher

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
    machine = Machine(
        load=make_load(network, plan),
        forward=tuple(forward_kernel(step, dtype) for step in plan.steps),
        head=make_head(network, plan),
        backward=tuple(backward_kernel(step, dtype) for step in plan.steps),
    )
    tag = hashlib.sha256(f"{network} {dtype}".encode()).hexdigest()[:20]
    head = machine.head
    for function in (machine.load, *machine.forward, *machine.backward, head.criterion, head.answer, head.curvature):
        give_own_name(function, tag)
    return machine


def give_own_name(function: Dispatcher, tag: str) -> None:
    """Put `tag` into the names of a function and of those that it is made of.

    Machine code that was compiled in different processes is linked by name when it is loaded from the cache into one:
    two networks whose kernels had the same names would run each other's.
    """
    python = function.py_func
    if not python.__qualname__.endswith(tag):
        python.__qualname__ += tag
        for cell in python.__closure__ or ():
            if isinstance(cell.cell_contents, Dispatcher):
                give_own_name(cell.cell_contents, tag)


def make_load(network: Network, plan: Plan):
    """Compiled: an image of grey bytes into the middle of the input map, in the network's grey levels."""
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
