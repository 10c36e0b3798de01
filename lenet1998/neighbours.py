"""Three nearest neighbours on MNIST's pixels: a yardstick for which test digits are hard for whom.

  python -m lenet1998.neighbours             answer the 10,000 test digits and print the error
  python -m lenet1998.neighbours --record    also store the answers among the records in results/

Euclidean distance between the regular images of 28x28 pixels, as they stand in the files. Section III.C.2 of the paper
states k = 3 for deslanted images; for regular ones it does not say.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from lenet1998 import data, paper, processor, records
from lenet1998.data import Dataset, Digits
from lenet1998.errors import UserError
from lenet1998.records import Record

NAME = "neighbours"
K = paper.NEAREST_NEIGHBOURS
RECORDS = records.RESULTS / "records"


def answers(train: Digits, images: np.ndarray, k: int = K) -> np.ndarray:
    """What most of the `k` nearest training digits are, for each of the (n, 28, 28) uint8 images: (n,) uint8.

    Where several classes have as many of them, the smallest class is the answer.
    """
    from sklearn.neighbors import KNeighborsClassifier  # takes most of a second, and only this needs it

    def pixels(of: np.ndarray) -> np.ndarray:
        # Squared distances are whole numbers below 2**26: exact, so that nothing depends on the processor.
        return of.reshape(len(of), -1).astype(np.float64)

    classifier = KNeighborsClassifier(k, algorithm="brute").fit(pixels(train.images), train.labels)
    return classifier.predict(pixels(images)).astype(np.uint8)


def record(dataset: Dataset) -> Record:
    """The answers to the test digits as a record, which has no passes and no free parameters."""
    provenance = records.provenance(threads=processor.cores())  # scikit-learn takes all
    provenance["versions"]["scikit-learn"] = version("scikit-learn")
    began = time.perf_counter()
    predictions = answers(dataset.train, dataset.test.images)
    return Record(
        recipe={"name": NAME, "k": K, "distance": "Euclidean", "images": "regular images of 28x28 pixels"},
        seed=0,
        dataset=dataset.name,
        data_sha256=dataset.sha256,
        engine="scikit-learn",
        device="cpu",
        arithmetic=1,
        curve=(),
        parameters=0,
        provenance={**provenance, "wall_seconds": round(time.perf_counter() - began, 2)},
        arrays={"predictions": predictions},
    )


def main(arguments: Sequence[str]) -> int:
    """Run the command line; the exit code is 0, or 2 where there is no MNIST."""
    parser = argparse.ArgumentParser(prog="python -m lenet1998.neighbours", description="Nearest neighbours on MNIST.")
    parser.add_argument("--data", metavar="DIR", type=Path, help="where the four MNIST files are")
    parser.add_argument("--record", action="store_true", help="store the answers among the records in results/")
    options = parser.parse_args(arguments)
    try:
        mnist = data.load("mnist", options.data)
        made = record(mnist)
        wrong = int(np.sum(made.arrays["predictions"] != mnist.test.labels))
        print(f"{K} nearest neighbours: {wrong:,} of {len(mnist.test.labels):,} test digits misread")
        if options.record:
            path = records.place(RECORDS, mnist.name, NAME, made.seed)
            records.save(made, path)
            print(path.with_suffix(".json"))
    except UserError as error:
        print(f"neighbours: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
