"""Figure 3: the 96 codes of 7x12 pixels; ours are the paper's."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from lenet1998.bitmaps import COLUMNS, ROWS, codes
from paper_figures.pictures import mosaic, place
from paper_figures.runs import Runs
from paper_figures.style import COLUMN, VERMILLION, save, style

RECIPES = ()
FIRST, COUNT, ACROSS = 32, 96, 16  # ASCII 32 to 127, 16 in a row
GAP, BETWEEN = 2, 40  # pixels, grey level
NAMES = {" ": "space", "\x7f": "delete"}  # of characters that a CSV file cannot show


def make(recorded: Runs, out: Path, local: Runs | None = None) -> list[Path]:
    """Draw the figure into `out`; no run has any part in it."""
    characters = [chr(code) for code in range(FIRST, FIRST + COUNT)]
    ink = codes("".join(characters)).reshape(COUNT, ROWS, COLUMNS) > 0
    with style():
        figure = Figure(figsize=(COLUMN, 2.3))
        pixels = mosaic(np.where(ink, 255, 0).astype(np.uint8), ACROSS, GAP, BETWEEN)
        axes = place(figure, pixels, left=124, top=58, scale=6)
        starts = range(FIRST, FIRST + COUNT, ACROSS)
        axes.set_xticks([_middle(column, COLUMNS) for column in range(ACROSS)], map(str, range(ACROSS)))
        axes.set_yticks([_middle(row, ROWS) for row in range(len(starts))], map(str, starts))
        axes.set(xlabel="ASCII code: number of the row + number of the column")
        axes.set_title("The codes of the output units; framed: the ten digits")
        axes.add_patch(_frame("0", 10))
        columns = ("ascii", "character", "ink", *(f"row{row}" for row in range(1, ROWS + 1)))
        rows = [
            (ord(character), NAMES.get(character, character), int(code.sum()), *map(_text, code))
            for character, code in zip(characters, ink, strict=True)
        ]
        return save(figure, columns, rows, CAPTION, out, "figure3")


def _middle(number: int, size: int) -> float:
    """Where the middle of a row or column of codes lies, in pixels."""
    return GAP + number * (size + GAP) + (size - 1) / 2


def _frame(first: str, count: int) -> Rectangle:
    """Around `count` codes of one row from that of `first` on, in the middle of the gaps."""
    row, column = divmod(ord(first) - FIRST, ACROSS)
    corner = (column * (COLUMNS + GAP) + (GAP - 1) / 2, row * (ROWS + GAP) + (GAP - 1) / 2)
    return Rectangle(corner, count * (COLUMNS + GAP), ROWS + GAP, fill=False, edgecolor=VERMILLION, linewidth=1.2)


def _text(row: np.ndarray) -> str:
    return "".join("#" if pixel else "." for pixel in row)


CAPTION = (
    "Figure 3. Initial parameters of the output RBFs for recognizing the full ASCII set.",
    "Ours are the paper's, pixel by pixel: the authors' preprint embeds each of the 96 codes as an image of 7x12 "
    "pixels, black or white, and these are drawn here, in its order, ASCII 32 to 127; the first and the last are "
    "blank. Black is +1, white is -1. Framed: the ten codes of the network for digits, fixed in this repository as in "
    "the paper's LeNet-5. No data set and no run stands behind this figure.",
)
