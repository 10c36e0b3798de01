"""Tables and figures from made-up records: what they say, and that they say it in the same bytes again."""

import csv
import math
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import synthetic

from lenet1998 import paper, records
from lenet1998.errors import UserError
from lenet1998.recipes import LENET5_1998, LENET5_DISTORTED, LENET5_LITERAL, MODERN_LENET5, criterion_text
from paper_figures import comparison, figure5, runs, style, table1, tablec3, tables
from paper_figures.runs import Runs

RECIPES = ("lenet5", "lenet5-distorted", "modern")
HEADER = (
    "method,training_data,paper_pct,recorded_mean_pct,recorded_sd_pct,recorded_seeds,interval_low_pct,"
    "interval_high_pct,parameters,train_seconds,dataset"
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("records")
    synthetic.write_records(root)
    return root


@pytest.fixture(scope="module")
def recorded(root: Path) -> Runs:
    return runs.read(root, "mnist", RECIPES)


@pytest.fixture(scope="module")
def nothing(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return runs.read(tmp_path_factory.mktemp("empty"), "mnist", RECIPES)


@pytest.fixture(scope="module")
def sample() -> Runs:
    own = [synthetic.record(r, 0, errors, "sample") for r, errors in ((LENET5_1998, 60), (MODERN_LENET5, 47))]
    return runs.gather(own, synthetic.labels(1_000))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


# --- what is read out of records -------------------------------------------------------------------------------------


def test_errors_come_from_predictions_not_from_the_curve():
    record = synthetic.record(MODERN_LENET5, errors=123, errors_pass5=234)
    record = replace(record, curve=tuple({**row, "test_error_pct": 99.0} for row in record.curve))
    own = runs.gather([record], synthetic.labels())
    assert own.test_errors_pct("modern") == own.test_errors_pct("modern", after=20) == [1.23]
    assert own.test_errors_pct("modern", after=5) == [2.34]
    assert own.test_errors_pct("modern", after=7) == own.test_errors_pct("lenet5") == []


def test_a_run_cut_to_the_reported_pass_has_it_as_its_last():
    own = runs.gather([synthetic.record(MODERN_LENET5, errors=200, passes=5)], synthetic.labels())
    assert own.test_errors_pct("modern", after=5) == [2.0]


def test_predictions_for_other_digits_are_refused():
    own = runs.gather([synthetic.record(errors=9, dataset="sample")], synthetic.labels())
    with pytest.raises(UserError, match="1000 predictions for 10000 test digits"):
        own.test_errors_pct("lenet5")


def test_runs_of_two_datasets_are_not_mixed():
    with pytest.raises(ValueError, match="one dataset"):
        runs.gather([synthetic.record(), synthetic.record(errors=9, dataset="sample")], synthetic.labels())


@pytest.mark.parametrize(
    ("recipe", "text"),
    [
        (LENET5_1998, "equation 9 with j = 10, half squared distance"),
        (LENET5_LITERAL, "equation 8, whole squared distance"),
        (MODERN_LENET5, "cross-entropy"),
    ],
)
def test_a_recorded_criterion_reads_as_the_recipes_own(recipe, text):
    assert criterion_text(records.plain(recipe.as_dict())) == recipe.criterion_text() == text


@pytest.mark.parametrize(
    ("seeds", "text"),
    [([4], "seed 4"), ([0, 1], "seeds 0, 1"), (range(10), "seeds 0 to 9"), ([0, 2, 3], "seeds 0, 2, 3")],
)
def test_seeds_as_text(seeds, text):
    assert runs.seeds_text(synthetic.record(seed=seed) for seed in seeds) == text


def test_revisions_as_text():
    assert runs.revision_text({"revision": "0123456789", "clean": True}) == "revision 0123456"
    assert runs.revision_text({"revision": "0123456789", "clean": False}).endswith("with uncommitted changes")
    assert runs.revision_text({"revision": None, "clean": None}) == "revision unknown"


# --- table 1 ---------------------------------------------------------------------------------------------------------


def test_table_1_from_records(recorded: Runs, tmp_path: Path):
    paths = table1.make(recorded, tmp_path)
    assert [path.name for path in paths] == ["table1.md", "table1.tex", "table1.csv"]
    assert paths[2].read_text().splitlines()[0] == HEADER
    regular, distorted, modern5, modern20 = rows(paths[2])

    # 95, 105 and 115 errors among 10,000.
    assert (regular["method"], regular["training_data"], regular["paper_pct"]) == ("LeNet-5", "regular", "0.95")
    assert (regular["recorded_mean_pct"], regular["recorded_sd_pct"], regular["recorded_seeds"]) == ("1.05", "0.1", "3")
    low, high = float(regular["interval_low_pct"]), float(regular["interval_high_pct"])
    assert (low, high) == pytest.approx((0.868, 1.269), abs=1e-3)  # Wilson's of 105 among 10,000
    assert (regular["parameters"], regular["train_seconds"], regular["dataset"]) == ("60000", "70.0", "mnist")

    assert (distorted["paper_pct"], distorted["recorded_mean_pct"], distorted["recorded_seeds"]) == ("0.8", "", "")
    assert (modern5["recorded_mean_pct"], modern5["train_seconds"]) == ("1.57", "17.5")
    assert (modern20["recorded_mean_pct"], modern20["train_seconds"]) == ("1.11", "70.0")
    assert modern5["paper_pct"] == modern20["paper_pct"] == ""
    stated = {(method, data) for method, data, *_ in paper.CLASSIFIERS}
    assert all((row["method"], row["training_data"]) in stated for row in (regular, distorted))


def test_table_1_for_people(recorded: Runs, tmp_path: Path):
    markdown, latex, _ = (path.read_text() for path in table1.make(recorded, tmp_path))
    text = table1.text(recorded)
    for printed in (markdown, text):
        assert "Test error: the paper, this repository, today" in printed
        assert "1.05 ± 0.10 (3)" in printed and "0.87 to 1.27" in printed and "2 to 3 days" in printed
        assert "seeds 0 to 2" in printed and "revision 0123456" in printed
        assert "on Imaginary Processor (imaginary1), 1 thread." in " ".join(printed.split())
    distorted = next(line for line in text.splitlines() if "distorted" in line)
    assert "0.8" in distorted and "not measured yet" in distorted
    for printed in (markdown, latex, text):
        assert "This is not the paper's Table I" in printed.replace("\n", " ")
    assert r"1.05 $\pm$ 0.10 (3)" in latex and r"\toprule" in latex and r"\bottomrule" in latex


def test_table_1_compares_the_recorded_means(recorded: Runs):
    """95, 105 and 115 errors against 110, 111 and 112; with seed 0, 95 digits against 110."""
    (modern,) = table1.differences(recorded)
    assert modern.name == "modern against 1998" and modern.points == pytest.approx(0.06)
    welch = 0.06 / math.sqrt((0.1**2 + 0.01**2) / 3)  # about two degrees of freedom
    assert welch == pytest.approx(1.034, abs=1e-3) and modern.p_seeds == pytest.approx(0.41, abs=0.01)
    answers = {
        name: {*np.flatnonzero(synthetic.predictions(n) != synthetic.labels())}
        for name, n in (("lenet5", 95), ("modern", 110))
    }
    alone = len(answers["modern"] - answers["lenet5"]), len(answers["lenet5"] - answers["modern"])
    assert (modern.only_first, modern.only_second) == alone and alone[0] - alone[1] == 15
    tail = sum(math.comb(sum(alone), k) for k in range(alone[1] + 1)) / 2 ** sum(alone)
    assert modern.p_digits == pytest.approx(2 * tail)
    note = next(note for note in table1.table(recorded).notes if note.startswith("Do the recorded means differ?"))
    assert note.endswith(
        f"Modern against 1998: +0.06 points, p = 0.41; {alone[0]} digits against {alone[1]}, p = {2 * tail:.2g}."
    )


def test_table_1_compares_nothing_where_there_is_one_seed(nothing: Runs):
    single = runs.gather([synthetic.record(), synthetic.record(MODERN_LENET5)], synthetic.labels())
    assert not table1.differences(single) and not table1.differences(nothing)
    assert not any("differ" in note for note in table1.table(single).notes)


def test_table_1_is_the_same_bytes_again(root: Path, recorded: Runs, tmp_path: Path):
    first = [path.read_bytes() for path in table1.make(recorded, tmp_path)]
    again = [path.read_bytes() for path in table1.make(runs.read(root, "mnist", RECIPES), tmp_path)]
    assert first == again


def test_your_own_run_stands_beside_the_recorded_ones(recorded: Runs, sample: Runs, tmp_path: Path):
    paths = table1.make(recorded, tmp_path, sample)
    assert [path.name for path in paths] == ["table1-sample.md", "table1-sample.tex", "table1-sample.csv"]
    assert paths[2].read_text().splitlines()[0] == HEADER
    assert all("5,000-digit sample" in path.read_text() for path in paths[:2])
    data = rows(paths[2])
    assert data[:4] == [{**row, "dataset": "mnist"} for row in data[:4]]
    assert {row["dataset"] for row in data[4:]} == {"sample (your run)"}
    assert [(row["method"], row["recorded_mean_pct"], row["recorded_sd_pct"]) for row in data[4:]] == [
        ("LeNet-5", "6.0", ""),
        ("modern, 5 epochs", "16.0", ""),
        ("modern, 20 epochs", "4.7", ""),
    ]
    text = table1.text(recorded, sample)
    assert "6.00 (seed 0)" in text and "1.05 ± 0.10 (3)" in text
    assert "5,000-digit sample" in text.splitlines()[0]


def test_your_own_short_run_says_so(nothing: Runs):
    own = runs.gather([synthetic.record(MODERN_LENET5, errors=300, passes=3)], synthetic.labels())
    after5, after20 = (line for line in table1.text(nothing, own).splitlines() if line.startswith("modern, "))
    assert "3.00 (seed 0, 3 passes)" in after20 and "3.00" not in after5
    assert "sample" not in table1.text(nothing, own)


def test_a_recorded_run_that_is_too_short_is_refused(tmp_path: Path):
    short = runs.gather([synthetic.record(), synthetic.record(seed=1, passes=19)], synthetic.labels())
    with pytest.raises(UserError, match="lenet5 on MNIST has no predictions after pass 20"):
        table1.make(short, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_distorted_row_fills_when_there_is_a_record():
    own = runs.gather([synthetic.record(LENET5_DISTORTED, seed, 80 + 2 * seed) for seed in (0, 1)], synthetic.labels())
    assert "0.81 ± 0.01 (2)" in next(line for line in table1.text(own).splitlines() if "distorted" in line)


# --- how tables are written ------------------------------------------------------------------------------------------

SMALL = tables.Table(
    "100% & more", ("name", "long\nheading"), "lr", (("a_b", "1 ± 2"), ("c|d", "10")), ("x",), ((None,),)
)


def test_text_is_aligned():
    lines = tables.as_text(SMALL).splitlines()
    assert lines == [
        "100% & more",
        "",
        "         long",
        "name  heading",
        "-------------",
        "a_b     1 ± 2",
        "c|d        10",
    ]


def test_markdown_has_as_many_cells_in_every_row():
    lines = [line for line in tables.as_markdown(SMALL).splitlines() if line.startswith("|")]
    assert lines == ["| name | long heading |", "| --- | ---: |", "| a_b | 1 ± 2 |", r"| c\|d | 10 |"]


def test_latex_escapes_what_it_must():
    latex = tables.as_latex(SMALL)
    assert r"\caption{100\% \& more.}" in latex
    assert r"    a\_b & 1 $\pm$ 2 \\" in latex
    assert r"    c\textbar{}d & 10 \\" in latex
    assert r"name & \shortstack[r]{long \\ heading} \\" in latex


def test_csv_leaves_none_empty():
    assert tables.as_csv(("a", "b"), [(None, "x,y")]) == 'a,b\n,"x,y"\n'


# --- table c3 --------------------------------------------------------------------------------------------------------


def test_table_c3_reads_the_papers_table_out_of_the_network(recorded: Runs, tmp_path: Path):
    paths = tablec3.make(recorded, tmp_path)
    assert [path.name for path in paths] == ["tablec3.md", "tablec3.tex", "tablec3.csv", "tablec3-counts.csv"]
    grid = [" ".join("X" if row[f"c3_map_{m}"] == "1" else "." for m in range(16)) for row in rows(paths[2])]
    assert tuple(grid) == paper.TABLE_I
    total = rows(paths[3])[-1]
    assert (total["parameters"], total["connections"]) == ("60000", "340908")
    text = tablec3.text()
    assert "60 kernels, as the paper prints it" in text and "Every count is the one the paper states" in text


def test_table_c3_tells_when_the_network_is_another_one():
    dense = tablec3.connections((tuple(range(6)),) * 16)
    assert "96 kernels, NOT as the paper prints it" in dense.notes[0]
    from lenet1998.layers import LeNet5, audit

    c1, *rest = audit(LeNet5())
    assert "NOT the paper's counts: C1, all" in tablec3.counts([replace(c1, parameters=155), *rest]).notes[0]


# --- figures ---------------------------------------------------------------------------------------------------------

FIGURES = [figure5, comparison]


@pytest.mark.parametrize("module", FIGURES)
def test_a_figure_is_the_same_bytes_again(module, root: Path, recorded: Runs, tmp_path: Path):
    name = module.__name__.rpartition(".")[2]
    paths = module.make(recorded, tmp_path)
    assert [path.name for path in paths] == [f"{name}.{suffix}" for suffix in ("pdf", "png", "csv", "txt")]
    first = [path.read_bytes() for path in paths]
    module.make(runs.read(root, "mnist", RECIPES), tmp_path)
    assert [path.read_bytes() for path in paths] == first

    pdf, png, _, caption = first
    assert b"CreationDate" not in pdf and b"/FontFile2" in pdf and b"/Type3" not in pdf
    width, _ = struct.unpack(">II", png[16:24])
    assert width == 3.5 * 300 and b"tEXt" not in png
    for said in ("MNIST", "seeds 0 to 2", "revision 0123456", "equation 9 with j = 10, half squared distance"):
        assert said in caption.decode().replace("\n", " ")
    assert "sample" not in caption.decode()


@pytest.mark.parametrize("module", FIGURES)
def test_a_figure_from_the_sample_says_so_and_nothing_is_cut_off(module, recorded, sample, tmp_path, monkeypatch):
    drawn = []

    def keep(figure, *rest):
        drawn.append(figure)
        return save(figure, *rest)

    save = module.save
    monkeypatch.setattr(module, "save", keep)
    paths = module.make(recorded, tmp_path, sample)
    assert all(path.stem == f"{module.__name__.rpartition('.')[2]}-sample" for path in paths)
    assert "5,000-digit sample" in paths[3].read_text().replace("\n", " ")

    (figure,) = drawn
    with style.style():
        figure.draw_without_rendering()
    assert "5,000-digit sample" in figure.axes[0].get_title()
    (legend,) = figure.legends
    frame = figure.bbox
    texts = [text for axes in figure.axes for text in (axes.title, axes.xaxis.label, axes.yaxis.label)]
    boxes = [legend.get_window_extent(), *(text.get_window_extent() for text in texts if text.get_text())]
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1 for box in boxes)
    assert not any(legend.get_window_extent().overlaps(axes.get_tightbbox()) for axes in figure.axes)


def test_figure_5_draws_the_mean_over_seeds_and_the_papers_points(recorded: Runs, tmp_path: Path):
    drawn = rows(figure5.make(recorded, tmp_path)[2])
    theirs = [row for row in drawn if row["source"] == "paper"]
    assert [float(row["mean_pct"]) for row in theirs if row["curve"] == "test"] == [
        test for _, _, test in paper.FIGURE_5
    ]
    ours = [row for row in drawn if row["source"] == "recorded"]
    for name, quantity in (("training", "on_the_fly_error_pct"), ("test", "test_error_pct")):
        for row in (row for row in ours if row["curve"] == name):
            values = [record.curve[int(row["pass"]) - 1][quantity] for record in recorded.of("lenet5")]
            expected = (np.mean(values), min(values), max(values))
            assert [float(row[key]) for key in ("mean_pct", "low_pct", "high_pct")] == pytest.approx(expected, abs=5e-5)
    assert len(ours) == 40 and {row["seeds"] for row in ours} == {"3"}


@pytest.mark.parametrize("module", FIGURES)
def test_without_any_run_there_is_no_figure(module, nothing: Runs, tmp_path: Path):
    with pytest.raises(UserError, match="no record of lenet5"):
        module.make(nothing, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_figure_from_your_run_alone(nothing: Runs, sample: Runs, tmp_path: Path):
    paths = figure5.make(nothing, tmp_path, sample)
    assert {row["source"] for row in rows(paths[2])} == {"paper", "your run"}
