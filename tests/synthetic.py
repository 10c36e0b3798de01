"""Records as a trainer would write them, made up in a millisecond."""

from pathlib import Path

import numpy as np

from lenet1998 import records
from lenet1998.recipes import LENET5_1998, MODERN_LENET5, Recipe, shortened
from lenet1998.records import Record

RECIPES = {recipe.name: recipe for recipe in (LENET5_1998, MODERN_LENET5)}
PROVENANCE = {
    "revision": "0123456789abcdef0123456789abcdef01234567",
    "clean": True,
    "versions": {"python": "3.11.7", "numpy": "2.4.6"},
    "processor": "Imaginary Processor",
    "instruction_set": "imaginary1 01234567",
    "threads": 1,
    "wall_seconds": 70.0,
    "utc": "2025-01-02T03:04:05+00:00",
}


def labels(patterns: int = 10_000) -> np.ndarray:
    return (np.arange(patterns) % 10).astype(np.uint8)


def predictions(errors: int, patterns: int = 10_000) -> np.ndarray:
    """`errors` wrong answers to `labels`, spread over the test set."""
    answers = labels(patterns)
    wrong = np.linspace(0, patterns - 1, errors).astype(int)
    answers[wrong] = (answers[wrong] + 1) % 10
    return answers


def record(
    recipe: Recipe = LENET5_1998,
    seed: int = 0,
    errors: int = 100,
    dataset: str = "mnist",
    passes: int | None = None,
    errors_pass5: int = 160,
) -> Record:
    """A run that ends with `errors` test errors, and had `errors_pass5` after pass 5 where the recipe reports that."""
    if passes is not None:
        recipe = shortened(recipe, passes)
    patterns = {"mnist": 10_000, "sample": 1_000}[dataset]
    last = 100 * errors / patterns
    numbers = np.arange(1, recipe.passes + 1)
    falling = np.exp(-(numbers - 1) / 2.5) * (1 + 0.1 * seed)
    curve = tuple(
        {
            "pass": int(number),
            "rate": recipe.rate(number),
            "rate_min": recipe.rate(number) / 10,
            "rate_max": recipe.rate(number) * 10,
            "loss": float(20 * fall + 1),
            "on_the_fly_error_pct": float(5 * fall + 0.3),
            "train_error_pct": float(2.5 * fall + 0.1),
            "test_error_pct": float(2 * fall + last) if number < recipe.passes else last,
            "validation_error_pct": None,
            "seconds": 3.5,
        }
        for number, fall in zip(numbers.tolist(), falling, strict=True)
    )
    arrays = {"predictions": predictions(errors, patterns), "first_losses": np.linspace(50, 10, 100)}
    for number in recipe.reported_passes:
        arrays[f"predictions_pass{number}"] = predictions(errors_pass5, patterns)
    return Record(
        recipe=records.plain(recipe.as_dict()),
        seed=seed,
        dataset=dataset,
        data_sha256="0" * 64,
        engine="online",
        device="cpu",
        arithmetic=1,
        curve=curve,
        parameters=60_000 if recipe.name.startswith("lenet5") else 61_706,
        provenance=PROVENANCE,
        arrays=arrays,
    )


def write_records(root: Path, dataset: str = "mnist") -> None:
    """Three seeds of the network of 1998 and of the modern one, and the labels."""
    for seed in range(3):
        for name, errors in (("lenet5", 95 + 10 * seed), ("modern", 110 + seed)):
            made = record(RECIPES[name], seed, errors, dataset, errors_pass5=150 + 7 * seed)
            records.save(made, records.place(root, dataset, name, seed))
    records.save_labels(root, dataset, labels({"mnist": 10_000, "sample": 1_000}[dataset]))
