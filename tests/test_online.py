"""The two engines as twins, and what the compiled one promises beside its arithmetic.

A network is compiled once per number format, in seconds; criteria, step rules and their options are given to the
compiled code as it runs. So a few small networks have every layer kind among them, and many recipes are run on each.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from numba import njit

from lenet1998 import data
from lenet1998.networks import (
    RBF,
    Convolution,
    FullyConnected,
    Network,
    Subsampling,
    multilayer_perceptron,
)
from lenet1998.online import OnlineTrainer
from lenet1998.online.compiler import module_for
from lenet1998.online.squash import FAST, tanh
from lenet1998.recipes import LENET5_1998, SDLM, SGD, Adam, Criterion, Initialisation, Recipe
from lenet1998.reference import ReferenceTrainer
from lenet1998.weights import layout

# As LeNet-4 has them: S2 takes maps twice, and C5 is as large as its input, with a table.
SMALL_LENET = Network(
    "small LeNet",
    (
        Convolution("C1", 3, kernel=3),
        Subsampling("S2", table=(0, 1, 1, 2, 2)),
        Convolution("C3", 4, table=((0, 1), (1, 2, 4), (0, 3), (0, 1, 2, 3, 4))),
        Subsampling("S4"),
        Convolution("C5", 84, kernel=3, table=tuple((m % 4,) if m % 3 else (0, 1 + m % 2, 3) for m in range(84))),
        RBF(),
    ),
    input_size=22,
)
# As LeNet-1: ten squashing units, no RBF units; subsampling that averages.
SMALL_LENET1 = Network(
    "small LeNet-1",
    (Convolution("H1", 3), Subsampling("H2", average=True), FullyConnected("output", 10)),
    input_size=12,
)
# Half the squared distance, on a layer that squashes by the plain hyperbolic tangent.
HALF_RBF = Network(
    "half RBF",
    (FullyConnected("H1", 30, squash="plain tanh"), FullyConnected("F2", 84), RBF(half=True)),
    input_size=12,
)
# As today: ReLU, plain averages, linear outputs.
SMALL_MODERN = Network(
    "small modern network",
    (
        Convolution("C1", 3, squash="relu"),
        Convolution("C2", 4, kernel=3, squash="relu"),
        Subsampling("S3", trainable=False, squash="linear"),
        FullyConnected("output", 10, squash="linear"),
    ),
    input_size=14,
    background=0.0,
    ink=1.0,
)
PERCEPTRON = multilayer_perceptron(12, 20)
NETWORKS = (SMALL_LENET, SMALL_MODERN, SMALL_LENET1, HALF_RBF)

EQUATION_8, EQUATION_9 = Criterion("mle"), Criterion("map", j=30.0)
SQUARED_ERROR, CROSS_ENTROPY = Criterion("squared error"), Criterion("cross-entropy")
LITERAL, LATER_CODE = "sum of squares", "square of the sum"


def recipe(network, criterion, steps):
    initialisation = Initialisation(gain=1.0, power=0.5, coefficient=0.5)
    return Recipe("twin", network, criterion, initialisation, steps, schedule=((1, 0.001),))


# Every layer kind, criterion and step rule, every start and both readings of the coefficient's curvature.
TWINS = [
    recipe(SMALL_LENET, EQUATION_8, SDLM(top="exact", coefficient=LITERAL)),
    recipe(SMALL_LENET, EQUATION_8, SDLM(top=2.0, coefficient=LATER_CODE)),
    recipe(SMALL_LENET, EQUATION_9, SDLM(top="exact", coefficient=LATER_CODE)),
    recipe(SMALL_LENET, EQUATION_9, SDLM(top=1.0, coefficient=LITERAL)),
    recipe(SMALL_LENET, EQUATION_9, SGD()),
    recipe(SMALL_LENET, EQUATION_9, Adam()),
    recipe(HALF_RBF, EQUATION_8, SDLM(top="exact", coefficient=LITERAL)),
    recipe(HALF_RBF, EQUATION_9, SDLM(top="exact", coefficient=LATER_CODE, mu=0.1)),
    recipe(HALF_RBF, EQUATION_8, Adam()),
    recipe(SMALL_LENET1, SQUARED_ERROR, SDLM(top="exact", coefficient=LATER_CODE)),
    recipe(SMALL_LENET1, SQUARED_ERROR, SDLM(top=2.0, coefficient=LITERAL)),
    recipe(SMALL_LENET1, CROSS_ENTROPY, SDLM(top="exact", coefficient=LITERAL)),
    recipe(SMALL_LENET1, SQUARED_ERROR, SGD()),
    recipe(SMALL_MODERN, CROSS_ENTROPY, SDLM(top="exact")),
    recipe(SMALL_MODERN, CROSS_ENTROPY, Adam()),
    recipe(SMALL_MODERN, SQUARED_ERROR, SGD()),
]
# Run in processes of their own.
PERCEPTRONS = [
    recipe(PERCEPTRON, SQUARED_ERROR, SDLM(top="exact")),
    recipe(PERCEPTRON, CROSS_ENTROPY, SGD()),
    recipe(PERCEPTRON, CROSS_ENTROPY, Adam(beta1=0.8, beta2=0.99, epsilon=1e-6)),
]
RATES = {SDLM: 0.0005, SGD: 0.001, Adam: 0.001}


def title(case):
    top = f" top {case.steps.top}, {case.steps.coefficient}" if isinstance(case.steps, SDLM) else ""
    return f"{case.network.name}, {case.criterion.kind}, {type(case.steps).__name__}{top}"


each_twin = pytest.mark.parametrize("case", TWINS, ids=title)


@pytest.fixture(scope="module", autouse=True)
def compiled():
    """All networks compiled, two at a time; at once where numba's cache has them."""
    wanted = [(LENET5_1998.network, "float32"), *((network, "float64") for network in NETWORKS)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda both: module_for(*both), wanted))


@pytest.fixture(scope="module")
def digits():
    return data.load("sample").train


def patterns(digits, network, count=200, start=0):
    """Images a little smaller than the network's input, not square, and their labels."""
    rows, columns = (min(28, network.input_size - by) for by in (1, 2))
    top, left = (28 - rows) // 2, (28 - columns) // 2
    chosen = slice(start, start + count)
    return digits.images[chosen, top : top + rows, left : left + columns], digits.labels[chosen]


def begun(trainer, digits):
    """The trainer ready for its first pass."""
    steps = trainer.recipe.steps
    if isinstance(steps, SDLM):
        trainer.estimate_curvature(*patterns(digits, trainer.recipe.network, 60, start=1000))
    trainer.begin_pass(RATES[type(steps)])
    return trainer


def both(case, digits, dtype=np.float64):
    return [begun(engine(case, seed=1, dtype=dtype), digits) for engine in (OnlineTrainer, ReferenceTrainer)]


def assert_twins(network, ours, reference, relative=1e-10):
    """Each array of parameters alike, in relation to its largest number."""
    for parameter in layout(network):
        a, b = ours[parameter.slice], reference[parameter.slice]
        assert np.abs(b).max() > 0
        np.testing.assert_allclose(a, b, rtol=0, atol=relative * np.abs(b).max(), err_msg=parameter.name)


@each_twin
def test_weights_after_200_patterns(case, digits):
    online, reference = both(case, digits)
    images, labels = patterns(digits, case.network)
    before = online.weights
    assert np.array_equal(before, reference.weights)
    losses, answers = online.train(images, labels)
    expected_losses, expected_answers = reference.train(images, labels)
    for parameter in layout(case.network):  # so that agreement means something
        a, b = online.weights[parameter.slice], before[parameter.slice]
        assert np.abs(a - b).max() > 1e-3 * np.abs(a).max(), parameter.name
    assert_twins(case.network, online.weights, reference.weights)
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-10)
    assert np.array_equal(answers, expected_answers)


@pytest.mark.parametrize("case", [case for case in TWINS if isinstance(case.steps, SDLM)], ids=title)
def test_curvature(case, digits):
    online, reference = both(case, digits)
    images, labels = patterns(digits, case.network, 50)
    for _ in range(2):  # on the initial weights, then on trained ones
        online.estimate_curvature(images, labels)
        reference.estimate_curvature(images, labels)
        assert online.curvature.max() > 0.01
        assert_twins(case.network, online.curvature, reference.state()["curvature"])
        assert online.begin_pass(0.0005) == pytest.approx(reference.begin_pass(0.0005), rel=1e-10)
        online.train(images, labels)
        reference.train(images, labels)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_answers_of_the_frozen_network(network, digits):
    case = next(case for case in TWINS if case.network == network)
    online, reference = both(case, digits)
    online.train(*patterns(digits, network, 2000))
    reference.set_weights(online.weights)
    others, _ = patterns(digits, network, 300, start=2000)
    before = online.weights
    answers = online.answers(others)
    assert answers.dtype == np.uint8
    assert np.array_equal(answers, reference.answers(others))
    assert np.array_equal(online.weights, before)
    assert len(set(answers.tolist())) > 3


def test_float32_losses_of_the_first_100_patterns(digits):
    engines = [engine(LENET5_1998, seed=0) for engine in (OnlineTrainer, ReferenceTrainer)]
    for trainer in engines:
        trainer.estimate_curvature(digits.images[:500], digits.labels[:500])
        trainer.begin_pass(LENET5_1998.rate(1))
    (losses, _), (expected, _) = (trainer.train(digits.images[:100], digits.labels[:100]) for trainer in engines)
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    assert losses[-20:].mean() < 0.8 * losses[:20].mean()
    answers, expected = (trainer.answers(digits.images[-500:]) for trainer in engines)
    assert (answers == expected).mean() > 0.99


def test_rational_tanh_of_float32():
    value = tanh("float32")[0]

    @njit(fastmath=FAST, error_model="numpy")
    def squash(a, out):
        for i in range(len(a)):
            out[i] = value(a[i])

    a = np.linspace(-20, 20, 1_000_001).astype(np.float32)
    out = np.empty_like(a)
    squash(a, out)
    exact = 1.7159 * np.tanh(a.astype(np.float64) * 2 / 3)
    assert np.abs(out - exact).max() < 5e-7
    near = (np.abs(a) < 1) & (a != 0)
    np.testing.assert_allclose(out[near], exact[near], rtol=1e-6)
    assert np.array_equal(out, -out[::-1])
    extremes = np.array([0, np.inf, -np.inf, 1e30, -1e30, np.nan], np.float32)
    out = np.empty_like(extremes)
    squash(extremes, out)
    np.testing.assert_allclose(out, [0, 1.7159, -1.7159, 1.7159, -1.7159, np.nan], rtol=1e-6)


def trained(trainer, images, labels, cuts=()):
    """Losses and final weights of training in so many calls."""
    losses = [trainer.train(*part)[0] for part in zip(np.split(images, cuts), np.split(labels, cuts), strict=True)]
    return np.concatenate(losses), trainer.weights


def test_bits_do_not_depend_on_how_training_is_cut(digits):
    case = TWINS[2]
    images, labels = patterns(digits, case.network)
    whole = trained(begun(OnlineTrainer(case, 0, np.float64), digits), images, labels)
    cut = trained(begun(OnlineTrainer(case, 0, np.float64), digits), images, labels, [1, 2, 90, 90, 163])
    assert all(map(np.array_equal, whole, cut))


def test_trainers_live_side_by_side(digits):
    cases = [(TWINS[3], 0), (TWINS[3], 1), (TWINS[5], 0), (TWINS[-1], 0), (TWINS[6], 0)]

    def fresh():
        return [begun(OnlineTrainer(case, seed, np.float64), digits) for case, seed in cases]

    def blocks(case):
        images, labels = patterns(digits, case.network)
        return [(images[i : i + 20], labels[i : i + 20]) for i in range(0, 200, 20)]

    alone = [trained(trainer, *patterns(digits, trainer.recipe.network))[1] for trainer in fresh()]
    in_turn, in_threads = fresh(), fresh()
    for parts in zip(*(blocks(case) for case, _ in cases), strict=True):
        for trainer, (images, labels) in zip(in_turn, parts, strict=True):
            trainer.train(images, labels)
            trainer.answers(images)
    with ThreadPoolExecutor(len(cases)) as pool:
        list(pool.map(lambda trainer: trained(trainer, *patterns(digits, trainer.recipe.network)), in_threads))
    for expected, turn, thread in zip(alone, in_turn, in_threads, strict=True):
        assert np.array_equal(turn.weights, expected)
        assert np.array_equal(thread.weights, expected)
    assert not np.array_equal(alone[0], alone[1])


@pytest.mark.parametrize("case", [TWINS[3], TWINS[5], TWINS[4]], ids=title)
def test_resumed_bit_for_bit(case, digits, tmp_path):
    images, labels = patterns(digits, case.network)
    uninterrupted = begun(OnlineTrainer(case, 0, np.float64), digits)
    uninterrupted.train(images[:100], labels[:100])
    np.savez(tmp_path / "state.npz", **uninterrupted.state())
    uninterrupted.begin_pass(0.0002)
    expected = trained(uninterrupted, images[100:], labels[100:])

    resumed = OnlineTrainer(case, 5, np.float64)
    resumed.train(images[:3], labels[:3])  # whatever it did before is forgotten
    with np.load(tmp_path / "state.npz") as state:
        resumed.restore(dict(state))
    resumed.begin_pass(0.0002)
    got = trained(resumed, images[100:], labels[100:])
    assert all(map(np.array_equal, got, expected))


PROCESS = """
import numpy as np
from lenet1998.networks import *
from lenet1998.online import OnlineTrainer
from lenet1998.recipes import *

with np.load({given!r}) as given:
    images, labels = given["images"], given["labels"]
weights = []
for case, rate in {cases!r}:
    trainer = OnlineTrainer(case, 1, np.float64)
    if isinstance(case.steps, SDLM):
        trainer.estimate_curvature(images, labels)
    trainer.begin_pass(rate)
    trainer.train(images, labels)
    weights.append(trainer.weights)
np.save({made!r}, weights)
"""


def test_second_process_takes_the_first_ones_code(digits, tmp_path):
    images, labels = patterns(digits, PERCEPTRON)
    np.savez(tmp_path / "given.npz", images=images, labels=labels)
    cases = [(case, RATES[type(case.steps)]) for case in PERCEPTRONS]

    def process(name):
        made = tmp_path / f"{name}.npy"
        program = PROCESS.format(given=str(tmp_path / "given.npz"), cases=cases, made=str(made))
        environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
        done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        compiled = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nb*")}
        return np.load(made), done.stderr, compiled

    weights, said, compiled = process("first")
    assert "compiling" in said and any(path.suffix == ".nbc" for path in compiled)
    weights_again, said_again, compiled_again = process("second")
    assert np.array_equal(weights_again, weights)
    assert said_again == "" and compiled_again == compiled

    for ours, (case, rate) in zip(weights, cases, strict=True):
        reference = ReferenceTrainer(case, 1, np.float64)
        before = reference.weights
        if isinstance(case.steps, SDLM):
            reference.estimate_curvature(images, labels)
        reference.begin_pass(rate)
        reference.train(images, labels)
        assert_twins(PERCEPTRON, ours, reference.weights)
        assert np.abs(ours - before).max() > 0.01


@pytest.mark.parametrize(
    "case",
    [
        replace(TWINS[0], batch=2),
        replace(TWINS[0], criterion=CROSS_ENTROPY),
        replace(PERCEPTRONS[0], criterion=EQUATION_8),
    ],
    ids=["batches", "cross-entropy of penalties", "equation 8 without RBF units"],
)
def test_recipes_that_it_cannot_run_are_refused(case):
    with pytest.raises(ValueError, match=r"one pattern at a time|does not fit the output layer"):
        OnlineTrainer(case, 0, np.float64)
