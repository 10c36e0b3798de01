"""The study of what the paper leaves open: one recipe per reading, and the rule by which one reading is chosen.

The rule, fixed before the first of these runs. The test set is not read by any of them.

1. Screening. The points that act on each other are crossed in full: half or whole distance; equation 8, or 9 with j of
   0.1, 1 or 10; weights within k/sqrt(F) for k of 1 and 1.2; a constant second derivative at the top (that of one
   penalty, 1 for half and 2 for whole distances) or the exact diagonal. Seed 0, 60,000 patterns, 20 passes, the
   schedule as printed. Beside them stands the recipe read literally.
2. The five that come nearest to figure 5 are run with seeds 1 and 2 as well.
3. Chosen is, in this order: (a) the smallest root-mean-square distance of the on-the-fly training error from figure 5
   over passes 1 to 20, averaged over the seeds; (b) first-pass effective rates nearest to 7e-5 .. 0.016, by the sum
   of the two absolute differences of logarithms; (c) more of the paper's other statements on the training side met:
   0.35% after 19 passes within 0.1 point, all subsampling coefficients positive at the end but at most one, no
   over-training; (d) the smallest validation error of networks trained on 50,000 patterns and validated on the other
   10,000. A later criterion decides only between recipes that an earlier one does not tell apart: their difference in
   (a) is below the pooled standard deviation over seeds, in (b) below 0.1. The reading closest to the paper's letter
   wins what is then still a tie.
4. Then the choice is committed, single changes are made to the chosen recipe with three seeds each, and after that the
   test set is read once for every line.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lenet1998 import paper
from lenet1998.networks import lenet5
from lenet1998.recipes import (
    LENET5_1998,
    LENET5_LATER_PROTOCOL,
    LENET5_LITERAL,
    SCHEDULE_1998,
    SDLM,
    Criterion,
    Initialisation,
    Recipe,
)

BASE = replace(LENET5_1998, name="study-base", reads_test_set=False, frozen_errors="last pass")

CRITERIA = {
    "eq8": Criterion("mle"),
    "j0.1": Criterion("map", j=0.1),
    "j1": Criterion("map", j=1.0),
    "j10": Criterion("map", j=10.0),
}


def screening() -> tuple[Recipe, ...]:
    """The crossed readings of step 1, and the literal one."""
    crossed = []
    for half in (True, False):
        constant = 1.0 if half else 2.0
        for criterion_name, criterion in CRITERIA.items():
            for gain in (1.0, 1.2):  # later code's; one that comes near the effective rates of section III.B
                # With equation 8 the exact diagonal is the constant.
                for top in (constant,) if criterion.kind == "mle" else (constant, "exact"):
                    distance = "half" if half else "whole"
                    top_name = "exact" if top == "exact" else "constant"
                    crossed.append(
                        replace(
                            BASE,
                            name=f"study-{distance}-{criterion_name}-k{gain:g}-{top_name}",
                            network=lenet5(half=half),
                            criterion=criterion,
                            initialisation=Initialisation(gain, 0.5, biases="zero", coefficient=0.5),
                            steps=SDLM(top=top, coefficient="square of the sum"),
                        )
                    )
    literal = replace(LENET5_LITERAL, name="study-literal", reads_test_set=False, frozen_errors="last pass")
    return (*crossed, literal)


VALIDATION_PATTERNS = 10_000  # held out at the end of the training set


@dataclass(frozen=True)
class Line:
    """A line of table 2: the chosen recipe with one thing changed, or one of two protocols that differ in many."""

    point: str  # what is changed
    reading: str  # to what
    recipe: Recipe  # on 60,000 patterns; reads the test set once, after its last pass

    @property
    def validated(self) -> Recipe:
        """The same trained on 50,000 patterns and validated on the other 10,000; reads no test set."""
        name = f"{self.recipe.name}-validated"
        return replace(
            self.recipe,
            name=name,
            validation_patterns=VALIDATION_PATTERNS,
            reads_test_set=False,
            frozen_errors="last pass",
        )


CHOSEN = Line("chosen", "as chosen", LENET5_1998)
LITERAL = Line(
    "the paper's letter",
    "weights, biases and coefficients within ±2.4/F, equation 8, whole distance, curvatures as in equations 23 and 27",
    LENET5_LITERAL,
)
LATER = Line(
    "the authors' later protocol",
    "ten squashing outputs, half squared error, weights within ±1/√F, grey levels 0 to 2.55, file order, 30 passes",
    LENET5_LATER_PROTOCOL,
)


def single_changes() -> tuple[Line, ...]:
    """Step 4: the chosen recipe with one thing changed in each."""
    initial, steps = LENET5_1998.initialisation, LENET5_1998.steps

    def change(point: str, reading: str, name: str, **fields) -> Line:
        recipe = replace(LENET5_1998, name=f"change-{name}", frozen_errors="last pass", **fields)
        return Line(point, reading, recipe)

    def weights(reading: str, name: str, **fields) -> Line:
        return change("initial weights", reading, name, initialisation=replace(initial, **fields))

    def criterion(reading: str, name: str, *fields) -> Line:
        return change("criterion", reading, name, criterion=Criterion(*fields))

    def top(reading: str, name: str, value) -> Line:
        return change("curvature at the top", reading, name, steps=replace(steps, top=value))

    def scaled(factor: float) -> tuple[tuple[int, float], ...]:
        return tuple((passes, factor * rate) for passes, rate in SCHEDULE_1998)

    # With whole distances the second derivative of one penalty, the constant at the top, is 2.
    whole = {"network": lenet5(half=False), "steps": replace(steps, top=2.0)}
    # The average with four times the coefficient is the same function as the sum; its curvature is a sixteenth.
    average = {"network": lenet5(half=True, average=True), "initialisation": replace(initial, coefficient=2.0)}
    return (
        weights("±1/√F", "gain-1", gain=1.0),
        weights("±2.4/√F", "gain-2.4", gain=2.4),
        weights("±2.4/F, as printed", "range-2.4-over-F", gain=2.4, power=1.0),
        change("initial biases", "as weights", "biases", initialisation=replace(initial, biases="uniform")),
        change(
            "initial coefficients", "as weights", "coefficients", initialisation=replace(initial, coefficient="uniform")
        ),
        change("distance", "whole, curvature at the top 2", "whole", **whole),
        criterion("equation 8", "eq8", "mle"),
        criterion("equation 9, j = 0.1", "j0.1", "map", 0.1),
        criterion("equation 9, j = 1", "j1", "map", 1.0),
        criterion("equation 9, j = 100", "j100", "map", 100.0),
        top("2", "top-2", 2.0),
        top("4", "top-4", 4.0),
        top("exact diagonal", "top-exact", "exact"),
        change("subsampling", "average, coefficients 2", "average", **average),
        change(
            "curvature of a coefficient",
            "sum of squares",
            "sum-of-squares",
            steps=replace(steps, coefficient="sum of squares"),
        ),
        change("patterns for the curvature", "500 at random", "random-500", steps=replace(steps, subset="random")),
        change("order", "of the file", "file-order", order="file"),
        change("order", "reshuffled", "reshuffled", order="reshuffled"),
        change("learning rates", "halved", "rates-halved", schedule=scaled(0.5)),
        change("learning rates", "doubled", "rates-doubled", schedule=scaled(2.0)),
        change("squashing function", "tanh(a)", "plain-tanh", network=lenet5(half=True, squash="plain tanh")),
    )


def table2_lines() -> tuple[Line, ...]:
    """All lines of table 2, the chosen recipe first."""
    return (CHOSEN, *single_changes(), LITERAL, LATER)


def distance_from_figure5(on_the_fly_pct: Sequence[float]) -> float:
    """Root-mean-square distance, in points of per cent, of a run's on-the-fly training error from figure 5.

    `on_the_fly_pct` has one error per pass from the first; passes 1 to 20 count, or as many as there are.
    """
    pairs = list(zip(on_the_fly_pct, paper.FIGURE_5[: paper.PASSES], strict=False))
    return (sum((ours - theirs) ** 2 for ours, (_, theirs, _) in pairs) / len(pairs)) ** 0.5
