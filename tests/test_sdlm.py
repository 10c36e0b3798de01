"""The curvature against equations 23 to 27 spelt out connection by connection, and the steps and engine that use it.

The paper's network of connections is written out here from the description of a network: a unit is a list of
connections, each with the unit that it comes from and the parameter that it shares, or the fixed weight that it has.
"""

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.autograd.functional import hessian

from lenet1998.bitmaps import codes
from lenet1998.criteria import losses
from lenet1998.layers import (
    EuclideanRBF,
    LeNet5,
    ScaledTanh,
    Subsampling,
    TableConvolution,
    build,
    flat,
    load_flat,
)
from lenet1998.networks import LENET5, RBF, Convolution, FullyConnected, Network, walk
from lenet1998.networks import Subsampling as SubsamplingLayer
from lenet1998.recipes import LENET5_1998, MODERN_LENET5, SGD, Criterion, Initialisation
from lenet1998.recipes import SDLM as SDLMSteps
from lenet1998.reference import ReferenceTrainer
from lenet1998.sdlm import SDLM, diagonal_curvature
from lenet1998.weights import layout, parameter_count

MAP, SQUARED, ENTROPY = Criterion("map", 3.0), Criterion("squared error"), Criterion("cross-entropy")

# Two small networks with every layer kind, and one with the tables that LeNet-4 has.
WITH_RBF = Network(
    "with RBF units",
    (
        Convolution("C1", 2, kernel=3),
        SubsamplingLayer("S2"),
        Convolution("C3", 3, kernel=2, table=((0,), (0, 1), (1,))),
        SubsamplingLayer("S4"),
        FullyConnected("F6", 84),
        RBF(half=True),
    ),
    input_size=8,
)
OF_TODAY = Network(
    "of today",
    (
        Convolution("C1", 3, kernel=3, squash="relu"),
        SubsamplingLayer("S2", trainable=False, squash="linear"),
        Convolution("C3", 4, kernel=2, squash="relu"),
        FullyConnected("F5", 6, squash="relu"),
        FullyConnected("output", 5, squash="linear"),
    ),
    input_size=8,
)
WITH_TABLES = Network(
    "with tables",
    (
        Convolution("C1", 2, kernel=3),
        SubsamplingLayer("S2", table=(0, 0, 1), average=True),
        Convolution("C3", 4, kernel=2, table=((0, 1), (1, 2), (0, 2), (0, 1, 2))),
        FullyConnected("output", 4),
    ),
    input_size=8,
)


def images_for(network, n=3):
    size = network.input_size
    return torch.randn(n, 1, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def built(network, seed=0):
    """The modules in float64, with all parameters drawn, and the vector that they hold."""
    model = build(network, Initialisation(1.5, 0.5), seed).double()
    return model, flat(model)


# The literal reading.


@dataclass
class Connection:
    source: int  # unit of the layer below
    parameter: int | None  # index in the flat vector
    weight: float
    share: float = 1.0  # of the parameter in the weight


@dataclass
class Unit:
    connections: list[Connection]
    bias: int | None
    coefficient: bool = False


def units_of(network, vector):
    """Per layer below the RBF units: its units, and its squashing function."""
    at = {p.name: p.start for p in layout(network)}
    layers = []
    for layer, (maps, rows, columns), (made, made_rows, made_columns) in walk(network):
        if isinstance(layer, RBF):
            continue
        units = []
        for m, y, x in np.ndindex(made, made_rows, made_columns):
            connections = []

            def connect(source_map, row, column, parameter, share=1.0, to=connections, rows=rows, columns=columns):
                place = (source_map * rows + row) * columns + column
                to.append(Connection(place, parameter, share * vector[parameter], share))

            match layer:
                case Convolution(name=name, kernel=k):
                    table = layer.table or [tuple(range(maps))] * made
                    kernel = sum(map(len, table[:m]))
                    for source in table[m]:
                        for dy, dx in np.ndindex(k, k):
                            connect(source, y + dy, x + dx, at[f"{name}.weight"] + (kernel * k + dy) * k + dx)
                        kernel += 1
                case FullyConnected(name=name):
                    for i, (source, row, column) in enumerate(np.ndindex(maps, rows, columns)):
                        weight = at[f"{name}.weight"] + m * maps * rows * columns + i
                        connect(source, row, column, weight)
                case SubsamplingLayer(name=name):
                    source = m if layer.table is None else layer.table[m]
                    for dy, dx in np.ndindex(2, 2):
                        if layer.trainable:
                            share = 1 / 4 if layer.average else 1.0
                            connect(source, 2 * y + dy, 2 * x + dx, at[f"{name}.coefficient"] + m, share)
                        else:
                            place = (source * rows + 2 * y + dy) * columns + 2 * x + dx
                            connections.append(Connection(place, None, 1 / 4))
            bias = at[f"{layer.name}.bias"] + m if f"{layer.name}.bias" in at else None
            units.append(Unit(connections, bias, isinstance(layer, SubsamplingLayer)))
        layers.append((units, layer.squash))
    return layers


def squash(kind, a):
    return {"tanh": 1.7159 * math.tanh(2 / 3 * a), "relu": max(a, 0.0), "linear": a}[kind]


def slope(kind, a):
    return {"tanh": 1.7159 * 2 / 3 / math.cosh(2 / 3 * a) ** 2, "relu": float(a > 0), "linear": 1.0}[kind]


def literal_curvature(network, vector, images, at_the_top, coefficient="sum of squares"):
    """Equations 23 to 27. `at_the_top(states)` lists the second derivatives in the states of the last layer."""
    layers = units_of(network, vector)
    total = np.zeros(len(vector))
    for image in images:
        states, sums = [image.flatten().tolist()], []
        for units, kind in layers:
            x = states[-1]
            sums.append(
                [
                    sum(c.weight * x[c.source] for c in unit.connections)
                    + (0.0 if unit.bias is None else vector[unit.bias])
                    for unit in units
                ]
            )
            states.append([squash(kind, a) for a in sums[-1]])
        in_states = at_the_top(states[-1])
        for (units, kind), a, x in zip(reversed(layers), reversed(sums), reversed(states[:-1]), strict=True):
            below = [0.0] * len(x)
            for i, unit in enumerate(units):
                in_sum = slope(kind, a[i]) ** 2 * in_states[i]  # first factor of equation 27
                for c in unit.connections:
                    if c.parameter is not None:
                        total[c.parameter] += in_sum * (c.share * x[c.source]) ** 2  # equations 25 and 23
                    below[c.source] += c.weight**2 * in_sum  # the sum of equation 27
                if unit.coefficient and coefficient == "square of the sum" and unit.bias is not None:
                    inputs = [c.share * x[c.source] for c in unit.connections]
                    shared = unit.connections[0].parameter
                    total[shared] += in_sum * (sum(inputs) ** 2 - sum(value**2 for value in inputs))
                if unit.bias is not None:
                    total[unit.bias] += in_sum
            in_states = below
    return total / len(images)  # equation 24


def exact_top(criterion, rbf=None):
    """Second derivatives of the loss in the states, by torch; label 0, as none of them depends on it."""

    def at_the_top(states):
        def loss(x):
            return losses(criterion, x[None] if rbf is None else rbf(x[None]), torch.tensor([0]))[0]

        return hessian(loss, torch.tensor(states, dtype=torch.float64)).diagonal().tolist()

    return at_the_top


def as_vector(tensors):
    return torch.cat([tensor.flatten() for tensor in tensors]).numpy()


HALF_RBF = EuclideanRBF(codes(), half=True).double()
CASES = [
    (WITH_RBF, MAP, "exact", exact_top(MAP, HALF_RBF)),
    (WITH_RBF, Criterion("mle"), "exact", exact_top(Criterion("mle"), HALF_RBF)),
    (WITH_RBF, MAP, 2.0, lambda states: [2.0] * len(states)),
    (OF_TODAY, ENTROPY, "exact", exact_top(ENTROPY)),
    (WITH_TABLES, SQUARED, "exact", exact_top(SQUARED)),
]


@pytest.mark.parametrize("coefficient", ["sum of squares", "square of the sum"])
@pytest.mark.parametrize(("network", "criterion", "top", "at_the_top"), CASES)
def test_curvature_against_the_equations_connection_by_connection(network, criterion, top, at_the_top, coefficient):
    model, vector = built(network)
    images = images_for(network)
    expected = literal_curvature(network, vector, images, at_the_top, coefficient)
    found = diagonal_curvature(model, images, criterion, top, coefficient)
    assert [h.shape for h in found] == [p.shape for p in model.parameters()]
    assert np.allclose(as_vector(found), expected, rtol=1e-10, atol=1e-15)
    # One value per parameter, not one per layer.
    assert all(h.unique().numel() > h.numel() // 3 for h in found if h.any())


def test_two_readings_of_the_coefficients_curvature_differ_there_only():
    model, _ = built(WITH_RBF)
    images = images_for(WITH_RBF)
    squares = dict(zip(dict(model.named_parameters()), diagonal_curvature(model, images, MAP), strict=True))
    other = diagonal_curvature(model, images, MAP, coefficient="square of the sum")
    differ = [name for (name, h), o in zip(squares.items(), other, strict=True) if not torch.equal(h, o)]
    assert differ == ["S2.coefficient", "S4.coefficient"]
    with pytest.raises(ValueError, match="sum of squares or the square of the sum"):
        diagonal_curvature(model, images, MAP, coefficient="sum")


def test_curvature_is_averaged_over_patterns():
    model, _ = built(WITH_RBF)
    images = images_for(WITH_RBF)
    together = as_vector(diagonal_curvature(model, images, MAP))
    one_by_one = [as_vector(diagonal_curvature(model, image[None], MAP)) for image in images]
    assert np.allclose(together, np.mean(one_by_one, axis=0), rtol=1e-12)
    with pytest.raises(ValueError, match="none was given"):
        diagonal_curvature(model, images[:0], MAP)


# Networks for which the diagonal Gauss-Newton approximation leaves nothing out but f''.


def gauss_newton_diagonal(model, images):
    """The diagonal of J^T J, J the Jacobian of all outputs in the parameters, averaged over patterns."""
    parameters = list(model.parameters())
    total = [torch.zeros_like(p) for p in parameters]
    for image in images:
        for output in model(image[None]).flatten():
            gradients = torch.autograd.grad(output, parameters, retain_graph=True)
            for sums, gradient in zip(total, gradients, strict=True):
                sums += gradient.square() / len(images)
    return as_vector(total)


EXACT = {
    "two layers": lambda: nn.Sequential(nn.Flatten(), nn.Linear(36, 5), nn.Tanh(), nn.Linear(5, 3), ScaledTanh()),
    "nested": lambda: nn.Sequential(nn.Sequential(nn.Flatten(), nn.Identity()), nn.Sequential(nn.Linear(36, 4, False))),
    "convolution": lambda: nn.Sequential(nn.Conv2d(1, 3, 3), ScaledTanh()),
    "convolution with everything": lambda: nn.Sequential(
        nn.Conv2d(1, 2, 1), nn.ReLU(), nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2)
    )[2:],
    "table": lambda: nn.Sequential(TableConvolution(((0,), (0, 1)), 2, 3), nn.ReLU()),
    "averages below": lambda: nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(9, 4)),
}


@pytest.mark.parametrize("kind", EXACT)
def test_curvature_against_the_jacobian_where_it_is_exact(kind):
    torch.manual_seed(0)
    model = EXACT[kind]().double()
    two_maps = kind in ("convolution with everything", "table")
    images = torch.randn(4, 2 if two_maps else 1, 6, 6, dtype=torch.float64)
    found = as_vector(diagonal_curvature(model, images, SQUARED, top=1.0))
    expected = gauss_newton_diagonal(model, images)
    assert np.allclose(found, expected, rtol=1e-12)


def test_average_pooling_weighs_each_of_its_inputs_by_a_quarter():
    model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.AvgPool2d(2)).double()
    images = torch.randn(3, 1, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weight, bias = diagonal_curvature(model, images, SQUARED)
    assert weight.item() == pytest.approx(images.square().sum().item() / 3 / 16)
    assert bias.item() == pytest.approx(16 / 16)


def test_square_of_the_sum_is_the_jacobian_of_a_subsampling_layer():
    model = nn.Sequential(Subsampling(1), ScaledTanh()).double()
    images = torch.randn(3, 1, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = gauss_newton_diagonal(model, images)
    found = as_vector(diagonal_curvature(model, images, SQUARED, top=1.0, coefficient="square of the sum"))
    assert np.allclose(found, expected, rtol=1e-12)
    literal = as_vector(diagonal_curvature(model, images, SQUARED, top=1.0))
    assert literal[0] != pytest.approx(expected[0], rel=0.05)
    assert literal[1] == pytest.approx(expected[1])


def test_last_layer_of_a_deep_network_against_the_jacobian():
    model, _ = built(WITH_TABLES)
    images = images_for(WITH_TABLES)
    units = 4 + 4 * 4 * 2 * 2
    found = as_vector(diagonal_curvature(model, images, SQUARED))
    assert np.allclose(found[-units:], gauss_newton_diagonal(model, images)[-units:], rtol=1e-12)


def test_curvature_is_the_diagonal_of_the_hessian_and_not_its_row_sums():
    """One linear unit and half squared error: the Hessian is the mean of x x^T."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 1, bias=False)).double()
    images = torch.randn(5, 1, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x = images.flatten(1)
    matrix = x.T @ x / 5
    (found,) = diagonal_curvature(model, images, SQUARED)
    assert torch.allclose(found[0], matrix.diagonal())
    assert not torch.allclose(matrix.diagonal(), matrix.sum(1), rtol=0.05)


def test_bias_curvature_counts_each_position_once():
    """The bias of a C3 map is one connection per unit, however many kernels the map has."""
    model = nn.Sequential(TableConvolution(((0,), (0, 1, 2)), 3, 3)).double()
    images = torch.randn(2, 3, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    _, bias = diagonal_curvature(model, images, SQUARED)
    assert bias.tolist() == [16.0, 16.0]


# What the sweep does not know.


@pytest.mark.parametrize(
    ("module", "error", "named"),
    [
        (nn.MaxPool2d(2), TypeError, "MaxPool2d"),
        (nn.Dropout(), TypeError, "Dropout"),
        (nn.AvgPool2d(2, padding=1), ValueError, "without padding"),
        (nn.AvgPool2d(2, ceil_mode=True), ValueError, "without padding"),
        (nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"), ValueError, "padded with zeros"),
        (EuclideanRBF(codes()), ValueError, "last layer"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_unknown_layers_are_named(module, error, named):
    model = nn.Sequential(nn.Conv2d(1, 1, 3), module, nn.Flatten())
    with pytest.raises(error, match=named):
        diagonal_curvature(model, torch.zeros(1, 1, 8, 8), SQUARED)


def test_several_positions_under_rbf_units_are_refused():
    with pytest.raises(ValueError, match="one position at a time"):
        diagonal_curvature(LeNet5(), torch.zeros(1, 1, 32, 36), MAP)


# The gradient.


@pytest.mark.parametrize(
    ("network", "criterion"),
    [(WITH_RBF, MAP), (WITH_RBF, Criterion("mle")), (OF_TODAY, ENTROPY), (WITH_TABLES, SQUARED)],
)
def test_gradient_against_finite_differences(network, criterion):
    model, vector = built(network)
    images, labels = images_for(network), torch.tensor([2, 0, 3])

    def loss_at(weights):
        load_flat(model, weights)
        return losses(criterion, model(images), labels).mean()

    loss_at(vector).backward()
    gradient = as_vector([p.grad for p in model.parameters()])
    step = 1e-5
    with torch.no_grad():
        for k in range(len(vector)):
            nudge = np.zeros(len(vector))
            nudge[k] = step
            slope = (loss_at(vector + nudge) - loss_at(vector - nudge)).item() / (2 * step)
            assert gradient[k] == pytest.approx(slope, rel=1e-5, abs=1e-8)


# The optimizer.


def one_gradient(model, network, criterion):
    losses(criterion, model(images_for(network)[:1]), torch.tensor([1])).sum().backward()


def test_step_divides_each_gradient_by_its_own_curvature():
    model, before = built(WITH_RBF)
    optimizer = SDLM(model, rate=0.01, mu=0.02)
    optimizer.estimate(images_for(WITH_RBF), MAP, top=1.0)
    h = as_vector(diagonal_curvature(model, images_for(WITH_RBF), MAP, top=1.0))
    one_gradient(model, WITH_RBF, MAP)
    gradient = as_vector([p.grad for p in model.parameters()])
    optimizer.step()
    assert np.allclose(flat(model), before - 0.01 / (0.02 + h) * gradient, rtol=1e-13)
    assert optimizer.effective_rates() == pytest.approx((0.01 / (0.02 + h.max()), 0.01 / (0.02 + h.min())))
    assert optimizer.effective_rates()[1] <= 0.01 / 0.02


def test_rate_follows_torchs_schedulers():
    model, before = built(WITH_RBF)
    optimizer = SDLM(model, rate=0.01)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.1)
    optimizer.estimate(images_for(WITH_RBF), MAP)
    rates = optimizer.effective_rates()
    one_gradient(model, WITH_RBF, MAP)
    optimizer.step()
    first = flat(model) - before
    scheduler.step()
    assert optimizer.effective_rates() == pytest.approx([rate / 10 for rate in rates])
    load_flat(model, before)
    optimizer.step()  # from the same gradient
    assert np.allclose(flat(model) - before, first / 10, rtol=1e-9, atol=1e-15)


def test_state_dict_goes_on_where_it_was(tmp_path):
    model, vector = built(WITH_RBF)
    optimizer = SDLM(model, rate=0.01, mu=0.05)
    optimizer.estimate(images_for(WITH_RBF), MAP)
    torch.save(optimizer.state_dict(), tmp_path / "state.pt")
    other, _ = built(WITH_RBF)
    restored = SDLM(other, rate=1.0)
    restored.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert restored.effective_rates() == optimizer.effective_rates()
    for trained, steps in ((model, optimizer), (other, restored)):
        one_gradient(trained, WITH_RBF, MAP)
        steps.step()
    assert np.array_equal(flat(model), flat(other))
    assert not np.array_equal(flat(model), vector)


def test_no_step_before_an_estimate():
    model, before = built(WITH_RBF)
    optimizer = SDLM(model, rate=0.01)
    one_gradient(model, WITH_RBF, MAP)
    with pytest.raises(RuntimeError, match="first estimate"):
        optimizer.step()
    with pytest.raises(RuntimeError, match="first estimate"):
        optimizer.effective_rates()
    assert np.array_equal(flat(model), before)
    for rate, mu in ((-1, 0.02), (0.1, 0)):
        with pytest.raises(ValueError, match="mu is positive"):
            SDLM(model, rate, mu)


def test_sdlm_trains_a_network_of_plain_torch_layers():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(18, 3))
    images, labels = torch.randn(12, 1, 8, 8), torch.arange(12) % 3
    optimizer = SDLM(model, rate=0.02)

    def closure():
        optimizer.zero_grad()
        loss = losses(ENTROPY, model(images), labels).mean()
        loss.backward()
        return loss

    first = closure().item()
    for _ in range(3):
        optimizer.estimate(images, ENTROPY)
        for _ in range(20):
            last = optimizer.step(closure).item()
    assert last < first / 5


def test_rates_of_lenet5_lie_below_their_cap_and_differ():
    model = LeNet5(half=True)
    optimizer = SDLM(model, rate=0.0005)
    optimizer.estimate(
        torch.randn(20, 1, 32, 32, generator=torch.Generator().manual_seed(0)), Criterion("map", 10.0), 1.0
    )
    low, high = optimizer.effective_rates()
    assert 0 < low < high / 10
    assert high <= 0.0005 / 0.02
    # The largest slope of f is A S at 0, so a bias of F6 has at most the curvature (A S)^2.
    assert optimizer.state[model.F6.bias]["h"].max().item() <= (1.7159 * 2 / 3) ** 2 * 1.0001


# The engine.


def digits(n):
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (n, 28, 28), dtype=np.uint8), generator.integers(0, 10, n).astype(np.uint8)


def padded(images, network):
    """Grey levels by their definition: 0 is background, 255 is ink, and the frame is background."""
    levels = network.background + torch.from_numpy(images).double() / 255 * (network.ink - network.background)
    return nn.functional.pad(levels, [2] * 4, value=network.background)[:, None]


def test_engine_takes_the_steps_of_the_paper_one_pattern_at_a_time():
    images, labels = digits(4)
    trainer = ReferenceTrainer(LENET5_1998, seed=0, dtype=np.float64)
    model = build(LENET5_1998.network).double()
    load_flat(model, trainer.weights)
    steps = LENET5_1998.steps
    curvature = diagonal_curvature(model, padded(images, LENET5), LENET5_1998.criterion, steps.top, steps.coefficient)
    rates = [0.0005 / (steps.mu + h) for h in curvature]
    trainer.estimate_curvature(images, labels)
    assert trainer.begin_pass(0.0005) == pytest.approx(
        (min(r.min().item() for r in rates), max(r.max().item() for r in rates))
    )
    found_losses, found_answers = trainer.train(images, labels)
    for n, (image, label) in enumerate(zip(padded(images, LENET5), labels, strict=True)):
        model.zero_grad()
        penalties = model(image[None])[0]
        loss = penalties[label] + torch.log(math.exp(-10) + torch.exp(-penalties).sum())
        loss.backward()
        assert found_losses[n] == pytest.approx(loss.item(), rel=1e-9)
        assert found_answers[n] == int(penalties.argmin())
        with torch.no_grad():
            for parameter, rate in zip(model.parameters(), rates, strict=True):
                parameter -= rate * parameter.grad
    assert np.allclose(trainer.weights, flat(model), rtol=1e-9, atol=1e-12)
    assert found_losses.dtype == np.float64
    assert found_answers.dtype == np.uint8
    with torch.no_grad():
        assert np.array_equal(trainer.answers(images), model(padded(images, LENET5)).argmin(1).numpy())


def test_engine_takes_mini_batches_with_adam():
    recipe = replace(MODERN_LENET5, batch=4)
    images, labels = digits(10)
    trainer = ReferenceTrainer(recipe, seed=0, dtype=np.float64)
    model = build(recipe.network).double()
    load_flat(model, trainer.weights)
    optimizer = torch.optim.Adam(model.parameters(), 0.001)
    assert trainer.begin_pass(0.001) == (0.001, 0.001)
    found, _ = trainer.train(images, labels)
    inputs, targets = padded(images, recipe.network), torch.from_numpy(labels).long()
    for start in (0, 4, 8):  # the last batch is short
        optimizer.zero_grad()
        outputs = model(inputs[start : start + 4])
        loss = nn.functional.cross_entropy(outputs, targets[start : start + 4])
        loss.backward()
        optimizer.step()
        assert found[start : start + 4].mean() == pytest.approx(loss.item(), rel=1e-9)
    # Adam divides by the root of its second moment and magnifies what rounding leaves of a vanishing gradient.
    assert np.allclose(trainer.weights, flat(model), rtol=1e-6, atol=1e-9)
    with pytest.raises(TypeError, match="modern"):
        trainer.estimate_curvature(images, labels)


@pytest.mark.parametrize(
    "recipe",
    [LENET5_1998, replace(MODERN_LENET5, batch=4), replace(LENET5_1998, name="sgd", steps=SGD())],
    ids=lambda recipe: recipe.name,
)
def test_engine_goes_on_bit_for_bit_from_its_state(recipe, tmp_path):
    images, labels = digits(16)

    def one_pass(trainer, rate):
        trainer.begin_pass(rate)
        trainer.train(images, labels)

    whole = ReferenceTrainer(recipe, seed=1)
    if isinstance(recipe.steps, SDLMSteps):
        whole.estimate_curvature(images, labels)
    one_pass(whole, 0.0005)
    np.savez(tmp_path / "state.npz", **whole.state())
    with np.load(tmp_path / "state.npz", allow_pickle=False) as saved:
        resumed = ReferenceTrainer(recipe, seed=2)
        resumed.restore(dict(saved))
    halfway = whole.weights
    one_pass(whole, 0.0002)
    one_pass(resumed, 0.0002)
    assert np.array_equal(whole.weights, resumed.weights)
    assert not np.array_equal(whole.weights, halfway)
    assert whole.state().keys() == resumed.state().keys()


def test_state_before_the_first_step_is_the_weights():
    trainer = ReferenceTrainer(LENET5_1998, seed=0)
    fresh = ReferenceTrainer(LENET5_1998, seed=1)
    fresh.restore(trainer.state())
    assert list(trainer.state()) == ["weights"]
    assert np.array_equal(fresh.weights, trainer.weights)
    assert len(trainer.weights) == parameter_count(LENET5)
    assert trainer.weights.dtype == np.float32


def test_passes_may_be_taken_in_parts():
    recipe = replace(MODERN_LENET5, batch=4)
    images, labels = digits(12)
    whole, parts = ReferenceTrainer(recipe, seed=0), ReferenceTrainer(recipe, seed=0)
    for trainer, cuts in ((whole, [0, 12]), (parts, [0, 4, 12])):
        trainer.begin_pass(0.001)
        for start, stop in itertools.pairwise(cuts):
            trainer.train(images[start:stop], labels[start:stop])
    assert np.array_equal(whole.weights, parts.weights)


def test_engine_leaves_torchs_threads_as_it_found_them():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        trainer = ReferenceTrainer(LENET5_1998, seed=0)
        images, labels = digits(2)
        trainer.answers(images)
        with pytest.raises(RuntimeError, match="first estimate"):
            trainer.train(images, labels)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
