"""Every named run: one frozen dataclass each, every field with its source.

A recipe says all that decides a run's numbers, apart from the seed, the digits and the engine. Two recipes that
differ in one field can be compared; `dataclasses.replace` makes such a pair.
"""

from dataclasses import asdict, dataclass, replace
from typing import Literal

from lenet1998.networks import LENET5, LENET5_LATER, MODERN, Network, lenet5


@dataclass(frozen=True)
class Criterion:
    """What is minimised, per pattern.

    "mle" is equation 8, the penalty of the right class. "map" is equation 9, which adds
    log(exp(-j) + sum_i exp(-y_i)); its j means nothing without the distance convention of the RBF layer (`RBF.half`).
    "squared error" is half the squared distance to targets +1 and -1 (the same authors' later code), and
    "cross-entropy" is the softmax cross-entropy of today, both for networks without RBF units.
    """

    kind: Literal["mle", "map", "squared error", "cross-entropy"]
    j: float | None = None


@dataclass(frozen=True)
class Initialisation:
    """Weights uniform in +-gain / F**power, F the fan-in of the unit (appendix A says gain 2.4, power 1).

    `biases` are drawn as weights are, or start at zero; the subsampling `coefficient` is drawn as weights are (F = 4),
    or starts at the given constant. The paper is silent on both; the same authors' later code has zero and 0.5.
    """

    gain: float = 2.4
    power: float = 1.0
    biases: Literal["uniform", "zero"] = "uniform"
    coefficient: float | Literal["uniform"] = "uniform"


@dataclass(frozen=True)
class SDLM:
    """Stochastic diagonal Levenberg-Marquardt (appendix C): the rate of a parameter is rate / (mu + h)."""

    mu: float = 0.02  # section III.B
    patterns: int = 500  # section III.B
    subset: Literal["first", "random"] = "first"  # of the order of presentation, or drawn anew; paper silent
    every: int = 1  # passes between two estimates; section III.B says each pass, the authors' later re-run every 10
    # The second derivative of the criterion in each state of the last squashing layer: a constant (1 is what the same
    # authors' later code fills in, 2 is equation 7's for the right class) or the exact diagonal.
    top: float | Literal["exact"] = "exact"
    # Curvature of the coefficient: equation 23 read literally, or what the same authors' later code does.
    coefficient: Literal["sum of squares", "square of the sum"] = "sum of squares"


@dataclass(frozen=True)
class SGD:
    """Plain stochastic gradient: the schedule's rate for every parameter."""


@dataclass(frozen=True)
class Adam:
    """Adam with bias correction, as torch.optim.Adam has it."""

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8


@dataclass(frozen=True)
class Distortions:
    """`copies` planar affine distortions of every training pattern beside the original (section III.B, figure 7)."""

    copies: int = 9


@dataclass(frozen=True)
class Recipe:
    """All that decides a run's numbers, apart from the seed, the digits and the engine."""

    name: str
    network: Network
    criterion: Criterion
    initialisation: Initialisation
    steps: SDLM | SGD | Adam
    schedule: tuple[tuple[int, float], ...]  # (passes, global learning rate), in turn
    batch: int = 1  # patterns between two updates; appendix C says one
    order: Literal["fixed", "reshuffled", "file"] = "fixed"  # appendix C: "a constant random order"
    training_patterns: int | None = None  # the first so many patterns of the training set; None: all
    validation_patterns: int = 0  # the last so many training patterns are held out
    distortions: Distortions | None = None
    reads_test_set: bool = True  # a recipe of a study does not
    frozen_errors: Literal["every pass", "last pass"] = "every pass"  # when the frozen network's errors are measured
    reported_passes: tuple[int, ...] = ()  # passes reported beside the last one

    @property
    def passes(self) -> int:
        return sum(passes for passes, _ in self.schedule)

    def rate(self, pass_number: int) -> float:
        """The global learning rate of a pass, counted from 1; ValueError beyond the schedule."""
        last = 0
        for passes, rate in self.schedule:
            last += passes
            if 1 <= pass_number <= last:
                return rate
        raise ValueError(f"the schedule of {self.name} has no pass {pass_number}")

    def criterion_text(self) -> str:
        """The criterion with j and the distance convention, as it is quoted in tables and captions."""
        return criterion_text(self.as_dict())

    def as_dict(self) -> dict:
        """The recipe as nested dictionaries and lists of plain values, for records and cache keys."""
        fields = asdict(self)
        for layer, plain in zip(self.network.layers, fields["network"]["layers"], strict=True):
            plain["kind"] = type(layer).__name__
        fields["steps"]["kind"] = type(self.steps).__name__
        return fields


def criterion_text(recipe: dict) -> str:
    """The criterion of a recipe as a record has it (`Recipe.as_dict`), with j and the distance convention."""
    criterion, head = recipe["criterion"], recipe["network"]["layers"][-1]
    if head["kind"] != "RBF":
        return criterion["kind"]
    distance = "half squared distance" if head["half"] else "whole squared distance"
    if criterion["kind"] == "mle":
        return f"equation 8, {distance}"
    return f"equation 9 with j = {criterion['j']:g}, {distance}"


def shortened(recipe: Recipe, passes: int) -> Recipe:
    """The first `passes` passes of a recipe; ValueError where it has fewer, or for less than one."""
    if not 1 <= passes <= recipe.passes:
        raise ValueError(f"{recipe.name} has {recipe.passes} passes; {passes} cannot be taken of them")
    schedule, left = [], passes
    for length, rate in recipe.schedule:
        if left:
            schedule.append((min(length, left), rate))
            left -= min(length, left)
    reported = tuple(p for p in recipe.reported_passes if p < passes)
    return replace(recipe, schedule=tuple(schedule), reported_passes=reported)


# Section III.B: 0.0005 for the first two passes, 0.0002 for the next three, 0.0001 for the next three,
# 0.00005 for the next four, 0.00001 thereafter; 20 passes in all.
SCHEDULE_1998 = ((2, 0.0005), (3, 0.0002), (3, 0.0001), (4, 0.00005), (8, 0.00001))

# The 1998 network. It departs from what the paper states in three points: the initialisation, with which its own recipe
# learns nothing for passes on end, half the distance of equation 7, and the curvature of a coefficient. These, and what
# the paper leaves open, were chosen by the rule of `lenet1998.study`, on the training side alone, or follow the same
# authors' later code; each is a row of the README's fidelity table.
LENET5_1998 = Recipe(
    name="lenet5",
    network=lenet5(half=True),
    criterion=Criterion("map", j=10.0),
    initialisation=Initialisation(gain=1.2, power=0.5, biases="zero", coefficient=0.5),
    steps=SDLM(top=1.0, coefficient="square of the sum"),
    schedule=SCHEDULE_1998,
)

# Section III.B: random distortions added to the training set, nothing else changed.
LENET5_DISTORTED = replace(LENET5_1998, name="lenet5-distorted", distortions=Distortions())

# Figure 6: fewer training patterns. The paper does not say how the schedule was set for them; these keep it.
LENET5_15000 = replace(LENET5_1998, name="lenet5-15000", training_patterns=15_000)
LENET5_30000 = replace(LENET5_1998, name="lenet5-30000", training_patterns=30_000)

# The paper as it stands, initialisation included. It learns nothing in its first passes; it is kept to show so.
LENET5_LITERAL = Recipe(
    name="lenet5-literal",
    network=LENET5,
    criterion=Criterion("mle"),
    initialisation=Initialisation(),
    steps=SDLM(),
    schedule=SCHEDULE_1998,
    frozen_errors="last pass",
)

# The same authors' later protocol on MNIST (README of QMNIST, 2019; grey levels, order, starting weights and curvature
# as in Lush, which it used): no RBF units, 30 passes, curvature on 1,000 patterns at the start of each ten.
LENET5_LATER_PROTOCOL = Recipe(
    name="lenet5-later",
    network=LENET5_LATER,
    criterion=Criterion("squared error"),
    initialisation=Initialisation(gain=1.0, power=0.5, biases="zero", coefficient=0.5),
    steps=SDLM(patterns=1000, every=10, top=1.0, coefficient="square of the sum"),
    schedule=((10, 1e-4), (10, 1e-5), (10, 1e-6)),
    order="file",
    frozen_errors="last pass",
)

# LeNet as an article of 2023 writes it in PyTorch: PyTorch's own initialisation (uniform in +-1/sqrt(F), biases
# too), Adam at 0.001, 64 patterns a step, reshuffled each epoch. The article trains 5 epochs, the paper 20 passes.
MODERN_LENET5 = Recipe(
    name="modern",
    network=MODERN,
    criterion=Criterion("cross-entropy"),
    initialisation=Initialisation(gain=1.0, power=0.5),
    steps=Adam(),
    schedule=((20, 0.001),),
    batch=64,
    order="reshuffled",
    reported_passes=(5,),
)
