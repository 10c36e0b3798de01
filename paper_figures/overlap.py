"""How many of the test digits that the paper's network misreads, shown in its figure 8, another method misreads too."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lenet1998.errors import UserError
from lenet1998.records import Record
from paper_figures.digits import table


@dataclass(frozen=True, eq=False)
class Method:
    """Runs of one kind and their answers to the test digits."""

    name: str
    runs: tuple[Record, ...]
    answers: np.ndarray  # (runs, n) uint8
    wrong: np.ndarray  # (runs, n) bool


@dataclass(frozen=True)
class Overlap:
    """A method's errors and the paper's 82; each number is a mean over the method's runs."""

    method: str
    runs: int
    errors: float
    of_the_82: float  # how many of the 82 are among the errors
    same_answer: float  # and have the wrong answer of 1998
    by_chance: float  # how many would be, if as many errors were spread evenly over the test set
    share_pct: float  # how many of a hundred errors are among the 82

    @property
    def sentence(self) -> str:
        runs = "one run" if self.runs == 1 else f"mean of {self.runs} runs"
        errors, shared, same = (self.text(value) for value in (self.errors, self.of_the_82, self.same_answer))
        return (
            f"{self.method} ({runs}): {errors} errors, {shared} of the 82 among them ({self.by_chance:.1f} by chance), "
            f"{same} with the answer of 1998; {self.share_pct:.0f}% of its errors."
        )

    def text(self, value: float) -> str:
        """A count of one run, or a mean."""
        return f"{value:.0f}" if self.runs == 1 else f"{value:.1f}"


def answered(name: str, runs: Sequence[Record], labels: np.ndarray) -> Method:
    """The answers of the runs after their last pass; UserError where they are to other digits than `labels`, (n,)."""
    for record in runs:
        if record.arrays["predictions"].shape != labels.shape:
            raise UserError(
                f"The record of {record.name} on {record.dataset} with seed {record.seed} has "
                f"{record.arrays['predictions'].size} predictions for {labels.size} test digits: remove it and "
                "train again."
            )
    answers = np.array([record.arrays["predictions"] for record in runs], np.uint8).reshape(len(runs), labels.size)
    return Method(name, tuple(runs), answers, answers != labels)


def answers_1998(test_digits: int) -> np.ndarray:
    """The paper's wrong answers, -1 for the test digits that are not among its 82: (test_digits,) int64."""
    errors = table("figure8_errors")
    answers = np.full(test_digits, -1)
    answers[errors["index"]] = errors["answer"]
    return answers


def overlap(one: Method, theirs: np.ndarray) -> Overlap:
    """`theirs` are the wrong answers of 1998, -1 where there is none, (n,)."""
    among = theirs >= 0
    errors = float(one.wrong.sum(axis=1).mean())
    shared = float((one.wrong & among).sum(axis=1).mean())
    same = float((one.wrong & (one.answers == theirs)).sum(axis=1).mean())
    chance = errors * float(among.mean())
    return Overlap(one.name, len(one.runs), errors, shared, same, chance, 100 * shared / errors if errors else 0.0)
