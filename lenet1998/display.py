"""The joint progress display of the runs under way: bars on a terminal, plain lines elsewhere, or nothing."""

import sys
import time
from typing import TextIO

from tqdm import tqdm

from lenet1998.records import Record
from lenet1998.training import Progress, Run


class Silent:
    """Shows nothing but failures."""

    def show(self, run: Run, progress: Progress) -> None:
        pass

    def done(self, run: Run, record: Record) -> None:
        pass

    def failed(self, run: Run, why: str) -> None:
        print(f"{run.name} failed: {why}", file=sys.stderr)

    def close(self) -> None:
        pass


class Lines(Silent):
    """A line whenever a run has completed a pass: pass, speed, on-the-fly error, time left."""

    def __init__(self, stream: TextIO):
        self._stream = stream
        self._passes: dict[Run, int] = {}
        self._clock: dict[Run, tuple[float, int]] = {}

    def show(self, run: Run, progress: Progress) -> None:
        presented = (progress.pass_number - 1) * progress.patterns_per_pass + progress.patterns
        began, before = self._clock.setdefault(run, (time.monotonic(), presented))
        complete = progress.pass_number if progress.patterns == progress.patterns_per_pass else progress.pass_number - 1
        if complete <= self._passes.setdefault(run, complete):
            return
        self._passes[run] = complete
        speed = (presented - before) / max(time.monotonic() - began, 1e-9)
        left = (progress.passes * progress.patterns_per_pass - presented) / max(speed, 1e-9)
        error = f", {error_text(progress)}" if progress.patterns else ""
        print(
            f"{run.name}: {complete} of {progress.passes} passes, {speed:,.0f} patterns/s{error}, {clock(left)} left",
            file=self._stream,
            flush=True,
        )

    def done(self, run: Run, record: Record) -> None:
        print(done_text(run, record), file=self._stream, flush=True)


class Bars(Silent):
    """A bar per run."""

    def __init__(self, stream: TextIO):
        self._stream = stream
        self._bars: dict[Run, tqdm] = {}

    def show(self, run: Run, progress: Progress) -> None:
        presented = (progress.pass_number - 1) * progress.patterns_per_pass + progress.patterns
        if run not in self._bars:
            self._bars[run] = tqdm(
                total=progress.passes * progress.patterns_per_pass,
                initial=presented,
                desc=run.name,
                unit=" patterns",
                unit_scale=True,
                position=len(self._bars),
                file=self._stream,
                dynamic_ncols=True,
            )
        bar = self._bars[run]
        error = f", {error_text(progress)}" if progress.patterns else ""
        bar.set_postfix_str(f"pass {progress.pass_number}/{progress.passes}{error}", refresh=False)
        bar.update(presented - bar.n)

    def done(self, run: Run, record: Record) -> None:
        if run in self._bars:
            self._bars[run].bar_format = done_text(run, record)
            self._bars[run].refresh()
        else:
            tqdm.write(done_text(run, record), file=self._stream)

    def failed(self, run: Run, why: str) -> None:
        tqdm.write(f"{run.name} failed: {why}", file=self._stream)

    def close(self) -> None:
        for bar in self._bars.values():
            bar.close()


def display_for(stream: TextIO, quiet: bool) -> Silent:
    """What suits a stream; control characters go to terminals only."""
    if quiet:
        return Silent()
    return Bars(stream) if stream.isatty() else Lines(stream)


def error_text(progress: Progress) -> str:
    return f"on-the-fly error {100 * progress.errors / progress.patterns:.2f}%"


def done_text(run: Run, record: Record) -> str:
    """The last pass of a run in a few words; its on-the-fly error where the recipe reads neither set apart."""
    last = record.curve[-1]
    shown = {"test": last["test_error_pct"], "validation": last["validation_error_pct"]}
    if not any(value is not None for value in shown.values()):
        shown = {"on-the-fly": last["on_the_fly_error_pct"]}
    errors = ", ".join(f"{name} error {value:.2f}%" for name, value in shown.items() if value is not None)
    return f"{run.name}: done, {errors}"


def clock(seconds: float) -> str:
    """Minutes and seconds, as in 1:05."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
