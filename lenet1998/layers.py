"""The layers of section II.B as torch modules, and the networks built from them.

Maps are (N, maps, rows, columns). No layer knows the size of its input, so a network built for 32x32 pixels also runs
on wider images and gives one output per position (section VII).
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lenet1998 import networks
from lenet1998.bitmaps import codes
from lenet1998.networks import Network
from lenet1998.recipes import LENET5_1998, Initialisation
from lenet1998.weights import initial_weights


class ScaledTanh(nn.Module):
    """The squashing function f(a) = A tanh(S a) (equation 6), with which f(1) = 1 and f(-1) = -1 (appendix A)."""

    A = 1.7159
    S = 2 / 3

    def forward(self, a: Tensor) -> Tensor:
        return self.A * torch.tanh(self.S * a)


class FullConvolution(nn.Conv2d):
    """A convolution in which every map reads every input map; a layer of units is one whose kernel covers its input.

    Where it does, one matrix product replaces torch's convolution, which takes three times as long for one pattern.
    """

    def __init__(self, in_maps: int, maps: int, k: int | tuple[int, int]):
        super().__init__(in_maps, maps, k)

    def forward(self, maps: Tensor) -> Tensor:
        if maps.shape[2:] != self.weight.shape[2:]:
            return super().forward(maps)
        return F.linear(maps.flatten(1), self.weight.flatten(1), self.bias)[:, :, None, None]


class TableConvolution(nn.Module):
    """A convolution whose map m reads the input maps `table[m]` only, as C3 does by Table I.

    `weight` (kernels, k, k) holds one kernel per pair of the table, in the table's order, and `bias` has one entry per
    map. Kernels outside the table do not exist as parameters: the zeros that stand for them are made on each call, as
    one dense convolution is the fastest way that torch has (twelve times the speed of one per map).
    """

    def __init__(self, table: Sequence[Sequence[int]], in_maps: int, k: int):
        super().__init__()
        for sources in table:
            if not sources or len(set(sources)) != len(sources) or not set(sources) <= set(range(in_maps)):
                raise ValueError(f"each map reads one or more different maps of {in_maps}, not {tuple(sources)}")
        self.in_maps = in_maps
        # Where each kernel stands among all (map, input map) pairs.
        places = [m * in_maps + source for m, sources in enumerate(table) for source in sources]
        self.register_buffer("places", torch.tensor(places))
        self.weight = nn.Parameter(torch.empty(len(places), k, k))
        self.bias = nn.Parameter(torch.empty(len(table)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Uniform in +-1/sqrt(F), as torch's own convolutions are, with each map's own fan-in F."""
        _, k, _ = self.weight.shape
        with torch.no_grad():
            bound = torch.tensor([(len(sources) * k * k) ** -0.5 for sources in self.table])
            self.weight.uniform_(-1, 1).mul_(bound.to(self.weight)[self.places // self.in_maps][:, None, None])
            self.bias.uniform_(-1, 1).mul_(bound.to(self.bias))

    @property
    def table(self) -> tuple[tuple[int, ...], ...]:
        """The input maps that each map reads, read back from where its kernels stand."""
        sources: list[list[int]] = [[] for _ in range(len(self.bias))]
        for place in self.places.tolist():
            sources[place // self.in_maps].append(place % self.in_maps)
        return tuple(map(tuple, sources))

    def forward(self, maps: Tensor) -> Tensor:
        _, k, _ = self.weight.shape
        pairs = self.weight.new_zeros(len(self.bias) * self.in_maps, k, k).index_copy(0, self.places, self.weight)
        return F.conv2d(maps, pairs.view(len(self.bias), self.in_maps, k, k), self.bias)

    def extra_repr(self) -> str:
        kernels, k, _ = self.weight.shape
        return f"{self.in_maps}, {len(self.bias)}, kernels={kernels}, kernel_size=({k}, {k})"


class Subsampling(nn.Module):
    """Non-overlapping 2x2 neighbourhoods (S2, S4): four inputs added, times a coefficient, plus a bias, one per map.

    That is how section II.B has it; `average` takes their average instead of their sum, as section II.A says. `table`
    names the one input map that each map reads; without it, map m reads input map m. The last row or column of a map
    of odd size is left out. The coefficient starts at 0.5 and the bias at 0 (paper silent; the same authors' later
    code).
    """

    def __init__(self, maps: int, table: Sequence[int] | None = None, average: bool = False):
        super().__init__()
        self.average = average
        self.register_buffer("table", None if table is None else torch.tensor(table))
        self.coefficient = nn.Parameter(torch.full((maps,), 0.5))
        self.bias = nn.Parameter(torch.zeros(maps))

    def sums(self, maps: Tensor) -> Tensor:
        """The sum (or average) of each unit's four inputs: (N, maps, rows // 2, columns // 2)."""
        sums = F.avg_pool2d(maps, 2, divisor_override=None if self.average else 1)
        return sums if self.table is None else sums.index_select(1, self.table)

    def forward(self, maps: Tensor) -> Tensor:
        return torch.addcmul(self.bias[:, None, None], self.coefficient[:, None, None], self.sums(maps))

    def extra_repr(self) -> str:
        return str(len(self.bias))


class EuclideanRBF(nn.Module):
    """One unit per character: the squared distance of the states to the character's fixed code (equation 7).

    (N, d, ...) to (N, n, ...) for codes (n, d). Equation 7 has the whole squared distance; `half` gives half of it, as
    the same authors' later code does. The codes are no parameters ("kept fixed"). A small output is a likely class.
    """

    def __init__(self, codes: np.ndarray | Tensor, half: bool = False):
        super().__init__()
        self.half = half
        self.register_buffer("codes", torch.as_tensor(codes, dtype=torch.get_default_dtype()))

    def differences(self, states: Tensor) -> Tensor:
        """States less codes, (N, n, d, ...)."""
        return states.unsqueeze(1) - self.codes.view(*self.codes.shape, *[1] * (states.dim() - 2))

    def forward(self, states: Tensor) -> Tensor:
        distances = self.differences(states).square().sum(2)
        return distances / 2 if self.half else distances

    def extra_repr(self) -> str:
        return f"{self.codes.shape[1]}, {self.codes.shape[0]}, half={self.half}"


class ReferenceNetwork(nn.Sequential):
    """Layers under the paper's names, one after the other.

    (N, 1, H, W) to (N, n) where there is one output position, as for the size of image that the network is made for,
    and (N, n, h, w) for larger images.
    """

    def forward(self, images: Tensor) -> Tensor:
        outputs = super().forward(images)
        return outputs.flatten(1) if outputs.shape[2:] == (1, 1) else outputs


SQUASHING = {"tanh": ScaledTanh, "plain tanh": nn.Tanh, "relu": nn.ReLU}


def build(
    network: Network, initialisation: Initialisation = LENET5_1998.initialisation, seed: int = 0
) -> ReferenceNetwork:
    """The torch modules of a description, C1, C1_squash, S2, S2_squash ... output, in float32.

    The weights are those that a run with this seed starts from; torch's own random numbers are neither used up nor
    needed. Raises ValueError where the layers do not fit on each other.
    """
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    with torch.random.fork_rng(devices=[]):
        for layer, (maps, rows, columns), (made, *_) in networks.walk(network):
            match layer:
                case networks.Convolution(name=name, kernel=k, table=None):
                    modules[name] = FullConvolution(maps, made, k)
                case networks.Convolution(name=name, kernel=k, table=table):
                    modules[name] = TableConvolution(table, maps, k)
                case networks.Subsampling(name=name, trainable=True, table=table, average=average):
                    modules[name] = Subsampling(made, table, average)
                case networks.Subsampling(name=name, table=None):
                    modules[name] = nn.AvgPool2d(2)
                case networks.FullyConnected(name=name):
                    modules[name] = FullConvolution(maps, made, (rows, columns))
                case networks.RBF(name=name, characters=characters, half=half):
                    modules[name] = EuclideanRBF(codes(characters), half)
                case _:
                    raise ValueError(f"{layer} has no module: a plain average reads its own map only")
            if not isinstance(layer, networks.RBF) and layer.squash != "linear":
                modules[f"{layer.name}_squash"] = SQUASHING[layer.squash]()
    model = ReferenceNetwork(modules)
    load_flat(model, initial_weights(network, initialisation, seed))
    return model


def LeNet5(
    half: bool = False,
    initialisation: Initialisation = LENET5_1998.initialisation,
    seed: int = 0,
) -> ReferenceNetwork:
    """LeNet-5 (section II.B, figure 2): (N, 1, 32, 32) images to (N, 10) penalties, one per digit; smallest is best.

    `half` halves the penalties of equation 7. Without arguments the weights are uniform in +-1.2/sqrt(fan-in), biases
    zero and subsampling coefficients 0.5, as in the `lenet5` recipe: with the initialisation that the paper states
    (`Initialisation()`) it learns nothing at first. The same seed gives the same weights.
    """
    return build(networks.lenet5(half=half), initialisation, seed)


def flat(model: nn.Module) -> np.ndarray:
    """A copy of the parameters as one vector in the order of `lenet1998.weights.layout`, in the model's own dtype."""
    return nn.utils.parameters_to_vector(model.parameters()).detach().cpu().numpy().copy()


def load_flat(model: nn.Module, vector: np.ndarray) -> None:
    """Copies a flat vector into the parameters; ValueError where its length is not the number of parameters."""
    expected = sum(parameter.numel() for parameter in model.parameters())
    if np.shape(vector) != (expected,):
        raise ValueError(f"the model has {expected} parameters, the vector has the shape {np.shape(vector)}")
    start = 0
    with torch.no_grad():
        for parameter in model.parameters():
            stop = start + parameter.numel()
            parameter.copy_(torch.tensor(vector[start:stop]).view_as(parameter))
            start = stop


@dataclass(frozen=True)
class LayerAudit:
    """What a layer has; biases count as connections, and the fixed codes of RBF units count as connections only."""

    layer: str
    maps: int
    rows: int
    columns: int
    parameters: int
    connections: int


def audit(model: nn.Sequential, input_size: int = 32) -> list[LayerAudit]:
    """Free parameters and connections of each layer, from its module and the map sizes of a square input.

    Squashing functions have neither and no row. Raises TypeError for a module that is not a layer of these networks.
    """
    rows = []
    first = next(model.parameters())
    maps = first.new_zeros(1, 1, input_size, input_size)
    for name, module in model.named_children():
        with torch.no_grad():
            maps = module(maps)
        parameters = sum(parameter.numel() for parameter in module.parameters())
        positions = maps[0, 0].numel()
        match module:
            case FullConvolution() | TableConvolution():
                connections = parameters * positions
            case Subsampling():
                connections = len(module.bias) * (4 + 1) * positions
            case nn.AvgPool2d():
                connections = maps.shape[1] * 4 * positions
            case EuclideanRBF():
                connections = module.codes.numel() * positions
            case ScaledTanh() | nn.Tanh() | nn.ReLU():
                continue
            case _:
                raise TypeError(f"{type(module).__name__} is not a layer of these networks")
        rows.append(LayerAudit(name, *maps.shape[1:], parameters, connections))
    return rows
