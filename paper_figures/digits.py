"""The few digits that figures draw, stored with the results: nobody needs MNIST to draw them.

  python -m paper_figures.digits               write them again from MNIST
  python -m paper_figures.digits --data DIR    from the MNIST in that folder

Which digits they are is known from the images that the authors' preprint embeds, compared with all of MNIST. The
files beside this one say so:

- figure4_digits.csv: the 100 images of figure 4 in reading order, each with the training digit that it shows and the
  squared distance between the two, summed over 32x32 pixels of 0 to 255: 199 to 1,843, which is rounding.
- figure7_distortions.csv: the 100 images of figure 7 in reading order, each with the training digit that it was made
  from, the affine distortion fitted to it (as in `lenet1998.distortions`) and what that leaves of the image, root mean
  square over 32x32 pixels of 0 to 255: 0.7 to 1.7.
- figure8_errors.csv: the 82 images of figure 8 in reading order, each with the test digit that it shows, the digit's
  label and the answer of the paper's network, as printed below it, and the squared distance as above: 92 to 1,695.

Figure 8 also draws what our own network misreads: the records in results/ say which test digits those are. Indices
count from 0, in MNIST's training set for figures 4 and 7 and in its test set for figure 8.
"""

import argparse
import csv
import io
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np

from lenet1998 import data
from lenet1998.data import Dataset
from lenet1998.errors import UserError
from lenet1998.records import RESULTS, npz_bytes, write_whole
from paper_figures import runs

STORED = RESULTS / "digits"
RECORDS = RESULTS / "records"
MATRIX = ("myy", "myx", "mxy", "mxx", "ty", "tx")  # in the order of lenet1998.distortions


@dataclass(frozen=True, eq=False)
class Stored:
    """Digits of MNIST's training set, or of its test set for figure 8."""

    indices: np.ndarray  # (n,) int64, from 0
    images: np.ndarray  # (n, 28, 28) uint8, 0 background to 255 full ink
    labels: np.ndarray  # (n,) uint8


def table(name: str) -> dict[str, np.ndarray]:
    """The columns of `name`.csv beside this file: whole numbers as int64, others as float64."""
    rows = list(csv.reader(io.StringIO((files("paper_figures") / f"{name}.csv").read_text("ascii"))))
    columns = zip(*rows[1:], strict=True)
    return {
        heading: np.array([float(v) for v in values] if "." in values[0] else [int(v) for v in values])
        for heading, values in zip(rows[0], columns, strict=True)
    }


def figure4_indices() -> np.ndarray:
    """The (100,) training digits of figure 4, in its order."""
    return table("figure4_digits")["index"]


def figure7_indices() -> np.ndarray:
    """The (10,) training digits that figure 7 distorts, 0 to 9."""
    measured = table("figure7_distortions")
    return measured["index"][measured["copy"] == 0]


def figure7_matrices() -> np.ndarray:
    """The (10, 10, 6) distortions of figure 7, digit by copy, each as Myy, Myx, Mxy, Mxx, ty, tx."""
    measured = table("figure7_distortions")
    return np.stack([measured[name] for name in MATRIX], axis=1).reshape(10, 10, len(MATRIX))


def figure8_indices() -> np.ndarray:
    """The test digits of figure 8, increasing: the paper's 82, and those that any of the recorded runs misreads."""
    recorded = runs.read(RECORDS, "mnist", ["lenet5-distorted"])
    misread = [record.arrays["predictions"] != recorded.labels for record in recorded.of("lenet5-distorted")]
    return np.unique(np.concatenate([table("figure8_errors")["index"], *map(np.flatnonzero, misread)]))


# What never changes, in the order in which it is drawn.
INDICES = {"figure4": figure4_indices, "figure7": figure7_indices}


def store(mnist: Dataset, folder: Path) -> list[Path]:
    """Write the digits of every figure into `folder`; the same bytes for the same digits."""
    wanted = {name: (mnist.train, indices_of()) for name, indices_of in INDICES.items()}
    wanted["figure8"] = mnist.test, figure8_indices()
    paths = []
    for name, (digits, indices) in wanted.items():
        arrays = {"indices": indices, "images": digits.images[indices], "labels": digits.labels[indices]}
        paths.append(folder / f"{name}.npz")
        write_whole(paths[-1], npz_bytes(arrays))
    return paths


def stored(name: str, folder: Path = STORED) -> Stored:
    """The digits of a figure; UserError where their file is missing, damaged or holds others than it always has."""
    path = folder / f"{name}.npz"
    again = "restore it, or write it again with python -m paper_figures.digits."
    try:
        with np.load(path, allow_pickle=False) as npz:
            digits = Stored(npz["indices"], npz["images"], npz["labels"])
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error}): {again}") from None
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile):
        raise UserError(f"{path} is damaged: {again}") from None
    if name in INDICES and not np.array_equal(digits.indices, INDICES[name]()):
        raise UserError(f"{path} does not hold the digits of {name}: {again}")
    return digits


def main(arguments: Sequence[str]) -> int:
    """Run the command line; the exit code is 0, or 2 where there is no MNIST."""
    parser = argparse.ArgumentParser(prog="python -m paper_figures.digits", description="Store the digits of figures.")
    parser.add_argument("--data", metavar="DIR", type=Path, help="where the four MNIST files are")
    options = parser.parse_args(arguments)
    try:
        for path in store(data.load("mnist", options.data), STORED):
            print(path)
    except UserError as error:
        print(f"digits: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
