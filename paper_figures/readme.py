"""The parts of README.md that are computed: from the committed results, the recipes and the networks that are built.

python -m paper_figures.readme            write them again
python -m paper_figures.readme --check    write nothing; exit code 1 where README.md has another text
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path

from lenet1998 import paper
from lenet1998.errors import UserError
from lenet1998.networks import RBF, TABLE_I, Convolution, FullyConnected, Layer, Subsampling, walk
from lenet1998.recipes import LENET5_1998, MODERN_LENET5, SDLM, Adam, Initialisation, Recipe
from lenet1998.records import RESULTS, write_whole
from paper_figures import runs, table2, table3
from paper_figures.runs import processor_text
from paper_figures.tables import Table

README = Path(__file__).resolve().parents[1] / "README.md"
PART = re.compile(
    r"(?P<begin><!-- begin (?P<name>\w+):.*?-->\n)(?P<text>.*?)(?P<end><!-- end (?P=name) -->)", re.DOTALL
)

NOT_RECORDED = "*Not recorded yet.*"
SQUASHING = {"tanh": "scaled tanh", "relu": "ReLU", "linear": "linear"}
ORDERS = {
    "fixed": "one random permutation, the same in every pass",
    "reshuffled": "a new permutation for each pass",
    "file": "that of the files",
}


def main(arguments: Sequence[str]) -> int:
    """Run the command line; the exit code is 0, 1 where --check finds an old part, 2 for a damaged README."""
    parser = argparse.ArgumentParser(prog="python -m paper_figures.readme", description="Write README.md's tables.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where a part is out of date")
    options = parser.parse_args(arguments)
    try:
        before = README.read_text(encoding="utf-8")
        after = rewritten(before, RESULTS)
        if options.check:
            if old := stale(before, after):
                print(f"README.md is out of date ({', '.join(old)}): run python -m paper_figures.readme.")
            return 1 if old else 0
        if after != before:
            write_whole(README, after.encode())
    except (OSError, UserError) as error:
        print(f"readme: {error}", file=sys.stderr)
        return 2
    return 0


def rewritten(text: str, results: Path) -> str:
    """`text` with every part made anew from the folder of results; UserError unless each part stands in it once."""
    found = [match["name"] for match in PART.finditer(text)]
    if sorted(found) != sorted(PARTS):
        raise UserError(f"README.md has the parts {', '.join(found) or 'none'}; it must have {', '.join(PARTS)}.")
    return PART.sub(lambda match: f"{match['begin']}\n{PARTS[match['name']](results)}\n\n{match['end']}", text)


def stale(before: str, after: str) -> list[str]:
    """The names of the parts in which the two differ."""
    pairs = zip(PART.finditer(before), PART.finditer(after), strict=True)
    return [old["name"] for old, new in pairs if old["text"] != new["text"]]


def table1(results: Path) -> str:
    """Table 1 as it was written from the records."""
    path = results / "tables" / "table1.md"
    if not path.exists():
        return NOT_RECORDED
    return path.read_text(encoding="utf-8").strip()


def verdicts(results: Path) -> str:
    """What section III.B and its figures state about training, from table 3."""
    recorded = runs.read(results / "records", "mnist", table3.RECIPES)
    if not recorded.of(LENET5_1998.name):
        return NOT_RECORDED
    whole = table3.table(recorded)
    counted_or_computed = {entry.cells for entry in table3.section_ii()}
    summary, *_ = whole.notes
    return _part_of(whole, [row for row in whole.rows if row not in counted_or_computed], [summary])


def choices(results: Path) -> str:
    """Table 2, from the records."""
    recorded = runs.read(results / "records", "mnist", table2.RECIPES)
    if not any(recorded.records.values()):
        return NOT_RECORDED
    whole = table2.table(recorded)
    return _part_of(whole, whole.rows, whole.notes)


def layers(results: Path) -> str:
    """The two networks as they are built, layer by layer, with the free parameters counted in the modules."""
    from lenet1998.layers import audit, build  # torch takes a second

    networks = (LENET5_1998.network, MODERN_LENET5.network)
    counts = [[row.parameters for row in audit(build(network))] for network in networks]
    rows = []
    for then, now, p, q in zip(*map(walk, networks), *counts, strict=True):
        (layer, (maps_below, *_), made), (layer_now, (maps_below_now, *_), made_now) = then, now
        cells = (_make(layer, maps_below), f"{p:,}", _make(layer_now, maps_below_now), f"{q:,}")
        if (layer.name, made) != (layer_now.name, made_now):
            raise ValueError(f"{layer.name} and {layer_now.name} do not stand beside each other")
        rows.append((layer.name, _size(made), *cells))
    rows.append(("all", "", "", f"**{sum(counts[0]):,}**", "", f"**{sum(counts[1]):,}**"))
    columns = ("layer", "size", "1998", "free parameters", "today", "free parameters")
    return _table(columns, "lllrlr", rows)


def settings(results: Path) -> str:
    """How the two recipes differ apart from the layers."""
    recipes = (LENET5_1998, MODERN_LENET5)
    rows: list[tuple[str, Callable[[Recipe], str]]] = [
        ("grey levels", lambda r: f"background {r.network.background:g}, ink {r.network.ink:g}"),
        ("minimised", lambda r: r.criterion_text().replace("cross-entropy", "softmax cross-entropy")),
        ("initial weights", lambda r: _initial(r.initialisation)),
        ("step", _step),
        ("global rate", lambda r: ", ".join(f"{rate:g} ({passes} passes)" for passes, rate in r.schedule)),
        ("patterns per update", lambda r: str(r.batch)),
        ("order", lambda r: ORDERS[r.order]),
        ("passes", lambda r: " and ".join(map(str, (*r.reported_passes, r.passes)))),
    ]
    cells = [(name, *(text(recipe) for recipe in recipes)) for name, text in rows]
    return _table(("", f"1998 (`{recipes[0].name}`)", f"today (`{recipes[1].name}`)"), "lll", cells)


def speed(results: Path) -> str:
    """Training then, by eager PyTorch and by the compiled trainer, from the file that `benchmarks/online.py` writes."""
    path = results / "benchmark.json"
    if not path.exists():
        return "*Not measured yet.*"
    try:
        numbers = json.loads(path.read_text(encoding="utf-8"))
        eager, now = numbers["eager_step_us"] / 1e6, numbers["online_step_us"] / 1e6
        faster, two = numbers["step_speedup"], numbers["two_processes_over_one"]
        own_kernels = numbers["step_speedup_without_onednn"]
        processor, versions = processor_text(numbers["environment"]), numbers["environment"]["versions"]
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path} is not what benchmarks/online.py writes: measure again.") from None
    patterns, _, _ = paper.FIGURE_6[-1]
    run_of_1998 = [86_400 * int(days) for days in re.findall(r"\d+", paper.TRAINING_TIME)]
    rows = []
    for name, count in (
        ("per pattern", 1),
        (f"per pass of {patterns:,}", patterns),
        (f"per run of {paper.PASSES} passes", paper.PASSES * patterns),
    ):
        then = _times(*(count * seconds / (paper.PASSES * patterns) for seconds in run_of_1998))
        rows.append((name, then, _times(count * eager), _times(count * now)))
    columns = ("LeNet-5, training alone", "1998", "eager PyTorch, now", "compiled, now")
    notes = (
        f"Now: one core of {processor}, PyTorch {versions['torch']} and numba {versions['numba']}, measured in turns "
        f"within one run. Compiled is {faster:.0f} times as fast as eager ({own_kernels:.0f} times with oneDNN "
        f"switched off, which suits single patterns better); two processes train {two:.2g} times as many patterns as "
        "one. These are steps alone: estimates of the curvature and evaluations come on top.",
        f"1998: {paper.TRAINING_TIME} for a run on one {paper.TRAINING_MACHINE} (section III.D), divided.",
    )
    return "\n\n".join([_table(columns, "lrrr", rows), *notes])


PARTS: dict[str, Callable[[Path], str]] = {
    "table1": table1,
    "verdicts": verdicts,
    "choices": choices,
    "layers": layers,
    "settings": settings,
    "speed": speed,
}


def _size(shape: tuple[int, int, int]) -> str:
    maps, rows, columns = shape
    return str(maps) if (rows, columns) == (1, 1) else f"{maps}@{rows}×{columns}"


def _make(layer: Layer, maps_below: int) -> str:
    """What a layer does, in a few words."""
    match layer:
        case Convolution(kernel=k, table=None) if maps_below == 1:
            what = f"{k}×{k} kernels"
        case Convolution(kernel=k, table=None):
            what = f"{k}×{k} kernels on all {maps_below} maps"
        case Convolution(maps=maps, kernel=k, table=table):
            name = " (Table I)" if table == TABLE_I else ""
            what = f"{k}×{k} kernels, {sum(map(len, table))} of {maps * maps_below}{name}"
        case Subsampling(trainable=True, average=average):
            what = f"{'average' if average else 'sum'} of 2×2, times a coefficient, plus a bias"
        case Subsampling(squash="linear"):
            return "average of 2×2"
        case Subsampling():
            what = "average of 2×2"
        case FullyConnected():
            what = "fully connected"
        case RBF(half=half):
            return f"{'half ' if half else ''}squared distance to fixed codes of 7×12 (figure 3)"
    return f"{what}; {SQUASHING[layer.squash]}"


def _initial(initialisation: Initialisation) -> str:
    fan_in = {0.5: "√F", 1.0: "F"}.get(initialisation.power, f"F^{initialisation.power:g}")
    biases = "biases zero" if initialisation.biases == "zero" else "biases too"
    start = initialisation.coefficient
    coefficient = "" if start == "uniform" else f", coefficients {start:g}"
    return f"uniform in ±{initialisation.gain:g}/{fan_in}, F the fan-in; {biases}{coefficient}"


def _step(recipe: Recipe) -> str:
    match recipe.steps:
        case SDLM(mu=mu, patterns=patterns, every=every):
            when = "each pass" if every == 1 else f"every {every} passes"
            return f"rate / ({mu:g} + h) per parameter, its curvature h estimated on {patterns} patterns before {when}"
        case Adam(beta1=beta1, beta2=beta2):
            return f"Adam, β = {beta1:g} and {beta2:g}"
    return "plain gradient"


def _times(*seconds: float) -> str:
    """Times of one order of magnitude in one unit, two digits each, as in "2.4 to 3.6 h"."""
    units = ((86_400, "days"), (3600, "h"), (60, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "µs"))
    size, unit = next((size, unit) for size, unit in units if min(seconds) >= size or unit == "µs")
    return " to ".join(f"{t / size:.2g}" if t < 10 * size else f"{t / size:.0f}" for t in seconds) + f" {unit}"


def _part_of(whole: Table, rows: Iterable[Sequence[str]], notes: Iterable[str]) -> str:
    """Some of a table's rows and notes."""
    columns = [column.replace("\n", " ") for column in whole.columns]
    return "\n\n".join([_table(columns, whole.align, rows), *notes])


def _table(columns: Sequence[str], align: str, rows: Iterable[Sequence[str]]) -> str:
    rule = ["---:" if side == "r" else "---" for side in align]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in chain([columns, rule], rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
