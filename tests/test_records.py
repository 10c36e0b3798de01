import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import synthetic

from lenet1998 import records
from lenet1998.errors import UserError
from lenet1998.recipes import LENET5_1998, MODERN_LENET5


def as_dict(record: records.Record) -> dict:
    fields = {name: value for name, value in vars(record).items() if name != "arrays"}
    return {**fields, "arrays": {name: (a.dtype.str, a.tolist()) for name, a in record.arrays.items()}}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = records.place(tmp_path, "mnist", "lenet5", 0)
    records.save(synthetic.record(), path)
    return path


def test_a_record_comes_back_as_it_was(tmp_path: Path):
    record = synthetic.record(MODERN_LENET5, seed=3)
    records.save(record, tmp_path / "seed3")
    assert as_dict(records.load(tmp_path / "seed3")) == as_dict(record)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["seed3.json", "seed3.npz"]


def test_tuples_and_numpy_numbers_become_plain(tmp_path: Path):
    row = {"pass": np.int64(1), "loss": np.float32(0.5), "test_error_pct": np.float64(0.1), "better": np.bool_(True)}
    records.save(replace(synthetic.record(), recipe=LENET5_1998.as_dict(), curve=(row,)), tmp_path / "seed0")
    loaded = records.load(tmp_path / "seed0")
    assert loaded.recipe == records.plain(LENET5_1998.as_dict())
    assert loaded.recipe["schedule"][0] == [2, 0.0005]
    assert loaded.curve == ({"pass": 1, "loss": 0.5, "test_error_pct": 0.1, "better": True},)
    with pytest.raises(TypeError, match="cannot hold"):
        records.plain({"weights": np.zeros(3)})


def test_the_same_record_gives_the_same_bytes(saved: Path, tmp_path: Path):
    records.save(records.load(saved), tmp_path / "again")
    for suffix in (".json", ".npz"):
        assert (tmp_path / f"again{suffix}").read_bytes() == saved.with_suffix(suffix).read_bytes()


def test_people_can_read_it(saved: Path):
    lines = saved.with_suffix(".json").read_text().splitlines()
    passes = [json.loads(line.strip().rstrip(",")) for line in lines if line.strip().startswith('{"pass"')]
    assert [row["pass"] for row in passes] == list(range(1, 21))
    assert list(json.loads("\n".join(lines)))[:3] == ["recipe", "seed", "dataset"]
    assert len(lines) < 100


def test_records_are_found_by_seed(tmp_path: Path):
    for seed in (10, 2, 0):
        records.save(synthetic.record(seed=seed), records.place(tmp_path, "mnist", "lenet5", seed))
    (tmp_path / "mnist" / "lenet5" / "seedling.json").write_text("{}")
    assert [record.seed for record in records.find(tmp_path, "mnist", "lenet5")] == [0, 2, 10]
    assert records.find(tmp_path, "mnist", "modern") == records.find(tmp_path, "sample", "lenet5") == []


def test_half_a_record_is_not_seen(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = records.write_whole

    def killed_before_json(path: Path, data: bytes) -> None:
        if path.suffix == ".json":
            raise KeyboardInterrupt
        whole(path, data)

    monkeypatch.setattr(records, "write_whole", killed_before_json)
    for seed in (0, 1):  # over an old record, and where there was none
        with pytest.raises(KeyboardInterrupt):
            records.save(synthetic.record(seed=seed, errors=500), records.place(tmp_path, "mnist", "lenet5", seed))
    assert records.find(tmp_path, "mnist", "lenet5") == []


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "kept"
    records.write_whole(path, b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(UserError, match=r"kept cannot be written \(No space left on device\)"):
        records.write_whole(path, b"new")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_where_nothing_can_be_written(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        records.write_whole(tmp_path / "file" / "below", b"")


@pytest.mark.parametrize("suffix", [".json", ".npz"])
@pytest.mark.parametrize("damage", ["missing", "cut", "empty"])
def test_a_damaged_half_is_named(saved: Path, suffix: str, damage: str):
    half = saved.with_suffix(suffix)
    data = half.read_bytes()
    half.unlink()
    if damage != "missing":
        half.write_bytes(data[: len(data) // 2] if damage == "cut" else b"")
    with pytest.raises(UserError, match=f"seed0{suffix}"):
        records.load(saved)


@pytest.mark.parametrize("content", ["[]", "{}", '{"arrays_sha256": ""}', "null"])
def test_json_that_is_no_record(saved: Path, content: str):
    saved.with_suffix(".json").write_text(content)
    with pytest.raises(UserError, match=r"seed0\.json is not the record of a run"):
        records.load(saved)


def test_halves_of_two_records(saved: Path, tmp_path: Path):
    records.save(synthetic.record(errors=101), tmp_path / "other")
    saved.with_suffix(".npz").write_bytes((tmp_path / "other.npz").read_bytes())
    with pytest.raises(UserError, match=r"seed0\.npz does not belong to seed0\.json"):
        records.load(saved)


@pytest.mark.parametrize(
    ("dataset", "recipe", "seed"), [("mnist", "lenet5", 1), ("sample", "lenet5", 0), ("mnist", "modern", 0)]
)
def test_a_record_in_the_wrong_place(saved: Path, tmp_path: Path, dataset: str, recipe: str, seed: int):
    copy = records.place(tmp_path, dataset, recipe, seed)
    copy.parent.mkdir(parents=True, exist_ok=True)
    for suffix in (".json", ".npz"):
        copy.with_suffix(suffix).write_bytes(saved.with_suffix(suffix).read_bytes())
    with pytest.raises(UserError, match="records lenet5 on mnist with seed 0"):
        records.find(tmp_path, dataset, recipe)


def test_no_pickle(tmp_path: Path):
    with pytest.raises(ValueError, match="allow_pickle"):
        records.save(replace(synthetic.record(), arrays={"objects": np.array([{}])}), tmp_path / "seed0")
    np.savez(tmp_path / "labels.npz", test=np.array([{}]), allow_pickle=True)
    with pytest.raises(UserError, match=r"labels\.npz is damaged"):
        records.load_labels(tmp_path, ".")


def test_labels_are_stored_once(tmp_path: Path):
    labels = synthetic.labels()
    records.save_labels(tmp_path, "mnist", labels)
    path = tmp_path / "mnist" / "labels.npz"
    written = path.stat().st_mtime_ns
    records.save_labels(tmp_path, "mnist", labels.astype(np.int64))
    assert path.stat().st_mtime_ns == written
    assert np.array_equal(records.load_labels(tmp_path, "mnist"), labels)
    with pytest.raises(UserError, match=r"labels\.npz cannot be read"):
        records.load_labels(tmp_path, "sample")


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def test_provenance_knows_the_revision_of_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    module = tmp_path / "lenet1998" / "records.py"
    module.parent.mkdir()
    module.write_text("")
    monkeypatch.setattr(records, "__file__", str(module))
    assert (records.provenance()["revision"], records.provenance()["clean"]) == (None, None)

    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    for written in ("results/seed0.json", "lenet1998/trained/lenet5.npz"):
        (tmp_path / written).parent.mkdir()
        (tmp_path / written).write_text("{}")
    found = records.provenance(threads=2, wall_seconds=1.5)
    assert len(found["revision"]) == 40 and found["clean"] is True
    assert (found["threads"], found["wall_seconds"]) == (2, 1.5)
    assert found["versions"]["numpy"] == np.__version__ and found["processor"]
    assert found == records.plain(found)

    (tmp_path / "lenet1998" / "new.py").write_text("")
    assert records.provenance()["clean"] is False

    inside = tmp_path / "environment" / "lenet1998" / "records.py"  # installed inside somebody else's checkout
    inside.parent.mkdir(parents=True)
    monkeypatch.setattr(records, "__file__", str(inside))
    assert records.provenance()["revision"] is None


def test_records_and_tables_start_without_torch_and_numba():
    code = (
        "import sys, lenet1998.records, lenet1998.paper, lenet1998.statistics, paper_figures.table1, "
        "paper_figures.tablec3; print({'torch', 'numba', 'matplotlib'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
