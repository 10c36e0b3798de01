"""What is committed in results/: all of it is made from the records, and table 1 is what their answers say."""

import csv
import json
import math
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from scipy.stats import ttest_ind

import reproduce
from lenet1998.experiments import EXPERIMENTS

RESULTS = Path(__file__).parents[1] / "results"
MADE = ("tables", "figures")
# Method and training data of table 1: recipe, passes.
ROWS = {
    ("LeNet-5", "regular"): ("lenet5", 20),
    ("LeNet-5", "distorted"): ("lenet5-distorted", 20),
    ("modern, 5 epochs", "regular"): ("modern", 5),
    ("modern, 20 epochs", "regular"): ("modern", 20),
}


def content(path: Path) -> object:
    """What a file holds. (PNG and PDF are compressed, and not by every zlib alike.)"""
    if path.suffix == ".png":
        return imread(path).tobytes()
    data = path.read_bytes()
    if path.suffix == ".pdf":
        return [zlib.decompress(part) for part in re.findall(rb"stream\n(.*?)\nendstream", data, re.DOTALL)]
    return data


def test_tables_and_figures_are_made_again_from_the_records(tmp_path, capsys):
    assert reproduce.main(["--recorded", "--all", "--out", str(tmp_path)]) == 0
    for kind in MADE:
        committed, made = ({path.name: path for path in (root / kind).iterdir()} for root in (RESULTS, tmp_path))
        assert committed.keys() == made.keys()
        assert [name for name in made if content(committed[name]) != content(made[name])] == []
        assert all(content(path) for path in made.values())
    printed = capsys.readouterr().out
    assert all(f"{experiment.kind} {experiment.name}: " in printed for experiment in EXPERIMENTS)


def answers(recipe: str, passes: int) -> list[np.ndarray]:
    """To the test digits, of each seed."""
    found = []
    for seed in range(len(list((RESULTS / "records/mnist" / recipe).glob("seed*.json")))):
        path = RESULTS / "records/mnist" / recipe / f"seed{seed}"
        whole = len(json.loads(path.with_suffix(".json").read_text())["curve"])
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as arrays:
            found.append(arrays["predictions" if passes == whole else f"predictions_pass{passes}"])
    return found


def test_table_1_is_what_the_answers_say():
    with np.load(RESULTS / "records/mnist/labels.npz") as arrays:
        labels = arrays["test"]
    with (RESULTS / "tables/table1.csv").open(newline="") as file:
        rows = {(row["method"], row["training_data"]): row for row in csv.DictReader(file)}
    assert rows.keys() == ROWS.keys()
    wrong = {key: [given != labels for given in answers(*recipe)] for key, recipe in ROWS.items()}
    errors = {key: [100 * np.mean(one) for one in ones] for key, ones in wrong.items()}
    for key, row in rows.items():
        assert int(row["recorded_seeds"]) == len(errors[key]) >= 5
        assert float(row["recorded_mean_pct"]) == pytest.approx(np.mean(errors[key]), abs=6e-5)
        assert float(row["recorded_sd_pct"]) == pytest.approx(np.std(errors[key], ddof=1), abs=6e-5)
        p, z, n = round(np.mean(errors[key]) * 100) / 10_000, 1.959963984540054, 10_000
        centre, half = p + z**2 / (2 * n), z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
        bounds = [float(row[f"interval_{end}_pct"]) for end in ("low", "high")]
        assert bounds == pytest.approx([100 * (centre + sign * half) / (1 + z**2 / n) for sign in (-1, 1)], abs=6e-5)
    said = (RESULTS / "tables/table1.md").read_text()
    (note,) = [line for line in said.splitlines() if line.startswith("Do the recorded means differ?")]
    base, others = ("LeNet-5", "regular"), (("LeNet-5", "distorted"), ("modern, 20 epochs", "regular"))
    by_seeds = [ttest_ind(errors[other], errors[base], equal_var=False).pvalue for other in others]
    by_digits, alone = [], []
    for other in others:
        ours, theirs = int(np.sum(wrong[other][0] & ~wrong[base][0])), int(np.sum(wrong[base][0] & ~wrong[other][0]))
        tail = sum(math.comb(ours + theirs, k) for k in range(min(ours, theirs) + 1)) / 2 ** (ours + theirs)
        by_digits.append(min(1, 2 * tail))
        alone.append((ours, theirs))
    for i, name in enumerate(("LeNet-5 with distortions against without", "Modern against 1998")):
        # Holm's for two comparisons.
        p, q = (min(1, max(2 * min(ps), ps[i]) if ps[i] > min(ps) else 2 * ps[i]) for ps in (by_seeds, by_digits))
        points = np.mean(errors[others[i]]) - np.mean(errors[base])
        ours, theirs = alone[i]
        assert f"{name}: {points:+.2f} points, p = {p:.2g}; {ours} digits against {theirs}, p = {q:.2g}." in note
