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
from dataclasses import replace

from lenet1998 import paper
from lenet1998.networks import lenet5
from lenet1998.recipes import LENET5_1998, LENET5_LITERAL, SDLM, Criterion, Initialisation, Recipe

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
            for gain in (1.0, 1.2):
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


def distance_from_figure5(on_the_fly_pct: Sequence[float]) -> float:
    """Root-mean-square distance, in points of per cent, of a run's on-the-fly training error from figure 5.

    `on_the_fly_pct` has one error per pass from the first; passes 1 to 20 count, or as many as there are.
    """
    pairs = list(zip(on_the_fly_pct, paper.FIGURE_5[: paper.PASSES], strict=False))
    return (sum((ours - theirs) ** 2 for ours, (_, theirs, _) in pairs) / len(pairs)) ** 0.5
