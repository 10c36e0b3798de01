"""Runs side by side: the same numbers however many, and none is lost when a process, a worker or all is killed."""

import gc
import io
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
import warnings
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import tiny

from lenet1998 import display, jobs, training
from lenet1998.data import Dataset, Digits
from lenet1998.errors import UserError
from lenet1998.jobs import Outcome
from lenet1998.recipes import LENET5_1998
from lenet1998.records import Record
from lenet1998.training import Progress, Run

ROOT = Path(__file__).parents[1]
LONG = 12  # passes of a run that lasts for about a second


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return tiny.digits()


@pytest.fixture(scope="module")
def large() -> Dataset:
    """A hundred digits among many blanks, which make it weigh 16 MB."""
    few = tiny.digits(train=300)
    images = np.concatenate([few.train.images, np.zeros((20_000, 28, 28), np.uint8)])
    labels = np.concatenate([few.train.labels, np.zeros(20_000, np.uint8)])
    return replace(few, train=Digits(images, labels))


def long_run(dataset: Dataset, seed: int, passes: int = LONG) -> Run:
    return tiny.run(dataset, passes, seed, training_patterns=300)


@pytest.fixture(scope="module")
def whole(large, tmp_path_factory) -> dict[int, Record]:
    """The long runs of seeds 0 and 1, trained here without interruption."""
    root = tmp_path_factory.mktemp("whole")
    return {seed: training.train(long_run(large, seed), large, root) for seed in (0, 1)}


@pytest.fixture
def often(monkeypatch):
    """The display is asked so often that something can be done in the middle of a run."""
    monkeypatch.setattr(jobs, "PAUSE", 0.03)


class Heard(display.Silent):
    """A display that keeps what it was told; `meanwhile` may do something while runs are under way."""

    def __init__(self, meanwhile=lambda run, progress: None):
        self.meanwhile = meanwhile
        self.told: list[tuple[str, Run]] = []
        self.closed = False

    def show(self, run: Run, progress: Progress) -> None:
        self.meanwhile(run, progress)

    def done(self, run: Run, record: Record) -> None:
        self.told.append(("done", run))

    def failed(self, run: Run, why: str) -> None:
        self.told.append(("failed", run))

    def close(self) -> None:
        self.closed = True


def curve_so_far(run: Run, root: Path) -> list[dict]:
    """Of the run's checkpoint, seconds included: who has the same has not trained these passes again."""
    try:
        with np.load(run.folder(root) / "checkpoint.npz") as npz:
            return json.loads(str(npz["text"]))["curve"]
    except OSError:
        return []


def holds_lock(pid: int, run: Run, root: Path) -> bool:
    return str(run.folder(root) / "lock") in [file.path for file in psutil.Process(pid).open_files()]


def assert_nothing_left(root: Path) -> None:
    """Neither processes nor, but for the runs themselves, files."""
    assert multiprocessing.active_children() == []
    assert [path.name for path in root.iterdir()] == ["sample"]
    left = {path.name for path in root.rglob("*") if path.is_file()}
    assert left <= {"lock", "record.json", "record.npz", "checkpoint.npz"}


# Processes of this machine


def test_numbers_do_not_depend_on_the_number_of_jobs(dataset, tmp_path):
    runs = [tiny.run(dataset, passes=2, seed=seed) for seed in (0, 1)]
    found = {}
    for count in (1, 2):
        heard = Heard()
        found[count] = jobs.train_all(runs, dataset, tmp_path / str(count), count, heard)
        assert sorted(run.seed for _, run in heard.told) == [0, 1] and heard.closed
        assert_nothing_left(tmp_path / str(count))
    here = [training.train(run, dataset, tmp_path / "here") for run in runs]
    for outcome in found.values():
        assert outcome.failures == ()
        for ours, theirs in zip(outcome.records, here, strict=True):
            tiny.assert_same_numbers(ours, theirs)
    assert not np.array_equal(here[0].arrays["weights"], here[1].arrays["weights"])


def test_finished_runs_are_found_without_a_process_or_a_cluster(dataset, tmp_path, monkeypatch):
    runs = [tiny.run(dataset, passes=1, seed=seed) for seed in (0, 1)]
    there = [training.train(run, dataset, tmp_path) for run in runs]
    monkeypatch.setattr(jobs, "Processes", None)
    heard = Heard()
    outcome = jobs.train_all(runs, dataset, tmp_path, 2, heard, cluster="nowhere")
    for ours, theirs in zip(outcome.records, there, strict=True):
        tiny.assert_same_numbers(ours, theirs)
    assert heard.told == [("done", run) for run in runs] and heard.closed


def test_a_run_that_fails_is_named_and_takes_no_other_along(dataset, tmp_path, capsys):
    good, bad = tiny.run(dataset, passes=1), replace(tiny.run(dataset, passes=1, seed=7, batch=2), engine="online")
    heard = Heard()
    outcome = jobs.train_all([bad, good], dataset, tmp_path, 2, heard)
    assert outcome.records[0] is None and outcome.records[1].seed == 0
    ((run, why),) = outcome.failures
    assert run == bad and "ValueError: the online engine presents one pattern at a time" in why
    assert sorted(heard.told, key=str) == [("done", good), ("failed", bad)]
    for shown in (display.Silent(), display.Lines(sys.stderr)):
        shown.failed(run, why)
        assert capsys.readouterr().err == f"lenet5, seed 7 failed: {why}\n"


def test_a_run_whose_process_is_killed_is_resumed_in_a_new_one(large, whole, tmp_path, often):
    victim, other = long_run(large, 0), long_run(large, 1, passes=2)
    before = []

    def kill(run: Run, progress: Progress) -> None:
        if not before and curve_so_far(victim, tmp_path):
            (process,) = (
                child for child in multiprocessing.active_children() if holds_lock(child.pid, victim, tmp_path)
            )
            process.kill()
            process.join()
            before.extend(curve_so_far(victim, tmp_path))

    outcome = jobs.train_all([victim, other], large, tmp_path, 2, Heard(kill))
    assert outcome.failures == ()
    record = outcome.records[0]
    assert 0 < len(before) < LONG and list(record.curve[: len(before)]) == before
    tiny.assert_same_numbers(record, whole[0])
    assert_nothing_left(tmp_path)


def test_a_call_whose_process_dies_again_fails_alone():
    with jobs.Processes(2) as executor:
        killed = [executor.submit(signal.raise_signal, signal.SIGKILL) for _ in range(2)]
        fine = [executor.submit(pow, 2, i) for i in range(3)]
        assert [future.result() for future in fine] == [1, 2, 4]
        for future in killed:
            with pytest.raises(BrokenProcessPool):
                future.result()


def test_a_run_whose_process_dies_again_is_reported(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "work", _die)
    run = tiny.run(dataset)
    outcome = jobs.train_all([run], dataset, tmp_path, 1, Heard())
    assert outcome == Outcome((None,), ((run, "its process was killed, 2 times"),))


def _die(*_) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def interrupt(run: Run, progress: Progress) -> None:
    if progress.pass_number >= 3:
        raise KeyboardInterrupt


def test_an_interrupt_stops_all_and_the_same_call_resumes_them(large, whole, tmp_path, often):
    runs = [long_run(large, seed) for seed in (0, 1, 2)]
    heard = Heard(interrupt)
    with pytest.raises(KeyboardInterrupt):
        jobs.train_all(runs, large, tmp_path, 2, heard)
    assert heard.closed
    assert_nothing_left(tmp_path)
    before = [curve_so_far(run, tmp_path) for run in runs]
    assert 2 <= max(map(len, before)) < LONG
    assert before[2] == []  # its turn had not come

    first = 0 if before[0] else 1
    (record,) = jobs.train_all([runs[first]], large, tmp_path, 2, Heard()).records
    assert list(record.curve[: len(before[first])]) == before[first]
    tiny.assert_same_numbers(record, whole[first])


def test_an_interrupt_before_anything_was_written(dataset, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs, "_collect", interrupted)
    with pytest.raises(KeyboardInterrupt):
        jobs.train_all([tiny.run(dataset)], dataset, tmp_path / "new", 1, Heard())
    assert multiprocessing.active_children() == []
    assert not list((tmp_path / "new").glob(".stop*"))


# A running dask scheduler


def started(*command: str) -> subprocess.Popen:
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-m", *command],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The address of a scheduler in a process of its own, and its two workers, in other folders and one thread each."""
    folder = tmp_path_factory.mktemp("dask")
    place = ("--no-dashboard", "--scheduler-file", str(folder / "address"))
    processes = [started("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", *place)]
    try:
        for name in ("one", "two"):
            options = ("--no-nanny", "--nthreads", "1", "--local-directory", str(folder / name))
            processes.append(started("distributed.cli.dask_worker", *place, *options))
        from distributed import Client

        tiny.until(lambda: (folder / "address").exists())
        address = json.loads((folder / "address").read_text())["address"]
        with Client(address, timeout=20) as client:
            client.wait_for_workers(2, timeout=20)
        yield address, processes[1:]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_an_interrupt_stops_the_runs_on_a_cluster(large, tmp_path, often, cluster):
    runs = [long_run(large, seed) for seed in (0, 1, 2)]
    with pytest.raises(KeyboardInterrupt):
        jobs.train_all(runs, large, tmp_path, 1, Heard(interrupt), cluster[0])
    before = [curve_so_far(run, tmp_path) for run in runs]
    assert 2 <= max(map(len, before)) < LONG
    assert_nothing_left(tmp_path)
    time.sleep(0.5)
    assert [curve_so_far(run, tmp_path) for run in runs] == before


def test_a_cluster_gives_the_same_numbers_and_the_run_of_a_killed_worker_to_the_other(
    large, whole, tmp_path, monkeypatch, often, cluster
):
    address, workers = cluster
    runs = [long_run(large, seed) for seed in (0, 1)]
    root, before = tmp_path / "cluster", {}

    def kill(run: Run, progress: Progress) -> None:
        if not before and all(curve_so_far(run, root) for run in runs):
            workers[0].kill()
            workers[0].wait()
            before.update({run: curve_so_far(run, root) for run in runs})

    monkeypatch.chdir(tmp_path)  # which the workers do not share
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # dask warns where the digits travel with every run
        outcome = jobs.train_all(runs, large, Path("cluster"), 1, Heard(kill), address)
    assert outcome.failures == ()
    assert workers[0].poll() == -signal.SIGKILL and workers[1].poll() is None
    for run, record in zip(runs, outcome.records, strict=True):
        assert 0 < len(before[run]) < LONG and list(record.curve[: len(before[run])]) == before[run]
        tiny.assert_same_numbers(record, whole[run.seed])
        tiny.assert_same_numbers(record, training.finished(run, root))
    assert_nothing_left(root)


def test_a_failure_on_a_cluster_is_reported(dataset, tmp_path, cluster):
    bad = replace(tiny.run(dataset, passes=1, seed=7, batch=2), engine="online")
    ((run, why),) = jobs.train_all([bad], dataset, tmp_path, 1, Heard(), cluster[0]).failures
    assert run == bad and "ValueError: the online engine presents one pattern at a time" in why


@pytest.fixture
def collected():
    """Dask's half-made clients, which would otherwise close in the middle of another's start."""
    yield
    gc.collect()


@pytest.mark.parametrize("address", ["127.0.0.1:9", "nonsense", "foo://127.0.0.1:9"])
def test_where_there_is_no_cluster_nothing_is_changed(dataset, tmp_path, monkeypatch, collected, address):
    monkeypatch.setattr(jobs, "TIMEOUT", 0.5)
    run = tiny.run(dataset, passes=1)
    training.train(run, dataset, tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match=f"no dask scheduler answers at {address} "):
        jobs.train_all([run], dataset, tmp_path, 1, Heard(), address, again=True)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_cluster_without_workers_is_refused(dataset, tmp_path):
    from distributed import LocalCluster

    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address=":0") as empty,
        pytest.raises(UserError, match="has no workers"),
    ):
        jobs.train_all([tiny.run(dataset)], dataset, tmp_path, 1, Heard(), empty.scheduler_address)
    assert list(tmp_path.iterdir()) == []


# What a person sees of it


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(display, "time", clock)
    return clock


A_RUN = Run(LENET5_1998, 0, "sample", "0" * 64, "online")


def test_lines_tell_of_each_pass_with_speed_error_and_time_left(clock):
    stream = io.StringIO()
    lines = display.display_for(stream, quiet=False)
    for seconds, number, patterns, errors in (
        (0, 5, 1000, 30),  # resumed, or already under way
        (10, 5, 2000, 40),
        (20, 5, 4000, 60),  # 3,000 in 20 s
        (30, 6, 0, 0),
        (40, 7, 1000, 10),  # 8,000 in 40 s, 55,000 to go
    ):
        clock.now = 100 + seconds
        lines.show(A_RUN, Progress(number, 20, patterns, 4000, errors))
    assert stream.getvalue().splitlines() == [
        "lenet5, seed 0: 5 of 20 passes, 150 patterns/s, on-the-fly error 1.50%, 6:40 left",
        "lenet5, seed 0: 6 of 20 passes, 200 patterns/s, on-the-fly error 1.00%, 4:35 left",
    ]


def test_quiet_shows_failures_only(capsys):
    quiet = display.display_for(sys.stderr, quiet=True)
    quiet.show(A_RUN, Progress(2, 2, 10, 10, 0))
    assert capsys.readouterr() == ("", "")
    quiet.failed(A_RUN, "no reason")
    assert capsys.readouterr() == ("", "lenet5, seed 0 failed: no reason\n")


def test_a_joint_display_has_a_bar_for_each_run(dataset, tmp_path):
    record = training.train(tiny.run(dataset, passes=1), dataset, tmp_path)
    stream = io.StringIO()
    bars = display.Bars(stream)
    other = replace(A_RUN, seed=1)
    bars.show(A_RUN, Progress(1, 2, 500, 1000, 100))
    bars.show(other, Progress(2, 2, 250, 1000, 0))  # resumed
    bars.done(A_RUN, record)
    bars.failed(other, "no reason")
    bars.close()
    shown = stream.getvalue()
    assert "lenet5, seed 1:  62%" in shown
    assert f"lenet5, seed 0: done, test error {record.curve[-1]['test_error_pct']:.2f}%" in shown
    assert "lenet5, seed 1 failed: no reason" in shown
