"""What training minimises, per pattern (section II.C), the answer, and the curvature at the top of a network.

Outputs are (N, classes), labels (N,) integers. "mle" (equation 8) and "map" (equation 9) take the penalties of RBF
units; "squared error" and "cross-entropy" take the outputs of networks without.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from lenet1998.layers import EuclideanRBF
from lenet1998.recipes import Criterion

OF_PENALTIES = ("mle", "map")


def losses(criterion: Criterion, outputs: Tensor, labels: Tensor) -> Tensor:
    """The loss of each pattern, (N,); neither summed nor averaged over them."""
    labels = _checked(outputs, labels)
    match criterion.kind:
        case "mle":
            return outputs.gather(1, labels[:, None]).squeeze(1)
        case "map":
            # y_D + log(exp(-j) + sum_i exp(-y_i)), with exp(-y_D) taken out of the logarithm: log(1 + the others
            # relative to it). Distances reach 200, where exp(-y) is zero in float32, and a small loss stays exact.
            right = outputs.gather(1, labels[:, None])
            others = (right - outputs).scatter(1, labels[:, None], -torch.inf)
            rubbish = right - criterion.j
            return F.softplus(torch.logsumexp(torch.cat([others, rubbish], 1), 1), threshold=50)
        case "squared error":
            return (outputs - _targets(outputs, labels)).square().sum(1) / 2
        case "cross-entropy":
            return F.cross_entropy(outputs, labels, reduction="none")
    raise ValueError(f"there is no criterion {criterion.kind!r}")


def answers(criterion: Criterion, outputs: Tensor) -> Tensor:
    """The class of each pattern, (N,): the smallest penalty, or the largest output."""
    return outputs.argmin(1) if criterion.kind in OF_PENALTIES else outputs.argmax(1)


def top_curvature(
    criterion: Criterion, states: Tensor, top: float | str = "exact", rbf: EuclideanRBF | None = None
) -> Tensor:
    """Second derivative of each pattern's loss in each state of the last layer of units, shaped as `states`.

    `states` are the (N, 84) states that the RBF units `rbf` read, or the (N, classes) outputs of a network without
    them. `top` is a constant that stands for every second derivative, or "exact", the diagonal of the Hessian. No
    criterion's depends on the label. Raises ValueError for a criterion that does not go with the units.
    """
    if (rbf is not None) != (criterion.kind in OF_PENALTIES):
        raise ValueError(f"{criterion.kind!r} is {'not ' if rbf is not None else ''}a criterion for RBF units")
    if top != "exact":
        return torch.full_like(states, top)
    match criterion.kind:
        case "mle":
            return torch.full_like(states, _second_derivative(rbf))
        case "map":
            # With y_i = c |x - w_i|^2, p the posteriors of the classes, p0 of the rubbish class and d_i = x - w_i, it
            # is 2c p0 + 4c^2 (sum_i p_i d_i^2 - (sum_i p_i d_i)^2). The bracket is a variance, the rubbish class
            # being at 0; taken about the mean, it loses no digits and is never negative.
            penalties = rbf(states)
            constant = torch.full_like(penalties[:, :1], criterion.j)
            posteriors = torch.softmax(-torch.cat([penalties, constant], 1), 1)
            p, rubbish = posteriors[:, :-1, None], posteriors[:, -1:]
            differences = rbf.differences(states)
            mean = (p * differences).sum(1)
            variance = (p * (differences - mean[:, None]).square()).sum(1) + rubbish * mean.square()
            double = _second_derivative(rbf)
            return double * rubbish + double**2 * variance
        case "squared error":
            return torch.ones_like(states)
        case "cross-entropy":
            p = torch.softmax(states, 1)
            return p * (1 - p)
    raise ValueError(f"there is no criterion {criterion.kind!r}")


def _second_derivative(rbf: EuclideanRBF) -> float:
    """2c: the second derivative of one penalty in one state."""
    return 1.0 if rbf.half else 2.0


def _targets(outputs: Tensor, labels: Tensor) -> Tensor:
    """+1 for the right class and -1 for the others, (N, classes): where ScaledTanh is +1 and -1."""
    return torch.full_like(outputs, -1.0).scatter(1, labels[:, None], 1.0)


def _checked(outputs: Tensor, labels: Tensor) -> Tensor:
    if outputs.dim() != 2 or labels.shape != outputs.shape[:1]:
        raise ValueError(f"one row of outputs and one label per pattern, not {outputs.shape} and {labels.shape}")
    return labels.long()
