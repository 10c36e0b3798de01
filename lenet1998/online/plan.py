"""Where every state of a network lies in the trainer's one block of memory.

Rows are stored one after another, each as wide as the input row that it is computed from and rounded up to
sixteen numbers. A convolution is then one long contiguous multiply-add per tap: the few columns beyond the map's
right edge are computed along and hold nothing of meaning; their derivatives are zero and stay zero.
"""

from dataclasses import dataclass

from lenet1998.networks import RBF, Convolution, FullyConnected, Layer, Network, walk

LANES = 16  # single-precision numbers in the widest vector register


def padded(length: int) -> int:
    """`length` rounded up to whole vectors."""
    return -(-length // LANES) * LANES


@dataclass(frozen=True)
class Place:
    """`maps` maps of `rows` x `columns` states from `start` on, `pitch` numbers from row to row."""

    start: int
    maps: int
    rows: int
    columns: int
    pitch: int

    @property
    def plane(self) -> int:
        return self.rows * self.pitch

    @property
    def length(self) -> int:
        return self.maps * self.plane


@dataclass(frozen=True)
class Step:
    """One layer: the states it reads and makes, their derivatives, its scratch space and its parameters."""

    layer: Layer
    states_in: Place
    states_out: Place
    deltas_in: Place
    deltas_out: Place
    scratch: int
    weight: int  # index of its first weight (or coefficient) in the flat parameter vector
    bias: int
    index: int  # its place in the network, counted from 0


@dataclass(frozen=True)
class Plan:
    """The steps from the input to the last trainable layer, and the size of the block of memory."""

    steps: tuple[Step, ...]
    size: int
    parameters: int


def is_dense(layer: Layer, rows: int, columns: int) -> bool:
    """Whether each unit reads whole maps: a fully connected layer, or a convolution as large as its input."""
    if isinstance(layer, Convolution):
        return layer.kernel == rows == columns
    return isinstance(layer, FullyConnected)


def scratch_length(layer: Layer, states_in: Place, states_out: Place) -> int:
    """Numbers of scratch space that the kernels of `layer` need."""
    if is_dense(layer, states_in.rows, states_in.columns):
        return 0
    if isinstance(layer, Convolution):
        # Copies of the input, and of the derivatives with empty rows above and below, shifted by 0 .. kernel - 1.
        empty_rows = 2 * (layer.kernel - 1)
        tall = states_out.maps * (states_out.rows + empty_rows) * states_out.pitch
        return layer.kernel * (padded(states_in.length) + padded(tall))
    return padded(states_out.length)  # the sums of a subsampling layer


def make_plan(network: Network, parameters: dict[str, tuple[int, int]]) -> Plan:
    """Lay out the memory of `network`; `parameters` gives the (first, end) index of each named block of parameters."""
    layers = [step for step in walk(network) if not isinstance(step[0], RBF)]
    cursor = LANES

    def reserve(length: int) -> int:
        nonlocal cursor
        start = cursor
        # Shifted copies read a few numbers past the end of a place.
        cursor += padded(length) + LANES
        return start

    def place(shape: tuple[int, int, int], pitch: int) -> Place:
        maps, rows, columns = shape
        return Place(reserve(maps * rows * pitch), maps, rows, columns, pitch)

    def pitch_read_by(number: int, shape: tuple[int, int, int]) -> int:
        """The row length in which layer `number` wants its input of `shape`."""
        _, rows, columns = shape
        if number == len(layers) or is_dense(layers[number][0], rows, columns):
            return columns
        return padded(columns)

    shape = layers[0][1]
    pitch = pitch_read_by(0, shape)
    states, deltas = place(shape, pitch), place(shape, pitch)
    steps = []
    for index, (layer, _, shape) in enumerate(layers):
        pitch = pitch_read_by(index + 1, shape)
        if isinstance(layer, Convolution) and not is_dense(layer, states.rows, states.columns):
            # The rows of its input, so the layer above must take them as they are.
            if index + 1 == len(layers) or is_dense(layers[index + 1][0], *shape[1:]):
                raise ValueError(f"{network.name}: the maps of {layer.name} go to a subsampling or convolutional layer")
            pitch = states.pitch
        made, derivatives = place(shape, pitch), place(shape, pitch)
        kind = "coefficient" if f"{layer.name}.coefficient" in parameters else "weight"
        weight, _ = parameters.get(f"{layer.name}.{kind}", (0, 0))
        bias, _ = parameters.get(f"{layer.name}.bias", (0, 0))
        scratch = reserve(scratch_length(layer, states, made))
        steps.append(Step(layer, states, made, deltas, derivatives, scratch, weight, bias, index))
        states, deltas = made, derivatives
    return Plan(tuple(steps), cursor + LANES, max(end for _, end in parameters.values()))
