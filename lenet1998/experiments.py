"""Every table and figure that can be asked for: what it is, what of the paper it answers, and the runs behind it."""

from dataclasses import dataclass

from lenet1998 import study
from lenet1998.recipes import (
    LENET5_1998,
    LENET5_15000,
    LENET5_30000,
    LENET5_DISTORTED,
    MODERN_LENET5,
    Recipe,
)


@dataclass(frozen=True)
class Experiment:
    """A table or figure; the module of the same name in `paper_figures` makes it."""

    kind: str  # "table" or "figure"
    name: str  # as on the command line
    title: str
    answers: str  # what of the paper it stands beside
    recipes: tuple[Recipe, ...] = ()  # trained for a local run
    recorded_only: tuple[Recipe, ...] = ()  # shown from the committed records where they are, but not trained locally

    @property
    def module(self) -> str:
        return self.kind + self.name if len(self.name) <= 2 else self.name


EXPERIMENTS = (
    Experiment(
        "table",
        "1",
        "test error: the paper, this repository, today",
        "sections III.B and III.C, figure 9's LeNet-5 rows (it is not the paper's Table I)",
        (LENET5_1998, MODERN_LENET5),
        (LENET5_DISTORTED,),
    ),
    Experiment(
        "table",
        "2",
        "what each choice costs: the chosen recipe with one thing changed, the letter of the paper, the later protocol",
        "what sections II and III.B leave open (it is not a table of the paper)",
        tuple(recipe for line in study.table2_lines() for recipe in (line.recipe, line.validated)),
    ),
    Experiment(
        "table",
        "3",
        "every number that sections II and III.B state about LeNet-5, what was measured, and a verdict",
        "sections II and III.B (it is not a table of the paper)",
        (LENET5_1998, LENET5_15000, LENET5_30000, LENET5_DISTORTED),
    ),
    Experiment(
        "table",
        "c3",
        "Table I of the paper, read back out of the built network, with the count of every layer",
        "Table I and section II.B",
    ),
    Experiment(
        "table",
        "screening",
        "the study's screening: 28 readings of what the paper leaves open, and the literal one, against figure 5",
        "the training curve of figure 5 and the effective rates of section III.B",
        study.screening(),
    ),
    Experiment("figure", "3", "the 96 codes of 7x12 pixels: what the output units compare with", "figure 3"),
    Experiment("figure", "4", "the paper's 100 examples of MNIST, which are training digits", "figure 4"),
    Experiment(
        "figure",
        "5",
        "training and test error of LeNet-5 against the number of passes",
        "figure 5",
        (LENET5_1998,),
    ),
    Experiment(
        "figure",
        "6",
        "training and test error of LeNet-5 against the size of the training set, and with distortions",
        "figure 6",
        (LENET5_15000, LENET5_30000, LENET5_1998, LENET5_DISTORTED),
    ),
    Experiment("figure", "7", "ten training digits under the paper's 100 distortions, and under ours", "figure 7"),
    Experiment(
        "figure",
        "8",
        "the test digits that LeNet-5, trained with distortions, misreads, and which of them 1998's misread too",
        "figure 8",
        (LENET5_DISTORTED,),
        (LENET5_1998, MODERN_LENET5),
    ),
    Experiment(
        "figure",
        "literal",
        "how the recipe fails that follows the paper to the letter: saturation and curvature in its first two passes",
        "the initialisation of appendix A, beside the recipe that is chosen here",
    ),
    Experiment(
        "figure",
        "comparison",
        "the LeNet-5 of 1998 and the LeNet of today: training and test error over 20 passes",
        "nothing in the paper; it is the question of today",
        (LENET5_1998, MODERN_LENET5),
    ),
)

# Tables and figures of the paper that this repository does not regenerate, and why.
NOT_REGENERATED = (
    ("figures 1, 2", "drawings of an idea and of an architecture; there is nothing to measure"),
    ("figures 9 to 12", "not regenerated yet, apart from figure 9's LeNet-5 rows in table 1"),
    ("figure 13", "not regenerated yet"),
    ("figures 14 to 21, 28 to 34", "sections IV to VI and VIII to X; they need documents and data that are not public"),
    ("figures 22 to 27", "section VII; not regenerated yet, though the network takes inputs of any width"),
)


def find(kind: str, name: str) -> Experiment | None:
    """The experiment of that kind and name, None where there is none."""
    return next((e for e in EXPERIMENTS if (e.kind, e.name) == (kind, name)), None)
