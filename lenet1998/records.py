"""One run, one record: two files beside each other, `seed0.json` for people and `seed0.npz` for arrays.

`<root>/<dataset>/<recipe>/seed<k>.json|npz`, and once per dataset `<root>/<dataset>/labels.npz`: the labels of the test
set, with which the errors are recomputed from the stored predictions. A record is written whole or not at all; the
JSON file is written last, and while it is not there, there is no record.
"""

import hashlib
import io
import json
import os
import platform
import re
import subprocess
import zipfile
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from lenet1998 import processor
from lenet1998.errors import UserError

RESULTS = Path(__file__).resolve().parents[1] / "results"  # what is committed, in a checkout


@dataclass(frozen=True, eq=False)
class Record:
    """What one run was and what came of it."""

    recipe: dict[str, Any]  # Recipe.as_dict()
    seed: int
    dataset: str  # "mnist" or "sample"
    data_sha256: str
    engine: str  # "online" or "torch"
    device: str
    arithmetic: int  # version of the arithmetic
    # One per pass: pass, rate, rate_min, rate_max (effective rates), loss (mean per pattern), on_the_fly_error_pct,
    # train_error_pct (of the frozen network), test_error_pct and validation_error_pct (or None), seconds.
    curve: tuple[dict[str, Any], ...]
    parameters: int  # free ones
    provenance: dict[str, Any]
    # predictions (n_test,) uint8 after the last pass, predictions_pass<p> after each reported pass p before it,
    # first_losses (100,) float64 of the first patterns.
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the recipe."""
        return self.recipe["name"]

    @property
    def passes(self) -> int:
        return len(self.curve)


def plain(value: Any) -> Any:
    """`value` as JSON gives it back: tuples become lists and numpy's numbers Python's. Compare recipes in this form."""
    return json.loads(json.dumps(value, default=_number))


def save(record: Record, path: Path) -> None:
    """Write `path`.json and `path`.npz (no suffix in `path`), over a record that may be there already."""
    arrays = npz_bytes(record.arrays)
    document = {f.name: getattr(record, f.name) for f in fields(Record) if f.name != "arrays"}
    document["arrays_sha256"] = hashlib.sha256(arrays).hexdigest()
    json_path, npz_path = _halves(path)
    # An old record goes first: between the two writes there must be none rather than one with another's arrays.
    try:
        json_path.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{json_path} cannot be replaced ({error.strerror}): choose another folder.") from None
    write_whole(npz_path, arrays)
    write_whole(json_path, (_layout(plain(document)) + "\n").encode())


def load(path: Path) -> Record:
    """The record at `path` (no suffix); UserError where one of its halves is missing, damaged or not its own."""
    json_path, npz_path = _halves(path)
    try:
        document = json.loads(_read(json_path))
        recorded_sha256 = document.pop("arrays_sha256")
        document["curve"] = tuple(document["curve"])
        record = Record(**document)
        if not isinstance(record.name, str):
            raise TypeError
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UserError(
            f"{json_path} is not the record of a run: remove it and {npz_path.name}, then train again."
        ) from None
    data = _read(npz_path)
    if hashlib.sha256(data).hexdigest() != recorded_sha256:
        raise UserError(f"{npz_path} does not belong to {json_path.name}: remove both, then train again.")
    return replace(record, arrays=_arrays(data, npz_path))


def find(root: Path, dataset: str, recipe_name: str) -> list[Record]:
    """The records of a recipe on a dataset, by seed; UserError for one that says it is something else."""
    found = {}
    for path in (root / dataset / recipe_name).glob("seed*.json"):
        if match := re.fullmatch(r"seed(\d+)\.json", path.name):
            seed = int(match[1])
            found[seed] = record = load(path.with_suffix(""))
            if (record.dataset, record.name, record.seed) != (dataset, recipe_name, seed):
                raise UserError(
                    f"{path} records {record.name} on {record.dataset} with seed {record.seed}: "
                    "move it to where it belongs."
                )
    return [found[seed] for seed in sorted(found)]


def place(root: Path, dataset: str, recipe_name: str, seed: int) -> Path:
    """Where a record stands under `root`, without suffix."""
    return root / dataset / recipe_name / f"seed{seed}"


def save_labels(root: Path, dataset: str, labels: np.ndarray) -> None:
    """Store the (n_test,) labels of the test set; nothing is written where they stand already."""
    path = root / dataset / "labels.npz"
    data = npz_bytes({"test": np.asarray(labels, dtype=np.uint8)})
    if not path.exists() or path.read_bytes() != data:
        write_whole(path, data)


def load_labels(root: Path, dataset: str) -> np.ndarray:
    """The (n_test,) uint8 labels of the test set; UserError where they are missing or damaged."""
    path = root / dataset / "labels.npz"
    arrays = _arrays(_read(path), path)
    if "test" not in arrays:
        raise UserError(f"{path} holds no labels of a test set: restore it.")
    return arrays["test"]


def write_whole(path: Path, data: bytes) -> None:
    """Write a file, making its folders, so that nobody ever reads half of it; UserError where it cannot be written."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}): choose another folder or make room.") from None
    finally:
        with suppress(OSError):
            temporary.unlink()


def provenance(threads: int = 1, wall_seconds: float | None = None) -> dict[str, Any]:
    """Which code, versions and processor a run has, and when; ask at its start, the wall time can be filled in later.

    `revision` and `clean` are None outside a checkout. `clean` leaves out what recording writes, results/ and the
    trained weights: it does not change the code. Bits can be compared between runs of the same versions and
    instruction set.
    """
    revision, clean = _revision(Path(__file__).resolve().parents[1])
    return {
        "revision": revision,
        "clean": clean,
        "versions": {"python": platform.python_version(), **_versions("lenet1998", "numpy", "numba", "torch")},
        "processor": processor.model(),
        "instruction_set": processor.instruction_set(),
        "threads": threads,
        "wall_seconds": wall_seconds,
        "utc": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _halves(path: Path) -> tuple[Path, Path]:
    return path.with_name(path.name + ".json"), path.with_name(path.name + ".npz")


def npz_bytes(arrays: dict[str, np.ndarray]) -> bytes:
    """The arrays as an npz file's bytes, the same for the same arrays."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): restore it, or train again.") from None


def _arrays(data: bytes, path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as npz:
            return {name: npz[name] for name in npz.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error):
        raise UserError(f"{path} is damaged: restore it, or remove it and train again.") from None


def _number(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a record cannot hold {value!r}")


def _layout(value: Any, indent: int = 0, width: int = 120) -> str:
    """JSON in which whatever holds only plain values, and whatever fits, stands on one line."""
    line = json.dumps(value)
    items: Iterable[Any] = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if not any(isinstance(item, dict | list) for item in items) or indent + len(line) <= width:
        return line
    inner = indent + 2
    if isinstance(value, dict):
        lines = [f"{json.dumps(key)}: {_layout(item, inner, width)}" for key, item in value.items()]
        opening, closing = "{}"
    else:
        lines = [_layout(item, inner, width) for item in value]
        opening, closing = "[]"
    body = (",\n" + " " * inner).join(lines)
    return f"{opening}\n{' ' * inner}{body}\n{' ' * indent}{closing}"


def _revision(root: Path) -> tuple[str | None, bool | None]:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        # Installed inside somebody else's checkout, the package has no revision of its own.
        if Path(git("rev-parse", "--show-toplevel")).resolve() != root:
            return None, None
        written = (":(exclude)results", ":(exclude)lenet1998/trained")
        return git("rev-parse", "HEAD"), not git("status", "--porcelain", "--", ".", *written)
    except (OSError, subprocess.CalledProcessError):
        return None, None


def _versions(*packages: str) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
