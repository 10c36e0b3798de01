"""The runs that a table or a figure is made from: the records of one dataset, and what is read out of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lenet1998 import data, records
from lenet1998.errors import UserError
from lenet1998.recipes import criterion_text
from lenet1998.records import Record
from lenet1998.statistics import mean_sd

TITLES = {edition.name: edition.title for edition in (data.MNIST, data.SAMPLE)}


@dataclass(frozen=True, eq=False)
class Runs:
    """Records on one dataset, each recipe's by seed, and the labels of its test set."""

    dataset: str  # "mnist" or "sample"
    records: dict[str, tuple[Record, ...]]  # by the name of the recipe
    labels: np.ndarray  # (n_test,) uint8; empty where there is no record

    @property
    def title(self) -> str:
        return TITLES[self.dataset]

    @property
    def digits(self) -> str:
        """The title as it stands in a sentence."""
        return f"the {self.title}" if self.dataset == "sample" else self.title

    def of(self, recipe_name: str) -> tuple[Record, ...]:
        """The runs of a recipe, by seed; none where there are none."""
        return self.records.get(recipe_name, ())

    def test_errors_pct(self, recipe_name: str, after: int | None = None) -> list[float]:
        """The test error in per cent of every run that has one, recomputed from its predictions.

        After its last pass, or after pass `after` where it was reported; a run that has no such pass is left out.
        """
        errors = []
        for record in self.of(recipe_name):
            last = after is None or after == record.passes
            predictions = record.arrays.get("predictions" if last else f"predictions_pass{after}")
            if predictions is None:
                continue
            if predictions.shape != self.labels.shape:
                raise UserError(
                    f"The record of {record.name} on {self.title} with seed {record.seed} has {predictions.size} "
                    f"predictions for {self.labels.size} test digits: remove it and train again."
                )
            errors.append(100 * float(np.mean(predictions != self.labels)))
        return errors


def read(root: Path, dataset: str, recipe_names: Iterable[str]) -> Runs:
    """The records of these recipes on a dataset under `root`."""
    found = {name: tuple(records.find(root, dataset, name)) for name in recipe_names}
    labels = records.load_labels(root, dataset) if any(found.values()) else np.zeros(0, dtype=np.uint8)
    return Runs(dataset, found, labels)


def gather(own: Iterable[Record], labels: np.ndarray) -> Runs:
    """Runs from records that are at hand, all on one dataset; `labels` are those of its test set, (n_test,)."""
    by_recipe: dict[str, tuple[Record, ...]] = {}
    for record in sorted(own, key=lambda r: r.seed):
        by_recipe[record.name] = (*by_recipe.get(record.name, ()), record)
    datasets = {record.dataset for runs in by_recipe.values() for record in runs}
    if len(datasets) != 1:
        raise ValueError(f"runs of one dataset are expected, not of {sorted(datasets) or 'none'}")
    return Runs(datasets.pop(), by_recipe, np.asarray(labels, dtype=np.uint8))


def stem(name: str, local: Runs | None) -> str:
    """The name of the files: what is made from the sample says so."""
    return f"{name}-sample" if local is not None and local.dataset == "sample" else name


def seeds_text(runs: Iterable[Record]) -> str:
    """As in "seed 0", "seeds 0 to 9" and "seeds 0, 2, 5"."""
    seeds = [record.seed for record in runs]
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    if len(seeds) > 2 and seeds == list(range(seeds[0], seeds[0] + len(seeds))):
        return f"seeds {seeds[0]} to {seeds[-1]}"
    return "seeds " + ", ".join(map(str, seeds))


def counted(number: int, what: str, several: str) -> str:
    """As in "1 pass" and "20 passes"."""
    return f"{number} {what if number == 1 else several}"


def mean_sd_text(errors: list[float]) -> str:
    """As in "0.95 ± 0.05"; without the deviation for a single value."""
    mean, sd = mean_sd(errors)
    return f"{mean:.2f}" if sd is None else f"{mean:.2f} ± {sd:.2f}"


def source_text(recipe_name: str, runs: Runs) -> str:
    """Where the numbers of a recipe come from: dataset, seeds, passes, criterion, engine and revision."""
    found = runs.of(recipe_name)
    passes = _distinct(counted(record.passes, "pass", "passes") for record in found)
    criteria = _distinct(criterion_text(record.recipe) for record in found)
    revisions = _distinct(revision_text(record.provenance) for record in found)
    engines = _distinct(record.engine for record in found)
    source = f"recipe {recipe_name} on {runs.digits}, {seeds_text(found)}, {passes}"
    return f"{source}: {criteria}; {engines} engine, {revisions}."


def revision_text(provenance: dict[str, Any]) -> str:
    """As in "revision 0123abc", with a remark where the tree held changes."""
    revision = provenance.get("revision")
    if revision is None:
        return "revision unknown"
    return f"revision {revision[:7]}" + ("" if provenance.get("clean") else " with uncommitted changes")


def processor_text(provenance: dict[str, Any]) -> str:
    """As in "AMD EPYC (znver4)": the model's name alone may stand for several generations."""
    kind = provenance.get("instruction_set")
    return provenance["processor"] + (f" ({kind.split()[0]})" if kind else "")


def _distinct(texts: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(texts))
