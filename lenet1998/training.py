"""Passes through the training set: order, schedule, curvature, learning curve, and resuming.

A run is a recipe with a seed, on some digits, by an engine. It lives in a folder of its own: a checkpoint after each
pass, a small file that tells how far it is, and at the end its record.
"""

import hashlib
import io
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from lenet1998 import records
from lenet1998.data import Dataset, Digits
from lenet1998.recipes import SDLM, Recipe
from lenet1998.records import Record
from lenet1998.weights import parameter_count

# Raised whenever a change makes the same recipe and seed give other numbers; older cached runs are then not reused.
ARITHMETIC = 1
ENGINES = ("online", "torch")
CHUNK = 1024  # patterns between two looks at the clock; the numbers do not depend on it
FIRST_LOSSES = 100

# What the random streams of a run are for; each has the seed and its own number, so none depends on another.
_ORDER, _SUBSET = 2, 3

_DIGEST = hashlib.sha256().digest_size  # bytes


class Stopped(Exception):
    """The run was asked to stop; the same command goes on from its last completed pass."""


@dataclass(frozen=True)
class Run:
    """What decides every bit of a run, on one machine and with one set of versions."""

    recipe: Recipe
    seed: int
    dataset: str
    data_sha256: str
    engine: str
    device: str = "cpu"
    arithmetic: int = ARITHMETIC

    @property
    def name(self) -> str:
        return f"{self.recipe.name}, seed {self.seed}"

    @property
    def key(self) -> str:
        """What a cached run is found by."""
        fields = {**vars(self), "recipe": self.recipe.as_dict()}
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:16]

    def folder(self, root: Path) -> Path:
        """Its place under the folder of local runs."""
        return root / self.dataset / self.recipe.name / f"seed{self.seed}-{self.key}"


@dataclass(frozen=True)
class Progress:
    """How far a run is."""

    pass_number: int  # the one under way, counted from 1
    passes: int
    patterns: int  # presented in this pass so far
    patterns_per_pass: int
    errors: int  # among them, on the fly


def make_run(recipe: Recipe, seed: int, dataset: Dataset, engine: str) -> Run:
    """A run of a recipe; recipes that update after several patterns are the torch engine's, whatever is asked for."""
    return Run(recipe, seed, dataset.name, dataset.sha256, engine if recipe.batch == 1 else "torch")


def finished(run: Run, root: Path) -> Record | None:
    """The record of a run that has been trained here before."""
    path = run.folder(root) / "record"
    return records.load(path) if path.with_suffix(".json").exists() else None


def forget(run: Run, root: Path) -> None:
    """Remove what is left of a run, so that it is trained from the start."""
    folder = run.folder(root)
    for name in ("record.json", "record.npz", "checkpoint.npz"):
        (folder / name).unlink(missing_ok=True)


def train(
    run: Run,
    dataset: Dataset,
    root: Path,
    tell: Callable[[Progress], None] = lambda progress: None,
    stop: Callable[[], bool] = lambda: False,
) -> Record:
    """Train a run to its end, from its last completed pass if it was begun before, and return its record.

    `tell` hears of the progress and `stop` is asked every thousand patterns; Stopped is raised when it says so.
    A second process that wants the same run waits for the first, then finds the record.
    """
    folder = run.folder(root)
    with _alone(folder, stop):
        record = finished(run, root)
        if record is None:
            for half_written in folder.glob(".*"):  # by a process that was killed
                half_written.unlink()
            record = _train(run, dataset, folder, tell, stop)
            records.save(record, folder / "record")
            (folder / "checkpoint.npz").unlink(missing_ok=True)
    return record


@contextmanager
def _alone(folder: Path, stop: Callable[[], bool]) -> Iterator[None]:
    """Hold the run's lock, which the system releases if the process dies; wait for it as long as need be."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock")
    while True:
        try:
            lock.acquire(timeout=0.5)
            break
        except Timeout:
            if stop():
                raise Stopped from None
    try:
        yield
    finally:
        lock.release()


def training_digits(recipe: Recipe, train_set: Digits) -> tuple[Digits, Digits | None]:
    """The digits that a recipe trains on, and those of the training set that it holds out for validation.

    No more than a sixth is held out, as the 10,000 of the study are of MNIST's 60,000: the sample has fewer than those.
    """
    held = min(recipe.validation_patterns, len(train_set.labels) // 6)
    end = len(train_set.labels) - held
    count = end if recipe.training_patterns is None else min(end, recipe.training_patterns)
    validation = Digits(train_set.images[end:], train_set.labels[end:]) if held else None
    return Digits(train_set.images[:count], train_set.labels[:count]), validation


def presentation(recipe: Recipe, seed: int, patterns: int, pass_number: int) -> np.ndarray:
    """The patterns of a pass in turn, (patterns,) indices from 0.

    With distortions they count through the distorted training set, copy by copy: one permutation of all of it is cut
    into as many passes as there are copies, and then begun again.
    """
    copies = 1 + (recipe.distortions.copies if recipe.distortions else 0)
    traversal, part = divmod(pass_number - 1, copies)
    if recipe.order == "file":
        order = np.arange(copies * patterns)
    else:
        stream = [seed, _ORDER] if recipe.order == "fixed" else [seed, _ORDER, traversal]
        order = np.random.default_rng(stream).permutation(copies * patterns)
    return order[part * patterns : (part + 1) * patterns]


def patterns_at(recipe: Recipe, seed: int, digits: Digits, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of patterns of the (distorted) training set."""
    labels = digits.labels[indices % len(digits.labels)]
    if recipe.distortions is None:
        return digits.images[indices], labels
    from lenet1998.distortions import distorted  # with numba behind it, which most runs of the torch engine do not need

    return distorted(digits.images, seed, indices), labels


def curvature_subset(recipe: Recipe, seed: int, order: np.ndarray, pass_number: int) -> np.ndarray:
    """The patterns that the curvature of a pass is estimated on."""
    count = min(recipe.steps.patterns, len(order))
    if recipe.steps.subset == "first":
        return order[:count]
    return np.random.default_rng([seed, _SUBSET, pass_number]).choice(order, count, replace=False)


def make_trainer(run: Run):
    """The engine of a run, with its initial weights."""
    if run.engine == "online":
        from lenet1998.online import OnlineTrainer

        return OnlineTrainer(run.recipe, run.seed)
    from lenet1998.reference import ReferenceTrainer

    return ReferenceTrainer(run.recipe, run.seed)


def _train(run: Run, dataset: Dataset, folder: Path, tell, stop) -> Record:
    recipe = run.recipe
    digits, validation = training_digits(recipe, dataset.train)
    trainer = make_trainer(run)
    checkpoint = _Checkpoint.read(folder / "checkpoint.npz", trainer)
    provenance = checkpoint.provenance or records.provenance()
    curve, arrays = list(checkpoint.curve), dict(checkpoint.arrays)
    for number in range(len(curve) + 1, recipe.passes + 1):
        began = time.perf_counter()
        entry, losses = _one_pass(run, trainer, digits, number, tell, stop)
        if number == 1:
            arrays["first_losses"] = losses[:FIRST_LOSSES]
        _evaluate(recipe, trainer, digits, validation, dataset.test, entry, arrays)
        curve.append(entry)
        wall = (provenance["wall_seconds"] or 0.0) + time.perf_counter() - began
        provenance = {**provenance, "wall_seconds": round(wall, 2)}
        _Checkpoint(tuple(curve), provenance, arrays).write(folder / "checkpoint.npz", trainer)
    arrays["weights"] = trainer.weights
    return Record(
        recipe=records.plain(recipe.as_dict()),
        seed=run.seed,
        dataset=run.dataset,
        data_sha256=run.data_sha256,
        engine=run.engine,
        device=run.device,
        arithmetic=run.arithmetic,
        curve=tuple(curve),
        parameters=parameter_count(recipe.network),
        provenance=provenance,
        arrays=arrays,
    )


def _one_pass(run: Run, trainer, digits: Digits, number: int, tell, stop) -> tuple[dict, np.ndarray]:
    """Present every pattern once; the pass's entry of the curve so far, and the losses."""
    recipe = run.recipe
    order = presentation(recipe, run.seed, len(digits.labels), number)
    began = time.perf_counter()
    if isinstance(recipe.steps, SDLM) and (number - 1) % recipe.steps.every == 0:
        subset = curvature_subset(recipe, run.seed, order, number)
        trainer.estimate_curvature(*patterns_at(recipe, run.seed, digits, subset))
    rate = recipe.rate(number)
    rate_min, rate_max = trainer.begin_pass(rate)
    losses, errors = np.empty(len(order)), 0
    chunk = recipe.batch * max(1, CHUNK // recipe.batch)
    for start in range(0, len(order), chunk):
        if stop():
            raise Stopped
        tell(Progress(number, recipe.passes, start, len(order), errors))
        images, labels = patterns_at(recipe, run.seed, digits, order[start : start + chunk])
        losses[start : start + chunk], answers = trainer.train(images, labels)
        errors += int(np.count_nonzero(answers != labels))
    tell(Progress(number, recipe.passes, len(order), len(order), errors))
    entry = {
        "pass": number,
        "rate": rate,
        "rate_min": rate_min,
        "rate_max": rate_max,
        "loss": float(losses.mean()),
        "on_the_fly_error_pct": 100 * errors / len(order),
        "seconds": round(time.perf_counter() - began, 3),
    }
    return entry, losses


def _evaluate(recipe, trainer, digits, validation, test, entry, arrays) -> None:
    """Errors of the frozen network after a pass, into its entry; predictions of the reported passes, into arrays."""

    def error_pct(answers: np.ndarray, labels: np.ndarray) -> float:
        return 100 * float(np.mean(answers != labels))

    entry["train_error_pct"] = entry["validation_error_pct"] = entry["test_error_pct"] = None
    if recipe.frozen_errors == "last pass" and entry["pass"] < recipe.passes:
        return
    entry["train_error_pct"] = error_pct(trainer.answers(digits.images), digits.labels)
    if validation is not None:
        entry["validation_error_pct"] = error_pct(trainer.answers(validation.images), validation.labels)
    if recipe.reads_test_set:
        answers = trainer.answers(test.images)
        entry["test_error_pct"] = error_pct(answers, test.labels)
        if entry["pass"] == recipe.passes:
            arrays["predictions"] = answers
        elif entry["pass"] in recipe.reported_passes:
            arrays[f"predictions_pass{entry['pass']}"] = answers


@dataclass(frozen=True)
class _Checkpoint:
    """A run after its last completed pass, beside the trainer's own state; a file npz with its sha256 at the end."""

    curve: tuple[dict, ...] = ()
    provenance: dict | None = None
    arrays: dict[str, np.ndarray] | None = None

    def write(self, path: Path, trainer) -> None:
        text = json.dumps({"curve": self.curve, "provenance": self.provenance})
        content = {"text": np.array(text)}
        content |= {f"trainer_{name}": array for name, array in trainer.state().items()}
        content |= {f"record_{name}": array for name, array in (self.arrays or {}).items()}
        npz = records.npz_bytes(content)
        records.write_whole(path, npz + hashlib.sha256(npz).digest())

    @classmethod
    def read(cls, path: Path, trainer) -> "_Checkpoint":
        """The checkpoint at `path`, its state restored into the trainer; a fresh one where there is no intact one."""
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return cls(arrays={})
        npz, digest = data[:-_DIGEST], data[-_DIGEST:]
        if hashlib.sha256(npz).digest() != digest:
            print(f"{path} is damaged; this run begins again.", file=sys.stderr, flush=True)
            return cls(arrays={})
        with np.load(io.BytesIO(npz), allow_pickle=False) as arrays:
            content = {name: arrays[name] for name in arrays.files}

        def under(prefix: str) -> dict[str, np.ndarray]:
            return {name.removeprefix(prefix): array for name, array in content.items() if name.startswith(prefix)}

        trainer.restore(under("trainer_"))
        document = json.loads(str(content["text"]))
        return cls(tuple(document["curve"]), document["provenance"], under("record_"))


def without_weights(record: Record) -> Record:
    """The record as it is committed: predictions and losses, but not the trained weights."""
    return replace(record, arrays={name: array for name, array in record.arrays.items() if name != "weights"})
