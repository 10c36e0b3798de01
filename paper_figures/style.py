"""One look for every figure, and files that are byte-identical when they are made again."""

import io
import textwrap
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from lenet1998.records import write_whole
from paper_figures.tables import as_csv

COLUMN = 3.5  # inches, the width of a column of the Proceedings of the IEEE
# Of Okabe and Ito's colours, which people with any kind of colour vision tell apart.
BLUE, ORANGE, VERMILLION, GREY = "#0072B2", "#E69F00", "#D55E00", "#777777"
SIZE = 7.0  # points, of all type
STYLE = {
    **{f"{name}.labelsize": SIZE for name in ("axes", "xtick", "ytick")},
    "font.size": SIZE,
    "axes.titlesize": SIZE,
    "legend.fontsize": SIZE,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "legend.columnspacing": 1.2,
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.linewidth": 0.4,
    "grid.color": "#DDDDDD",
    "lines.linewidth": 1.1,
    "lines.markersize": 3.2,
    "pdf.fonttype": 42,  # embedded as TrueType: text stays text
    "savefig.dpi": 300,
}


def style() -> AbstractContextManager:
    """Everything drawn inside has this look."""
    return matplotlib.rc_context({**matplotlib.rcParamsDefault, "backend": "agg", **STYLE})


def save(
    figure: Figure,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    caption: Iterable[str],
    out: Path,
    stem: str,
) -> list[Path]:
    """Write `stem`.pdf, .png, .csv (what is drawn) and .txt (the caption, by paragraphs) into `out`."""
    files = {
        f"{stem}.pdf": _rendered(figure, "pdf", {"CreationDate": None}),
        f"{stem}.png": _rendered(figure, "png", {"Software": None}),
        f"{stem}.csv": as_csv(columns, rows).encode(),
        f"{stem}.txt": "".join(f"{textwrap.fill(paragraph, 100)}\n" for paragraph in caption).encode(),
    }
    for name, content in files.items():
        write_whole(out / name, content)
    return [out / name for name in files]


def _rendered(figure: Figure, kind: str, metadata: dict[str, None]) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, metadata=metadata)
    return buffer.getvalue()
