"""The 96 characters of figure 3 as 7x12 bitmaps: the codes that the RBF units are centred on (section II.B)."""

from functools import cache
from importlib.resources import files

import numpy as np

ROWS, COLUMNS = 12, 7


@cache
def _all_codes() -> dict[str, np.ndarray]:
    """Character to read-only (84,) code, for ASCII 32 to 127 (the last one is blank, as in the figure)."""
    lines = (files("lenet1998") / "bitmaps.txt").read_text("ascii").splitlines()
    table = {}
    for start in range(1, len(lines), 1 + ROWS):
        number = int(lines[start].split()[1])
        ink = [[pixel == "#" for pixel in row] for row in lines[start + 1 : start + 1 + ROWS]]
        code = np.where(ink, 1.0, -1.0).reshape(ROWS * COLUMNS)
        code.setflags(write=False)
        table[chr(number)] = code
    return table


def codes(characters: str = "0123456789") -> np.ndarray:
    """The (n, 84) float64 codes of n characters, row-major over 12 rows of 7 columns: ink +1, paper -1.

    Raises ValueError for a character outside ASCII 32 to 127, and where there is no character at all.
    """
    table = _all_codes()
    unknown = [character for character in characters if character not in table]
    if unknown or not characters:
        raise ValueError(f"figure 3 has codes for the characters of ASCII 32 to 127, not for {unknown or characters!r}")
    return np.stack([table[character] for character in characters])
