"""The free parameters of a network as one flat vector: their order, fan-ins and initial values.

Both engines keep to this order, so that a vector of one is a vector of the other: layer by layer from the input,
in each layer the weights (or coefficients), then the biases, each in C order.
"""

from dataclasses import dataclass
from math import prod

import numpy as np

from lenet1998.networks import RBF, Convolution, FullyConnected, Network, Subsampling, walk
from lenet1998.recipes import Initialisation


@dataclass(frozen=True)
class Parameter:
    """One array of free parameters and where it lies in the flat vector.

    Shapes: convolution weight (maps, input maps, k, k), or (kernels, k, k) where a table says which map reads which,
    kernels in the order of the table; fully connected weight (units, input maps, rows, columns); subsampling
    coefficient (maps,); biases (maps,) or (units,).
    """

    name: str  # layer and role: "C1.weight", "C1.bias", "S2.coefficient"
    shape: tuple[int, ...]
    fan_in: tuple[int, ...]  # inputs, bias not counted, of the unit that each entry along the first axis belongs to
    start: int  # of the flat vector

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def stop(self) -> int:
        return self.start + self.size

    @property
    def slice(self) -> slice:
        return slice(self.start, self.stop)

    @property
    def role(self) -> str:
        """What it is of its layer: "weight", "coefficient" or "bias"."""
        return self.name.rpartition(".")[2]


def layout(network: Network) -> tuple[Parameter, ...]:
    """The parameters of `network` in flat order; ValueError where its layers do not fit on each other."""
    parameters: list[Parameter] = []

    def add(name: str, shape: tuple[int, ...], fan_in: list[int]) -> None:
        parameters.append(Parameter(name, shape, tuple(fan_in), parameters[-1].stop if parameters else 0))

    for layer, (maps, rows, columns), (made, *_) in walk(network):
        match layer:
            case Convolution(name=name, kernel=k, table=None):
                fan_in = maps * k * k
                add(f"{name}.weight", (made, maps, k, k), [fan_in] * made)
                add(f"{name}.bias", (made,), [fan_in] * made)
            case Convolution(name=name, kernel=k, table=table):
                fan_ins = [len(sources) * k * k for sources in table]
                per_kernel = [fan_in for fan_in, sources in zip(fan_ins, table, strict=True) for _ in sources]
                add(f"{name}.weight", (len(per_kernel), k, k), per_kernel)
                add(f"{name}.bias", (made,), fan_ins)
            case Subsampling(name=name, trainable=True):
                add(f"{name}.coefficient", (made,), [4] * made)
                add(f"{name}.bias", (made,), [4] * made)
            case FullyConnected(name=name):
                fan_in = maps * rows * columns
                add(f"{name}.weight", (made, maps, rows, columns), [fan_in] * made)
                add(f"{name}.bias", (made,), [fan_in] * made)
            case Subsampling() | RBF():
                pass
    return tuple(parameters)


def parameter_count(network: Network) -> int:
    """Free parameters; the codes of RBF units are fixed and not counted."""
    return sum(parameter.size for parameter in layout(network))


def initial_weights(network: Network, initialisation: Initialisation, seed: int) -> np.ndarray:
    """The flat float64 vector that a run with this seed starts from.

    Drawn in flat order from one generator; what is not drawn (zero biases, a constant coefficient) takes no number
    from it.
    """
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, 1])))
    vector = np.empty(parameter_count(network))
    for parameter in layout(network):
        if parameter.role == "bias" and initialisation.biases == "zero":
            vector[parameter.slice] = 0.0
        elif parameter.role == "coefficient" and initialisation.coefficient != "uniform":
            vector[parameter.slice] = initialisation.coefficient
        else:
            bound = initialisation.gain / np.array(parameter.fan_in, dtype=np.float64) ** initialisation.power
            per_entry = np.repeat(bound, parameter.size // parameter.shape[0])
            vector[parameter.slice] = generator.uniform(-1.0, 1.0, parameter.size) * per_entry
    return vector
