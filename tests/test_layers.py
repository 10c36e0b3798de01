"""The layers against loops and the paper's counts, and the networks that they make."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from lenet1998.bitmaps import codes
from lenet1998.layers import (
    EuclideanRBF,
    FullConvolution,
    LeNet5,
    ReferenceNetwork,
    ScaledTanh,
    Subsampling,
    TableConvolution,
    audit,
    build,
    flat,
)
from lenet1998.networks import (
    LENET1,
    LENET4,
    LENET5,
    MODERN,
    TABLE_I,
    Convolution,
    Network,
    multilayer_perceptron,
)
from lenet1998.networks import Subsampling as SubsamplingLayer
from lenet1998.recipes import LENET5_1998, Initialisation


@pytest.fixture
def maps():
    """Four patterns of three maps of 6x7."""
    return torch.randn(4, 3, 6, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


# The codes of figure 3.

FOUR = """
.#####.
.......
.......
.##..##
.##..##
###..##
##...##
##...##
##..###
.######
.....##
.....##
"""


def test_codes_are_the_bitmaps_of_figure_3():
    digits = codes()
    assert digits.shape == (10, 84)
    assert np.array_equal(np.unique(digits), [-1, 1])  # not 0 and 1
    assert [int((code == 1).sum()) for code in digits] == [35, 27, 33, 32, 41, 35, 39, 25, 43, 39]
    assert "".join(".#"[int(pixel > 0)] for pixel in codes("4")[0]) == FOUR.replace("\n", "")
    assert (digits == digits[0]).all(axis=0).sum() == 14  # units with one target for all ten digits


def test_distances_between_the_codes_of_the_digits():
    hamming = {(a, b): int((codes()[a] != codes()[b]).sum()) for a, b in itertools.combinations(range(10), 2)}
    assert min(hamming.values()) == hamming[6, 8] == 12
    assert max(hamming.values()) == hamming[1, 4] == hamming[1, 8] == hamming[4, 7] == 50
    assert np.mean(list(hamming.values())) == pytest.approx(31.09, abs=0.005)


def test_all_96_characters_have_a_code_and_no_others_do():
    everything = "".join(map(chr, range(32, 128)))
    assert codes(everything).shape == (96, 84)
    assert np.array_equal(codes("70"), codes()[[7, 0]])
    assert (codes(" \x7f") == -1).all()
    assert int((codes("!") == 1).sum()) == 18
    for bad in ("\n", "0é", ""):
        with pytest.raises(ValueError, match="ASCII 32 to 127"):
            codes(bad)


def test_codes_cannot_be_spoilt_by_who_reads_them():
    codes()[:] = 0
    assert np.array_equal(np.unique(codes()), [-1, 1])


# One layer at a time.


def test_squashing_function():
    f = ScaledTanh()
    assert f(torch.tensor([1.0, -1.0, 0.0])).tolist() == pytest.approx([1, -1, 0], abs=1e-5)
    assert f(torch.tensor([50.0])).item() == pytest.approx(1.7159)
    a = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    f(a).backward()
    assert a.grad.item() == pytest.approx(1.7159 * 2 / 3)


def test_subsampling_adds_the_four_inputs(maps):
    layer = Subsampling(3).double()
    with torch.no_grad():
        layer.coefficient.copy_(torch.tensor([0.3, -0.7, 1.1]))
        layer.bias.copy_(torch.tensor([0.1, 0.2, -0.3]))
    outputs = layer(maps)
    assert outputs.shape == (4, 3, 3, 3)  # the seventh column is left out
    for n, m, y, x in np.ndindex(4, 3, 3, 3):
        total = sum(maps[n, m, 2 * y + dy, 2 * x + dx].item() for dy in (0, 1) for dx in (0, 1))
        expected = layer.coefficient[m].item() * total + layer.bias[m].item()
        assert outputs[n, m, y, x].item() == pytest.approx(expected, abs=1e-12)


def test_subsampling_maps_can_share_an_input_map(maps):
    layer = Subsampling(4, table=(2, 0, 2, 1)).double()
    assert torch.equal(layer(maps), Subsampling(4).double()(maps[:, [2, 0, 2, 1]]))


TABLE = ((0, 2), (1,), (0, 1, 2), (2,))


def test_table_convolution_against_a_loop(maps):
    layer = TableConvolution(TABLE, in_maps=3, k=3).double()
    assert layer.weight.shape == (7, 3, 3)
    outputs = layer(maps)
    assert outputs.shape == (4, 4, 4, 5)
    kernel = 0
    for m, sources in enumerate(TABLE):
        expected = torch.full((4, 4, 5), layer.bias[m].item(), dtype=torch.float64)  # once, not once per kernel
        for source in sources:
            for dy, dx in np.ndindex(3, 3):
                expected += layer.weight[kernel, dy, dx].item() * maps[:, source, dy : dy + 4, dx : dx + 5]
            kernel += 1
        assert torch.allclose(outputs[:, m], expected, rtol=0, atol=1e-12)


def test_table_convolution_gradient(maps):
    layer = TableConvolution(TABLE, in_maps=3, k=3).double()
    outputs = layer(maps.requires_grad_())
    outputs.sum().backward()
    assert torch.allclose(layer.bias.grad, torch.tensor(4 * 4 * 5.0, dtype=torch.float64))  # patterns times positions
    assert torch.autograd.gradcheck(layer, maps[:1, :, :4, :4].detach().requires_grad_())
    # Map 1 reads input map 1 only.
    (gradient,) = torch.autograd.grad(layer(maps)[:, 1].sum(), maps)
    assert [bool(gradient[:, m].any()) for m in range(3)] == [False, True, False]


def test_full_table_is_a_full_convolution(maps):
    layer = TableConvolution([range(3)] * 5, in_maps=3, k=3).double()
    dense = nn.functional.conv2d(maps, layer.weight.view(5, 3, 3, 3), layer.bias)
    assert torch.allclose(layer(maps), dense)


@pytest.mark.parametrize("table", [((0, 3),), ((0, 0),), ((),)])
def test_impossible_tables_are_refused(table):
    with pytest.raises(ValueError, match="different maps of 3"):
        TableConvolution(table, in_maps=3, k=5)


def test_convolution_that_covers_its_input_is_the_same_convolution(maps):
    layer = FullConvolution(3, 8, (6, 7)).double()
    outputs = layer(maps)
    assert outputs.shape == (4, 8, 1, 1)
    assert torch.allclose(outputs, nn.functional.conv2d(maps, layer.weight, layer.bias))


@pytest.mark.parametrize(("half", "factor"), [(False, 1.0), (True, 0.5)])
def test_rbf_units_give_the_squared_distance_once(half, factor):
    rbf = EuclideanRBF(codes(), half).double()
    assert not list(rbf.parameters())
    states = torch.randn(3, 84, 1, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    penalties = rbf(states)
    assert penalties.shape == (3, 10, 1, 1)
    for n, i in np.ndindex(3, 10):
        expected = factor * sum((states[n, j].item() - codes()[i, j]) ** 2 for j in range(84))
        assert penalties[n, i].item() == pytest.approx(expected)
    between = rbf(torch.from_numpy(codes()))
    assert between.diagonal().tolist() == [0] * 10
    assert between[6, 8].item() == factor * 4 * 12
    assert between.max().item() == factor * 200


# The whole networks.


def test_counts_of_the_paper():
    rows = audit(LeNet5())
    assert [(r.layer, r.parameters, r.connections) for r in rows] == [
        ("C1", 156, 122_304),
        ("S2", 12, 5_880),
        ("C3", 1_516, 151_600),
        ("S4", 32, 2_000),
        ("C5", 48_120, 48_120),
        ("F6", 10_164, 10_164),
        ("output", 0, 840),
    ]
    assert [(r.maps, r.rows, r.columns) for r in rows] == [
        (6, 28, 28),
        (6, 14, 14),
        (16, 10, 10),
        (16, 5, 5),
        (120, 1, 1),
        (84, 1, 1),
        (10, 1, 1),
    ]
    assert sum(r.parameters for r in rows) == 60_000
    assert sum(r.connections for r in rows) == 340_908


def test_counted_connections_are_there():
    """What an output reads is what its derivative does not vanish for; each unit has its bias beside."""
    model = LeNet5().double()
    connections = {row.layer: row.connections for row in audit(model)}
    for name, shape in [("S2", (6, 28, 28)), ("C3", (6, 14, 14)), ("S4", (16, 10, 10)), ("C5", (16, 5, 5))]:
        jacobian = torch.autograd.functional.jacobian(model.get_submodule(name), torch.randn(1, *shape).double())
        units = jacobian[0].flatten(0, 2)
        assert int((units != 0).sum()) + len(units) == connections[name]


def test_counts_of_the_other_networks():
    lenet1 = audit(build(LENET1), input_size=28)
    assert [(r.parameters, r.connections) for r in lenet1] == [
        (104, 59_904),
        (8, 2_880),
        (512, 32_768),
        (24, 960),
        (1_930, 1_930),
    ]
    assert sum(r.parameters for r in audit(build(MODERN))) == 61_706
    assert [r.parameters for r in audit(build(MODERN)) if r.layer.startswith("S")] == [0, 0]
    # "about 17,000" parameters and "about 260,000 connections" (section III.C.8)
    assert sum(r.parameters for r in audit(build(LENET4))) == 16_598
    assert sum(r.connections for r in audit(build(LENET4))) == pytest.approx(260_000, rel=0.1)


def test_audit_refuses_what_is_no_layer():
    with pytest.raises(TypeError, match="MaxPool2d"):
        audit(nn.Sequential(FullConvolution(1, 2, 5), nn.MaxPool2d(2)))


def test_table_i_is_read_back_from_the_network():
    assert LeNet5().C3.table == TABLE_I
    assert sum(map(len, LeNet5().C3.table)) == 60


def test_modules_have_the_names_of_the_paper():
    assert [name for name, _ in LeNet5().named_children()] == [
        *("C1", "C1_squash", "S2", "S2_squash", "C3", "C3_squash", "S4", "S4_squash"),
        *("C5", "C5_squash", "F6", "F6_squash", "output"),
    ]
    assert all(isinstance(m, ScaledTanh) for name, m in LeNet5().named_children() if name.endswith("_squash"))
    assert [type(m).__name__ for m in build(MODERN)] == [
        *("FullConvolution", "ReLU", "AvgPool2d", "FullConvolution", "ReLU", "AvgPool2d"),
        *("FullConvolution", "ReLU", "FullConvolution", "ReLU", "FullConvolution"),
    ]


def test_wider_input_gives_one_output_per_position():
    """Section VII: 32x64 pixels hold nine positions of 32x32, four pixels apart."""
    model = LeNet5().double()
    image = torch.randn(2, 1, 32, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        outputs = model(image)
        assert outputs.shape == (2, 10, 1, 9)
        for position in range(9):
            window = image[..., 4 * position : 4 * position + 32]
            assert torch.allclose(outputs[:, :, 0, position], model(window), rtol=1e-12, atol=0)
        assert not torch.allclose(outputs[..., 0], outputs[..., 1])
        assert model(torch.randn(1, 1, 40, 36).double()).shape == (1, 10, 3, 2)


@pytest.mark.parametrize(
    "network", [LENET1, LENET4, LENET5, MODERN, multilayer_perceptron(20, 30)], ids=lambda n: n.name
)
def test_networks_give_ten_outputs(network):
    size = network.input_size
    assert build(network)(torch.zeros(3, 1, size, size)).shape == (3, 10)


def test_lenet5_without_arguments():
    model = LeNet5()
    assert isinstance(model, ReferenceNetwork)
    assert model.output.half is False  # equation 7 as it is printed
    assert np.array_equal(flat(model), flat(build(LENET5, LENET5_1998.initialisation, seed=0)))
    assert (model.S2.coefficient == 0.5).all()
    assert LeNet5(half=True).output.half is True
    assert (
        np.abs(flat(LeNet5(initialisation=Initialisation()))[:150]).max() < 2.4 / 25 < np.abs(flat(model)[:150]).max()
    )
    assert not np.array_equal(flat(model), flat(LeNet5(seed=1)))


def test_building_leaves_torchs_random_numbers_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    LeNet5()
    assert torch.equal(torch.rand(3), expected)


def test_average_of_chosen_maps_is_refused():
    layers = (Convolution("C1", 2), SubsamplingLayer("S2", table=(0, 0), trainable=False))
    with pytest.raises(ValueError, match="plain average"):
        build(Network("no", layers))
