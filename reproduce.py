"""Regenerate the tables and figures of LeCun, Bottou, Bengio & Haffner (1998).

  python reproduce.py --table 1                         train what it needs, then print and write the table
  python reproduce.py --table 1 --figure 5              several at once; what they share is trained once
  python reproduce.py --recorded --all                  train nothing; use the records that come with the repository
  python reproduce.py --table 1 --dataset sample        5,000 digits that come with the package; no download
  python reproduce.py --list                            everything that can be asked for

A run that was trained before is not trained again, and one that was stopped, with Ctrl-C or otherwise, goes on from
its last completed pass when the same command is given again. The numbers do not depend on --jobs.
"""

import argparse
import importlib
import os
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from lenet1998 import data, display, experiments, jobs, pretrained, processor, records, training
from lenet1998.errors import UserError
from lenet1998.experiments import EXPERIMENTS, Experiment
from lenet1998.recipes import Recipe, shortened
from paper_figures import runs

ROOT = Path(__file__).resolve().parent
RECORDS = records.RESULTS / "records"


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"reproduce.py: {message}; see python reproduce.py --help.\n")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog="reproduce.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    what = parser.add_argument_group("what to make")
    what.add_argument("--table", metavar="NAME", nargs="+", action="extend", default=[], help="tables, as in --list")
    what.add_argument("--figure", metavar="NAME", nargs="+", action="extend", default=[], help="figures, as in --list")
    what.add_argument("--all", action="store_true", help="every table and figure")
    what.add_argument(
        "--list", action="store_true", help="what there is, what of the paper it answers, how long it takes"
    )
    digits = parser.add_argument_group("digits")
    digits.add_argument(
        "--dataset",
        choices=("auto", "mnist", "sample"),
        default="auto",
        help="mnist: the full set, or an error; sample: 5,000 digits that come with the package; "
        "auto (default): the full set where it can be had, else the sample, saying so",
    )
    digits.add_argument(
        "--data",
        metavar="DIR",
        type=Path,
        help=f"where the four MNIST files are (default: ${data.VARIABLE}, then data/ in the current folder, then a "
        "download into it)",
    )
    how = parser.add_argument_group("training")
    how.add_argument("--recorded", action="store_true", help="train nothing: use the records in results/ only")
    how.add_argument("--retrain", action="store_true", help="train again what was trained before")
    how.add_argument("--seeds", metavar="K", type=positive, default=1, help="seeds 0 to K-1 (default 1)")
    how.add_argument(
        "--only",
        metavar="RECIPE",
        nargs="+",
        action="extend",
        default=[],
        help="train no others of the recipes behind it",
    )
    how.add_argument("--passes", metavar="N", type=positive, help="only the first N passes of the schedule")
    how.add_argument(
        "--engine",
        choices=training.ENGINES,
        default="online",
        help="online (default): compiled; torch: the readable reference, some 20 times slower",
    )
    how.add_argument("--jobs", metavar="N", type=positive, help="runs at once (default: the cores)")
    how.add_argument("--cluster", metavar="ADDRESS", help="train on the workers of a running dask scheduler instead")
    output = parser.add_argument_group("output")
    output.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        help="where runs, tables and figures go (default: runs/; with --recorded, results/)",
    )
    output.add_argument(
        "--record",
        action="store_true",
        help="also store the runs among the records in results/, and the weights that load_pretrained gives",
    )
    output.add_argument(
        "--quiet", action="store_true", help="no progress, only notices, the tables and the names of the files"
    )
    return parser.parse_args(arguments)


def positive(text: str) -> int:
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def main(arguments: Sequence[str]) -> int:
    """Run the command line; the exit code is 0, 1 where a run failed, 2 for bad input, 130 after Ctrl-C."""
    options = parse(arguments)
    try:
        chosen = chosen_experiments(options)
        if not chosen:
            print(listing())
            return 0
        check(options)
        recorded = {experiment: read_records(experiment, options.recorded) for experiment in chosen}
        if options.recorded:
            make(recorded, None, options.out or ROOT / "results")
            return 0
        return train_and_make(recorded, options)
    except UserError as error:
        print(f"reproduce.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        same = "the same command without --retrain" if options.retrain else "the same command"
        print(f"stopped; {same} goes on from the last completed pass of each run.", file=sys.stderr)
        return 130


def chosen_experiments(options: argparse.Namespace) -> list[Experiment]:
    """What was asked for, in the order of the list; nothing for --list or no request at all."""
    wanted = [("table", name) for name in options.table] + [("figure", name) for name in options.figure]
    for kind, name in wanted:
        if experiments.find(kind, name) is None:
            known = ", ".join(e.name for e in EXPERIMENTS if e.kind == kind)
            raise UserError(f"there is no {kind} {name!r}; the {kind}s are {known}.")
    if options.list:
        return []
    return [e for e in EXPERIMENTS if options.all or (e.kind, e.name) in wanted]


def check(options: argparse.Namespace) -> None:
    """Refuse options that do not go together, and an output folder that cannot be written, before anything is done."""
    if options.recorded:
        given = {
            "--retrain": options.retrain,
            "--record": options.record,
            "--dataset": options.dataset != "auto",
            "--data": options.data is not None,
            "--passes": options.passes is not None,
            "--only": bool(options.only),
            "--seeds": options.seeds != 1,
            "--engine": options.engine != "online",
            "--jobs": options.jobs is not None,
            "--cluster": options.cluster is not None,
        }
        if clash := [name for name, is_given in given.items() if is_given]:
            raise UserError(f"--recorded trains nothing, so {clash[0]} has no meaning beside it; drop one of them.")
    if options.record and options.passes:
        raise UserError("--record stores whole runs, and --passes cuts them short; drop one of them.")
    if options.record and options.engine != "online":
        raise UserError("--record stores the runs of the online engine; leave --engine torch out.")
    if options.cluster and options.jobs:
        raise UserError("--jobs counts the runs at once on this machine, --cluster leaves it; drop one of them.")
    out = options.out or ROOT / ("results" if options.recorded else "runs")
    for folder in (out / "training", out / "tables", out / "figures"):
        existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if not existing.is_dir() or not os.access(existing, os.W_OK):
            raise UserError(f"{existing} cannot be written to; name another folder with --out.")


def read_records(experiment: Experiment, needed: bool) -> runs.Runs:
    """The committed records of an experiment; UserError for a damaged one, or for none where one is `needed`."""
    names = [recipe.name for recipe in (*experiment.recipes, *experiment.recorded_only)]
    found = runs.read(RECORDS, "mnist", names)
    if needed and names and not any(found.records.values()):
        raise UserError(
            f"no run of {experiment.kind} {experiment.name} is recorded yet; leave out --recorded to train them."
        )
    return found


def train_and_make(recorded: dict[Experiment, runs.Runs], options: argparse.Namespace) -> int:
    """Train the runs that are missing, then make what was asked for from them and from the records."""
    out = options.out or ROOT / "runs"
    recipes = list(dict.fromkeys(recipe for experiment in recorded for recipe in experiment.recipes))
    if options.only:
        recipes = chosen_recipes(recipes, options.only)
    if not recipes:
        make(recorded, None, out)
        return 0
    if options.passes:
        recipes = [shorter(recipe, options.passes) for recipe in recipes]
    dataset = data.load(options.dataset, options.data)
    wanted = [
        training.make_run(recipe, seed, dataset, options.engine) for seed in range(options.seeds) for recipe in recipes
    ]
    outcome = jobs.train_all(
        wanted,
        dataset,
        out / "training",
        options.jobs or processor.cores(),
        display.display_for(sys.stderr, options.quiet),
        options.cluster,
        options.retrain,
    )
    done = [record for record in outcome.records if record is not None]
    if options.record:
        for record in done:
            records.save_labels(RECORDS, dataset.name, dataset.test.labels)
            path = records.place(RECORDS, dataset.name, record.name, record.seed)
            records.save(training.without_weights(record), path)
            if pretrained.is_kept(record):
                pretrained.save(record)
    trained = {record.name for record in done}
    possible = {
        experiment: found
        for experiment, found in recorded.items()
        if not experiment.recipes or any(recipe.name in trained for recipe in experiment.recipes)
    }
    make(possible, runs.gather(done, dataset.test.labels) if done else None, out)
    return 1 if outcome.failures else 0


def chosen_recipes(recipes: Sequence[Recipe], names: Sequence[str]) -> list[Recipe]:
    """Those of the recipes that have these names; UserError where one has not."""
    known = [recipe.name for recipe in recipes]
    for name in names:
        if name not in known:
            raise UserError(f"no recipe {name!r} is behind what was asked for; there are {', '.join(known) or 'none'}.")
    return [recipe for recipe in recipes if recipe.name in names]


def shorter(recipe: Recipe, passes: int) -> Recipe:
    try:
        return shortened(recipe, passes)
    except ValueError as error:
        raise UserError(f"{error}; give --passes a smaller number.") from None


def make(recorded: dict[Experiment, runs.Runs], local: runs.Runs | None, out: Path) -> None:
    """Write every table and figure, each from its records; print the tables and the names of the files."""
    for experiment, found in recorded.items():
        module = importlib.import_module(f"paper_figures.{experiment.module}")
        files = module.make(found, out / f"{experiment.kind}s", local)
        if experiment.kind == "table":
            print(module.text(found, local))
        print(f"{experiment.kind} {experiment.name}: " + ", ".join(shown(file) for file in files))


def shown(path: Path) -> str:
    """A path as the person would type it."""
    absolute = path.absolute()
    return str(absolute.relative_to(Path.cwd())) if absolute.is_relative_to(Path.cwd()) else str(absolute)


def listing() -> str:
    """Every table and figure, of ours and of the paper's."""
    lines = ["What can be regenerated (python reproduce.py --table NAME, --figure NAME, or --all):", ""]
    for experiment in EXPERIMENTS:
        about = (experiment.title, f"of the paper: {experiment.answers}", status(experiment))
        lines += [f"  --{experiment.kind} {experiment.name}", *(indented(text, 6) for text in about)]
    lines += ["", "Tables and figures of the paper that are not regenerated here:", ""]
    lines += [indented(f"{name}: {reason}", 2) for name, reason in experiments.NOT_REGENERATED]
    lines += ["", "Add --recorded to use the committed records and train nothing; --help explains every option."]
    return "\n".join(lines)


def indented(text: str, columns: int) -> str:
    return textwrap.fill(text, 100, initial_indent=" " * columns, subsequent_indent=" " * (columns + 2))


def status(experiment: Experiment) -> str:
    """Whether an experiment's runs are recorded, and how long training one seed of each took then."""
    recipes = (*experiment.recipes, *experiment.recorded_only)
    if not recipes:
        return "needs no runs; takes seconds"
    found = {recipe.name: records.find(RECORDS, "mnist", recipe.name) for recipe in recipes}
    if len(recipes) <= 4:
        parts = [f"{name} {counted(len(runs), 'seed')}" if runs else f"{name} not yet" for name, runs in found.items()]
        recorded = ", ".join(parts)
    else:
        recorded = f"{sum(bool(runs) for runs in found.values())} of {counted(len(recipes), 'recipe')}"
    first = [found[recipe.name][0] for recipe in experiment.recipes if found[recipe.name]]
    seconds = sum(record.provenance["wall_seconds"] for record in first)
    time = f"training one seed of each took {display.clock(seconds)} minutes on one core" if first else "time unknown"
    return f"recorded: {recorded}; {time}"


def counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


if __name__ == "__main__":
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # what reads the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)
