"""Table c3: the paper's Table I, read back out of the network that is built, and each layer's counts beside it."""

from pathlib import Path

from lenet1998 import paper
from paper_figures.runs import Runs
from paper_figures.tables import Table, as_text, write

RECIPES = ()  # it needs no run


def text(recorded: Runs | None = None, local: Runs | None = None) -> str:
    """Both tables for a terminal."""
    return "\n".join(map(as_text, tables()))


def make(recorded: Runs | None, out: Path, local: Runs | None = None) -> list[Path]:
    """Write both tables into `out`; they depend on no run."""
    return write(tables(), out, "tablec3")


def tables() -> list[Table]:
    """The connections of C3 and the counts, from a LeNet-5 that is built for the purpose."""
    from lenet1998.layers import LeNet5, audit  # torch takes a second, and no other table needs it

    network = LeNet5()
    return [connections(network.C3.table), counts(audit(network, paper.INPUT_SIZE))]


def connections(table: tuple[tuple[int, ...], ...]) -> Table:
    """`table[m]` holds the maps of S2 that map m of C3 reads."""
    marks = [["X" if s2 in sources else "." for sources in table] for s2 in range(1 + max(map(max, table)))]
    agrees = "as" if tuple(" ".join(row) for row in marks) == paper.TABLE_I else "NOT as"
    columns = ("S2", *map(str, range(len(table))))
    return Table(
        "The paper's Table I: which maps of S2 (rows) each map of C3 (columns) reads",
        columns,
        "r" * len(columns),
        tuple((str(s2), *row) for s2, row in enumerate(marks)),
        ("s2_map", *(f"c3_map_{m}" for m in range(len(table)))),
        tuple((s2, *(int(mark == "X") for mark in row)) for s2, row in enumerate(marks)),
        (f"Read back out of the network that is built: {sum(map(len, table))} kernels, {agrees} the paper prints it.",),
    )


def counts(audit: list) -> Table:
    """Free parameters and connections of each layer (`lenet1998.layers.LayerAudit`) beside the paper's."""
    stated = {name: (parameters, connections) for name, _, parameters, connections in paper.LAYERS}
    data = [(row.layer, _maps(row), row.parameters, row.connections, *stated[row.layer]) for row in audit]
    totals = (sum(row.parameters for row in audit), sum(row.connections for row in audit))
    data.append(("all", None, *totals, paper.FREE_PARAMETERS, paper.CONNECTIONS))
    differ = [name for name, _, *ours, p, c in data if (p not in (None, ours[0])) or (c not in (None, ours[1]))]
    agreement = (
        f"NOT the paper's counts: {', '.join(differ)}." if differ else "Every count is the one the paper states."
    )
    return Table(
        "LeNet-5, layer by layer",
        ("layer", "maps", "free\nparameters", "paper", "connections", "paper"),
        "llrrrr",
        tuple((name, maps or "", f"{p:,}", _stated(pp), f"{c:,}", _stated(pc)) for name, maps, p, c, pp, pc in data),
        ("layer", "maps", "parameters", "connections", "paper_parameters", "paper_connections"),
        tuple(data),
        (
            f"{agreement} Biases count as connections. The codes of the ten output units are fixed: they are "
            "connections, not free parameters.",
        ),
        suffix="-counts",
    )


def _maps(row) -> str:
    return str(row.maps) if (row.rows, row.columns) == (1, 1) else f"{row.maps}@{row.rows}x{row.columns}"


def _stated(value: int | None) -> str:
    return "not stated" if value is None else f"{value:,}"
