"""Table 2, from made-up records with known answers and from the committed ones."""

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import synthetic
from scipy.stats import ttest_ind

from lenet1998 import paper, records, study
from lenet1998.recipes import Recipe
from lenet1998.records import Record
from paper_figures import runs, table2
from paper_figures.runs import Runs

RECORDS = Path(__file__).parents[1] / "results" / "records"
FIGURE_5 = [error for _, error, _ in paper.FIGURE_5]
LINES = {line.recipe.name: line for line in study.table2_lines()}
BESIDE = 0.1  # points that a made-up curve runs beside figure 5's, unless told


def made(name: str, seed: int = 0, errors: int = 100, curve: Sequence[float] | None = None, **rest) -> Record:
    """A run of a line whose on-the-fly training error is `curve`, or goes `BESIDE` that of figure 5."""
    record = synthetic.record(LINES[name].recipe, seed, errors, **rest)
    if curve is None:
        curve = [error + BESIDE for error in (FIGURE_5 + FIGURE_5[-1:] * 9)[: record.passes]]
    entries = zip(record.curve, curve, strict=True)
    return replace(record, curve=tuple(entry | {"on_the_fly_error_pct": float(error)} for entry, error in entries))


def beside(points: float) -> list[float]:
    return [error + points for error in FIGURE_5[:20]]


def several(name: str, errors: Sequence[int], points: Sequence[float] | None = None) -> list[Record]:
    """A run for each number of test errors, at these distances from figure 5."""
    away = points or [BESIDE + 0.001 * seed for seed in range(len(errors))]
    return [made(name, seed, errors[seed], beside(away[seed])) for seed in range(len(errors))]


def validated(recipe: Recipe, seed: int, error: float) -> Record:
    """A run that was validated and has read no test set."""
    record = synthetic.record(recipe, seed)
    last = record.curve[-1] | {"test_error_pct": None, "validation_error_pct": error}
    return replace(record, curve=(*record.curve[:-1], last), arrays={"first_losses": record.arrays["first_losses"]})


def gathered(*found: Record) -> Runs:
    return runs.gather(found, synthetic.labels())


def nothing() -> Runs:
    return Runs("mnist", {}, np.zeros(0, dtype=np.uint8))


def data(found: Runs) -> dict[str, dict[str, object]]:
    table = table2.table(found)
    return {row[0]: dict(zip(table.data_columns, row, strict=True)) for row in table.data}


def cells(found: Runs) -> dict[str, tuple[str, ...]]:
    """The printed row of every recipe, and that of the paper."""
    paper_row, *rows = table2.table(found).rows
    return {"paper": paper_row, **dict(zip(LINES, rows, strict=True))}


def notes(found: Runs) -> str:
    return " ".join(table2.table(found).notes)


# --- One row for each line -------------------------------------------------------------------------------------------


def test_every_line_of_the_study_has_a_row_below_the_papers_even_without_a_run():
    table = table2.table(nothing())
    expected = [(line.point, line.reading) for line in study.table2_lines()]
    assert [row[1:3] for row in table.data] == expected
    assert table.rows[0][0] == "the paper" and [row[0] for row in table.rows[1:]] == [point for point, _ in expected]
    # What is too long for a cell stands in a note.
    for (_, reading), row in zip(expected, table.rows[1:], strict=True):
        assert row[1] == reading or (row[1] == "see below" and f": {reading}." in notes(nothing()))
    assert {row[2] for row in table.rows[1:]} == {"not measured yet"}
    assert {cell for row in table.rows[1:] for cell in row[3:]} == {"–", "– "}
    assert all(row[3] == row[10] == row[15] == 0 for row in table.data)


def test_the_papers_row_is_what_the_paper_states():
    rates, distance, on_the_fly, validation, test, trains = cells(nothing())["paper"][2:]
    assert tuple(map(float, rates.split(" to "))) == paper.FIRST_PASS_RATES == (7e-5, 0.016)
    assert (float(distance), float(on_the_fly), float(test)) == (0, 0.36, 0.95)
    assert (validation, trains) == ("–", "yes")
    # What was published later is no part of it.
    assert '0.82 ± 0.2% ("two-sigma") for the later protocol' in notes(nothing())


def test_a_line_from_its_two_recipes():
    line = LINES["change-reshuffled"]
    own = several("change-reshuffled", [95, 100, 111], [0.1, 0.2, 0.6])
    own = [
        replace(run, curve=(run.curve[0] | {"rate_min": low, "rate_max": 0.01}, *run.curve[1:]))
        for run, low in zip(own, (1e-4, 2e-4, 6e-4), strict=True)
    ]
    found = gathered(*own, validated(line.validated, 0, 1.0), validated(line.validated, 1, 1.5))
    row = data(found)["change-reshuffled"]
    assert (row["seeds"], row["validated_seeds"], row["trained_seeds"], row["dataset"]) == (3, 2, 3, "mnist")
    assert (row["first_pass_rate_min"], row["first_pass_rate_max"]) == (3e-4, 0.01)
    # A curve that runs so many points beside the figure's is as far from it.
    assert (row["rms_from_figure5_mean_pct"], row["rms_from_figure5_sd_pct"]) == (0.3, 0.2646)
    assert row["on_the_fly_mean_pct"] == pytest.approx(FIGURE_5[19] + 0.3)
    assert (row["validation_mean_pct"], row["validation_sd_pct"]) == (1.25, 0.3536)
    assert (row["test_mean_pct"], row["test_sd_pct"]) == (1.02, 0.0819)
    printed = ("3.0e-04 to 1.0e-02", "0.30 ± 0.26 ", "0.66 ± 0.26", "1.25 ± 0.35", "1.02 ± 0.08 ", "yes")
    assert cells(found)["change-reshuffled"][2:] == printed


def test_the_test_error_comes_from_the_predictions():
    run = made("lenet5", errors=123)
    run = replace(run, curve=tuple(entry | {"test_error_pct": 99.0} for entry in run.curve))
    assert data(gathered(run))["lenet5"]["test_mean_pct"] == 1.23


def test_only_a_schedule_of_20_passes_has_a_distance_from_figure_5():
    changed = ("change-rates-halved", "change-rates-doubled", "change-j1", "lenet5-literal")
    found = data(gathered(*(made(name) for name in (*changed, "lenet5-later"))))
    assert all(found[name]["rms_from_figure5_mean_pct"] == BESIDE for name in changed)
    later = found["lenet5-later"]
    assert later["rms_from_figure5_mean_pct"] is None and later["test_mean_pct"] == 1.0
    # Its last pass is its thirtieth.
    assert later["on_the_fly_mean_pct"] == pytest.approx(FIGURE_5[-1] + BESIDE)


def test_a_line_trains_where_less_than_a_tenth_is_wrong_at_the_end():
    def run(name: str, seed: int, last: float) -> Record:
        return made(name, seed, curve=[*[89.9] * 19, last])

    found = gathered(
        run("lenet5-literal", 0, 88.7),
        run("lenet5-literal", 1, 10.0),
        run("change-eq8", 0, 9.99),
        *(run("change-j0.1", seed, last) for seed, last in enumerate((0.3, 89.0, 70.0))),
    )
    verdicts = {name: row[-1] for name, row in cells(found).items()}
    assert verdicts["lenet5-literal"] == "no" and verdicts["change-eq8"] == "yes"
    assert verdicts["change-j0.1"] == "1 of 3" and data(found)["change-j0.1"]["trained_seeds"] == 1
    # A validated run counts too.
    woken = validated(LINES["lenet5-literal"].validated, 0, 6.5)
    assert woken.curve[-1]["on_the_fly_error_pct"] < 10
    found = gathered(run("lenet5-literal", 0, 88.7), run("change-eq8", 0, 9.99), woken)
    assert cells(found)["lenet5-literal"][-1] == "1 of 2" and cells(found)["change-eq8"][-1] == "yes"
    row = data(found)["lenet5-literal"]
    assert (row["trained_seeds"], row["trained_validated_seeds"]) == (0, 1)


# --- Which lines differ ----------------------------------------------------------------------------------------------


def test_an_asterisk_survives_the_number_of_comparisons():
    chosen = [100, 104, 96, 102, 98, 103, 97, 101, 99, 100]
    lines = {
        "change-gain-1": [120, 123, 118],  # certain
        "change-whole": [100, 103, 99],  # none
        "change-top-2": [103, 106, 103],  # p is below 0.05 alone, not among three
    }
    found = [*several("lenet5", chosen), *(run for name, errors in lines.items() for run in several(name, errors))]
    raw = {name: ttest_ind(chosen, errors, equal_var=False).pvalue for name, errors in lines.items()}
    assert raw["change-gain-1"] < 0.05 / 3 < 0.05 / 2 < raw["change-top-2"] < 0.05
    rows, printed = data(gathered(*found)), cells(gathered(*found))
    assert {name: rows[name]["test_p"] for name in lines} == pytest.approx(raw, rel=1e-3)
    assert rows["change-gain-1"]["test_p_holm"] == pytest.approx(3 * raw["change-gain-1"], rel=1e-3)
    assert rows["change-top-2"]["test_p_holm"] == pytest.approx(2 * raw["change-top-2"], rel=1e-3)
    assert {name: rows[name]["test_differs"] for name in lines} == {**dict.fromkeys(lines, 0), "change-gain-1": 1}
    assert printed["change-gain-1"][6] == "1.20 ± 0.03*" and printed["change-top-2"][6] == "1.04 ± 0.02 "
    assert (rows["lenet5"]["test_p"], rows["change-j1"]["test_p"]) == (None, None)
    assert "(3 comparisons of distances, 3 of test errors)" in notes(gathered(*found))


def test_distances_have_asterisks_of_their_own():
    found = gathered(
        *several("lenet5", [100, 101, 99], [0.30, 0.31, 0.32]),
        *several("change-whole", [100, 99, 101], [0.60, 0.61, 0.62]),
        *several("change-j1", [200, 199, 201], [0.30, 0.32, 0.31]),
    )
    rows, printed = data(found), cells(found)
    assert (rows["change-whole"]["distance_differs"], rows["change-whole"]["test_differs"]) == (1, 0)
    assert (rows["change-j1"]["distance_differs"], rows["change-j1"]["test_differs"]) == (0, 1)
    assert [cell[-1] for cell in printed["change-whole"][3:7:3]] == ["*", " "]
    assert [cell[-1] for cell in printed["change-j1"][3:7:3]] == [" ", "*"]


def test_lines_that_do_not_train_are_not_compared():
    failed = [made("lenet5-literal", seed, 9020 + seed, [90.0] * 20) for seed in range(3)]
    mixed = [*several("change-j1", [100, 101]), made("change-j1", 2, 9020, [90.0] * 20)]
    found = gathered(*several("lenet5", [100, 101, 99]), *failed, *mixed, *several("change-whole", [110, 111, 109]))
    rows = data(found)
    assert {name for name, row in rows.items() if row["test_p"] is not None} == {"change-whole"}
    assert rows["change-whole"]["test_p"] == rows["change-whole"]["test_p_holm"] < 0.05
    # Nor is anything compared with a chosen recipe that fails.
    chosen = [made("lenet5", seed, 9020 + seed, [90.0] * 20) for seed in range(3)]
    broken = gathered(*chosen, *several("change-whole", [110, 111, 109]))
    assert data(broken)["change-whole"]["test_p"] is None


@pytest.mark.filterwarnings("error")
def test_without_any_deviation_nothing_is_compared():
    one_seed = gathered(made("lenet5", 0, 100), made("change-whole", 0, 150))
    equal = gathered(*several("lenet5", [108] * 3), *several("change-whole", [109] * 3))
    for found in (one_seed, equal):
        assert data(found)["change-whole"]["test_p"] is None and "*" not in "".join(cells(found)["change-whole"])
    assert cells(one_seed)["change-whole"][6] == "1.50 " and "asterisk" not in notes(one_seed)
    assert "Nearest to figure 5" not in notes(one_seed)


def test_the_recipes_that_explain_figure_5_about_equally_well_are_computed():
    found = gathered(
        *several("lenet5", [100] * 4, [0.28, 0.30, 0.32, 0.34]),
        *several("change-reshuffled", [100] * 3, [0.27, 0.29, 0.31]),  # nearest: 0.29, the chosen recipe is at 0.31
        *several("change-whole", [100] * 3, [0.30, 0.32, 0.34]),  # 0.03 further off, pooled deviation 0.02
        *[made("change-j1", seed, curve=curve) for seed, curve in enumerate((beside(0), beside(0.3), [90.0] * 20))],
        made("change-j100", 0, curve=beside(0.29)),
    )
    assert (
        "Nearest to figure 5 is order: reshuffled (0.29 ± 0.02). It explains the paper's curve no better than these, "
        "by the pooled deviation: the chosen recipe (0.31 ± 0.03)." in notes(found)
    )
    alone = gathered(*several("lenet5", [100] * 2, [0.1, 0.11]), *several("change-whole", [100] * 2, [0.2, 0.21]))
    assert "Nearest to figure 5 is the chosen recipe (0.11 ± 0.01). No other line is within" in notes(alone)


def test_lines_beyond_all_seeds_of_the_chosen_recipe_are_named():
    found = gathered(
        *several("lenet5", [95, 100, 105, 98], [0.28, 0.30, 0.32, 0.34]),
        *several("change-whole", [106, 107, 120], [0.35, 0.36, 0.40]),  # worse and further
        *several("change-j1", [90, 94, 91], [0.30, 0.36, 0.40]),  # better, not further
        *several("change-top-2", [95, 94, 91], [0.27, 0.26, 0.20]),  # as good as the best seed, nearer
        *several("change-j100", [300, 310], [0.9, 0.95]),  # two seeds say too little
        *[made("change-eq8", seed, 9020, [90.0] * 20) for seed in range(3)],  # does not train
    )
    assert (
        "Every seed is beyond every seed of the chosen recipe in these (by chance, for a single line of 3 seeds and a "
        "single quantity, once in 18). Further from figure 5: distance: whole, curvature at the top 2. Nearer to "
        "figure 5: curvature at the top: 2. Worse on the test digits: distance: whole, curvature at the top 2. Better "
        "on the test digits: criterion: equation 9, j = 1." in notes(found)
    )
    few = gathered(*several("lenet5", [95, 96]), *several("change-whole", [106, 107, 120]))
    assert "beyond" not in notes(few) and "beyond" not in notes(gathered(*several("lenet5", [95] * 3)))


def test_the_pooled_deviation_is_around_each_samples_own_mean():
    first, second = [1.0, 2.0, 3.0, 4.0], [11.0, 13.0]
    expected = np.sqrt((3 * np.var(first, ddof=1) + np.var(second, ddof=1)) / 4)
    assert table2.pooled_sd(first, second) == pytest.approx(expected)


# --- How it is written -----------------------------------------------------------------------------------------------


def full() -> list[Record]:
    """Three seeds of everything, with the widest numbers that a line can have."""
    wide = [*[90.0] * 17, 90.1, 88.0, 33.3]
    found = [
        made(name, seed, 9_000 + 10 * seed, wide if line.recipe.passes == 20 else [90.0] * 30)
        for name, line in LINES.items()
        for seed in range(3)
    ]
    return [*found, *(validated(line.validated, seed, 90.0 + seed) for line in LINES.values() for seed in range(3))]


def test_it_fits_a_terminal_and_is_the_same_bytes_again(tmp_path: Path):
    found = gathered(*full())
    assert max(map(len, table2.text(found).splitlines())) <= 150
    paths = table2.make(found, tmp_path)
    assert [path.name for path in paths] == ["table2.md", "table2.tex", "table2.csv"]
    first = [path.read_bytes() for path in paths]
    table2.make(gathered(*reversed(full())), tmp_path)
    assert [path.read_bytes() for path in paths] == first
    body = [line for line in first[1].decode().splitlines() if line.count("&") == 7]
    assert len(body) == 1 + 1 + len(LINES)  # headings, the paper


def test_the_notes_say_where_the_numbers_come_from():
    said = notes(gathered(*full(), *(made("lenet5", seed) for seed in range(3, 10))))
    lines = len(LINES)
    assert (
        f"Runs: 1 line with seeds 0 to 9, {lines - 1} lines with seeds 0 to 2; with validation: {lines} lines with "
        "seeds 0 to 2; online engine, revision 0123456." in said
    )
    assert "lenet1998/study.py made the choice, from runs that read no test set" in said
    assert "Cut short" not in said and "sample" not in said
    assert (
        "As chosen: initial weights within ±1.2/√F, biases zero, coefficients 0.5; equation 9 with j = 10, half "
        "squared distance; curvature at the top 1, of a coefficient by the square of the sum, on the first 500 "
        "patterns; inputs of subsampling added; order fixed;" in said
    )


def test_your_own_runs_are_shown_instead_and_say_what_they_are(tmp_path: Path):
    own = [synthetic.record(LINES[name].recipe, 0, 60, "sample", passes=2) for name in ("lenet5", "lenet5-later")]
    sample = runs.gather(own, synthetic.labels(1_000))
    recorded = gathered(*several("lenet5", [100, 101, 99]))
    paths = table2.make(recorded, tmp_path, sample)
    assert [path.name for path in paths] == ["table2-sample.md", "table2-sample.tex", "table2-sample.csv"]
    assert all("5,000-digit sample" in path.read_text() for path in paths[:2])
    with paths[2].open(newline="") as file:
        rows = {row["recipe"]: row for row in csv.DictReader(file)}
    assert (rows["lenet5"]["seeds"], rows["lenet5"]["test_mean_pct"], rows["lenet5"]["dataset"]) == (
        "1",
        "6.0",
        "sample",
    )
    text = table2.text(recorded, sample)
    assert text.splitlines()[0].endswith("your run: 5,000-digit sample")
    assert "Cut short, so that their lines do not tell what the whole recipes do: 2 after pass 2." in text
    assert "1,000 to test" in text and "1.00 ± 0.01" not in text


# --- The committed records -------------------------------------------------------------------------------------------


def committed(recipe: Recipe) -> list[dict]:
    """What the files themselves hold, by seed: the JSON with the test error counted from the npz."""
    with np.load(RECORDS / "mnist" / "labels.npz") as npz:
        labels = npz["test"]
    found = []
    for path in (RECORDS / "mnist" / recipe.name).glob("seed*.json"):
        document = json.loads(path.read_text())
        with np.load(path.with_suffix(".npz")) as npz:
            if "predictions" in npz:
                document["test_pct"] = 100 * float((npz["predictions"] != labels).mean())
        found.append(document)
    return sorted(found, key=lambda document: document["seed"])


def corrected(p_values: Sequence[float]) -> list[float]:
    """Holm's correction: each p times the comparisons not yet done, and no less than any before it."""
    ranked = sorted(p_values)
    return [min(1, max((len(ranked) - i) * p for i, p in enumerate(ranked) if p <= own)) for own in p_values]


def test_the_committed_records_are_the_studys_recipes():
    for line in study.table2_lines():
        for recipe in (line.recipe, line.validated):
            assert [document["seed"] for document in committed(recipe)][:3] == [0, 1, 2]
            for document in committed(recipe):
                assert document["recipe"] == records.plain(recipe.as_dict())
                assert len(document["curve"]) == recipe.passes
                assert ("test_pct" in document) == recipe.reads_test_set


def test_the_table_is_what_the_committed_records_say(tmp_path: Path):
    *_, path = table2.make(runs.read(RECORDS, "mnist", table2.RECIPES), tmp_path)
    with path.open(newline="") as file:
        rows = {row["recipe"]: row for row in csv.DictReader(file)}
    assert list(rows) == [line.recipe.name for line in study.table2_lines()]
    assert rows["lenet5"]["seeds"] == "10"
    tests, away = {}, {}
    for line in study.table2_lines():
        row = rows[line.recipe.name]
        found, held_out = committed(line.recipe), committed(line.validated)
        assert (int(row["seeds"]), int(row["validated_seeds"])) == (len(found), len(held_out))
        curves = np.array([[entry["on_the_fly_error_pct"] for entry in document["curve"]] for document in found])
        expected = {"validation": [document["curve"][-1]["validation_error_pct"] for document in held_out]}
        expected |= {"test": [document["test_pct"] for document in found], "on_the_fly": [c[-1] for c in curves]}
        expected["rms_from_figure5"] = (
            np.sqrt(((curves - FIGURE_5[:20]) ** 2).mean(axis=1)) if found and curves.shape[1] == 20 else []
        )
        for name, values in expected.items():
            shown = [row[f"{name}_{column}_pct"] for column in ("mean", "sd")]
            wanted = [np.mean(values)] if len(values) else []
            wanted += [np.std(values, ddof=1)] if len(values) > 1 else []
            assert [float(value) for value in shown if value] == pytest.approx(wanted, abs=6e-5)
        trained = sum(error < 10 for error in expected["on_the_fly"])
        assert int(row["trained_seeds"]) == trained
        woken = sum(document["curve"][-1]["on_the_fly_error_pct"] < 10 for document in held_out)
        assert int(row["trained_validated_seeds"]) == woken
        if found:
            rates = [[document["curve"][0][f"rate_{end}"] for document in found] for end in ("min", "max")]
            shown = [float(row[f"first_pass_rate_{end}"]) for end in ("min", "max")]
            assert shown == pytest.approx(np.mean(rates, axis=1), rel=1e-3)
        if len(found) > 1 and trained == len(found):
            tests[line.recipe.name] = expected["test"]
            if len(expected["rms_from_figure5"]):
                away[line.recipe.name] = expected["rms_from_figure5"]
    for quantity, values in (("test", tests), ("distance", away)):
        chosen = values.pop("lenet5")
        p_values = {name: ttest_ind(chosen, each, equal_var=False).pvalue for name, each in values.items()}
        together = dict(zip(p_values, corrected(list(p_values.values())), strict=True))
        assert {name for name, row in rows.items() if row[f"{quantity}_p"]} == set(p_values)
        for name, p in p_values.items():
            shown = [float(rows[name][f"{quantity}_{column}"]) for column in ("p", "p_holm", "differs")]
            assert shown == pytest.approx([p, together[name], float(together[name] < 0.05)], rel=1e-3)
