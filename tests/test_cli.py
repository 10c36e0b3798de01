"""The command line as a person meets it: what it prints and writes, what it refuses, and that it can be stopped."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import psutil
import pytest
import synthetic
import tiny

import reproduce
from lenet1998 import data, jobs, processor, records, training
from lenet1998.experiments import EXPERIMENTS, NOT_REGENERATED
from lenet1998.recipes import LENET5_1998, MODERN_LENET5, shortened

ROOT = Path(__file__).parents[1]
SAMPLE = ("--dataset", "sample")
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")  # all but the end of a line


def command(*arguments: object) -> list[str]:
    return [sys.executable, str(ROOT / "reproduce.py"), *map(str, arguments)]


def reproduced(*arguments: object, **options) -> subprocess.CompletedProcess:
    return subprocess.run(command(*arguments), capture_output=True, text=True, check=False, timeout=120, **options)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def recorded(tmp_path, monkeypatch) -> Path:
    """Records of all runs, made up, in place of the repository's."""
    root = tmp_path / "records"
    synthetic.write_records(root)
    monkeypatch.setattr(reproduce, "RECORDS", root)
    return root


@pytest.fixture
def unrecorded(tmp_path, monkeypatch) -> Path:
    """No records, in place of the repository's."""
    monkeypatch.setattr(reproduce, "RECORDS", tmp_path / "records")
    return tmp_path / "records"


@pytest.fixture
def few_digits(monkeypatch) -> data.Dataset:
    """A few digits in place of the sample."""
    digits = tiny.digits()
    monkeypatch.setattr(data, "load", lambda dataset, directory: digits)
    return digits


# Making things


def test_several_tables_and_figures_at_once(tmp_path):
    out = tmp_path / "out"
    wanted = ("--table", "1", "--figure", "5", "--figure", "comparison")
    done = reproduced(*wanted, *SAMPLE, "--passes", 1, "--out", out)
    assert done.returncode == 0, done.stderr
    assert files(out / "tables") == ["table1-sample.csv", "table1-sample.md", "table1-sample.tex"]
    stems = ("comparison-sample", "figure5-sample")
    assert files(out / "figures") == [f"{stem}.{end}" for stem in stems for end in ("csv", "pdf", "png", "txt")]
    assert {path.split("/")[1] for path in files(out / "training")} == {"lenet5", "modern"}
    assert {Path(path).name for path in files(out / "training")} == {"lock", "record.json", "record.npz"}

    assert "your run: 5,000-digit sample" in done.stdout
    for path in (out / "tables" / "table1-sample.csv", out / "figures" / "figure5-sample.pdf"):
        assert str(path) in done.stdout
    for name in ("lenet5", "modern"):
        assert re.search(rf"^{name}, seed 0: done, test error \d+\.\d\d%$", done.stderr, re.MULTILINE)
    assert not CONTROL.search(done.stdout + done.stderr)

    # Again: nothing is trained, and what is printed is the same.
    before = {path: path.stat().st_mtime_ns for path in (out / "training").rglob("*")}
    again = reproduced("--table", "1", *SAMPLE, "--passes", 1, "--out", out, "--quiet")
    assert (again.returncode, again.stderr) == (0, "")
    assert done.stdout.startswith(again.stdout) and len(again.stdout.splitlines()) > 10
    assert {path: path.stat().st_mtime_ns for path in (out / "training").rglob("*")} == before


def test_options_reach_the_runs(few_digits, unrecorded, tmp_path, monkeypatch):
    asked = {}

    def train_all(runs, dataset, root, at_once, display, cluster, again):
        asked.update(runs=runs, dataset=dataset, root=root, at_once=at_once, cluster=cluster, again=again)
        return jobs.Outcome((None,) * len(runs), ((runs[0], "a reason"),))

    monkeypatch.setattr(jobs, "train_all", train_all)
    options = ("--seeds", "3", "--passes", "2", "--engine", "torch", "--jobs", "5", "--out", str(tmp_path / "out"))
    assert reproduce.main(["--table", "1", *options]) == 1
    expected = [(recipe.name, seed, "torch") for seed in range(3) for recipe in (LENET5_1998, MODERN_LENET5)]
    assert [(run.recipe.name, run.seed, run.engine) for run in asked["runs"]] == expected
    assert asked["runs"][0].recipe == shortened(LENET5_1998, 2)
    assert (asked["root"], asked["at_once"]) == (tmp_path / "out" / "training", 5)
    assert (asked["cluster"], asked["again"], asked["dataset"]) == (None, False, few_digits)
    assert reproduce.main(["--figure", "5", "--cluster", "there:1", "--retrain", "--out", str(tmp_path / "out")]) == 1
    assert [(run.recipe.name, run.seed, run.engine) for run in asked["runs"]] == [("lenet5", 0, "online")]
    assert (asked["cluster"], asked["again"], asked["at_once"]) == ("there:1", True, processor.cores())
    assert reproduce.main(["--table", "1", "2", "--only", "change-eq8", "modern", "--out", str(tmp_path / "out")]) == 1
    assert [run.recipe.name for run in asked["runs"]] == ["modern", "change-eq8"]


@pytest.fixture
def undrawn(monkeypatch):
    """Runs are trained, but nothing is made from them."""
    monkeypatch.setattr(reproduce, "make", lambda recorded, local, out: None)


def test_retrain_trains_again_to_the_same_numbers(few_digits, unrecorded, undrawn, tmp_path):
    arguments = ["--figure", "5", "--passes", "1", "--out", str(tmp_path / "out"), "--quiet"]
    run = tiny.run(few_digits, passes=1)
    first = training.train(run, few_digits, tmp_path / "out" / "training")
    path = run.folder(tmp_path / "out" / "training") / "record.json"
    before = path.stat().st_mtime_ns
    assert reproduce.main(arguments) == 0
    assert path.stat().st_mtime_ns == before
    assert reproduce.main([*arguments, "--retrain"]) == 0
    assert path.stat().st_mtime_ns > before
    tiny.assert_same_numbers(records.load(path.with_suffix("")), first)


def test_a_run_that_fails_leaves_the_others_and_exit_code_1(few_digits, unrecorded, tmp_path, monkeypatch, capsys):
    done = training.train(tiny.run(few_digits, passes=1), few_digits, tmp_path)

    def train_all(runs, *_):
        found = tuple(done if run.recipe.name == "lenet5" else None for run in runs)
        return jobs.Outcome(found, tuple((run, "a reason") for run in runs if run.recipe.name == failing))

    monkeypatch.setattr(jobs, "train_all", train_all)
    arguments = ["--table", "1", "--figure", "5", "--passes", "1", "--out", str(tmp_path / "out")]
    failing = "modern"
    assert reproduce.main(arguments) == 1
    assert {Path(name).stem for name in files(tmp_path / "out")} == {"table1-sample", "figure5-sample"}

    failing = "lenet5"
    done = None
    capsys.readouterr()
    assert reproduce.main([*arguments[:-1], str(tmp_path / "other")]) == 1
    assert capsys.readouterr() == ("", "")  # the display has named the run
    assert not (tmp_path / "other").exists()


def test_record_stores_the_runs_among_the_records_without_their_weights(few_digits, unrecorded, undrawn, tmp_path):
    assert reproduce.main(["--figure", "5", "--record", "--out", str(tmp_path / "out")]) == 0
    assert files(unrecorded) == ["sample/labels.npz", "sample/lenet5/seed0.json", "sample/lenet5/seed0.npz"]
    (record,) = records.find(unrecorded, "sample", "lenet5")
    assert record.passes == 20 and record.arrays.keys() == {"predictions", "first_losses"}
    wrong = (record.arrays["predictions"] != records.load_labels(unrecorded, "sample")).mean()
    assert 100 * wrong == pytest.approx(record.curve[-1]["test_error_pct"])


# From the records alone


def test_recorded_trains_nothing(recorded, tmp_path, monkeypatch, capsys):
    there = {"lenet5", "modern"}
    for recipe in {recipe for experiment in EXPERIMENTS for recipe in experiment.recipes if recipe.name not in there}:
        records.save(synthetic.record(recipe), records.place(recorded, "mnist", recipe.name, 0))
    for name in ("train", "make_trainer"):
        monkeypatch.setattr(training, name, None)
    monkeypatch.setattr(data, "_full", None)
    monkeypatch.setattr(jobs, "train_all", None)
    assert reproduce.main(["--recorded", "--all", "--out", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr()
    assert "0.95" in shown.out and "your run" not in shown.out and shown.err == ""
    made = {f"{kind}s/{stem}" for kind, stem in (("table", "table1"), ("table", "tablec3"), ("figure", "figure5"))}
    assert made <= {str(Path(name).with_suffix("")) for name in files(tmp_path / "out")}
    assert not (tmp_path / "out" / "training").exists()


def test_recorded_goes_to_results(recorded, monkeypatch, tmp_path):
    monkeypatch.setattr(reproduce, "ROOT", tmp_path)
    (tmp_path / "results").mkdir()
    assert reproduce.main(["--recorded", "--table", "1"]) == 0
    assert files(tmp_path / "results") == ["tables/table1.csv", "tables/table1.md", "tables/table1.tex"]


def refused(capsys, *arguments: object) -> str:
    """What the one sentence says; exit code 2."""
    code = reproduce.main(list(map(str, arguments)))
    shown = capsys.readouterr()
    assert (code, shown.out) == (2, "")
    return sentence(shown.err)


def sentence(text: str) -> str:
    assert re.fullmatch(r"reproduce\.py: [^\n]+\.\n", text), text
    return text


@pytest.mark.parametrize("what", ["--table 1", "--figure 5", "--figure comparison", "--all"])
def test_recorded_without_records_writes_nothing(unrecorded, tmp_path, capsys, what):
    message = refused(capsys, "--recorded", *what.split(), "--out", tmp_path / "out")
    assert "is recorded yet; leave out --recorded" in message
    assert list(tmp_path.iterdir()) == []


def test_a_table_that_needs_no_run_needs_no_record(unrecorded, tmp_path):
    assert reproduce.main(["--recorded", "--table", "c3", "--out", str(tmp_path)]) == 0
    assert "tables/tablec3.md" in files(tmp_path)


@pytest.mark.parametrize("way", [("--recorded",), SAMPLE])
def test_a_damaged_record_is_refused_before_anything_is_done(recorded, tmp_path, capsys, way):
    (recorded / "mnist" / "modern" / "seed1.npz").write_bytes(b"damaged")
    message = refused(capsys, "--figure", "5", "--table", "1", *way, "--out", tmp_path / "out")
    assert "seed1.npz" in message
    assert not (tmp_path / "out").exists()


# What there is


def test_the_list_names_everything(recorded, capsys):
    assert reproduce.main(["--list"]) == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 100
    flowing = " ".join(shown.split())
    for experiment in EXPERIMENTS:
        assert f"--{experiment.kind} {experiment.name} {experiment.title} of the paper: {experiment.answers}" in flowing
    for name, reason in NOT_REGENERATED:
        assert f"{name}: {reason}" in flowing
    assert (
        "recorded: lenet5 3 seeds, modern 3 seeds, lenet5-distorted not yet; "
        "training one seed of each took 2:20 minutes on one core"  # 70 s each
    ) in flowing


def test_without_arguments_it_prints_the_list_and_how_to_go_on():
    bare, listed = reproduced(), reproduced("--list")
    assert (bare.returncode, bare.stderr) == (0, "")
    assert bare.stdout == listed.stdout
    assert "python reproduce.py --table NAME" in bare.stdout and "--help" in bare.stdout


def test_every_table_and_figure_of_the_paper_is_regenerated_or_accounted_for():
    told = " ".join(name for name, _ in NOT_REGENERATED)
    numbers = set()
    for first, last in re.findall(r"(\d+)(?: to (\d+))?", told):
        numbers |= set(range(int(first), int(last or first) + 1))
    ours = {int(e.name) for e in EXPERIMENTS if e.kind == "figure" and e.name.isdecimal()}
    assert numbers | ours == set(range(1, 35))
    assert any("Table I " in f"{e.answers} " for e in EXPERIMENTS if e.name == "c3")


def test_help_is_a_short_manual():
    shown = reproduced("--help", env={**os.environ, "COLUMNS": "100"}).stdout
    examples = re.findall(r"^  python reproduce\.py .*?\S(?=  )", shown, re.MULTILINE)
    assert len(examples) >= 4
    for example in examples:
        reproduce.check(reproduce.parse(example.split()[2:]))
    defined = re.findall(r'add_argument\(\s*"(--\w+)"', (ROOT / "reproduce.py").read_text())
    assert len(defined) == 17
    for option in defined:
        explained = re.search(rf"^  {option}\b.*(\n {{10,}}\S.*)*", shown, re.MULTILINE)
        assert explained and len(explained[0].split()) > 4, option
    assert "goes on from" in shown and len(shown.splitlines()) < 70


# What is refused

BAD = {
    "--table 9": "there is no table '9'; the tables are 1, 2, 3, c3",
    "--figure x": "there is no figure 'x'; the figures are ",
    "--figure 1 --list": "there is no figure '1'",
    "--table": "expected at least one argument",
    "table 1": "unrecognized arguments: table 1",
    "--tab 1": "unrecognized arguments: --tab 1",
    "--table 1 --seeds 0": "argument --seeds: '0' is not a whole number above 0",
    "--table 1 --passes -1": "argument --passes: '-1' is not a whole number above 0",
    "--table 1 --jobs many": "argument --jobs: 'many' is not a whole number above 0",
    "--table 1 --dataset digits": "invalid choice: 'digits'",
    "--table 1 --engine jax": "invalid choice: 'jax'",
    "--table 1 --passes 21": "lenet5 has 20 passes; 21 cannot be taken of them",
    "--table 1 --recorded --retrain": "--recorded trains nothing, so --retrain has no meaning beside it",
    "--table 1 --recorded --dataset sample": "--dataset has no meaning beside it",
    "--table 1 --recorded --data d": "--data has no meaning beside it",
    "--table 1 --recorded --seeds 2": "--seeds has no meaning beside it",
    "--table 1 --recorded --passes 2": "--passes has no meaning beside it",
    "--table 1 --recorded --engine torch": "--engine has no meaning beside it",
    "--table 1 --recorded --jobs 1": "--jobs has no meaning beside it",
    "--table 1 --recorded --cluster a:1": "--cluster has no meaning beside it",
    "--table 1 --recorded --only modern": "--only has no meaning beside it",
    "--table 1 --only modren": "no recipe 'modren' is behind what was asked for; there are lenet5, modern.",
    "--table 1 --recorded --record": "--record has no meaning beside it",
    "--table 1 --record --passes 2": "--record stores whole runs",
    "--table 1 --record --engine torch": "--record stores the runs of the online engine",
    "--table 1 --cluster a:1 --jobs 2": "drop one of them",
    "--table 1 --dataset sample --data d": "drop one",
    "--table 1 --data nowhere": "the directory nowhere, given by --data, cannot be read (No such file or directory)",
    "--table 1 --data file": "the directory file, given by --data, cannot be read (Not a directory)",
    "--table 1 --data empty": "holds none of MNIST's files",
    "--table 1 --data cut": "train-images-idx3-ubyte is truncated",
    "--table 1 --dataset sample --out file": "file cannot be written to",
    "--table 1 --dataset sample --out file/below/it": "file cannot be written to",
    "--table 1 --dataset sample --out half": "training cannot be written to",
    "--table c3 --recorded --out file": "file cannot be written to",
}


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A current folder with a few things in the way."""
    monkeypatch.chdir(tmp_path)
    for folder in ("empty", "cut", "half"):
        (tmp_path / folder).mkdir()
    for name in data.FILES:
        (tmp_path / "cut" / name).write_bytes(b"\0\0\x08\x03")
    for name in ("file", "half/training"):
        (tmp_path / name).write_text("in the way")
    return tmp_path


@pytest.mark.parametrize("arguments", BAD)
def test_bad_input_is_one_sentence_and_changes_nothing(here, monkeypatch, capsys, arguments):
    monkeypatch.setattr(reproduce, "ROOT", here)
    before = files(here), sorted(here.rglob("*"))
    try:
        code = reproduce.main(arguments.split())
    except SystemExit as ended:  # argparse's own
        code = ended.code
    shown = capsys.readouterr()
    assert (code, shown.out) == (2, "")
    assert BAD[arguments] in sentence(shown.err)
    assert (files(here), sorted(here.rglob("*"))) == before


@pytest.mark.parametrize("arguments", ["--table 9", "--table 1 --seeds 0", "--figure 5 --data cut --out out"])
def test_bad_input_of_the_real_program(here, arguments):
    before = sorted(here.rglob("*"))
    done = reproduced(*arguments.split(), cwd=here)
    assert (done.returncode, done.stdout) == (2, "")
    sentence(done.stderr)
    assert sorted(here.rglob("*")) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_may_not_be_written_to_is_refused(tmp_path, capsys):
    tmp_path.chmod(0o500)
    assert "cannot be written to" in refused(capsys, "--table", "c3", "--out", tmp_path / "out")


def test_a_folder_without_permission_is_refused_for_everybody(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    assert f"{tmp_path} cannot be written to" in refused(capsys, "--table", "c3", "--out", tmp_path / "out")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="a folder that nobody can write to")
def test_a_folder_that_only_the_attempt_shows_to_be_closed(capsys):
    assert "cannot be written to" in refused(capsys, "--table", "1", "--dataset", "sample", "--out", "/proc/out")


# Terminals, and being stopped


def lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Terminal:
    """The program with a terminal of its own for everything that it reads and writes."""

    def __init__(self, *arguments: object):
        signal.signal(signal.SIGINT, signal.default_int_handler)  # or the program would inherit an ignored one
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.execv(sys.executable, command(*arguments))
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("4H", 40, 160, 0, 0))
        self.text = ""

    def read_until(self, pattern: str | None, seconds: float = 60) -> None:
        """Read on until `pattern` has appeared, or with None to the end."""
        end = time.monotonic() + seconds
        while pattern is None or not re.search(pattern, self.text):
            assert time.monotonic() < end, self.text
            if select.select([self._fd], [], [], 0.1)[0]:
                try:
                    self.text += os.read(self._fd, 65536).decode(errors="replace")
                except OSError:  # the end, as Linux has it
                    assert pattern is None, self.text
                    return

    def press_ctrl_c(self) -> None:
        """It reaches the program and all its workers."""
        workers = psutil.Process(self.pid).children(recursive=True)
        os.write(self._fd, b"\x03")
        self.read_until(None)
        assert os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]) == 130
        last = self.text.rstrip().splitlines()[-1]
        assert last.endswith("stopped; the same command goes on from the last completed pass of each run.")
        assert "Traceback" not in self.text
        tiny.until(lambda: not any(map(lives, workers)), seconds=1)


def test_stopped_in_every_way_and_resumed_it_ends_with_the_same_bits(tmp_path):
    """Ctrl-C at once, then killed, then Ctrl-C, then left alone; workers never outlive the program."""
    passes = 6
    dataset = data.load("sample")
    runs = [tiny.run(dataset, passes, seed) for seed in (0, 1)]
    root = tmp_path / "training"
    arguments = ("--figure", "5", *SAMPLE, "--passes", passes, "--seeds", 2, "--jobs", 2, "--out", tmp_path)

    def begun() -> int:
        return sum((run.folder(root) / "checkpoint.npz").exists() for run in runs)

    hasty = Terminal(*arguments)
    tiny.until(lambda: len(psutil.Process(hasty.pid).children()) == 3)  # multiprocessing has one of its own
    time.sleep(0.15)  # they are importing now
    hasty.press_ctrl_c()

    with subprocess.Popen(command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as killed:
        tiny.until(begun)
        workers = psutil.Process(killed.pid).children(recursive=True)
        assert len(workers) >= 2
        killed.kill()
        tiny.until(lambda: not any(map(lives, workers)), seconds=5)
    assert begun()

    terminal = Terminal(*arguments)
    terminal.read_until(r"lenet5, seed [01]: +\d+%\|.*pass [2-4]/6, on-the-fly error \d+\.\d\d%")
    terminal.press_ctrl_c()
    assert os.listdir(root) == ["sample"]

    done = reproduced(*arguments)
    assert done.returncode == 0, done.stderr
    whole = training.train(runs[0], dataset, tmp_path / "whole")
    tiny.assert_same_numbers(training.finished(runs[0], root), whole)
    assert training.finished(runs[1], root).passes == passes
