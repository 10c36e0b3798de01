"""Several runs at once, through the executor interface of concurrent.futures: processes here, or a dask cluster.

A run tells how far it is in a small file in its own folder, and a run is asked to stop by a file too, so that both
work for processes of this machine and for workers elsewhere that share the folder.
"""

import json
import multiprocessing
import os
import signal
import time
import uuid
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from lenet1998 import records, training
from lenet1998.data import Dataset
from lenet1998.errors import UserError
from lenet1998.records import Record
from lenet1998.training import Progress, Run, Stopped

PAUSE = 0.3  # seconds between two looks at, or words from, a run
ATTEMPTS = 2  # a worker process that dies takes its pool along; the runs in it are tried once more


class Display(Protocol):
    """What shows the progress of all runs together."""

    def show(self, run: Run, progress: Progress) -> None: ...
    def done(self, run: Run, record: Record) -> None: ...
    def failed(self, run: Run, why: str) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class Outcome:
    """The records in the order of the runs, None for one that failed, and why each failed one did."""

    records: tuple[Record | None, ...]
    failures: tuple[tuple[Run, str], ...]


def train_all(
    runs: list[Run], dataset: Dataset, root: Path, jobs: int, display: Display, cluster: str | None = None
) -> Outcome:
    """Train every run, `jobs` at a time or on the cluster at `cluster`; a run that fails does not take others along.

    KeyboardInterrupt asks the runs under way to stop, waits until they have, and goes on its way; the same call later
    resumes each from its last completed pass. Raises UserError where there is no cluster at that address.
    """
    results: dict[Run, Record] = {}
    failures: dict[Run, str] = {}
    attempts = dict.fromkeys(runs, 0)
    stop = root / f".stop-{uuid.uuid4().hex}"
    try:
        while waiting := [run for run in runs if run not in results and run not in failures]:
            with _executor(min(jobs, len(waiting)), cluster) as executor:
                futures = {executor.submit(work, run, dataset, root, stop): run for run in waiting}
                try:
                    _collect(futures, root, display, results, failures, attempts)
                except KeyboardInterrupt:
                    _stop(futures, stop)
                    raise
    finally:
        display.close()
        stop.unlink(missing_ok=True)
    return Outcome(tuple(results.get(run) for run in runs), tuple(failures.items()))


def work(run: Run, dataset: Dataset, root: Path, stop: Path) -> Record:
    """One run, in a worker process. (The record comes back by value too: a far worker may not share the folder.)"""
    root.mkdir(parents=True, exist_ok=True)
    path, last = _progress_path(run, root), 0.0
    parent = multiprocessing.parent_process()

    def tell(progress: Progress) -> None:
        nonlocal last
        if time.monotonic() - last > PAUSE or progress.patterns == progress.patterns_per_pass:
            records.write_whole(path, json.dumps(asdict(progress)).encode())
            last = time.monotonic()

    def stopped() -> bool:
        return stop.exists() or (parent is not None and not parent.is_alive())

    try:
        return training.train(run, dataset, root, tell, stopped)
    finally:
        path.unlink(missing_ok=True)


def _collect(
    futures: dict[Future, Run],
    root: Path,
    display: Display,
    results: dict[Run, Record],
    failures: dict[Run, str],
    attempts: dict[Run, int],
) -> None:
    """Follow the futures until none is pending, and sort what comes back."""
    pending = set(futures)
    while pending:
        done, pending = wait(pending, timeout=PAUSE, return_when=FIRST_COMPLETED)
        for future in done:
            run = futures[future]
            try:
                results[run] = record = future.result()
                if training.finished(run, root) is None:
                    records.save(record, run.folder(root) / "record")
                display.done(run, record)
            except BrokenProcessPool:
                attempts[run] += 1
                if attempts[run] == ATTEMPTS:
                    failures[run] = "its process was killed"
                    display.failed(run, failures[run])
            except Exception as error:
                failures[run] = f"{type(error).__name__}: {error}"
                display.failed(run, failures[run])
        for future in pending:
            if progress := _progress(futures[future], root):
                display.show(futures[future], progress)


def _progress_path(run: Run, root: Path) -> Path:
    return run.folder(root) / "progress.json"


def _progress(run: Run, root: Path) -> Progress | None:
    with suppress(OSError, ValueError):
        return Progress(**json.loads(_progress_path(run, root).read_text()))
    return None


def _stop(futures: dict[Future, Run], stop: Path) -> None:
    """Ask the runs under way to stop, take back the others, and wait."""
    stop.touch()
    for future in futures:
        future.cancel()
    for future in futures:
        if not future.cancelled():
            with suppress(Stopped, Exception):
                future.result(timeout=30)


@contextmanager
def _executor(jobs: int, cluster: str | None):
    """An executor of worker processes, one thread each, or of the workers of a running dask scheduler."""
    executor = _cluster_executor(cluster) if cluster else _process_executor(jobs)
    try:
        yield executor
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _process_executor(jobs: int) -> Executor:
    # Forked processes would inherit the threads and locks of torch; fresh ones do not.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(jobs, mp_context=context, initializer=_quiet_worker)


def _cluster_executor(address: str) -> Executor:
    try:
        from distributed import Client
    except ImportError:
        raise UserError("--cluster needs dask: pip install -e '.[cluster]'.") from None
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise UserError(
            f"no dask scheduler answers at {address} ({error}); start one or leave --cluster out."
        ) from None
    return client.get_executor(pure=False)


def _quiet_worker() -> None:
    """Ctrl-C reaches every process of the terminal; the parent alone decides what it means."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = "1"
