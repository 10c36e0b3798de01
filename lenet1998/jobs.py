"""Several runs at once, through the executor interface of concurrent.futures: processes here, or a dask cluster.

A run tells how far it is in a small file in its own folder, and a run is asked to stop by a file too, so that both
work for processes of this machine and for workers elsewhere that share the folder.
"""

import json
import multiprocessing
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from lenet1998 import records, training
from lenet1998.data import Dataset
from lenet1998.errors import UserError
from lenet1998.records import Record
from lenet1998.training import Progress, Run, Stopped

PAUSE = 0.3  # seconds between two looks at, or words from, a run
ATTEMPTS = 2  # a run whose process is killed is resumed in a new one, once
TIMEOUT = 10  # seconds for a scheduler to answer


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
    runs: list[Run],
    dataset: Dataset,
    root: Path,
    jobs: int,
    display: Display,
    cluster: str | None = None,
    again: bool = False,
) -> Outcome:
    """Train every run, `jobs` at a time or on the cluster at `cluster`; a run that fails does not take others along.

    A run that was trained under `root` before is found there, unless all are to be trained `again`.

    KeyboardInterrupt asks the runs under way to stop, waits until they have, and goes on its way; the same call later
    resumes each from its last completed pass. Raises UserError, before anything is changed, where there is no cluster
    at that address or a record found is damaged.
    """
    root = root.absolute()  # workers elsewhere have other current folders
    found = {} if again else {run: record for run in runs if (record := training.finished(run, root))}
    results, failures = dict(found), {}
    stop = root / f".stop-{uuid.uuid4().hex}"
    try:
        for run, record in found.items():
            display.done(run, record)
        if missing := [run for run in runs if run not in found]:
            place = _cluster(cluster, dataset) if cluster else _processes(min(jobs, len(missing)), dataset)
            with place as (executor, digits):
                _make_folder(root)
                try:
                    if again:
                        for run in missing:
                            training.forget(run, root)
                    futures = {executor.submit(work, run, digits, root, stop): run for run in missing}
                    _collect(futures, root, display, results, failures)
                except BaseException:
                    stop.touch()
                    raise
    finally:
        display.close()
        stop.unlink(missing_ok=True)
    return Outcome(tuple(results.get(run) for run in runs), tuple(failures.items()))


def _make_folder(root: Path) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{root} cannot be written to ({error.strerror}); name another folder with --out.") from None


def work(run: Run, dataset: Dataset, root: Path, stop: Path) -> Record:
    """One run, in a worker process. (The record comes back by value too: a far worker may not share the folder.)"""
    path, last = _progress_path(run, root), 0.0

    def tell(progress: Progress) -> None:
        nonlocal last
        if time.monotonic() - last > PAUSE or progress.patterns == progress.patterns_per_pass:
            records.write_whole(path, json.dumps(asdict(progress)).encode())
            last = time.monotonic()

    if stop.exists():
        raise Stopped
    try:
        return training.train(run, dataset, root, tell, stop.exists)
    finally:
        path.unlink(missing_ok=True)


def _collect(
    futures: dict[Future, Run], root: Path, display: Display, results: dict[Run, Record], failures: dict[Run, str]
) -> None:
    """Follow the futures until none is pending, and sort what comes back."""
    pending = set(futures)
    while pending:
        done, pending = wait(pending, timeout=PAUSE, return_when=FIRST_COMPLETED)
        for future in done:
            run = futures[future]
            try:
                record = future.result()
                if training.finished(run, root) is None:
                    records.save(record, run.folder(root) / "record")
            except Exception as error:
                failures[run] = _why(error)
                display.failed(run, failures[run])
            else:
                results[run] = record
                display.done(run, record)
        for future in pending:
            if progress := _progress(futures[future], root):
                display.show(futures[future], progress)


def _why(error: Exception) -> str:
    """A sentence or less."""
    if isinstance(error, BrokenProcessPool):
        return f"its process was killed, {ATTEMPTS} times"
    return str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"


def _progress_path(run: Run, root: Path) -> Path:
    return run.folder(root) / "progress.json"


def _progress(run: Run, root: Path) -> Progress | None:
    with suppress(OSError, ValueError):
        return Progress(**json.loads(_progress_path(run, root).read_text()))
    return None


class Processes(Executor):
    """Every call in a fresh process of its own, some at a time; a call whose process is killed is made again.

    (The calls in flight of one pool of processes all fail when one of its processes is killed.)
    """

    def __init__(self, processes: int):
        self._threads = ThreadPoolExecutor(processes)

    def submit(self, function: Callable, /, *arguments: Any) -> Future:
        return self._threads.submit(_in_own_process, function, *arguments)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._threads.shutdown(wait, cancel_futures=cancel_futures)


def _in_own_process(function: Callable, *arguments: Any) -> Any:
    # Forked processes would inherit the threads and locks of torch; fresh ones do not.
    context = multiprocessing.get_context("spawn")
    for attempt in range(1, ATTEMPTS + 1):
        with ProcessPoolExecutor(1, mp_context=context, initializer=_end_with_parent) as process:
            # Ctrl-C reaches every process of the terminal; this thread and the process that it starts leave it to the
            # main thread. (Not before here, since making the pool unblocks it; Windows has no masks.)
            if hasattr(signal, "pthread_sigmask"):
                signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                return process.submit(function, *arguments).result()
            except BrokenProcessPool:
                if attempt == ATTEMPTS:
                    raise


def _end_with_parent() -> None:
    """Have this process end as soon as its parent has, even one that is killed."""

    def watch() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _processes(jobs: int, dataset: Dataset) -> Iterator[tuple[Executor, Dataset]]:
    """This machine, so many runs at a time, and the digits as a run there gets them."""
    executor = Processes(jobs)
    try:
        yield executor, dataset
    finally:
        executor.shutdown(cancel_futures=True)


@contextmanager
def _cluster(address: str, dataset: Dataset) -> Iterator[tuple[Executor, Any]]:
    """The workers of a running dask scheduler, which gives the runs of a worker that dies to another one.

    The digits go to every worker once, beforehand.
    """
    try:
        from distributed import Client
    except ImportError:
        raise UserError("--cluster needs dask: pip install -e '.[cluster]'.") from None
    try:
        client = Client(address, timeout=TIMEOUT)
    except (OSError, ValueError) as error:
        raise UserError(
            f"no dask scheduler answers at {address} ({error}); start one or leave --cluster out."
        ) from None
    with client:
        if not client.scheduler_info()["workers"]:
            raise UserError(f"the dask scheduler at {address} has no workers; start one with dask worker {address}.")
        with client.get_executor(pure=False) as executor:
            yield executor, client.scatter(dataset, broadcast=True)
