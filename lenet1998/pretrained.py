"""Trained networks that come with the package: the weights at the end of the recorded runs with seed 0 on MNIST.

`trained/<recipe>.npz`, beside this file, holds the flat float32 vector `weights` and what they are: `recipe` (JSON),
`seed`, `revision` of the code that trained them and `data_sha256` of the digits.
"""

import json
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lenet1998 import records
from lenet1998.errors import UserError
from lenet1998.recipes import LENET5_1998, LENET5_DISTORTED, MODERN_LENET5
from lenet1998.records import Record
from lenet1998.weights import parameter_count

if TYPE_CHECKING:
    from lenet1998.layers import ReferenceNetwork

FOLDER = Path(__file__).parent / "trained"
RECIPES = {recipe.name: recipe for recipe in (LENET5_1998, LENET5_DISTORTED, MODERN_LENET5)}
DATASET, SEED = "mnist", 0


def load_pretrained(name: str = "lenet5") -> "ReferenceNetwork":
    """A trained network, frozen (in eval mode): (N, 1, 32, 32) images to (N, 10) outputs.

    "lenet5" and "lenet5-distorted" are LeNet-5 of 1998, without and with distorted training digits. They read
    `data.grey_levels(images)[:, None]`, background -0.1 and ink 1.175, and give ten penalties: the smallest is the
    answer. "modern" is the LeNet of today. It reads `data.grey_levels(images, background=0.0, ink=1.0)[:, None]` and
    gives ten logits: the largest is the answer.

    Raises ValueError for a name that there are no weights of, UserError where their file is damaged.
    """
    if name not in available():
        raise ValueError(f"there are no trained weights of {name!r}; there are {', '.join(available()) or 'none'}")
    from lenet1998.layers import build, load_flat  # torch, which a trainer that stores weights need not wait for

    network = build(RECIPES[name].network)
    load_flat(network, _weights(name))
    return network.eval()


def available() -> list[str]:
    """The recipes whose trained weights are there."""
    return [name for name in RECIPES if _path(name).exists()]


def is_kept(record: Record) -> bool:
    """Whether the weights of this run are those that come with the package."""
    return (record.dataset, record.seed) == (DATASET, SEED) and record.name in RECIPES


def save(record: Record) -> Path:
    """Store the weights of a run that `is_kept`; the same bytes for the same run at the same revision."""
    path = _path(record.name)
    content = {
        "weights": np.asarray(record.arrays["weights"], np.float32),
        "recipe": np.array(json.dumps(record.recipe)),
        "seed": np.array(record.seed),
        "revision": np.array(record.provenance["revision"] or "unknown"),
        "data_sha256": np.array(record.data_sha256),
    }
    records.write_whole(path, records.npz_bytes(content))
    return path


def _path(name: str) -> Path:
    return FOLDER / f"{name}.npz"


def _weights(name: str) -> np.ndarray:
    """The flat vector of a recipe; UserError where its file is damaged or of another recipe than today's."""
    path, recipe = _path(name), RECIPES[name]
    again = "restore it, or train it again with reproduce.py --record."
    try:
        with np.load(path, allow_pickle=False) as npz:
            weights, stored = npz["weights"], json.loads(str(npz["recipe"]))
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error}): {again}") from None
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error):
        raise UserError(f"{path} is damaged: {again}") from None
    if stored != records.plain(recipe.as_dict()) or weights.shape != (parameter_count(recipe.network),):
        raise UserError(f"{path} does not hold the weights of {name} as it is today: {again}")
    return weights
