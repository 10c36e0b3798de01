"""Figure 8: the test digits that LeNet-5, trained with distortions, misreads, and how many of them 1998's did too."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from lenet1998 import paper, records
from lenet1998.errors import UserError
from lenet1998.records import write_whole
from paper_figures import digits
from paper_figures.digits import Stored
from paper_figures.overlap import Method, Overlap, answered, answers_1998, overlap
from paper_figures.pictures import DOTS, framed, mosaic, place
from paper_figures.runs import Runs, revision_text, source_text
from paper_figures.style import BLUE, COLUMN, SIZE, save, style
from paper_figures.tables import as_csv

DISTORTED = "lenet5-distorted"
RECIPES = (DISTORTED, "lenet5", "modern")
OURS, YOURS, NEIGHBOURS = "distorted", "yours", "neighbours"  # like "regular" and "modern", as in the CSV

NEIGHBOURS_1998 = ("K-NN Euclidean", "regular")  # as figure 9 has it

ACROSS = 10  # digits in a row, as in the paper
PIXELS, GAP = 32, 1  # pixels of a digit with its background, as the network reads it, and between two of them
PITCH = PIXELS + GAP
NOT_STORED = 60  # grey level
TINT, LIGHT = "#FBDFA0", "#CCCCCC"  # black type can be read on the one, blue stands out beside the other
# Dots of the PNG; the first is that of a pixel.
SCALE, LEFT, TOP, ROW, FOOT, BAR = 3, 28, 52, 144, 122, 40
BARS = (335, 460)  # where the bars begin and how long the longest is


def make(recorded: Runs, out: Path, local: Runs | None = None) -> list[Path]:
    """Draw the figure into `out`; UserError where there is no run on MNIST.

    Recorded runs are drawn, whose digits are stored; a person's own on MNIST are counted beside them, and drawn, as far
    as their digits are stored, where nothing is recorded. The sample has none of these digits.
    """
    own = local if local and local.dataset == recorded.dataset and local.of(DISTORTED) else None
    shown = recorded if recorded.of(DISTORTED) else own
    if shown is None:
        raise UserError(
            f"There is no record of {DISTORTED} on MNIST, whose test digits figure 8 shows: train one with "
            "--dataset mnist."
        )
    methods = {
        OURS: answered("LeNet-5, distorted", shown.of(DISTORTED), shown.labels),
        "regular": answered("LeNet-5, regular", recorded.of("lenet5"), shown.labels),
        "modern": answered("modern, regular", recorded.of("modern"), shown.labels),
        NEIGHBOURS: answered(
            f"{paper.NEAREST_NEIGHBOURS} nearest neighbours",
            records.find(digits.RECORDS, shown.dataset, NEIGHBOURS),
            shown.labels,
        ),
    }
    if own and own is not shown:
        methods[YOURS] = answered("your run, distorted", own.of(DISTORTED), shown.labels)
    theirs = answers_1998(shown.labels.size)
    overlaps = [overlap(one, theirs) for one in methods.values() if one.runs]
    kept = digits.stored("figure8")
    columns, rows = _rows(methods, shown.labels, theirs)
    caption = _caption(methods[OURS], overlaps, theirs, kept) + _origins(methods, shown, recorded, local)
    with style():
        figure = _figure(methods[OURS], overlaps, shown.labels, theirs, kept)
        paths = save(figure, columns, rows, caption, out, "figure8")
    paths.append(out / "figure8-overlap.csv")
    write_whole(paths[-1], as_csv(tuple(Overlap.__annotations__), map(_overlap_row, overlaps)).encode())
    return paths


def _figure(ours: Method, overlaps: list[Overlap], labels: np.ndarray, theirs: np.ndarray, kept: Stored) -> Figure:
    misread, every = np.flatnonzero(ours.wrong[0]), _every(ours)
    images = _images(misread, kept)
    bars = [(one.method, one.errors, one.of_the_82, one.text) for one in overlaps]
    if every.any():
        bars.insert(1, ("... with every seed", every.sum(), (every & (theirs >= 0)).sum(), str))
    rows = math.ceil(misread.size / ACROSS)
    below = TOP + rows * ROW + 12
    height = below + FOOT + len(bars) * BAR
    figure = Figure(figsize=(COLUMN, height / DOTS))
    title = f"MNIST's test digits that LeNet-5 (distorted, seed {ours.runs[0].seed}) misreads"
    figure.suptitle(title, fontsize=SIZE, y=1 - 12 / height, va="top")
    for row in range(rows):
        part = slice(row * ACROSS, (row + 1) * ACROSS)
        strip = np.zeros((ACROSS, PIXELS, PIXELS), np.uint8)
        strip[: len(images[part])] = images[part]
        axes = place(figure, mosaic(strip, ACROSS, GAP), LEFT, TOP + row * ROW, SCALE)
        _label(axes, misread[part], labels, ours.answers[0], theirs, every)
    legend = [Patch(facecolor="none", edgecolor=BLUE, label="among the 82 of 1998")]
    if every.any():
        legend.append(Patch(facecolor=TINT, label=f"misread with all {len(ours.runs)} seeds"))
    where = {"loc": "upper center", "bbox_to_anchor": (0.5, 1 - below / height), "borderpad": 0, "borderaxespad": 0}
    figure.legend(handles=legend, ncols=2, **where)
    _draw_bars(figure, bars, height)
    return figure


def _every(ours: Method) -> np.ndarray:
    """Which digits (n,) are misread with every seed; with one seed that would say nothing."""
    return ours.wrong.all(axis=0) & (len(ours.runs) > 1)


def _images(indices: np.ndarray, kept: Stored) -> np.ndarray:
    """The (n, 32, 32) images of test digits, grey where one is not stored."""
    known = dict(zip(kept.indices.tolist(), framed(kept.images), strict=True))
    images = np.full((indices.size, PIXELS, PIXELS), NOT_STORED, np.uint8)
    for image, index in zip(images, indices.tolist(), strict=True):
        image[:] = known.get(index, image)
    return images


def _label(
    axes: Axes, indices: np.ndarray, labels: np.ndarray, answers: np.ndarray, theirs: np.ndarray, every: np.ndarray
) -> None:
    """Below each digit of a row the right answer and the network's, and the marks."""
    axes.set_xticks(
        [GAP + column * PITCH + (PIXELS - 1) / 2 for column in range(indices.size)],
        [f"{labels[index]}→{answers[index]}" for index in indices],
    )
    axes.tick_params(pad=2)
    for column, (index, text) in enumerate(zip(indices, axes.get_xticklabels(), strict=True)):
        if theirs[index] >= 0:
            # In the middle of the gaps.
            axes.add_patch(Rectangle((column * PITCH, 0), PITCH, PITCH, fill=False, edgecolor=BLUE, clip_on=False))
        if every[index]:
            text.set_bbox({"facecolor": TINT, "edgecolor": "none", "pad": 0.8})


def _draw_bars(figure: Figure, bars: list[tuple[str, float, float, Callable[[float], str]]], height: float) -> None:
    """At the foot, a bar for each method: its errors, those among the 82 first."""
    names, errors, shared, texts = zip(*bars, strict=True)
    left, longest = BARS
    axes = figure.add_axes((left / DOTS / COLUMN, 6 / height, longest / DOTS / COLUMN, BAR * len(bars) / height))
    at = np.arange(len(bars))
    axes.barh(at, shared, height=0.7, color=BLUE)
    axes.barh(at, np.subtract(errors, shared), left=shared, height=0.7, color=LIGHT)
    for y, total, common, text in zip(at, errors, shared, texts, strict=True):
        beside = {"xytext": (3, 0), "textcoords": "offset points", "va": "center_baseline"}
        axes.annotate(f"{text(common)} of {text(total)}", (total, y), **beside)
    axes.set(xlim=(0, max(*errors, 1)), ylim=(len(bars) - 0.5, -0.5), xticks=[])
    axes.set_yticks(at, names)
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.set_title("errors among the 82 of 1998, of all errors", loc="left")


def _rows(
    methods: dict[str, Method], labels: np.ndarray, theirs: np.ndarray
) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """Columns and rows of the CSV: each digit that is among the 82, or misread in any distorted run.

    For each method the answer of its first run, and how many of its runs are wrong.
    """
    columns = ["index", "label", "answer_1998", *(f"{key}_{what}" for key in methods for what in ("answer", "wrong"))]
    drawn = [methods[key].wrong.any(axis=0) for key in (OURS, YOURS) if key in methods]
    rows = []
    for index in np.flatnonzero(np.any([theirs >= 0, *drawn], axis=0)).tolist():
        row = [index, labels[index], theirs[index] if theirs[index] >= 0 else None]
        for one in methods.values():
            row += [one.answers[0, index], one.wrong[:, index].sum()] if one.runs else [None, None]
        rows.append(tuple(row))
    return tuple(columns), rows


def _overlap_row(one: Overlap) -> tuple[object, ...]:
    return tuple(f"{value:.4f}" if isinstance(value, float) else value for value in vars(one).values())


def _caption(ours: Method, overlaps: list[Overlap], theirs: np.ndarray, kept: Stored) -> list[str]:
    every, among, first = _every(ours), theirs >= 0, ours.wrong[0]
    distances = digits.table("figure8_errors")["squared_distance"]
    missing = int(np.sum(~np.isin(np.flatnonzero(first), kept.indices)))
    paragraphs = [
        f"Figure 8. The {first.sum()} of {first.size:,} test patterns misclassified by LeNet-5, trained with "
        f"distortions, seed {ours.runs[0].seed}, after its last pass, in the order of MNIST's test set. Below each "
        "image are displayed the correct answer (left) and the network's answer (right).",
        f"Framed: {(first & among).sum()} that are among the paper's {among.sum()}, "
        f"{(first & (ours.answers[0] == theirs)).sum()} of them with the same wrong answer. Each image of figure 8 in "
        "the authors' preprint equals one test digit up to rounding (the squared distances, summed over 32x32 pixels "
        f"of 0 to 255, are {distances.min():,} to {distances.max():,}), so the {among.sum()} are known one by one.",
    ]
    if every.any():
        paragraphs.append(
            f"Tinted: misread with every one of {len(ours.runs)} seeds; {every.sum()} digits are, and "
            f"{(every & among).sum()} of these are among the {among.sum()}."
        )
    if missing:
        paragraphs.append(
            f"{missing} digits are not stored and stand as grey squares: python -m paper_figures.digits stores those "
            "of the recorded runs."
        )
    paragraphs.append("Bars: the errors of each method, and in blue how many of the paper's are among them.")
    return paragraphs + [one.sentence for one in overlaps]


def _origins(methods: dict[str, Method], shown: Runs, recorded: Runs, local: Runs | None) -> list[str]:
    who = "Recorded" if shown is recorded else "Your run"
    found = [f"{who}: {source_text(DISTORTED, shown)}"]
    found += [f"Recorded: {source_text(name, recorded)}" for name in RECIPES[1:] if recorded.of(name)]
    (theirs,) = (error for method, data, error, *_ in paper.CLASSIFIERS if (method, data) == NEIGHBOURS_1998)
    for record in methods[NEIGHBOURS].runs:
        found.append(
            f"Recorded: {record.recipe['k']} nearest neighbours by {record.recipe['distance']} distance, "
            f"{record.recipe['images']} (for deslanted images the paper states k = {paper.NEAREST_NEIGHBOURS}, for "
            f"regular ones none, and {theirs:g}% of errors); {record.engine} engine, "
            f"{revision_text(record.provenance)}."
        )
    if YOURS in methods:
        found.append(
            f"Your run: {source_text(DISTORTED, local)} It is counted, and its errors are in the CSV; the digits that "
            "are drawn are the recorded run's."
        )
    if local and local.dataset != shown.dataset:
        found.append(f"Your run used the {local.title}, whose test digits are others: it has no part in this figure.")
    return found
