"""What a run presents and when, what it records, and that it can be interrupted at any moment without a trace."""

import itertools
import os
import signal
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import tiny

from lenet1998 import data, records, study, training
from lenet1998.data import Dataset, Digits
from lenet1998.recipes import LENET5_1998, LENET5_DISTORTED, MODERN_LENET5, SDLM, Adam, Criterion, Recipe
from lenet1998.records import Record
from lenet1998.training import Run, Stopped

ROOT = Path(__file__).parents[1]
RECIPES = {recipe.name: recipe for recipe in (LENET5_1998, MODERN_LENET5)}
RECORDED = sorted(path for name in RECIPES for path in (ROOT / "results" / "records").glob(f"*/{name}/seed0.json"))
RESHUFFLED = replace(LENET5_1998, order="reshuffled")
IN_FILE_ORDER = replace(LENET5_1998, order="file")


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return tiny.digits()


# The order of the patterns


def passes(recipe: Recipe, seed: int = 0, n: int = 50, count: int = 20) -> list[list[int]]:
    return [training.presentation(recipe, seed, n, number).tolist() for number in range(1, count + 1)]


def joined(lists: list[list[int]]) -> list[int]:
    return list(itertools.chain(*lists))


def test_the_constant_random_order_is_one_permutation_for_all_passes():
    order, *others = passes(LENET5_1998)
    assert sorted(order) == list(range(50)) != order
    assert all(other == order for other in others)
    assert passes(LENET5_1998, seed=1)[0] != order


def test_reshuffled_is_another_permutation_in_each_pass_and_the_same_ones_again():
    orders = passes(RESHUFFLED)
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert len(set(map(tuple, orders))) == 20
    assert orders == passes(RESHUFFLED)
    assert not set(map(tuple, orders)) & set(map(tuple, passes(RESHUFFLED, seed=1)))


def test_file_order_is_the_files():
    assert passes(IN_FILE_ORDER) == [list(range(50))] * 20


@pytest.mark.parametrize("order", ["fixed", "reshuffled", "file"])
def test_ten_passes_go_once_through_the_distorted_training_set_and_the_next_ten_again(order):
    found = passes(replace(LENET5_DISTORTED, order=order))
    assert {len(one) for one in found} == {50}
    first, second = joined(found[:10]), joined(found[10:])
    assert sorted(first) == sorted(second) == list(range(500))
    assert (first == second) == (order != "reshuffled")
    assert (first == sorted(first)) == (order == "file")


# What the trainer is asked, by one that only notes it. The first pixel of every image is its number.


class Notes:
    """A trainer that answers 0, always, at a loss of 1."""

    def __init__(self):
        self.asked: list[tuple[str, list[int]]] = []
        self.rates: list[float] = []
        self.weights = np.zeros(1)

    def _note(self, what: str, images: np.ndarray) -> np.ndarray:
        self.asked.append((what, images[:, 0, 0].tolist()))
        return np.zeros(len(images), np.uint8)

    def estimate_curvature(self, images, labels):
        self._note("curvature", images)

    def begin_pass(self, rate):
        self.rates.append(rate)
        return rate / 2, rate * 2

    def train(self, images, labels):
        answers = self._note("train", images)
        return np.ones(len(images)), answers

    def answers(self, images):
        return self._note("answers", images)

    def state(self):
        return {}

    def restore(self, state):
        pass


@pytest.fixture
def notes(monkeypatch) -> Notes:
    trainer = Notes()
    monkeypatch.setattr(training, "make_trainer", lambda run: trainer)
    return trainer


def numbered(train: int = 100, test: int = 20) -> Dataset:
    """Training patterns 0, 1, ... and test patterns 200, 201, ..., labelled round the classes."""
    parts = []
    for first, n in ((0, train), (200, test)):
        images = np.zeros((n, 28, 28), np.uint8)
        images[:, 0, 0] = first + np.arange(n)
        parts.append(Digits(images, (np.arange(n) % 10).astype(np.uint8)))
    return Dataset("sample", "numbered", *parts, sha256="numbered")


def asked(notes: Notes, what: str) -> list[list[int]]:
    return [patterns for kind, patterns in notes.asked if kind == what]


def test_the_rates_are_the_papers(notes, tmp_path):
    digits = numbered()
    record = training.train(tiny.run(digits, passes=20), digits, tmp_path)
    # Section III.B: "0.0005 for the first two passes, 0.0002 for the next three, 0.0001 for the next three, 0.00005 for
    # the next 4, and 0.00001 thereafter".
    stated = [0.0005] * 2 + [0.0002] * 3 + [0.0001] * 3 + [0.00005] * 4 + [0.00001] * 8
    assert notes.rates == stated
    assert [entry["rate"] for entry in record.curve] == stated
    assert [(entry["rate_min"], entry["rate_max"]) for entry in record.curve] == [(r / 2, r * 2) for r in stated]


@pytest.mark.parametrize("chunk", [1, 7, 1024])
def test_every_pass_presents_the_order_and_takes_the_curvature_on_its_first_patterns(
    notes, tmp_path, monkeypatch, chunk
):
    monkeypatch.setattr(training, "CHUNK", chunk)
    digits = numbered()
    run = tiny.run(digits, passes=3, recipe=replace(RESHUFFLED, steps=SDLM(patterns=30)))
    training.train(run, digits, tmp_path)
    orders = passes(RESHUFFLED, n=100, count=3)
    assert asked(notes, "curvature") == [order[:30] for order in orders]
    assert joined(asked(notes, "train")) == joined(orders)
    kinds = "".join(kind[0] for kind, _ in notes.asked)
    assert kinds == ("c" + "t" * -(-100 // chunk) + "aa") * 3  # curvature, training, answers on both sets


def test_random_curvature_patterns_are_drawn_anew_in_each_pass(notes, tmp_path):
    digits = numbered()
    run = tiny.run(digits, passes=3, steps=SDLM(patterns=30, subset="random"))
    training.train(run, digits, tmp_path)
    subsets = asked(notes, "curvature")
    assert [len(set(subset)) for subset in subsets] == [30] * 3
    assert len(set(map(frozenset, subsets))) == 3


def test_curvature_may_be_taken_every_other_pass(notes, tmp_path):
    digits = numbered()
    training.train(tiny.run(digits, passes=5, steps=SDLM(patterns=100, every=2)), digits, tmp_path)
    kinds = [kind for kind, _ in notes.asked if kind != "answers"]
    assert kinds == ["curvature", "train", "train", "curvature", "train", "train", "curvature", "train"]


def test_whole_batches_are_presented_together(notes, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "CHUNK", 50)
    digits = numbered()
    training.train(tiny.run(digits, passes=1, recipe=MODERN_LENET5, batch=16), digits, tmp_path)
    assert list(map(len, asked(notes, "train"))) == [48, 48, 4]


def test_validation_digits_are_held_out_at_the_end_and_only_answered(notes, tmp_path):
    digits = numbered()
    run = tiny.run(digits, passes=2, validation_patterns=16, training_patterns=60)
    record = training.train(run, digits, tmp_path)
    seen = asked(notes, "train") + asked(notes, "curvature")
    assert set(joined(seen)) == set(range(60))
    assert asked(notes, "answers")[:3] == [list(range(60)), list(range(84, 100)), list(range(200, 220))]
    wrong = 100 * np.count_nonzero(np.arange(84, 100) % 10) / 16  # the answer is always 0
    assert [entry["validation_error_pct"] for entry in record.curve] == [wrong] * 2


def test_more_training_patterns_than_there_are_never_reach_the_validation_digits(notes, tmp_path):
    digits = numbered()
    training.train(tiny.run(digits, passes=1, validation_patterns=16, training_patterns=90), digits, tmp_path)
    assert set(joined(asked(notes, "train"))) == set(range(84))


def test_no_more_than_a_sixth_is_held_out():
    recipe = study.CHOSEN.validated
    for count, held in ((120, 20), (60_000, 10_000), (90_000, 10_000)):
        digits = Digits(np.zeros((count, 1, 1), np.uint8), np.arange(count) % 10)
        train, validation = training.training_digits(recipe, digits)
        assert (len(train.labels), len(validation.labels)) == (count - held, held)


class Untouchable:
    def __getattr__(self, name):
        raise AssertionError(f"the test set's {name} was read")


def test_a_run_of_a_study_never_touches_the_test_digits(notes, tmp_path):
    digits = replace(numbered(), test=Untouchable())
    run = tiny.run(digits, passes=2, validation_patterns=16, reads_test_set=False, reported_passes=(1,))
    record = training.train(run, digits, tmp_path)
    assert [entry["test_error_pct"] for entry in record.curve] == [None, None]
    assert all(entry["validation_error_pct"] is not None for entry in record.curve)
    assert record.arrays.keys() == {"first_losses", "weights"}


def test_predictions_are_kept_of_the_last_and_of_reported_passes(notes, tmp_path):
    digits = numbered()
    record = training.train(tiny.run(digits, passes=4, reported_passes=(2, 4)), digits, tmp_path)
    assert record.arrays.keys() == {"predictions", "predictions_pass2", "first_losses", "weights"}


# What is recorded


def test_the_curve_is_what_independent_computation_gives(dataset, tmp_path):
    from lenet1998.reference import ReferenceTrainer

    run = tiny.run(dataset, passes=2)
    record = training.train(run, dataset, tmp_path)
    assert [entry.keys() for entry in record.curve] == [
        {
            "pass", "rate", "rate_min", "rate_max", "loss", "on_the_fly_error_pct",
            "train_error_pct", "test_error_pct", "validation_error_pct", "seconds",
        }
    ] * 2  # fmt: skip
    first, last = record.curve
    assert (first["pass"], last["pass"]) == (1, 2)
    assert record.parameters == 60_000 == len(record.arrays["weights"])

    # The first pass again, by torch, one pattern at a time, in the order that the seed gives.
    torch = ReferenceTrainer(run.recipe, run.seed)
    order = np.random.default_rng([0, 2]).permutation(120)
    images, labels = dataset.train.images[order], dataset.train.labels[order]
    torch.estimate_curvature(images, labels)
    rates = torch.begin_pass(0.0005)
    losses, answers = zip(*(torch.train(images[i : i + 1], labels[i : i + 1]) for i in range(120)), strict=True)
    assert (first["rate_min"], first["rate_max"]) == pytest.approx(rates, rel=1e-4)
    assert first["loss"] == pytest.approx(np.mean(losses), rel=1e-4)
    assert first["on_the_fly_error_pct"] == pytest.approx(100 * np.mean(np.ravel(answers) != labels))
    np.testing.assert_allclose(record.arrays["first_losses"], np.ravel(losses)[:100], rtol=1e-4)

    # The frozen network of the end.
    torch.set_weights(record.arrays["weights"])
    for part, entry in ((dataset.train, "train_error_pct"), (dataset.test, "test_error_pct")):
        assert last[entry] == pytest.approx(100 * np.mean(torch.answers(part.images) != part.labels))
    assert np.array_equal(record.arrays["predictions"], torch.answers(dataset.test.images))
    assert first["test_error_pct"] != last["test_error_pct"]


def test_a_record_says_what_it_is(dataset, tmp_path):
    run = tiny.run(dataset, passes=1, seed=3)
    record = training.train(run, dataset, tmp_path)
    assert record.recipe == records.plain(run.recipe.as_dict())
    ours = (record.seed, record.dataset, record.data_sha256, record.engine, record.device, record.arithmetic)
    assert ours == (3, "sample", dataset.sha256, "online", "cpu", training.ARITHMETIC)
    assert record.provenance["threads"] == 1 and record.provenance["wall_seconds"] > 0
    assert "weights" not in training.without_weights(record).arrays
    folder = run.folder(tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == ["lock", "record.json", "record.npz"]
    tiny.assert_same_numbers(training.finished(run, tmp_path), record)


def test_recipes_with_batches_go_to_torch(dataset):
    assert tiny.run(dataset, recipe=MODERN_LENET5, engine="online").engine == "torch"
    assert tiny.run(dataset, engine="online").engine == "online"


# Cached runs

A_RUN = Run(LENET5_1998, 0, "sample", "0" * 64, "online")
CHANGES = {
    "recipe": [
        replace(LENET5_1998, criterion=Criterion("map", j=11.0)),
        replace(LENET5_1998, network=replace(LENET5_1998.network, ink=1.0)),
        replace(LENET5_1998, initialisation=replace(LENET5_1998.initialisation, gain=2.4)),
        replace(LENET5_1998, steps=replace(LENET5_1998.steps, mu=0.03)),
        replace(LENET5_1998, schedule=((20, 0.0005),)),
        replace(LENET5_1998, order="reshuffled"),
        replace(LENET5_1998, reads_test_set=False),
        replace(LENET5_DISTORTED, name="lenet5"),
    ],
    "seed": [1],
    "dataset": ["mnist"],
    "data_sha256": ["1" * 64],
    "engine": ["torch"],
    "device": ["cuda"],
    "arithmetic": [training.ARITHMETIC + 1],
}


def test_whatever_changes_the_numbers_changes_the_key():
    assert CHANGES.keys() == {field.name for field in fields(Run)}
    runs = [A_RUN, *(replace(A_RUN, **{name: value}) for name, values in CHANGES.items() for value in values)]
    assert len({run.key for run in runs}) == len(runs)
    assert len({run.folder(Path()) for run in runs}) == len(runs)
    assert replace(A_RUN, seed=0).key == A_RUN.key


def test_a_finished_run_is_found_and_not_trained_again(dataset, tmp_path, monkeypatch):
    run = tiny.run(dataset, passes=1)
    assert training.finished(run, tmp_path) is None
    record = training.train(run, dataset, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in run.folder(tmp_path).iterdir()}

    def trained(run):
        raise AssertionError("trained")

    monkeypatch.setattr(training, "make_trainer", trained)
    tiny.assert_same_numbers(training.train(run, dataset, tmp_path), record)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    with pytest.raises(AssertionError, match="trained"):
        training.train(replace(run, data_sha256="another"), dataset, tmp_path)
    training.forget(run, tmp_path)
    with pytest.raises(AssertionError, match="trained"):
        training.train(run, dataset, tmp_path)


# Interruptions


def stopped_after_each_pass(run: Run, dataset: Dataset, root: Path) -> Record:
    """The run, taken up as often as it has passes."""
    for _ in range(run.recipe.passes - 1):
        looks = iter([False, True])  # one look in each pass of so few patterns
        with pytest.raises(Stopped):
            training.train(run, dataset, root, stop=lambda looks=looks: next(looks))
    return training.train(run, dataset, root, stop=iter([False]).__next__)


INTERRUPTED = {
    "online": {},
    "online, curvature from an earlier pass": {"steps": replace(LENET5_1998.steps, every=3)},
    "online, Adam": {"steps": Adam(), "schedule": ((4, 0.001),)},
    "online, distorted": {"recipe": LENET5_DISTORTED},
    "torch, curvature from an earlier pass": {
        "engine": "torch",
        "passes": 2,
        "steps": replace(LENET5_1998.steps, every=3),
    },
    "torch, Adam in batches": {"recipe": MODERN_LENET5},
}


@pytest.mark.parametrize("what", INTERRUPTED)
def test_a_run_resumed_after_each_pass_has_the_same_bits(dataset, tmp_path, what):
    run = tiny.run(dataset, reported_passes=(1,), **INTERRUPTED[what])
    whole = training.train(run, dataset, tmp_path / "whole")
    tiny.assert_same_numbers(stopped_after_each_pass(run, dataset, tmp_path / "resumed"), whole)


# Trains the run of the tests below until it holds in the middle of a pass.
CHILD = """
import sys, time
from pathlib import Path
import tiny
from lenet1998 import training

root, hold, go = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])

def tell(progress):
    if (progress.pass_number, progress.patterns) == (hold, 64):
        print("holds", flush=True)
        while not go.exists():
            time.sleep(0.01)

training.CHUNK = 32
dataset = tiny.digits()
training.train(tiny.run(dataset), dataset, root, tell)
"""


@pytest.fixture
def holding(tmp_path):
    """Starts a process that trains under a folder and holds in the middle of a pass until `go` exists."""
    started = []

    def start(root: Path, hold: int, go: Path) -> subprocess.Popen:
        path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
        command = [sys.executable, "-c", CHILD, str(root), str(hold), str(go)]
        child = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, text=True)
        started.append(child)
        assert child.stdout.readline() == "holds\n"
        return child

    yield start
    for child in started:
        child.kill()
        child.communicate()


def test_a_run_that_is_killed_goes_on_from_its_last_pass_to_the_same_bits(dataset, tmp_path, holding):
    run = tiny.run(dataset)
    child = holding(tmp_path, hold=3, go=tmp_path / "never")
    child.kill()
    assert child.wait() == -signal.SIGKILL
    half_written = run.folder(tmp_path) / f".checkpoint.npz.{child.pid}"
    half_written.write_bytes(b"half")
    assert training.finished(run, tmp_path) is None

    told = []
    resumed = training.train(run, dataset, tmp_path, tell=told.append)
    assert (told[0].pass_number, told[0].patterns) == (3, 0)
    assert not half_written.exists()
    tiny.assert_same_numbers(resumed, training.train(run, dataset, tmp_path / "whole"))
    tiny.assert_same_numbers(records.load(run.folder(tmp_path) / "record"), resumed)


def test_of_two_processes_that_want_the_same_run_one_waits_and_takes_the_others_record(dataset, tmp_path, holding):
    run, go = tiny.run(dataset), tmp_path / "go"
    child = holding(tmp_path, hold=2, go=go)
    with pytest.raises(Stopped):  # one that waits can be stopped
        training.train(run, dataset, tmp_path, stop=lambda: True)
    assert child.poll() is None

    def waits() -> bool:
        go.touch()
        return False

    def told(progress):
        raise AssertionError("trained at the same time")

    record = training.train(run, dataset, tmp_path, told, waits)
    assert go.exists()
    assert child.wait(timeout=10) == 0
    tiny.assert_same_numbers(record, training.train(run, dataset, tmp_path / "alone"))


@pytest.mark.parametrize("damage", ["empty", "cut", "longer", "bit", "without its checksum"])
def test_a_damaged_checkpoint_is_not_trusted(dataset, tmp_path, capfd, damage):
    run = tiny.run(dataset, passes=2)
    with pytest.raises(Stopped):
        training.train(run, dataset, tmp_path, stop=iter([False, True]).__next__)
    checkpoint = run.folder(tmp_path) / "checkpoint.npz"
    content = checkpoint.read_bytes()
    middle = len(content) // 2
    checkpoint.write_bytes(
        {
            "empty": b"",
            "cut": content[:middle],
            "longer": content + b"more",
            "bit": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
            "without its checksum": content[:-32],
        }[damage]
    )
    told = []
    record = training.train(run, dataset, tmp_path, told.append)
    assert told[0].pass_number == 1
    assert capfd.readouterr().err == f"{checkpoint} is damaged; this run begins again.\n"
    tiny.assert_same_numbers(record, training.train(run, dataset, tmp_path / "whole"))


def test_a_checkpoint_opens_as_npz(dataset, tmp_path):
    run = tiny.run(dataset, passes=2)
    with pytest.raises(Stopped):
        training.train(run, dataset, tmp_path, stop=iter([False, True]).__next__)
    with np.load(run.folder(tmp_path) / "checkpoint.npz") as npz:
        assert npz["trainer_weights"].shape == (60_000,)


# The committed records


def digits_of(name: str) -> Dataset:
    if name == "sample":
        return data.load("sample")
    if not os.environ.get(data.VARIABLE):
        pytest.skip(f"{data.VARIABLE} names no full MNIST")
    return data.load("mnist")


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: "-".join(path.parts[-3:-1]))
def test_a_committed_record_begins_as_the_same_run_does_today(path):
    record = records.load(path.with_suffix(""))
    recipe = RECIPES[record.name]
    assert record.recipe == records.plain(recipe.as_dict())
    assert record.arithmetic == training.ARITHMETIC
    dataset = digits_of(record.dataset)
    assert record.data_sha256 == dataset.sha256

    run = training.make_run(recipe, record.seed, dataset, record.engine)
    trainer = training.make_trainer(run)
    order = training.presentation(recipe, run.seed, len(dataset.train.labels), 1)
    if isinstance(recipe.steps, SDLM):
        trainer.estimate_curvature(*training.patterns_at(recipe, run.seed, dataset.train, order[:500]))
    trainer.begin_pass(recipe.rate(1))
    whole_batches = recipe.batch * -(-100 // recipe.batch)
    losses = trainer.train(*training.patterns_at(recipe, run.seed, dataset.train, order[:whole_batches]))[0][:100]
    recorded = record.arrays["first_losses"]
    assert recorded.shape == (100,)
    today = records.provenance()
    same = all(record.provenance.get(name) == today[name] for name in ("processor", "instruction_set", "versions"))
    if same and record.engine == "online":
        assert np.array_equal(losses, recorded)
    else:  # another processor may round otherwise, and torch goes by the size of its caches as well
        np.testing.assert_allclose(losses, recorded, rtol=1e-4)
