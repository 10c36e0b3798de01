"""Figures 3, 4 and 7: what stands where in them, drawn from what is stored and from nothing else."""

import csv
import os
import re
import struct
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from lenet1998 import data, distortions, paper, records
from lenet1998.data import Dataset, Digits
from lenet1998.errors import UserError
from lenet1998.recipes import LENET5_DISTORTED
from paper_figures import digits, figure3, figure4, figure7, runs, style
from paper_figures.pictures import mosaic

ROOT = Path(__file__).parents[1]
FIGURES = [figure3, figure4, figure7]
NAMES = ["figure3", "figure4", "figure7"]
NO_RUNS = runs.Runs("mnist", {}, np.zeros(0, np.uint8))
needs_mnist = pytest.mark.skipif(not os.environ.get(data.VARIABLE), reason="LENET1998_DATA names no full MNIST")


@pytest.fixture(scope="module")
def mnist() -> Dataset:
    return data.load("mnist")


@pytest.fixture(autouse=True)
def no_digits_are_loaded(request, monkeypatch):
    """No figure looks for MNIST or its sample."""
    if "mnist" not in request.fixturenames:
        monkeypatch.setattr(data, "read", lambda *_: pytest.fail("digits are read"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The figure that each module hands over to be written, the files, and the (rows, columns) pixels of its axes."""
    folder, kept = tmp_path_factory.mktemp("figures"), {}
    with pytest.MonkeyPatch.context() as patch:
        for name, module in zip(NAMES, FIGURES, strict=True):
            save = module.save
            patch.setattr(module, "save", lambda figure, *rest, save=save: (figure, save(figure, *rest)))
            figure, paths = module.make(NO_RUNS, folder)
            kept[name] = figure, paths, [np.asarray(axes.images[0].get_array()) for axes in figure.axes]
    return kept


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


# --- all three -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "module"), list(zip(NAMES, FIGURES, strict=True)))
def test_a_figure_is_the_same_bytes_again(name, module, made, tmp_path):
    _, paths, _ = made[name]
    again = module.make(NO_RUNS, tmp_path)
    assert [path.name for path in again] == [f"{name}.{suffix}" for suffix in ("pdf", "png", "csv", "txt")]
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in paths]
    pdf, png = (path.read_bytes() for path in again[:2])
    assert b"CreationDate" not in pdf and b"/Type3" not in pdf
    assert struct.unpack(">I", png[16:20]) == (3.5 * 300,) and b"tEXt" not in png


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_figure_is_this_one(name, made):
    # PNG and PDF are compressed, and not by every zlib alike.
    for path in made[name][1][2:]:
        assert path.read_bytes() == (ROOT / "results" / "figures" / path.name).read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_all_type_is_of_one_size_and_nothing_is_cut_off_or_overlaps(name, made):
    figure = made[name][0]
    with style.style():
        figure.draw_without_rendering()
    axes = figure.axes
    ticks = [tick for part in axes for tick in (*part.get_xticklabels(), *part.get_yticklabels())]
    texts = [text for part in axes for text in (part.title, part.xaxis.label)] + ticks
    texts = [text for text in texts if text.get_text()]
    assert texts and {text.get_size() for text in texts} == {style.SIZE}
    boxes = [text.get_window_extent() for text in texts] + [part.get_window_extent() for part in axes]
    frame = figure.bbox
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1 for box in boxes)
    assert not [(i, j) for i, a in enumerate(boxes) for j, b in enumerate(boxes) if i < j and a.overlaps(b)]


def test_a_mosaic_is_read_like_text():
    images = np.arange(1, 7, dtype=np.uint8).reshape(6, 1, 1)
    assert mosaic(images, 3).tolist() == [[1, 2, 3], [4, 5, 6]]
    assert mosaic(images[:2], 1, gap=1, between=9).tolist() == [[9] * 3, [9, 1, 9], [9] * 3, [9, 2, 9], [9] * 3]
    with pytest.raises(ValueError, match="6 images do not fill rows of 4"):
        mosaic(images, 4)


# --- figure 3 --------------------------------------------------------------------------------------------------------


def bitmaps() -> dict[int, list[str]]:
    """ASCII code to the 12 rows of its bitmap, as they stand in the package's file."""
    text = (ROOT / "lenet1998" / "bitmaps.txt").read_text("ascii")
    return {
        int(code): drawn.split() for code, drawn in re.findall(r"^ASCII (\d+) .*\n((?:[.#]{7}\n?){12})", text, re.M)
    }


def test_figure_3_has_every_bitmap_where_its_labels_say(made):
    figure, paths, (pixels,) = made["figure3"]
    (axes,) = figure.axes
    across = list(zip(axes.get_xticks(), (int(t.get_text()) for t in axes.get_xticklabels()), strict=True))
    down = list(zip(axes.get_yticks(), (int(t.get_text()) for t in axes.get_yticklabels()), strict=True))
    expected = bitmaps()
    assert sorted(a + b for _, a in down for _, b in across) == sorted(expected) == list(range(32, 128))
    for y, start in down:
        for x, number in across:
            cell = pixels[int(y - 5.5) : int(y + 6.5), int(x - 3) : int(x + 4)]
            assert ["".join(".#"[v // 255] for v in row) for row in cell] == expected[start + number]

    written = rows(paths[2])
    assert [[row[f"row{n}"] for n in range(1, 13)] for row in written] == list(expected.values())
    assert [int(row["ascii"]) for row in written] == list(expected)
    assert [row["character"] for row in written[1:95]] == [chr(code) for code in range(33, 127)]
    assert [int(row["ink"]) for row in written[16:26]] == [35, 27, 33, 32, 41, 35, 39, 25, 43, 39]


def test_figure_3_frames_the_ten_digits(made):
    figure, _, _ = made["figure3"]
    (frame,) = figure.axes[0].patches
    (x0, y0), (x1, y1) = frame.get_bbox().get_points()
    xs, ys = figure.axes[0].get_xticks(), figure.axes[0].get_yticks()
    inside = [32 + 16 * i + j for i, y in enumerate(ys) for j, x in enumerate(xs) if x0 < x < x1 and y0 < y < y1]
    assert "".join(map(chr, inside)) == "0123456789"


# --- the digits that are stored --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "count"), [("figure4", 100), ("figure7", 10)])
def test_stored_digits_are_as_many_as_the_paper_shows(name, count):
    stored = digits.stored(name)
    assert stored.images.shape == (count, 28, 28) and stored.images.dtype == stored.labels.dtype == np.uint8
    assert len(set(stored.indices.tolist())) == count and 0 <= stored.indices.min() < stored.indices.max() < 60_000


@needs_mnist
@pytest.mark.parametrize("name", ["figure4", "figure7"])
def test_stored_digits_are_mnists(name, mnist):
    stored = digits.stored(name)
    assert np.array_equal(stored.images, mnist.train.images[stored.indices])
    assert np.array_equal(stored.labels, mnist.train.labels[stored.indices])
    test = {image.tobytes() for image in mnist.test.images}
    assert not [image for image in stored.images if image.tobytes() in test]


def test_stored_digits_that_the_sample_has_too_have_its_labels(monkeypatch):
    monkeypatch.undo()
    sample = data.load("sample")
    known = {
        image.tobytes(): label
        for part in (sample.train, sample.test)
        for image, label in zip(part.images, part.labels, strict=True)
    }
    pairs = [
        (known[image.tobytes()], label)
        for name in ("figure4", "figure7")
        for image, label in zip(digits.stored(name).images, digits.stored(name).labels, strict=True)
        if image.tobytes() in known
    ]
    assert len(pairs) == 17 and all(a == b for a, b in pairs)


def imaginary(count: int = 60_000) -> Dataset:
    """Training and test digits that carry their index in their first pixels."""
    numbers = np.arange(count)
    images = np.zeros((count, 28, 28), np.uint8)
    images[:, 0, 0], images[:, 0, 1] = numbers % 256, numbers // 256
    part = Digits(images, (numbers % 10).astype(np.uint8))
    return Dataset("mnist", "MNIST", part, part, "0" * 64)


def test_digits_are_stored_by_their_indices_in_the_same_bytes_again(tmp_path):
    paths = digits.store(imaginary(), tmp_path)
    assert [path.name for path in paths] == ["figure4.npz", "figure7.npz", "figure8.npz"]
    first = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in digits.store(imaginary(), tmp_path)] == first
    for name in ("figure4", "figure7", "figure8"):
        stored = digits.stored(name, tmp_path)
        assert np.array_equal(stored.images[:, 0, 0] + 256 * stored.images[:, 0, 1].astype(int), stored.indices)
        assert np.array_equal(stored.labels, stored.indices % 10)
    # The two ends of the CSV file, and the ten of section III.B's figure.
    assert digits.stored("figure4", tmp_path).indices[:2].tolist() == [30105, 20637]
    assert digits.stored("figure7", tmp_path).indices.tolist() == [359, 366, 339, 330, 336, 376, 331, 337, 333, 334]


def test_the_command_writes_what_it_names(monkeypatch, tmp_path, capsys):
    asked = []
    monkeypatch.setattr(data, "load", lambda *arguments: asked.append(arguments) or imaginary())
    monkeypatch.setattr(digits, "STORED", tmp_path)
    assert digits.main(["--data", "somewhere"]) == 0
    assert asked == [("mnist", Path("somewhere"))]
    assert capsys.readouterr().out.split() == [str(tmp_path / f"figure{number}.npz") for number in (4, 7, 8)]


def test_without_mnist_the_command_says_so(tmp_path, capsys):
    assert digits.main(["--data", str(tmp_path)]) == 2
    assert "holds none of MNIST's files" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot be read"), (b"", "damaged"), (b"PK\x03\x04" + 100 * b"\0", "damaged"), ("other", "does not hold")],
)
def test_stored_digits_that_are_missing_damaged_or_others_are_refused(content, message, tmp_path):
    path = tmp_path / "figure4.npz"
    if content == "other":
        path.write_bytes((digits.STORED / "figure7.npz").read_bytes())
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=message) as raised:
        digits.stored("figure4", tmp_path)
    assert "python -m paper_figures.digits" in str(raised.value) and str(path) in str(raised.value)


# --- figure 4 --------------------------------------------------------------------------------------------------------


def test_figure_4_shows_the_stored_digits_pixel_by_pixel(made):
    figure, paths, _ = made["figure4"]
    shown = 255 * (1 - matplotlib.image.imread(paths[1])[..., 0])
    box = figure.axes[0].get_position()
    height, width = shown.shape
    left, top = round(box.x0 * width), round((1 - box.y1) * height)
    stored = digits.stored("figure4")
    for position, image in enumerate(stored.images):
        y, x = (96 * at for at in divmod(position, 10))  # 32 pixels of 3 dots
        cell = shown[top + y : top + y + 96, left + x : left + x + 96]
        expected = np.kron(np.pad(image, 2), np.ones((3, 3)))
        np.testing.assert_allclose(cell, expected, atol=1)


def test_figure_4_names_the_digits_that_it_shows(made):
    _, paths, _ = made["figure4"]
    written, stored = rows(paths[2]), digits.stored("figure4")
    assert [int(row["position"]) for row in written] == list(range(100))
    assert [int(row["index"]) for row in written] == stored.indices.tolist()
    # The label that was read in the figure, the one of MNIST, and the one that is written.
    read = digits.table("figure4_digits")["label"]
    assert [int(row["label"]) for row in written] == stored.labels.tolist() == read.tolist()


def test_figure_4_says_that_they_are_training_digits(made):
    caption = " ".join(made["figure4"][1][3].read_text().split())
    assert "Size-normalized examples from the MNIST database." in caption
    assert "picked from the test set: each of the 100 images in the authors' preprint equals one training" in caption


# --- figure 7 --------------------------------------------------------------------------------------------------------


def panels(made) -> dict[str, np.ndarray]:
    """The (10, 10, 32, 32) images of each panel, by digit and copy."""
    _, _, pixels = made["figure7"]
    return {
        source: panel.reshape(10, 32, 10, 32).swapaxes(1, 2)
        for source, panel in zip(("paper", "ours"), pixels, strict=True)
    }


def test_figure_7_draws_what_its_csv_says(made):
    drawn, stored = panels(made), digits.stored("figure7")
    written = rows(made["figure7"][1][2])
    assert [(row["source"], int(row["digit"]), int(row["copy"])) for row in written] == [
        (source, digit, copy) for source in ("paper", "ours") for digit in range(10) for copy in range(10)
    ]
    assert stored.labels.tolist() == list(range(10))
    for row in written:
        digit, copy = int(row["digit"]), int(row["copy"])
        assert int(row["index"]) == stored.indices[digit]
        matrix = np.array([[float(row[name]) for name in ("myy", "myx", "mxy", "mxx", "ty", "tx")]])
        warped = distortions.warp(stored.images[digit : digit + 1], matrix)[0]
        # Ours are written with four decimals.
        assert np.abs(warped.astype(int) - drawn[row["source"]][digit, copy]).max() <= 2 * (row["source"] == "ours")


def test_the_papers_distortions_are_those_that_were_measured(made):
    measured = {
        (int(row["digit"]), int(row["copy"])): row for row in rows(ROOT / "paper_figures/figure7_distortions.csv")
    }
    written = [row for row in rows(made["figure7"][1][2]) if row["source"] == "paper"]
    assert len(measured) == len(written) == 100
    for row in written:
        source = measured[int(row["digit"]), int(row["copy"])]
        assert all(float(row[name]) == float(source[name]) for name in ("index", *digits.MATRIX))


def test_our_ranges_are_those_of_the_papers_100_distortions():
    myy, myx, mxy, mxx, ty, tx = digits.figure7_matrices().reshape(100, 6).T
    scale = (myy + mxx) / 2
    observed = {
        "SCALE": scale,
        "SQUEEZE": (mxx - myy) / (mxx + myy),
        "SHEAR": mxy / scale,
        "SHIFT_X": tx + distortions.SHEAR_ROW * mxy,
        "SHIFT_Y": ty - distortions.OFFSET_Y + distortions.SCALE_ROW * (myy - 1),
    }
    for name, values in observed.items():
        low, high = getattr(distortions, name)
        slack = 0.03 * (high - low)
        assert low - slack < values.min() < low + 0.12 * (high - low), name
        assert high - 0.12 * (high - low) < values.max() < high + slack, name
    assert np.abs(myx).max() < 0.012
    # The two rows are where the shifts no longer depend on shear and scale.
    assert abs(np.corrcoef(observed["SHIFT_X"], mxy)[0, 1]) < 0.1
    assert abs(np.corrcoef(observed["SHIFT_Y"], myy)[0, 1]) < 0.1


def test_ours_are_the_patterns_that_seed_0_trains_on(made):
    drawn, stored = panels(made)["ours"], digits.stored("figure7")
    training_set = np.zeros((60_000, 28, 28), np.uint8)
    training_set[stored.indices] = stored.images
    assert LENET5_DISTORTED.distortions.copies == 9
    assert 60_000 * LENET5_DISTORTED.distortions.copies == paper.DISTORTED_PATTERNS
    for copy in range(10):
        patterns = distortions.distorted(training_set, 0, 60_000 * copy + stored.indices)
        assert np.array_equal(drawn[:, copy], patterns)
    assert np.array_equal(drawn[:, 0, 2:30, 2:30], stored.images)


def test_no_copy_is_another_one(made):
    for source, images in panels(made).items():
        assert len({image.tobytes() for image in images.reshape(100, 32, 32)}) == 100, source


# --- the command -----------------------------------------------------------------------------------------------------


def test_reproduce_makes_them_without_digits_and_records(monkeypatch, tmp_path, capsys):
    monkeypatch.syspath_prepend(str(ROOT))
    import reproduce

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(data.VARIABLE, raising=False)
    monkeypatch.setattr(records, "load", lambda *_: pytest.fail("a record is read"))
    assert reproduce.main(["--recorded", "--figure", "4", "7", "3", "--out", "here"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in printed] == ["figure 3", "figure 4", "figure 7"]
    assert len(list((tmp_path / "here" / "figures").iterdir())) == 12
