"""A few of the sample's digits, and runs on them that take a second or less."""

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from lenet1998 import data, training
from lenet1998.data import Dataset, Digits
from lenet1998.recipes import LENET5_1998, Recipe, shortened
from lenet1998.records import Record
from lenet1998.training import Run


def digits(train: int = 120, test: int = 60) -> Dataset:
    whole = data.load("sample")
    parts = [Digits(part.images[:n], part.labels[:n]) for part, n in ((whole.train, train), (whole.test, test))]
    return Dataset("sample", f"{train} and {test} digits", *parts, sha256=f"{train} and {test} of {whole.sha256}")


def run(
    dataset: Dataset, passes: int = 4, seed: int = 0, recipe: Recipe = LENET5_1998, engine: str = "online", **changes
) -> Run:
    return training.make_run(replace(shortened(recipe, passes), **changes), seed, dataset, engine)


def until(happened: Callable[[], object], seconds: float = 60) -> None:
    """Wait, but not for ever."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"nothing in {seconds} s"
        time.sleep(0.01)


def assert_same_numbers(ours: Record, theirs: Record) -> None:
    """Every bit but the clock's and the provenance's."""
    assert without_clock(ours.curve) == without_clock(theirs.curve)
    assert ours.arrays.keys() == theirs.arrays.keys()
    for name, array in ours.arrays.items():
        assert array.dtype == theirs.arrays[name].dtype, name
        assert np.array_equal(array, theirs.arrays[name]), name
    timeless = {"curve": (), "arrays": {}, "provenance": {}}
    assert vars(replace(ours, **timeless)) == vars(replace(theirs, **timeless))


def without_clock(curve: tuple[dict, ...]) -> list[dict]:
    return [{name: value for name, value in entry.items() if name != "seconds"} for entry in curve]
