"""Stochastic diagonal Levenberg-Marquardt (appendix C): one learning rate per parameter, from its own curvature.

    optimizer = SDLM(network, rate=0.0005)
    for each pass:
        optimizer.estimate(images, Criterion("map", j=10.0))
        for each pattern: zero_grad, backward of its loss, optimizer.step()

The curvature of a parameter is the diagonal Gauss-Newton approximation of the second derivative of the loss, averaged
over the patterns given: summed over the connections that share the parameter (equation 23), carried down from the top
by equation 27. It needs no labels.
"""

from collections.abc import Callable, Iterator
from typing import Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call

from lenet1998.criteria import top_curvature
from lenet1998.layers import EuclideanRBF, ScaledTanh, Subsampling, TableConvolution
from lenet1998.recipes import Criterion

# Patterns swept together: torch's float32 sums over 500 patterns and all positions lose three digits, over these one.
AT_ONCE = 25

Coefficient = Literal["sum of squares", "square of the sum"]


def diagonal_curvature(
    network: nn.Module,
    images: Tensor,
    criterion: Criterion,
    top: float | str = "exact",
    coefficient: Coefficient = "sum of squares",
) -> list[Tensor]:
    """The curvature of each parameter, shaped and ordered as `network.parameters()`, averaged over the N images.

    `network` is an nn.Sequential, nested or not, of the layers of `lenet1998.layers`, nn.Linear, nn.Conv2d, nn.Tanh,
    nn.ReLU, nn.AvgPool2d, nn.Flatten and nn.Identity; RBF units stand last, if at all.
    `top` says what the second derivative is at the states that the RBF units read, or at the outputs of a network
    without them (see `lenet1998.criteria.top_curvature`). `coefficient` is the reading of equation 23 for the
    subsampling coefficient, whose four inputs share it before they are squashed: the squares of the four summed, as
    the equation has it, or the square of their sum, as the same authors' later code has it.

    Raises TypeError for a layer that the sweep does not know, ValueError for one with settings that it does not know.
    """
    if coefficient not in ("sum of squares", "square of the sum"):
        raise ValueError(
            f"the coefficient's curvature is a sum of squares or the square of the sum, not {coefficient!r}"
        )
    if len(images) == 0:
        raise ValueError("the curvature is an average over patterns, and none was given")
    modules = list(_leaves(network))
    rbf = modules.pop() if modules and isinstance(modules[-1], EuclideanRBF) else None
    for module in modules:
        _check(module)
    curvatures = {parameter: torch.zeros_like(parameter) for parameter in network.parameters()}
    with torch.no_grad():
        for part in images.split(AT_ONCE):
            states = [part]
            for module in modules:
                states.append(module(states[-1]))
            outputs = states.pop()
            if rbf is not None and outputs[0].numel() != rbf.codes.shape[1]:
                raise ValueError(
                    f"RBF units of {rbf.codes.shape[1]} inputs read one position at a time, not {outputs.shape}"
                )
            h = top_curvature(criterion, outputs.flatten(1), top, rbf).view_as(outputs)
            for module, inputs in zip(reversed(modules), reversed(states), strict=True):
                h, own = _below(module, inputs, h, coefficient)
                for parameter, curvature in zip(module.parameters(), own, strict=True):
                    curvatures[parameter] += curvature / len(images)
    return list(curvatures.values())


def _leaves(module: nn.Module) -> Iterator[nn.Module]:
    """The layers of a network in the order in which data passes them."""
    if isinstance(module, nn.Sequential):
        for child in module:
            yield from _leaves(child)
    else:
        yield module


def _check(module: nn.Module) -> None:
    match module:
        case nn.Conv2d() if module.padding_mode != "zeros":
            raise ValueError(f"the curvature goes through convolutions padded with zeros, not through {module}")
        case nn.AvgPool2d() if module.padding not in (0, (0, 0)) or module.ceil_mode:
            raise ValueError(f"the curvature goes through average pooling without padding, not through {module}")
        case EuclideanRBF():
            raise ValueError("RBF units are the last layer of a network, or there are none")
        case nn.Conv2d() | nn.Linear() | TableConvolution() | Subsampling() | nn.AvgPool2d():
            pass
        case ScaledTanh() | nn.Tanh() | nn.ReLU() | nn.Identity() | nn.Flatten():
            pass
        case _:
            raise TypeError(
                f"the curvature goes through nn.Sequential networks of convolutions, linear layers, subsampling, "
                f"average pooling, tanh, ReLU and flattening, not through {type(module).__name__}"
            )


def _below(module: nn.Module, inputs: Tensor, h: Tensor, coefficient: Coefficient) -> tuple[Tensor, list[Tensor]]:
    """From the curvature at a layer's outputs, shaped as they are: that at its inputs, and that of its parameters.

    The latter are summed over patterns and over the connections that share a parameter.
    """
    match module:
        case ScaledTanh():
            slope = module.A * module.S * (1 - torch.tanh(module.S * inputs).square())
            return slope.square() * h, []
        case nn.Tanh():
            return (1 - torch.tanh(inputs).square()).square() * h, []
        case nn.ReLU():
            return (inputs > 0) * h, []
        case nn.AvgPool2d():
            rows, columns = module.kernel_size if isinstance(module.kernel_size, tuple) else [module.kernel_size] * 2
            below, _ = _weighted(module, inputs, h)  # has one factor 1/neighbours of the two
            return below / (module.divisor_override or rows * columns), []
        case Subsampling():
            below, (of_coefficient, of_bias) = _weighted(module, inputs, h)
            if module.average:  # an average too
                below, of_coefficient = below / 4, of_coefficient / 4
            if coefficient == "square of the sum":
                of_coefficient = (h * module.sums(inputs).square()).sum((0, 2, 3))
            return below, [of_coefficient, of_bias]
        case _:
            return _weighted(module, inputs, h)


def _weighted(module: nn.Module, inputs: Tensor, h: Tensor) -> tuple[Tensor, list[Tensor]]:
    """`_below` for a layer of weighted sums a_i = sum_j u_ij x_j + b_i.

    Equation 25 is h_i x_j^2 for a weight and h_i for a bias, equation 27 is sum_i u_ij^2 h_i for an input. With squared
    inputs and squared parameters the layer makes sum_j u_ij^2 x_j^2 + b_i^2, and the derivatives of its h-weighted sum
    in those squares are just these, with the sum over shared connections taken.
    """
    with torch.enable_grad():
        squares = {name: p.detach().square().requires_grad_() for name, p in module.named_parameters()}
        squared_inputs = inputs.square().requires_grad_()
        outputs = functional_call(module, squares, squared_inputs)
        below, *own = torch.autograd.grad(outputs, [squared_inputs, *squares.values()], h)
    return below, own


class SDLM(torch.optim.Optimizer):
    """w <- w - rate / (mu + h) dE/dw for each parameter w of `network`, h its curvature (equations 18 and 21).

    `rate` is the global learning rate, `lr` of the one parameter group, where torch's schedulers find it. `mu` caps
    the step where the curvature is small (0.02 in section III.B). Curvatures travel with `state_dict`.
    """

    def __init__(self, network: nn.Module, rate: float, mu: float = 0.02):
        if rate < 0 or mu <= 0:
            raise ValueError(f"the rate is not negative and mu is positive, not {rate} and {mu}")
        super().__init__(network.parameters(), {"lr": rate, "mu": mu})
        self.network = network

    def estimate(
        self,
        images: Tensor,
        criterion: Criterion,
        top: float | str = "exact",
        coefficient: Coefficient = "sum of squares",
    ) -> None:
        """Replaces the curvatures by those over these images (see `diagonal_curvature`); kept until the next call."""
        curvatures = diagonal_curvature(self.network, images, criterion, top, coefficient)
        for parameter, h in zip(self.network.parameters(), curvatures, strict=True):
            self.state[parameter]["h"] = h

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        """One update from the gradients that are there; RuntimeError before the first `estimate`."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    damped = self._curvature(parameter) + group["mu"]
                    parameter.addcdiv_(parameter.grad, damped, value=-group["lr"])
        return loss

    def effective_rates(self) -> tuple[float, float]:
        """Smallest and largest rate / (mu + h) of all parameters; RuntimeError before the first `estimate`."""
        bounds = []
        for group in self.param_groups:
            for parameter in group["params"]:
                rates = group["lr"] / (group["mu"] + self._curvature(parameter))
                bounds += [rates.min().item(), rates.max().item()]
        return min(bounds), max(bounds)

    def _curvature(self, parameter: Tensor) -> Tensor:
        if not self.state.get(parameter):
            raise RuntimeError("SDLM has no step sizes before its first estimate of the curvature")
        return self.state[parameter]["h"]
