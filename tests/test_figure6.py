"""Figure 6: which run stands at which size of the training set, and how."""

import csv
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import synthetic

from lenet1998 import paper
from lenet1998.errors import UserError
from lenet1998.recipes import LENET5_1998, LENET5_15000, LENET5_30000, LENET5_DISTORTED
from paper_figures import figure6, runs, style
from paper_figures.runs import Runs

NOTHING = Runs("mnist", {}, np.zeros(0, np.uint8))
ERRORS = {LENET5_15000: (170, 160), LENET5_30000: (125, 130), LENET5_1998: (95, 105), LENET5_DISTORTED: (80, 90)}


@pytest.fixture(scope="module")
def recorded() -> Runs:
    own = [synthetic.record(recipe, seed, errors[seed]) for recipe, errors in ERRORS.items() for seed in (0, 1)]
    return runs.gather(own, synthetic.labels())


@pytest.fixture(scope="module")
def sample() -> Runs:
    own = [synthetic.record(recipe, 0, 61, "sample") for recipe in (LENET5_30000, LENET5_DISTORTED)]
    return runs.gather(own, synthetic.labels(1_000))


@pytest.fixture(autouse=True)
def nothing_is_rendered(request, monkeypatch):
    """Most tests look at what is drawn, and at the CSV: writing the pictures would be most of their time."""
    if "bytes" not in request.node.name:
        monkeypatch.setattr(style, "_rendered", lambda *_: b"")


def rows(paths: list[Path]) -> list[dict[str, str]]:
    with paths[2].open(newline="") as file:
        return list(csv.DictReader(file))


def drawn(monkeypatch, *arguments):
    """The figure that is handed over to be written, laid out."""
    kept = []
    monkeypatch.setattr(figure6, "save", lambda figure, *rest: kept.append(figure) or style.save(figure, *rest))
    figure6.make(*arguments)
    with style.style():
        kept[0].draw_without_rendering()
    return kept[0]


def test_the_papers_points_are_the_papers(recorded, tmp_path):
    theirs = [row for row in rows(figure6.make(recorded, tmp_path)) if row["source"] == "paper"]
    points = [(row["curve"], int(row["training_patterns"]), float(row["mean_pct"])) for row in theirs]
    assert points == [
        *(("training", size, error) for size, error, _ in paper.FIGURE_6),
        *(("test", size, error) for size, _, error in paper.FIGURE_6),
        ("test, distorted", 60_000, paper.FIGURE_6_DISTORTED_TEST_ERROR_PCT),
    ]


def test_ours_are_the_mean_and_the_range_over_the_seeds_at_their_size(recorded, tmp_path):
    ours = {
        (row["curve"], int(row["training_patterns"])): row
        for row in rows(figure6.make(recorded, tmp_path))
        if row["source"] == "recorded"
    }
    # Two seeds each; so many errors among 10,000.
    expected = {
        ("test", 15_000): (1.65, 1.60, 1.70),
        ("test", 30_000): (1.275, 1.25, 1.30),
        ("test", 60_000): (1.00, 0.95, 1.05),
        ("test, distorted", 60_000): (0.85, 0.80, 0.90),
    }
    for place, values in expected.items():
        assert tuple(float(ours[place][key]) for key in ("mean_pct", "low_pct", "high_pct")) == values
        assert ours[place]["seeds"] == "2"
    for curve, quantity in (("training", "on_the_fly_error_pct"), ("training, frozen", "train_error_pct")):
        for size, recipe in ((15_000, "lenet5-15000"), (30_000, "lenet5-30000"), (60_000, "lenet5")):
            last = [record.curve[19][quantity] for record in recorded.of(recipe)]
            assert float(ours[curve, size]["mean_pct"]) == pytest.approx(np.mean(last), abs=5e-5)
    assert len(ours) == 10


def test_points_and_bars_are_drawn_where_the_csv_has_them(recorded, tmp_path, monkeypatch):
    (axes,) = drawn(monkeypatch, recorded, tmp_path).axes
    shown = {}
    for bars in axes.containers:
        line, _, (segments,) = bars
        assert np.allclose([s[:, 0] for s in segments.get_segments()], np.array(line.get_xdata())[:, None])
        shown[bars.get_label()] = [
            (float(y), *map(float, segment[:, 1]))
            for y, segment in zip(line.get_ydata(), segments.get_segments(), strict=True)
        ]
    assert np.allclose(shown["test, recorded"], [(1.65, 1.60, 1.70), (1.275, 1.25, 1.30), (1.00, 0.95, 1.05)])
    assert np.allclose(shown["test, distorted, recorded"], [(0.85, 0.80, 0.90)])
    assert set(shown) == {"training, recorded", "test, recorded", "test, distorted, recorded"}
    theirs = {line.get_label(): line for line in axes.lines if line.get_label().endswith("paper")}
    assert np.allclose(theirs["test, paper"].get_ydata(), [1.68, 1.14, 0.94])
    assert {line.get_markerfacecolor() for line in theirs.values()} == {"white"}
    # Beside their size, and where two could lie on each other, beside each other.
    places = {line.get_label(): line.get_xdata() for line in (*theirs.values(), *(bars[0] for bars in axes.containers))}
    assert all(np.all(np.abs(places[name] - np.array([15, 30, 60])) < 1) for name in places if len(places[name]) == 3)
    at_60 = [bars[0].get_xdata()[-1] for bars in axes.containers[1:]]
    assert abs(at_60[0] - at_60[1]) > 1 and all(abs(x - 60) < 3 for x in at_60)


def test_it_is_the_same_bytes_again(recorded, tmp_path):
    paths = figure6.make(recorded, tmp_path / "a")
    assert [path.name for path in paths] == [f"figure6.{suffix}" for suffix in ("pdf", "png", "csv", "txt")]
    again = figure6.make(recorded, tmp_path / "b")
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in again]
    pdf, png = (path.read_bytes() for path in paths[:2])
    assert b"CreationDate" not in pdf and b"/Type3" not in pdf
    assert struct.unpack(">I", png[16:20]) == (3.5 * 300,) and b"tEXt" not in png


def test_the_caption_says_what_the_paper_leaves_open(recorded, tmp_path):
    caption = " ".join(figure6.make(recorded, tmp_path)[3].read_text().split())
    assert "ours keep the 20 passes and the schedule of the whole set" in caption
    assert "on-the-fly average of the last pass" in caption
    for name in figure6.RECIPES:
        assert f"Recorded: recipe {name} on MNIST, seeds 0, 1, 20 passes" in caption
    assert "sample" not in caption and "Your run" not in caption


def test_what_is_missing_is_left_out(recorded, tmp_path):
    some = Runs("mnist", {name: recorded.of(name) for name in ("lenet5", "lenet5-15000")}, recorded.labels)
    ours = [row for row in rows(figure6.make(some, tmp_path)) if row["source"] == "recorded"]
    assert {row["training_patterns"] for row in ours} == {"15000", "60000"}
    assert "test, distorted" not in {row["curve"] for row in ours}
    with pytest.raises(UserError, match="no record of lenet5-15000 or lenet5-30000 or lenet5 or lenet5-distorted"):
        figure6.make(NOTHING, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_on_the_sample_every_size_is_all_of_it(recorded, sample, tmp_path):
    paths = figure6.make(recorded, tmp_path, sample)
    assert all(path.stem == "figure6-sample" for path in paths)
    own = [row for row in rows(paths) if row["source"] == "your run"]
    assert {row["training_patterns"] for row in own} == {"4000"}
    assert {row["curve"]: row["mean_pct"] for row in own if "test" in row["curve"]} == {
        "test": "6.1000",
        "test, distorted": "6.1000",
    }
    assert "5,000-digit sample" in paths[3].read_text().replace("\n", " ")
    assert {row["source"] for row in rows(figure6.make(NOTHING, tmp_path, sample))} == {"paper", "your run"}


def test_a_run_that_was_cut_short_counts_as_far_as_it_goes(tmp_path):
    short = runs.gather([synthetic.record(LENET5_30000, 0, 200, passes=2)], synthetic.labels())
    paths = figure6.make(NOTHING, tmp_path, short)
    own = {row["curve"]: float(row["mean_pct"]) for row in rows(paths) if row["source"] == "your run"}
    assert own["test"] == 2.0
    assert own["training"] == pytest.approx(short.of("lenet5-30000")[0].curve[1]["on_the_fly_error_pct"], abs=5e-5)
    assert "2 passes" in paths[3].read_text()


@pytest.mark.parametrize("local", ["none", "sample", "mnist"])
def test_all_type_is_of_one_size_and_nothing_is_cut_off(local, recorded, sample, tmp_path, monkeypatch):
    figure = drawn(monkeypatch, recorded, tmp_path, {"none": None, "sample": sample, "mnist": recorded}[local])
    (axes,), (legend,) = figure.axes, figure.legends
    low, high = axes.get_ylim()
    ticks = [label for at, label in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True) if low <= at <= high]
    texts = [axes.title, axes.xaxis.label, axes.yaxis.label, *axes.get_xticklabels(), *ticks]
    assert {text.get_size() for text in (*texts, *legend.get_texts())} == {style.SIZE}
    assert ("5,000-digit sample" in axes.get_title()) == (local == "sample")
    boxes = [legend.get_window_extent(), *(text.get_window_extent() for text in texts)]
    frame = figure.bbox
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1 for box in boxes)
    assert not [(i, j) for i, a in enumerate(boxes) for j, b in enumerate(boxes) if i < j and a.overlaps(b)]
    for bars in axes.containers:
        assert low <= min(bars[0].get_ydata()) and max(bars[0].get_ydata()) < high
        assert all(0.5 < x < axes.get_xlim()[1] - 0.5 for x in bars[0].get_xdata())


def test_an_error_above_the_papers_axis_is_still_seen(recorded, tmp_path, monkeypatch):
    (record,) = recorded.of("lenet5-15000")[:1]
    curve = (*record.curve[:-1], {**record.curve[-1], "test_error_pct": 2.95})
    (axes,) = drawn(monkeypatch, runs.gather([replace(record, curve=curve)], recorded.labels), tmp_path).axes
    assert axes.get_ylim() == (0, 4)
