"""A table as aligned text, Markdown, LaTeX (booktabs) and CSV."""

import csv
import io
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lenet1998.records import write_whole

WIDTH = 120  # of the text

LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        # In the encoding that LaTeX starts with, these three are other characters.
        "<": "$<$",
        ">": "$>$",
        "|": r"\textbar{}",
        "±": r"$\pm$",
        "√": r"$\surd$",
        "–": "--",
    }
)


@dataclass(frozen=True)
class Table:
    """What is printed, and beside it what a program reads."""

    title: str
    columns: tuple[str, ...]  # headings; "\n" breaks them where there is room for it
    align: str  # "l" or "r" for each column
    rows: tuple[tuple[str, ...], ...]
    data_columns: tuple[str, ...]  # the CSV
    data: tuple[tuple[object, ...], ...]  # None: empty
    notes: tuple[str, ...] = ()
    suffix: str = ""  # of the CSV's name, where several tables share a stem


def as_text(table: Table) -> str:
    """Aligned for a terminal, with the notes below."""
    headings = [column.split("\n") for column in table.columns]
    depth = max(map(len, headings))
    head = list(zip(*([""] * (depth - len(lines)) + lines for lines in headings), strict=True))
    widths = [max(map(len, cells)) for cells in zip(*head, *table.rows, strict=True)]

    def laid_out(cells: Sequence[str]) -> str:
        padded = (
            cell.rjust(width) if side == "r" else cell.ljust(width)
            for cell, width, side in zip(cells, widths, table.align, strict=True)
        )
        return "  ".join(padded).rstrip()

    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    body = [*map(laid_out, head), rule, *map(laid_out, table.rows)]
    notes = [textwrap.fill(note, WIDTH) for note in table.notes]
    return "\n".join([table.title, "", *body, *([""] if notes else []), *notes]) + "\n"


def as_markdown(table: Table) -> str:
    """A table as GitHub renders it, the title above and the notes below."""

    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"

    rule = line("---:" if side == "r" else "---" for side in table.align)
    rows = [line(column.replace("\n", " ") for column in table.columns), rule, *map(line, table.rows)]
    return "\n\n".join([f"**{table.title}**", "\n".join(rows), *table.notes]) + "\n"


def as_latex(table: Table) -> str:
    """A table* environment for \\usepackage{booktabs}; title and notes are its caption."""

    def heading(column: str, side: str) -> str:
        lines = column.translate(LATEX).split("\n")
        return lines[0] if len(lines) == 1 else rf"\shortstack[{side}]{{" + r" \\ ".join(lines) + "}"

    def line(cells: Iterable[str]) -> str:
        return "    " + " & ".join(cells) + r" \\"

    caption = " ".join([f"{table.title}.", *table.notes]).translate(LATEX)
    return "\n".join(
        [
            r"\begin{table*}",
            r"  \centering",
            rf"  \caption{{{caption}}}",
            rf"  \begin{{tabular}}{{{table.align}}}",
            r"    \toprule",
            line(map(heading, table.columns, table.align)),
            r"    \midrule",
            *(line(cell.translate(LATEX) for cell in row) for row in table.rows),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table*}",
            "",
        ]
    )


def as_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Comma-separated, a heading first; None is an empty field."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return buffer.getvalue()


def write(tables: Sequence[Table], out: Path, stem: str) -> list[Path]:
    """Write the tables into `stem`.md and `stem`.tex, and each into a CSV of its own; return the paths."""
    files = {
        f"{stem}.md": "\n".join(map(as_markdown, tables)),
        f"{stem}.tex": "\n".join(map(as_latex, tables)),
        **{f"{stem}{table.suffix}.csv": as_csv(table.data_columns, table.data) for table in tables},
    }
    for name, content in files.items():
        write_whole(out / name, content.encode())
    return [out / name for name in files]
