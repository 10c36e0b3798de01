"""The trained networks that come with the package."""

import json
import os
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path, PurePath

import numpy as np
import pytest
import synthetic
import tiny
import torch

import lenet1998
import reproduce
from lenet1998 import data, jobs, load_pretrained, pretrained, records
from lenet1998.errors import UserError
from lenet1998.layers import flat
from lenet1998.recipes import LENET5_1998, LENET5_15000, LENET5_DISTORTED, MODERN_LENET5
from lenet1998.records import Record

ROOT = Path(__file__).parents[1]
RECORDS = ROOT / "results" / "records"
NAMES = list(pretrained.RECIPES)
# Answers of the compiled trainer and of torch that may differ among 10,000: ties to rounding. None is known.
APART = 3
needs_mnist = pytest.mark.skipif(not os.environ.get(data.VARIABLE), reason="LENET1998_DATA names no full MNIST")


def answers(name: str, images: np.ndarray) -> np.ndarray:
    """As the docstring of `load_pretrained` tells it."""
    network = load_pretrained(name)
    levels = {"background": 0.0, "ink": 1.0} if name == "modern" else {}
    found = []
    with torch.inference_mode():
        for part in np.array_split(images, -(-len(images) // 500)):
            outputs = network(torch.from_numpy(data.grey_levels(part, **levels))[:, None])
            found.append(outputs.argmax(1) if name == "modern" else outputs.argmin(1))
    return torch.cat(found).numpy()


# --- the weights that are there --------------------------------------------------------------------------------------


@needs_mnist
@pytest.mark.parametrize("name", NAMES)
def test_the_answers_to_the_test_digits_are_the_recorded_ones(name):
    found = records.find(RECORDS, "mnist", name)
    assert found[0].seed == 0 and found[0].recipe == records.plain(pretrained.RECIPES[name].as_dict())
    ours = answers(name, data.load("mnist").test.images)
    assert np.count_nonzero(ours != found[0].arrays["predictions"]) <= APART


@pytest.mark.parametrize("name", NAMES)
def test_the_samples_digits_are_read(name):
    digits = data.load("sample").test  # which are training digits of MNIST
    assert np.mean(answers(name, digits.images) != digits.labels) < 0.01


@pytest.mark.parametrize("name", NAMES)
def test_the_file_says_what_it_is(name):
    recipe = pretrained.RECIPES[name]
    with np.load(pretrained.FOLDER / f"{name}.npz", allow_pickle=False) as file:
        assert file["weights"].dtype == np.float32 and file["seed"] == 0
        assert file["weights"].shape == (61_706 if name == "modern" else 60_000,)
        assert json.loads(str(file["recipe"])) == records.plain(recipe.as_dict())
        assert len(str(file["revision"])) == 40
        recorded = records.find(RECORDS, "mnist", "lenet5")
        assert str(file["data_sha256"]) == recorded[0].data_sha256
    assert np.array_equal(flat(load_pretrained(name)), pretrained._weights(name))


def test_lenet5_is_what_comes_without_a_name_and_it_is_frozen():
    network = load_pretrained()
    assert np.array_equal(flat(network), flat(load_pretrained("lenet5"))) and not network.training
    assert network(torch.zeros(2, 1, 32, 32)).shape == (2, 10)


def test_the_1998_grey_levels_are_those_that_need_not_be_named():
    for recipe in (LENET5_1998, LENET5_DISTORTED):
        levels = data.grey_levels(np.array([[[0, 255]]], np.uint8), 2)
        assert np.unique(levels) == pytest.approx([recipe.network.background, recipe.network.ink])
    assert (MODERN_LENET5.network.background, MODERN_LENET5.network.ink) == (0.0, 1.0)


def test_a_wheel_has_them():
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["lenet1998"]
    files = [path.relative_to(Path(lenet1998.__file__).parent) for path in pretrained.FOLDER.iterdir()]
    assert all(any(PurePath(file).match(pattern) for pattern in patterns) for file in files)
    assert {file.stem for file in files} == set(NAMES) >= {"lenet5"}


def test_the_command_line_starts_without_torch():
    code = "import sys, reproduce; from lenet1998 import load_pretrained; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout == "False\n"


# --- other weights, in a folder of their own -------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path / "trained")
    return tmp_path / "trained"


def trained(recipe=LENET5_1998, **changes) -> Record:
    """A record with weights that no other has."""
    made = replace(synthetic.record(recipe), **changes)
    count = 61_706 if recipe.name == "modern" else 60_000
    weights = np.random.default_rng(count).normal(0, 0.1, count).astype(np.float32)
    return replace(made, arrays={**made.arrays, "weights": weights})


@pytest.mark.parametrize("recipe", [LENET5_1998, LENET5_DISTORTED, MODERN_LENET5], ids=lambda recipe: recipe.name)
def test_what_is_saved_is_what_is_loaded(folder, recipe):
    record = trained(recipe)
    path = pretrained.save(record)
    assert path == folder / f"{recipe.name}.npz" and pretrained.available() == [recipe.name]
    assert np.array_equal(flat(load_pretrained(recipe.name)), record.arrays["weights"])
    before = path.read_bytes()
    assert pretrained.save(record).read_bytes() == before


def test_only_seed_0_of_three_recipes_on_mnist_is_kept():
    assert all(pretrained.is_kept(trained(recipe)) for recipe in (LENET5_1998, LENET5_DISTORTED, MODERN_LENET5))
    others = [trained(seed=1), trained(dataset="sample"), synthetic.record(LENET5_15000)]
    assert not any(map(pretrained.is_kept, others))


@pytest.mark.parametrize("dataset", ["mnist", "sample"])
def test_record_stores_the_weights_beside_the_records(folder, tmp_path, monkeypatch, dataset):
    digits = replace(tiny.digits(), name=dataset)
    record = trained(dataset=dataset)
    monkeypatch.setattr(data, "load", lambda *_: digits)
    monkeypatch.setattr(jobs, "train_all", lambda *_: jobs.Outcome((record,), ()))
    monkeypatch.setattr(reproduce, "RECORDS", tmp_path / "records")
    monkeypatch.setattr(reproduce, "make", lambda *_: None)
    assert reproduce.main(["--figure", "5", "--record", "--out", str(tmp_path)]) == 0
    assert "weights" not in records.find(tmp_path / "records", dataset, "lenet5")[0].arrays
    assert pretrained.available() == (["lenet5"] if dataset == "mnist" else [])
    if dataset == "mnist":
        assert np.array_equal(flat(load_pretrained()), record.arrays["weights"])


def test_unknown_names_are_refused_with_those_that_there_are(folder):
    with pytest.raises(ValueError, match=r"no trained weights of 'lenet5'; there are none"):
        load_pretrained()
    pretrained.save(trained(MODERN_LENET5))
    pretrained.save(trained(LENET5_1998))
    for name in ("LeNet5", "lenet5-15000", "lenet5-distorted", ""):
        with pytest.raises(ValueError, match=rf"no trained weights of '{name}'; there are lenet5, modern$"):
            load_pretrained(name)


def rewritten(path: Path, **changes) -> bytes:
    with np.load(path) as file:
        return records.npz_bytes({**{name: file[name] for name in file.files}, **changes})


def without(path: Path, left_out: str) -> bytes:
    with np.load(path) as file:
        return records.npz_bytes({name: file[name] for name in file.files if name != left_out})


def flipped(path: Path) -> bytes:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    return bytes(content)


DAMAGE = {
    "cut": lambda path: path.read_bytes()[:-100],
    "empty": lambda path: b"",
    "other file": lambda path: b"not an archive",
    "flipped": flipped,
    "without weights": lambda path: without(path, "weights"),
    "no recipe": lambda path: rewritten(path, recipe=np.array("{")),
    "another recipe": lambda path: rewritten(path, recipe=np.array(json.dumps(trained(LENET5_DISTORTED).recipe))),
    "too few weights": lambda path: rewritten(path, weights=np.zeros(59_999, np.float32)),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_one_sentence(folder, damage):
    path = pretrained.save(trained())
    path.write_bytes(DAMAGE[damage](path))
    with pytest.raises(UserError, match=rf"^{path} (is damaged|does not hold the weights of lenet5 .*): restore it"):
        load_pretrained()


def test_a_file_of_python_objects_is_refused_unread(folder):
    path = pretrained.save(trained())
    with path.open("wb") as file:
        np.savez(file, weights=np.array([print], dtype=object), recipe=np.array("{}"))
    with pytest.raises(UserError, match="is damaged"):
        load_pretrained()
