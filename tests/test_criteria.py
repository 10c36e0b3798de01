"""The criteria against their formulas in plain Python, and the curvature at the top against torch's Hessian."""

import math

import pytest
import torch
from torch.autograd.functional import hessian

from lenet1998.bitmaps import codes
from lenet1998.criteria import answers, losses, top_curvature
from lenet1998.layers import EuclideanRBF
from lenet1998.recipes import Criterion

MLE, SQUARED, ENTROPY = Criterion("mle"), Criterion("squared error"), Criterion("cross-entropy")
PENALTIES = torch.tensor([[1.5, 0.25, 3.0], [2.0, 2.0, 0.5]], dtype=torch.float64)
LABELS = torch.tensor([1, 0])


def test_equation_8_is_the_penalty_of_the_right_class():
    assert losses(MLE, PENALTIES, LABELS).tolist() == [0.25, 2.0]


@pytest.mark.parametrize("j", [0.1, 1.0, 10.0])
def test_equation_9(j):
    expected = [
        y[label] + math.log(math.exp(-j) + sum(math.exp(-penalty) for penalty in y))
        for y, label in zip(PENALTIES.tolist(), LABELS.tolist(), strict=True)
    ]
    assert losses(Criterion("map", j), PENALTIES, LABELS).tolist() == pytest.approx(expected, rel=1e-12)


def test_equation_9_rewards_the_right_class_and_only_it():
    outputs = PENALTIES.clone().requires_grad_()
    losses(Criterion("map", 1.0), outputs, LABELS).sum().backward()
    right = torch.nn.functional.one_hot(LABELS, 3).bool()
    assert (outputs.grad[right] > 0).all()
    assert (outputs.grad[~right] < 0).all()
    # The rubbish class takes its part: without it the gradient would sum to zero.
    rubbish = math.exp(-1.0) / (math.exp(-1.0) + sum(math.exp(-y) for y in PENALTIES[0].tolist()))
    assert outputs.grad[0].sum().item() == pytest.approx(rubbish)


def test_equation_9_leaves_large_penalties_alone():
    """The constant j "prevents the penalties of classes that are already very large from being pushed further up"."""
    outputs = torch.tensor([[1.0, 30.0]], requires_grad=True)
    losses(Criterion("map", 2.0), outputs, torch.tensor([0])).sum().backward()
    assert abs(outputs.grad[0, 1].item()) < 1e-10


@pytest.mark.parametrize("label", range(10))
def test_equation_9_at_the_distances_of_the_codes(label):
    """Whole distances reach 200, where exp(-y) is zero in float32; the loss is positive wherever it is taken."""
    criterion = Criterion("map", 10.0)
    penalties = EuclideanRBF(codes())(torch.from_numpy(codes()).float()).requires_grad_()
    loss = losses(criterion, penalties, torch.full((10,), label))
    (gradient,) = torch.autograd.grad(loss.sum(), penalties)
    assert torch.isfinite(gradient).all()
    assert (loss > 0).all()
    # With distances this far apart the smaller of the nearest penalty, zero, and j decides.
    assert loss[label].item() == pytest.approx(math.log1p(math.exp(-10)), rel=1e-5)
    assert loss[(label + 1) % 10].item() == pytest.approx(penalties[(label + 1) % 10, label].item(), rel=1e-4)


def test_small_losses_of_equation_9_keep_their_digits_in_float32():
    outputs = torch.tensor([[60.0, 71.0, 90.0]])
    loss = losses(Criterion("map", 200.0), outputs, torch.tensor([0])).item()
    assert loss == pytest.approx(math.log1p(math.exp(-11) + math.exp(-30)), rel=1e-6)


def test_half_squared_error():
    outputs = torch.tensor([[0.5, -1.0, 2.0]], dtype=torch.float64)
    assert losses(SQUARED, outputs, torch.tensor([2])).tolist() == [(1.5**2 + 0 + 1) / 2]


def test_cross_entropy():
    outputs = [0.5, -1.0, 2.0]
    expected = -math.log(math.exp(2.0) / sum(map(math.exp, outputs)))
    assert losses(ENTROPY, torch.tensor([outputs]).double(), torch.tensor([2])).item() == pytest.approx(expected)


def test_labels_may_be_bytes_but_must_be_one_per_pattern():
    assert losses(MLE, PENALTIES, LABELS.to(torch.uint8)).tolist() == [0.25, 2.0]
    with pytest.raises(ValueError, match="one label per pattern"):
        losses(MLE, PENALTIES, LABELS[:1])
    with pytest.raises(ValueError, match="one label per pattern"):
        losses(MLE, PENALTIES[:, :, None], LABELS)


def test_answer_is_the_smallest_penalty_or_the_largest_output():
    assert answers(MLE, PENALTIES).tolist() == answers(Criterion("map", 1.0), PENALTIES).tolist() == [1, 2]
    assert answers(SQUARED, PENALTIES).tolist() == answers(ENTROPY, PENALTIES).tolist() == [2, 0]


# Curvature at the top.


def exact(criterion, states, labels, rbf):
    """The diagonal of each pattern's Hessian, by torch."""

    def of_pattern(state, label):
        def loss(x):
            return losses(criterion, x[None] if rbf is None else rbf(x[None]), label[None])[0]

        return hessian(loss, state).diagonal()

    return torch.stack([of_pattern(state, label) for state, label in zip(states, labels, strict=True)])


@pytest.mark.parametrize("half", [False, True], ids=["whole", "half"])
@pytest.mark.parametrize("criterion", [MLE, *(Criterion("map", j) for j in (0.1, 1.0, 10.0, 60.0))], ids=str)
def test_exact_curvature_at_the_states_that_the_rbf_units_read(criterion, half):
    rbf = EuclideanRBF(codes(), half).double()
    generator = torch.Generator().manual_seed(0)
    near, other = codes()[[3, 8]]
    states = torch.from_numpy((near + other) / 2) + 0.3 * torch.randn(6, 84, dtype=torch.float64, generator=generator)
    labels = torch.tensor([3, 8, 1, 3, 8, 5])
    expected = exact(criterion, states, labels, rbf)
    found = top_curvature(criterion, states, rbf=rbf)
    assert torch.allclose(found, expected, rtol=1e-9, atol=1e-12)
    assert (found >= 0).all()
    if criterion.kind == "mle":
        assert (found == (1 if half else 2)).all()
    elif criterion.j < 60:
        assert found.std() > 0


@pytest.mark.parametrize("criterion", [SQUARED, ENTROPY], ids=str)
def test_exact_curvature_at_the_outputs(criterion):
    states = torch.randn(5, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = exact(criterion, states, torch.arange(5), None)
    assert torch.allclose(top_curvature(criterion, states), expected, rtol=1e-12, atol=1e-15)


def test_constant_curvature_at_the_top():
    rbf = EuclideanRBF(codes()).double()
    states = torch.zeros(2, 84)
    assert torch.equal(top_curvature(Criterion("map", 10.0), states, top=1.5, rbf=rbf), torch.full((2, 84), 1.5))


def test_criterion_and_units_must_go_together():
    with pytest.raises(ValueError, match="not a criterion for RBF units"):
        top_curvature(SQUARED, torch.zeros(2, 84), rbf=EuclideanRBF(codes()))
    with pytest.raises(ValueError, match="is a criterion for RBF units"):
        top_curvature(MLE, torch.zeros(2, 10))
