"""The flat order of the parameters, their fan-ins and their initial values."""

import numpy as np
import pytest

from lenet1998 import networks
from lenet1998.layers import build, flat, load_flat
from lenet1998.networks import LENET1, LENET4, LENET5, MODERN, multilayer_perceptron
from lenet1998.recipes import Initialisation
from lenet1998.weights import initial_weights, layout, parameter_count

NETWORKS = (LENET5, LENET1, LENET4, MODERN, multilayer_perceptron(28, 300, 100))


@pytest.mark.parametrize(
    ("network", "count"),
    [
        (LENET5, 60_000),
        (LENET1, 2_578),
        (LENET4, 16_598),
        (MODERN, 61_706),
        (multilayer_perceptron(28, 1000), 795_010),
        (multilayer_perceptron(28, 300, 100), 266_610),
        (multilayer_perceptron(28, 500, 150), 469_160),
        (multilayer_perceptron(20, 300), 123_310),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_number_of_parameters(network, count):
    assert parameter_count(network) == count


def test_layout_of_lenet5():
    assert [(p.name, p.shape, p.start) for p in layout(LENET5)] == [
        ("C1.weight", (6, 1, 5, 5), 0),
        ("C1.bias", (6,), 150),
        ("S2.coefficient", (6,), 156),
        ("S2.bias", (6,), 162),
        ("C3.weight", (60, 5, 5), 168),
        ("C3.bias", (16,), 1668),
        ("S4.coefficient", (16,), 1684),
        ("S4.bias", (16,), 1700),
        ("C5.weight", (120, 16, 5, 5), 1716),
        ("C5.bias", (120,), 49716),
        ("F6.weight", (84, 120, 1, 1), 49836),
        ("F6.bias", (84,), 59916),
    ]


def test_fan_in_is_that_of_the_unit_and_leaves_its_bias_out():
    fan_in = {p.name: p.fan_in for p in layout(LENET5)}
    assert set(fan_in["C1.weight"]) == {25}
    assert set(fan_in["S2.coefficient"]) == set(fan_in["S2.bias"]) == {4}
    assert fan_in["C3.bias"] == (75,) * 6 + (100,) * 9 + (150,)
    assert fan_in["C3.weight"] == (75,) * 18 + (100,) * 36 + (150,) * 6
    assert set(fan_in["C5.weight"]) == {400}
    assert set(fan_in["F6.weight"]) == {120}


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_modules_have_the_parameters_of_the_layout_in_its_order(network):
    assert [(name, tuple(p.shape)) for name, p in build(network).named_parameters()] == [
        (p.name, p.shape) for p in layout(network)
    ]


def test_flat_vector_goes_in_and_comes_out():
    model = build(LENET5).double()
    vector = np.arange(60_000.0)
    load_flat(model, vector)
    assert np.array_equal(flat(model), vector)
    # Kernel 2 of C3 is the third of map 0, which reads the maps 0, 1 and 2 of S2.
    assert model.C3.weight[2, 0, 1].item() == 168 + 2 * 25 + 1
    with pytest.raises(ValueError, match=r"60000 parameters.*\(59999,\)"):
        load_flat(model, vector[1:])


def test_vector_that_comes_out_is_a_copy():
    model = build(LENET1)
    before = flat(model)
    flat(model)[:] = 0
    assert np.array_equal(flat(model), before)


@pytest.mark.parametrize(("gain", "power"), [(2.4, 1.0), (1.0, 0.5)])
def test_weights_fill_the_interval_that_their_fan_in_gives(gain, power):
    vector = initial_weights(LENET5, Initialisation(gain, power), seed=0)
    for parameter in layout(LENET5):
        relative = vector[parameter.slice] / np.repeat(
            gain / np.array(parameter.fan_in, float) ** power, parameter.size // len(parameter.fan_in)
        )
        assert np.abs(relative).max() <= 1, parameter.name
        if parameter.size > 500:
            assert np.abs(relative).max() > 0.99, parameter.name
            assert abs(relative.mean()) < 4 / np.sqrt(3 * parameter.size), parameter.name
            assert relative.var() == pytest.approx(1 / 3, rel=0.1), parameter.name


def test_zero_biases_and_constant_coefficients():
    vector = initial_weights(LENET5, Initialisation(1.0, 0.5, biases="zero", coefficient=0.5), seed=0)
    for parameter in layout(LENET5):
        values = vector[parameter.slice]
        expected = {"bias": 0.0, "coefficient": 0.5}.get(parameter.role)
        assert np.all(values == expected) if expected is not None else np.all(values != 0), parameter.name


def test_draws_are_those_of_numpys_generator_in_flat_order():
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([7, 1])))
    vector = initial_weights(LENET5, Initialisation(2.4, 1.0), seed=7)
    assert np.array_equal(vector[:150], generator.uniform(-1, 1, 150) * (2.4 / 25))
    assert np.array_equal(vector[150:156], generator.uniform(-1, 1, 6) * (2.4 / 25))
    assert np.array_equal(vector[156:162], generator.uniform(-1, 1, 6) * (2.4 / 4))


def test_seeds_decide_the_weights():
    first, again, other = (initial_weights(LENET5, Initialisation(), seed) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.any(first == other)


def test_layers_that_do_not_fit_are_refused():
    too_small = networks.Network("too small", LENET5.layers, input_size=28)
    with pytest.raises(ValueError, match="C5"):
        layout(too_small)
