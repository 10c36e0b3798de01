"""The experiment behind figure `literal`: that it measures the runs that training makes, and what the figure says."""

import csv
import itertools
import json
import math
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from torch import nn

from lenet1998 import data, records, saturation, training
from lenet1998.errors import UserError
from lenet1998.layers import ScaledTanh, build, load_flat
from lenet1998.recipes import LENET5_1998, Recipe
from lenet1998.sdlm import diagonal_curvature
from paper_figures import literal, runs

FEW = replace(LENET5_1998, steps=replace(LENET5_1998.steps, patterns=50))
# Every choice that decides which patterns are presented, and which the curvature is estimated on.
OTHER = replace(FEW, order="reshuffled", steps=replace(FEW.steps, subset="random", every=2))
NOTHING = runs.Runs("mnist", {}, np.zeros(0, np.uint8))


@pytest.fixture(scope="module")
def digits() -> data.Dataset:
    return tiny.digits()  # 120 to train


def test_marks_are_spaced_about_evenly_on_a_logarithmic_scale_and_have_the_end_of_each_pass():
    assert saturation.marks(120) == [0, 1, 2, 3, 5, 7, 10, 20, 30, 50, 70, 100, 120, 200, 240]
    at = saturation.marks(60_000)
    assert at == sorted(set(at)) and {0, 1, 10, 100, 1_000, 10_000, 60_000, 100_000} < set(at) and at[-1] == 120_000
    assert max(after / before for before, after in itertools.pairwise(at[1:])) == 2


@pytest.mark.parametrize("recipe", [FEW, OTHER], ids=["fixed", "reshuffled"])
def test_a_measured_run_is_the_run_that_training_makes(digits, tmp_path, monkeypatch, recipe: Recipe):
    visited = {}

    def watched(*arguments):
        for trainer, on_the_fly in stops(*arguments):
            yield trainer, on_the_fly
            visited[len(visited)] = trainer.weights  # after it was measured

    stops = saturation.stops
    monkeypatch.setattr(saturation, "stops", watched)
    at = saturation.marks(120)
    course = saturation.follow(recipe, 3, digits.train, at)
    assert np.isnan(course.on_the_fly_error_pct[0])
    for passes in (1, 2):
        trained = training.train(tiny.run(digits, passes, seed=3, recipe=recipe), digits, tmp_path / str(passes))
        assert np.array_equal(visited[at.index(120 * passes)], trained.arrays["weights"])
        parts = [i for i, mark in enumerate(at) if 120 * (passes - 1) < mark <= 120 * passes]
        errors = course.on_the_fly_error_pct[parts] @ np.diff(at)[np.array(parts) - 1] / 120
        assert errors == pytest.approx(trained.curve[-1]["on_the_fly_error_pct"])
    assert course.error_pct.shape == (len(at),) and course.saturated.shape == course.slope.shape == (len(at), 6)


def test_what_is_measured_at_a_mark_is_what_the_torch_network_says(digits):
    at = [0, 20, 120]
    course = saturation.follow(FEW, 0, digits.train, at)
    subset = training.presentation(FEW, 0, 120, 1)[:50]
    inputs = torch.from_numpy(data.grey_levels(digits.train.images[subset]))[:, None]
    twin = build(FEW.network)
    for i, (trainer, _) in enumerate(saturation.stops(FEW, 0, digits.train, at)):
        load_flat(twin, trainer.weights)
        curvatures = diagonal_curvature(twin, inputs, FEW.criterion, FEW.steps.top, FEW.steps.coefficient)
        named = zip((name for name, _ in twin.named_parameters()), curvatures, strict=True)
        weights = [curvature for name, curvature in named if not name.endswith("bias")]
        assert course.curvature_median[i] == pytest.approx([float(np.median(h)) for h in weights], rel=1e-3)
        assert course.curvature_largest[i] == pytest.approx([h.max().item() for h in weights], rel=1e-3)
        c1 = (2 / 3 * twin.C1(inputs)).detach().double().numpy()  # S a
        assert course.slope[i, 0] == pytest.approx(np.mean(np.cosh(c1) ** -4), rel=1e-5)
        wrong = twin(inputs).argmin(1).numpy() != digits.train.labels[subset]
        assert course.error_pct[i] == pytest.approx(100 * wrong.mean())


def test_states_within_a_hundredth_of_the_bounds_are_saturated():
    a99 = math.atanh(0.99) * 1.5
    sums = [0.0, 1.0, a99 - 1e-3, a99 + 1e-3, -a99 + 1e-3, -a99 - 1e-3, 50.0, -50.0]
    network = nn.Sequential(OrderedDict(squash=ScaledTanh(), less=nn.ReLU(), again=ScaledTanh()))
    shares, slopes = saturation.squashing(network, torch.tensor([sums]))
    # By the second time, all are between 0 and 1.7159, whose squash is 0.816 of the bound.
    assert shares == [4 / 8, 0.0]
    assert slopes[0] == pytest.approx(np.mean([math.cosh(2 / 3 * a) ** -4 for a in sums]), rel=1e-5)
    again = [1.7159 * max(0.0, math.tanh(2 / 3 * a)) for a in sums]
    assert slopes[1] == pytest.approx(np.mean([math.cosh(2 / 3 * a) ** -4 for a in again]), rel=1e-5)


@pytest.fixture
def stored(tmp_path, monkeypatch) -> Path:
    """A place of its own for what the command writes."""
    path = tmp_path / "results" / "saturation"
    monkeypatch.setattr(saturation, "STORED", path)
    monkeypatch.setattr(literal, "STORED", path)
    return path


def test_the_command_writes_only_when_it_is_told_to(digits, stored, monkeypatch, capsys):
    few = tiny.digits(train=30)
    monkeypatch.setattr(data, "load", lambda dataset, directory: few)
    monkeypatch.setattr(saturation, "RECIPES", saturation.RECIPES[1::2])  # one network to compile
    threads = torch.get_num_threads()
    try:
        assert saturation.main([]) == 0
        assert not stored.parent.exists()
        shown = capsys.readouterr().out
        assert [line for line in shown.splitlines() if "|" not in line] == ["lenet5", "change-range-2.4-over-F"]
        assert shown.count("\n      30 |") == shown.count("\n      60 |") == shown.count("\n       0 |") == 2
        assert saturation.main(["--record"]) == 0
        assert capsys.readouterr().out == f"{shown}{stored}.npz\n{stored}.json\n"
        document = json.loads(stored.with_suffix(".json").read_text())
        # With the command's own single thread: the last bit of a tanh depends on where threads divide the states.
        direct = saturation.follow(saturation.RECIPES[1], 0, few.train, document["marks"])
    finally:
        torch.set_num_threads(threads)
    assert document["marks"] == saturation.marks(30) and document["recipes"][0]["name"] == "lenet5"
    with np.load(stored.with_suffix(".npz"), allow_pickle=False) as arrays:
        for name, array in vars(direct).items():
            assert np.array_equal(arrays[name][1], array, equal_nan=True), name


def test_without_mnist_the_command_says_so(tmp_path, capsys):
    assert saturation.main(["--data", str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err.startswith("saturation: the directory ")


# --- what is committed -----------------------------------------------------------------------------------------------


def test_the_committed_measurements_are_of_todays_recipes_and_show_what_is_said_of_them():
    measured = literal.read(literal.STORED)
    assert list(measured.recipes.values()) == [records.plain(recipe.as_dict()) for recipe in saturation.RECIPES]
    assert measured.marks.tolist() == saturation.marks(60_000) and measured.layers == saturation.LAYERS
    assert (measured.about["dataset"], measured.about["seed"]) == ("mnist", saturation.SEED)
    assert measured.about["arithmetic"] == training.ARITHMETIC
    end, mu = measured.at(60_000), LENET5_1998.steps.mu
    for name in (literal.LITERAL, literal.PRINTED_RANGE):
        # First the curvature is too small, then, within a few patterns, the units saturate.
        assert measured.of("saturated", name)[0].max() == 0 and measured.of("slope", name)[0].min() > 0.9
        assert measured.of("curvature_median", name)[0].max() < mu / 4
        assert measured.of("saturated", name)[measured.at(10), -1] > 0.9
        assert measured.of("curvature_median", name)[end].max() < 1e-9
        assert measured.of("error_pct", name).min() > 80
    assert measured.of("curvature_median", literal.CHOSEN)[0].min() > mu
    assert measured.of("saturated", literal.CHOSEN)[:, -1].max() < 0.01
    assert measured.of("error_pct", literal.CHOSEN)[-1] < 5
    # The start is not all: with the chosen one the literal recipe trains for a pass, and fails in the second.
    assert (
        measured.of("error_pct", literal.CHOSEN_START)[end]
        < 5
        < 15
        < measured.of("error_pct", "literal-chosen-start")[-1]
    )


# --- the figure ------------------------------------------------------------------------------------------------------


@pytest.fixture
def made_up(stored) -> Path:
    """Three marks; every recipe and layer with numbers of its own."""
    shape = (4, 3, 6)
    number = np.arange(4 * 3 * 6).reshape(shape)
    saturated = np.zeros(shape)
    saturated[0, 1, 4:] = 0.62, 0.75
    saturated[0, 2] = np.linspace(0.3, 1, 6)
    median = 10.0 ** -(1 + number % 6)
    arrays = {
        "saturated": saturated,
        "slope": np.full(shape, 0.5) + number / 1000,
        "curvature_median": median,
        "curvature_largest": 2 * median,
        "error_pct": np.arange(12.0).reshape(4, 3) + 0.25,
        "on_the_fly_error_pct": np.full((4, 3), np.nan),
    }
    document = {
        "dataset": "mnist",
        "seed": 0,
        "marks": [0, 40, 80],
        "patterns_per_pass": 40,
        "measured_on": 40,
        "layers": saturation.LAYERS,
        "recipes": [records.plain(recipe.as_dict()) for recipe in saturation.RECIPES],
        "engine": "online",
        "provenance": {"revision": "0123456789", "clean": True},
    }
    saturation.save(document, arrays, stored)
    return stored


def test_the_figure_says_and_draws_what_was_measured(made_up, tmp_path):
    files = literal.make(NOTHING, tmp_path)
    assert [file.name for file in files] == [f"literal.{end}" for end in ("pdf", "png", "csv", "txt")]
    caption = " ".join(files[3].read_text().split())
    for statement in (
        "within ±2.4/F, equation 8, whole squared distance",
        "no state is saturated at the start",
        "is 50% (C1) to 50% (F6) of its largest",
        "the medians are 1.0e-06 (F6) to 1.0e-01 (C1), which makes rates of 0.0042 (C1) to 0.025 (F6)",
        "After 40 patterns, 62% of C5's and 75% of F6's states are saturated.",
        "the largest curvature of a weight is 2e-01. 1.2% are wrong after the first pass and 2.2% after the second",
        "with 0% (C1) to 0% (C1) of a layer's states saturated",
        "by the letter, 7.2% are wrong after the first pass and 8.2% after the second",
        "else as chosen, 10.2% are wrong after the first pass and 11.2% after the second.",
        "online engine, revision 0123456;",
    ):
        assert statement in caption, caption
    with files[2].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["recipe"], row["patterns"]) for row in rows[2:5]] == [
        ("lenet5-literal", "80"),
        ("lenet5", "0"),
        ("lenet5", "40"),
    ]
    assert (rows[1]["F6_saturated"], rows[1]["F6_curvature_median"], rows[1]["on_the_fly_error_pct"]) == (
        "0.75",
        "1e-06",
        "",
    )
    before = {file: file.read_bytes() for file in files}
    assert {file: file.read_bytes() for file in literal.make(NOTHING, tmp_path)} == before


def test_a_recipe_that_never_saturates_is_told_as_such(made_up):
    measured = literal.read(made_up)
    assert literal._saturation(measured, "lenet5") == "No layer has most of its states saturated at any mark."


def test_missing_measurements_are_one_sentence(stored, tmp_path):
    with pytest.raises(UserError, match=r"saturation\.npz cannot be read \(No such file or directory\): restore it"):
        literal.make(NOTHING, tmp_path)


@pytest.mark.parametrize(
    ("suffix", "content"),
    [(".npz", b"damaged"), (".json", b"{}"), (".json", b"[1]"), (".json", b"{"), (".json", None)],
)
def test_damaged_measurements_are_one_sentence(made_up, tmp_path, suffix, content):
    path = made_up.with_suffix(suffix)
    path.write_bytes(path.read_bytes().replace(b'"lenet5"', b'"lenet6"') if content is None else content)
    with pytest.raises(UserError, match=rf"saturation\{suffix} (is damaged|does not belong to saturation\.json): res"):
        literal.make(NOTHING, tmp_path)
