"""Figure 8: the paper's 82 errors, what is drawn and marked, and how the overlap is counted."""

import csv
import os
import struct
from dataclasses import replace
from functools import cache, partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import synthetic

from lenet1998 import data, paper, records
from lenet1998.errors import UserError
from lenet1998.recipes import LENET5_1998, LENET5_DISTORTED, MODERN_LENET5
from lenet1998.records import Record
from paper_figures import digits, figure8, overlap, runs, style
from paper_figures.runs import Runs

ROOT = Path(__file__).parents[1]
LABELS = records.load_labels(ROOT / "results" / "records", "mnist")
NOTHING = Runs("mnist", {}, np.zeros(0, np.uint8))


@cache
def the_82() -> dict[int, tuple[int, int]]:
    """Index to label and answer of 1998, as they stand in the file."""
    with (ROOT / "paper_figures" / "figure8_errors.csv").open(newline="") as file:
        return {int(row["index"]): (int(row["label"]), int(row["answer"])) for row in csv.DictReader(file)}


def made_up(seed: int, share: float, others: int) -> np.ndarray:
    """Predictions with about a `share` of the 82, half of them with the answer of 1998, and `others` further errors.

    Always misread: test digits 247, which is the first of the 82, and 5, which is none of them.
    """
    random = np.random.default_rng(seed)
    answers = LABELS.copy()
    for index, (label, answer) in the_82().items():
        if index == 247 or random.random() < share:
            answers[index] = answer if random.random() < 0.5 else (label + 1) % 10
    for index in (5, *random.choice(10_000, others, replace=False).tolist()):
        answers[index] = (LABELS[index] + random.integers(1, 10)) % 10
    return answers


def record(recipe, seed: int, predictions: np.ndarray) -> Record:
    return replace(synthetic.record(recipe, seed), arrays={"predictions": predictions})


@pytest.fixture(scope="module")
def recorded() -> Runs:
    own = [record(LENET5_DISTORTED, seed, made_up(seed, 0.5, 40)) for seed in range(3)]
    own += [record(LENET5_1998, seed, made_up(10 + seed, 0.5, 50)) for seed in range(2)]
    own += [record(MODERN_LENET5, 0, made_up(20, 0.3, 60))]
    return runs.gather(own, LABELS)


@pytest.fixture(scope="module")
def sample() -> Runs:
    return runs.gather([synthetic.record(LENET5_DISTORTED, 0, 60, "sample")], synthetic.labels(1_000))


def imaginary(indices: np.ndarray) -> np.ndarray:
    """Images that carry their index in their first two pixels."""
    images = np.zeros((len(indices), 28, 28), np.uint8)
    images[:, 0, 0], images[:, 0, 1] = indices % 256, indices // 256
    return images


@pytest.fixture(scope="module")
def kept(recorded, tmp_path_factory) -> Path:
    """Records of nearest neighbours, and stored digits: all but the first that seed 0 misreads."""
    root = tmp_path_factory.mktemp("results")
    neighbours = replace(
        record(LENET5_1998, 0, made_up(30, 0.6, 200)), recipe={"name": "neighbours"} | NEAREST, curve=()
    )
    records.save(neighbours, records.place(root, "mnist", "neighbours", 0))
    misread = [np.flatnonzero(r.arrays["predictions"] != LABELS) for r in recorded.of("lenet5-distorted")]
    indices = np.union1d(np.concatenate(misread), list(the_82()))[1:]
    arrays = {"indices": indices, "images": imaginary(indices), "labels": LABELS[indices]}
    records.write_whole(root / "figure8.npz", records.npz_bytes(arrays))
    return root


NEAREST = {"k": 3, "distance": "Euclidean", "images": "regular images"}


@pytest.fixture(autouse=True)
def only_what_is_made_up(request, monkeypatch, kept):
    monkeypatch.setattr(data, "read", lambda *_: pytest.fail("digits are read"))
    monkeypatch.setattr(digits, "RECORDS", kept)
    monkeypatch.setattr(digits, "stored", partial(digits.stored, folder=kept))
    if "bytes" not in request.node.name:  # to write the pictures would be most of the time
        monkeypatch.setattr(style, "_rendered", lambda *_: b"")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def drawn(monkeypatch, *arguments):
    """The figure that is handed over to be written, laid out, and the files."""
    kept = []
    monkeypatch.setattr(figure8, "save", lambda figure, *rest: kept.append(figure) or style.save(figure, *rest))
    paths = figure8.make(*arguments)
    with style.style():
        kept[0].draw_without_rendering()
    return kept[0], paths


# --- the 82 of 1998 --------------------------------------------------------------------------------------------------


def test_the_82_are_test_digits_with_their_labels_and_other_answers():
    errors = digits.table("figure8_errors")
    assert len(errors["index"]) == paper.MISCLASSIFIED == 82
    assert all(a < b for a, b in pairwise(errors["index"])) and errors["index"][0] >= 0 and errors["index"][-1] < 10_000
    assert np.array_equal(errors["label"], LABELS[errors["index"]])
    assert np.all(errors["answer"] != errors["label"]) and set(errors["answer"].tolist()) <= set(range(10))
    assert np.bincount(errors["label"]).tolist() == [3, 2, 8, 9, 11, 5, 13, 5, 10, 16]
    assert (errors["squared_distance"].min(), errors["squared_distance"].max()) == (92, 1695)
    # The two ends, as they are printed in the figure.
    assert (errors["index"][0], errors["label"][0], errors["answer"][0]) == (247, 4, 6)
    assert (errors["index"][-1], errors["label"][-1], errors["answer"][-1]) == (9904, 2, 8)


def test_stored_are_the_82_and_what_the_recorded_runs_misread(monkeypatch):
    monkeypatch.undo()
    stored = digits.stored("figure8")
    misread = [
        np.flatnonzero(run.arrays["predictions"] != LABELS)
        for run in records.find(ROOT / "results" / "records", "mnist", "lenet5-distorted")
    ]
    assert stored.indices.tolist() == sorted(set(the_82()).union(*(found.tolist() for found in misread)))
    assert np.array_equal(stored.labels, LABELS[stored.indices])
    assert stored.images.shape == (len(stored.indices), 28, 28) and stored.images.dtype == np.uint8


@pytest.mark.skipif(not os.environ.get(data.VARIABLE), reason="LENET1998_DATA names no full MNIST")
def test_stored_are_mnists_test_digits(monkeypatch):
    monkeypatch.undo()
    stored, mnist = digits.stored("figure8"), data.load("mnist")
    assert np.array_equal(stored.images, mnist.test.images[stored.indices])
    assert np.array_equal(mnist.test.labels, LABELS)


def test_the_records_say_which_digits_are_stored(recorded, tmp_path, monkeypatch):
    monkeypatch.setattr(digits, "RECORDS", tmp_path)
    assert digits.figure8_indices().tolist() == list(the_82())
    for run in recorded.of("lenet5-distorted"):
        records.save(run, records.place(tmp_path, "mnist", run.name, run.seed))
    records.save_labels(tmp_path, "mnist", LABELS)
    wrong = {
        i for run in recorded.of("lenet5-distorted") for i in range(10_000) if run.arrays["predictions"][i] != LABELS[i]
    }
    assert digits.figure8_indices().tolist() == sorted(wrong | set(the_82()))


# --- counting --------------------------------------------------------------------------------------------------------


def by_hand(predictions: np.ndarray) -> tuple[int, int, int]:
    """Errors, those among the 82, those with the answer of 1998."""
    wrong = [i for i in range(10_000) if predictions[i] != LABELS[i]]
    shared = [i for i in wrong if i in the_82()]
    return len(wrong), len(shared), sum(predictions[i] == the_82()[i][1] for i in shared)


def test_overlaps_are_counted_as_by_hand(recorded, kept, tmp_path):
    (neighbours,) = records.find(kept, "mnist", "neighbours")
    found = {row["method"]: row for row in rows(figure8.make(recorded, tmp_path)[4])}
    expected = {
        "LeNet-5, distorted": recorded.of("lenet5-distorted"),
        "LeNet-5, regular": recorded.of("lenet5"),
        "modern, regular": recorded.of("modern"),
        "3 nearest neighbours": (neighbours,),
    }
    assert list(found) == list(expected)
    for name, own in expected.items():
        errors, shared, same = np.mean([by_hand(run.arrays["predictions"]) for run in own], axis=0)
        assert 0 < same < shared < errors
        written = [float(found[name][key]) for key in ("errors", "of_the_82", "same_answer", "by_chance", "share_pct")]
        assert written == pytest.approx([errors, shared, same, errors * 82 / 10_000, 100 * shared / errors], abs=6e-5)
        assert int(found[name]["runs"]) == len(own)


def test_a_network_without_errors_shares_none():
    method = overlap.answered("perfect", [record(LENET5_1998, 0, LABELS)], LABELS)
    found = overlap.overlap(method, overlap.answers_1998(10_000))
    assert (found.errors, found.of_the_82, found.same_answer, found.by_chance, found.share_pct) == (0, 0, 0, 0, 0)


def test_the_network_of_1998_would_share_them_all():
    answers = LABELS.copy()
    for index, (_, answer) in the_82().items():
        answers[index] = answer
    method = overlap.answered("1998", [record(LENET5_1998, 0, answers)], LABELS)
    found = overlap.overlap(method, overlap.answers_1998(10_000))
    assert (found.errors, found.of_the_82, found.same_answer, found.share_pct) == (82, 82, 82, 100)
    assert "82 of the 82 among them (0.7 by chance), 82 with the answer of 1998; 100% of its errors" in found.sentence


def test_predictions_for_other_digits_are_refused(tmp_path):
    short = runs.gather([record(LENET5_DISTORTED, 0, LABELS[:9_000])], LABELS)
    with pytest.raises(UserError, match="9000 predictions for 10000 test digits"):
        figure8.make(short, tmp_path)


def test_the_csv_has_every_digit_of_the_82_or_misread_with_any_seed(recorded, kept, tmp_path):
    written = rows(figure8.make(recorded, tmp_path)[2])
    ours, regular = (
        np.array([run.arrays["predictions"] for run in recorded.of(name)]) for name in ("lenet5-distorted", "lenet5")
    )
    (neighbours,) = records.find(kept, "mnist", "neighbours")
    expected = sorted(set(the_82()) | {i for i in range(10_000) if any(answers[i] != LABELS[i] for answers in ours)})
    assert [int(row["index"]) for row in written] == expected
    for row in written:
        index = int(row["index"])
        assert int(row["label"]) == LABELS[index]
        assert row["answer_1998"] == (str(the_82()[index][1]) if index in the_82() else "")
        assert int(row["distorted_answer"]) == ours[0, index]
        assert int(row["distorted_wrong"]) == sum(answers[index] != LABELS[index] for answers in ours)
        assert int(row["regular_wrong"]) == sum(answers[index] != LABELS[index] for answers in regular)
        assert int(row["neighbours_wrong"]) == (neighbours.arrays["predictions"][index] != LABELS[index])


# --- the picture -----------------------------------------------------------------------------------------------------


def cells(figure) -> list[tuple[int | None, str, bool, bool]]:
    """In the order of reading: the index in an image (None: not stored), the text, framed or not, tinted or not."""
    found = []
    for axes in figure.axes[:-1]:
        pixels = np.asarray(axes.images[0].get_array())
        frames = {round(patch.get_x() + patch.get_width() / 2, 1) for patch in axes.patches}
        for at, text in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True):
            cell = pixels[3:31, int(at - 13.5) : int(at + 14.5)]
            index = None if np.all(cell == cell[0, 0]) and cell[0, 0] else int(cell[0, 0]) + 256 * int(cell[0, 1])
            found.append((index, text.get_text(), round(at, 1) in frames, text.get_bbox_patch() is not None))
    return found


def test_it_shows_seed_0s_errors_in_order_with_both_answers_and_the_marks(recorded, tmp_path, monkeypatch):
    figure, paths = drawn(monkeypatch, recorded, tmp_path)
    ours = np.array([run.arrays["predictions"] for run in recorded.of("lenet5-distorted")])
    misread = [i for i in range(10_000) if ours[0, i] != LABELS[i]]
    expected = [
        (i, f"{LABELS[i]}→{ours[0, i]}", i in the_82(), all(answers[i] != LABELS[i] for answers in ours))
        for i in misread
    ]
    found = cells(figure)
    assert found[0] == (None, *expected[0][1:]) and found[1:] == expected[1:]
    assert {(framed, tinted) for _, _, framed, tinted in found} == {(a, b) for a in (0, 1) for b in (0, 1)}

    caption = " ".join(paths[3].read_text().split())
    shared, same = by_hand(ours[0])[1:]
    always = [cell for cell in expected if cell[3]]
    assert f"The {len(misread)} of 10,000 test patterns misclassified" in caption
    assert f"Framed: {shared} that are among the paper's 82, {same} of them with the same wrong answer" in caption
    assert f"{len(always)} digits are, and {sum(cell[2] for cell in always)} of these are among the 82" in caption
    assert "1 digits are not stored and stand as grey squares" in caption
    assert (
        "3 nearest neighbours by Euclidean distance" in caption
        and "for deslanted images the paper states k = 3" in caption
    )


def test_bars_are_as_long_as_the_errors(recorded, tmp_path, monkeypatch):
    figure, paths = drawn(monkeypatch, recorded, tmp_path)
    axes = figure.axes[-1]
    shared, others = ([bar.get_width() for bar in bars] for bars in axes.containers)
    written = rows(paths[4])
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names.pop(1) == "... with every seed" and names == [row["method"] for row in written]
    ours = np.array([run.arrays["predictions"] for run in recorded.of("lenet5-distorted")])
    always = {i for i in range(10_000) if all(answers[i] != LABELS[i] for answers in ours)}
    assert (shared.pop(1), others.pop(1)) == (len(always & set(the_82())), len(always - set(the_82())))
    assert shared == pytest.approx([float(row["of_the_82"]) for row in written], abs=6e-5)
    assert np.add(shared, others) == pytest.approx([float(row["errors"]) for row in written], abs=6e-5)
    assert [text.get_text() for text in axes.texts][-1] == f"{shared[-1]:.0f} of {shared[-1] + others[-1]:.0f}"


def test_it_is_the_same_bytes_again(recorded, tmp_path):
    paths = figure8.make(recorded, tmp_path / "a")
    names = [f"figure8.{suffix}" for suffix in ("pdf", "png", "csv", "txt")]
    assert [path.name for path in paths] == [*names, "figure8-overlap.csv"]
    again = figure8.make(recorded, tmp_path / "b")
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in again]
    pdf, png = (path.read_bytes() for path in paths[:2])
    assert b"CreationDate" not in pdf and b"/Type3" not in pdf
    assert struct.unpack(">I", png[16:20]) == (3.5 * 300,) and b"tEXt" not in png


@pytest.mark.parametrize("local", [False, True])
def test_all_type_is_of_one_size_and_nothing_is_cut_off_or_overlaps(local, recorded, tmp_path, monkeypatch):
    figure, _ = drawn(monkeypatch, recorded, tmp_path, recorded if local else None)
    *grid, chart = figure.axes
    (legend,) = figure.legends
    below = [text for axes in grid for text in axes.get_xticklabels()]
    texts = [figure._suptitle, *below, chart.title, chart._left_title, *chart.get_yticklabels(), *chart.texts]
    texts = [text for text in texts if text.get_text()]
    assert {text.get_size() for text in (*texts, *legend.get_texts())} == {style.SIZE}

    boxes = [(text.get_bbox_patch() or text).get_window_extent() for text in texts]
    boxes += [axes.get_window_extent() for axes in grid] + [legend.get_window_extent()]
    bars = [(a.get_window_extent(), b.get_window_extent()) for a, b in zip(*chart.containers, strict=True)]
    boxes += [type(a).union([a, b]) for a, b in bars]
    frame = figure.bbox
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1 for box in boxes)
    assert not [(i, j) for i, a in enumerate(boxes) for j, b in enumerate(boxes) if i < j and a.overlaps(b)]


# --- what is missing, and a person's own runs ------------------------------------------------------------------------


def test_what_is_not_measured_is_left_out(recorded, tmp_path, monkeypatch):
    monkeypatch.setattr(digits, "RECORDS", tmp_path / "none")
    first = recorded.of("lenet5-distorted")[:1]
    figure, paths = drawn(monkeypatch, Runs("mnist", {"lenet5-distorted": first}, LABELS), tmp_path)
    assert [row["method"] for row in rows(paths[4])] == ["LeNet-5, distorted"]
    assert {row["modern_wrong"] + row["neighbours_answer"] for row in rows(paths[2])} == {""}
    # One seed says nothing about every seed.
    assert not any(tinted for *_, tinted in cells(figure)) and "Tinted" not in paths[3].read_text()
    assert len(figure.legends[0].get_texts()) == len(figure.axes[-1].get_yticks()) == 1


def test_your_run_on_mnist_is_counted_beside_the_recorded_ones(recorded, tmp_path, monkeypatch):
    answers = made_up(40, 0.7, 30)
    own = runs.gather([record(LENET5_DISTORTED, 0, answers)], LABELS)
    plain, _ = drawn(monkeypatch, recorded, tmp_path / "plain")
    figure, paths = drawn(monkeypatch, recorded, tmp_path / "own", own)
    assert cells(figure) == cells(plain)
    *_, yours = rows(paths[4])
    assert (yours["method"], yours["runs"]) == ("your run, distorted", "1")
    assert tuple(float(yours[key]) for key in ("errors", "of_the_82", "same_answer")) == by_hand(answers)
    listed = {int(row["index"]): int(row["yours_answer"]) for row in rows(paths[2]) if row["yours_wrong"] == "1"}
    assert listed == {i: answers[i] for i in range(10_000) if answers[i] != LABELS[i]}
    assert "Your run: recipe lenet5-distorted on MNIST, seed 0" in " ".join(paths[3].read_text().split())


def test_your_run_is_drawn_where_nothing_is_recorded(recorded, tmp_path, monkeypatch):
    figure, paths = drawn(monkeypatch, NOTHING, tmp_path, recorded)
    assert len(cells(figure)) == by_hand(recorded.of("lenet5-distorted")[0].arrays["predictions"])[0]
    caption = " ".join(paths[3].read_text().split())
    assert "Your run: recipe lenet5-distorted on MNIST, seeds 0 to 2" in caption and "Recorded: recipe" not in caption


def test_the_sample_has_no_part_in_it(recorded, sample, tmp_path):
    paths = figure8.make(recorded, tmp_path, sample)
    without = figure8.make(recorded, tmp_path / "without")
    assert [path.name for path in paths] == [path.name for path in without]
    assert paths[2].read_bytes() == without[2].read_bytes()
    assert "Your run used the 5,000-digit sample" in paths[3].read_text().replace("\n", " ")


def test_without_any_run_on_mnist_there_is_no_figure(recorded, sample, tmp_path):
    others = Runs("mnist", {"lenet5": recorded.of("lenet5")}, LABELS)
    for found, local in ((NOTHING, None), (others, None), (NOTHING, sample)):
        with pytest.raises(UserError, match="no record of lenet5-distorted on MNIST"):
            figure8.make(found, tmp_path / "out", local)
    assert not (tmp_path / "out").exists()
