"""The networks of the paper, each a short description that both engines read.

A description is data: layers in the paper's order and under the paper's names. `lenet1998.layers` builds torch
modules from it, `lenet1998.online` compiles a trainer from it. Adding a network means adding a description.
"""

from dataclasses import dataclass

# Table I: which maps of S2 each of the 16 maps of C3 reads.
TABLE_I = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
)  # fmt: skip

# The table of the zip-code networks that LeNet-1 descends from (20 kernels), counted from 0.
LENET1_TABLE = ((0,), (0, 1), (0, 1), (1,), (0, 1), (0, 1), (2,), (2, 3), (2, 3), (3,), (2, 3), (2, 3))


@dataclass(frozen=True)
class Convolution:
    """`maps` feature maps of square `kernel`s, stride 1, no padding; map m reads the input maps in `table[m]`."""

    name: str
    maps: int
    kernel: int = 5
    table: tuple[tuple[int, ...], ...] | None = None  # None: every map reads every input map
    squash: str = "tanh"  # "tanh" (equation 6), "plain tanh" (A = S = 1), "relu" or "linear"


@dataclass(frozen=True)
class Subsampling:
    """Non-overlapping 2x2 neighbourhoods (section II.B).

    Trainable: the four inputs are added (or averaged), multiplied by one coefficient per map, and one bias per map is
    added. Not trainable: their plain average, as networks of today have it.
    """

    name: str
    table: tuple[int, ...] | None = None  # the one input map that each map reads; None: map m reads input map m
    trainable: bool = True
    average: bool = False  # section II.B says that the four inputs "are added", section II.A "the average"
    squash: str = "tanh"


@dataclass(frozen=True)
class FullyConnected:
    """`units` units, each connected to every unit of the layer below."""

    name: str
    units: int
    squash: str = "tanh"


@dataclass(frozen=True)
class RBF:
    """One fixed Euclidean radial basis function per character (equation 7); the smallest output is the answer."""

    name: str = "output"
    characters: str = "0123456789"
    half: bool = False  # False: the whole squared distance, as equation 7 prints it; True: half of it


Layer = Convolution | Subsampling | FullyConnected | RBF


@dataclass(frozen=True)
class Network:
    """Layers from the input to the output, and the grey levels that background and full ink have at the input."""

    name: str
    layers: tuple[Layer, ...]
    input_size: int = 32  # pixels a side; one input map
    background: float = -0.1  # section II.B
    ink: float = 1.175  # section II.B


Shape = tuple[int, int, int]  # maps, rows, columns


def output_shape(layer: Layer, shape: Shape) -> Shape:
    """The (maps, rows, columns) that `layer` makes of `shape`; a fully connected layer has one row and one column.

    Raises ValueError where the layer does not fit on what is below it.
    """
    maps, rows, columns = shape
    match layer:
        case Convolution(kernel=k) if k <= min(rows, columns):
            reads = {m for sources in layer.table or () for m in sources}
            if layer.table is None or (len(layer.table) == layer.maps and reads <= set(range(maps))):
                return layer.maps, rows - k + 1, columns - k + 1
        case Subsampling() if rows % 2 == 0 and columns % 2 == 0:
            if layer.table is None or set(layer.table) <= set(range(maps)):
                return maps if layer.table is None else len(layer.table), rows // 2, columns // 2
        case FullyConnected():
            return layer.units, 1, 1
        case RBF() if shape == (84, 1, 1):
            return len(layer.characters), 1, 1
    raise ValueError(f"{layer} does not fit on {maps} maps of {rows}x{columns}")


def walk(network: Network) -> list[tuple[Layer, Shape, Shape]]:
    """Each layer with the shape that it reads and the shape that it makes, from the input to the output."""
    steps = []
    shape = (1, network.input_size, network.input_size)
    for layer in network.layers:
        made = output_shape(layer, shape)
        steps.append((layer, shape, made))
        shape = made
    return steps


def lenet5(name: str = "LeNet-5", half: bool = False, average: bool = False, squash: str = "tanh") -> Network:
    """LeNet-5 (section II.B, figure 2).

    `half` says whether the RBF units give half the squared distance, `average` whether S2 and S4 average their inputs,
    `squash` how every layer but the output squashes.
    """
    return Network(
        name,
        (
            Convolution("C1", 6, squash=squash),
            Subsampling("S2", average=average, squash=squash),
            Convolution("C3", 16, table=TABLE_I, squash=squash),
            Subsampling("S4", average=average, squash=squash),
            Convolution("C5", 120, squash=squash),
            FullyConnected("F6", 84, squash=squash),
            RBF(half=half),
        ),
    )


def multilayer_perceptron(input_size: int, *hidden: int) -> Network:
    """A fully connected network of section III.C.5 or III.C.6, such as 28x28-300-10, with squashing outputs."""
    layers = [FullyConnected(f"H{i}", units) for i, units in enumerate(hidden, start=1)]
    name = "-".join([f"{input_size}x{input_size}", *map(str, hidden), "10"])
    return Network(name, (*layers, FullyConnected("output", 10)), input_size=input_size)


LENET5 = lenet5()

# LeNet-5 as the same authors' later code has it: ten squashing outputs on C5 in place of F6 and the RBF units, and grey
# levels of 0 to 2.55.
LENET5_LATER = Network(
    "LeNet-5 without RBF units",
    (*LENET5.layers[:-2], FullyConnected("output", 10)),
    background=0.0,
    ink=2.55,
)

# Section III.C.7. 28x28 input; the zip-code network of 2,578 parameters fits the paper's "about 2600".
LENET1 = Network(
    "LeNet-1",
    (
        Convolution("H1", 4),
        Subsampling("H2"),
        Convolution("H3", 12, table=LENET1_TABLE),
        Subsampling("H4"),
        FullyConnected("output", 10),
    ),
    input_size=28,
)

# Section III.C.8 gives the layers but no connection tables, and its "about 17,000" parameters leave no room for a
# 120-unit layer that reads all 16 maps. This reading has 16,598: S2 takes each C1 map twice, each C3 map reads four
# neighbouring maps of S2 (64 kernels), and the 120 units read five and four neighbouring maps of S4 in turn.
LENET4_C5_TABLE = tuple(tuple(sorted((m + i) % 16 for i in range(5 - m % 2))) for m in range(120))
LENET4 = Network(
    "LeNet-4",
    (
        Convolution("C1", 4),
        Subsampling("S2", table=(0, 0, 1, 1, 2, 2, 3, 3)),
        Convolution("C3", 16, table=tuple(tuple(sorted((m + i) % 8 for i in range(4))) for m in range(16))),
        Subsampling("S4"),
        Convolution("C5", 120, table=LENET4_C5_TABLE),
        FullyConnected("output", 10),
    ),
)

# LeNet as people write it today: ReLU, average pooling, every C3 map reads all of S2, ten linear outputs.
MODERN = Network(
    "modern LeNet-5",
    (
        Convolution("C1", 6, squash="relu"),
        Subsampling("S2", trainable=False, squash="linear"),
        Convolution("C3", 16, squash="relu"),
        Subsampling("S4", trainable=False, squash="linear"),
        Convolution("C5", 120, squash="relu"),
        FullyConnected("F6", 84, squash="relu"),
        FullyConnected("output", 10, squash="linear"),
    ),
    background=0.0,
    ink=1.0,
)
