"""From a network's description to a compiled module on disk.

numba can cache a function across processes only when it stands in a file, and unrolls loops only over sizes that it
sees as constants. So the step of a network is written out, one call per layer, into a small module whose name is a
hash of everything that it depends on. A child process compiles it and leaves the machine code in numba's cache;
every run, the first one too, takes it from there. (A process that compiles may run pieces that were optimised apart
from each other, which round differently, and a seed must give the same bits whether or not it came first.)
"""

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import numba
import numpy as np
from filelock import FileLock

import lenet1998
from lenet1998.networks import Network
from lenet1998.online.heads import Terms
from lenet1998.online.kernels import GRADIENT
from lenet1998.online.machine import CLASSIFY, plan_of
from lenet1998.online.rules import DESCEND, Update
from lenet1998.processor import target

TEMPLATE = '''"""{title}, one pattern at a time. Written by lenet1998.online.compiler; safe to delete."""

from numba import njit

from lenet1998.networks import *
from lenet1998.online.machine import CLASSIFY, TRAIN, make_machine
from lenet1998.online.rules import count_step

machine = make_machine({network!r}, {dtype!r})
load = machine.load
criterion, answer, top = machine.head.criterion, machine.head.answer, machine.head.curvature
{names}


@njit(cache=True, nogil=True)
def run(task, images, labels, weights, update, terms, sweep, memory, squares, squared_weights, losses, answers):
    """Classify the patterns, train on them in turn, or add up their curvature."""
    for n in range(len(images)):
        load(images[n], memory)
{forward}
        if task == CLASSIFY:
            answers[n] = answer(memory)
            continue
        losses[n], answers[n] = criterion(memory, labels[n], terms)
        if task == TRAIN:
            count_step(update)
            block, factors = memory, weights
        else:
            for i in range(len(memory)):
                squares[i] = memory[i] * memory[i]
            top(memory, squares, labels[n], terms)
            block, factors = squares, squared_weights
{backward}
'''


def source_of(network: Network, dtype: str) -> str:
    """The text of the module that runs `network`."""
    numbers = range(len(plan_of(network).steps))
    return TEMPLATE.format(
        title=network.name,
        network=network,
        dtype=dtype,
        names="\n".join(f"{kind}_{i} = machine.{kind}[{i}]" for kind in ("forward", "backward") for i in numbers),
        forward="\n".join(f"        forward_{i}(weights, memory)" for i in numbers),
        backward="\n".join(f"        backward_{i}(factors, block, update, sweep)" for i in reversed(numbers)),
    )


def cache_folder() -> Path:
    """Where compiled trainers are kept: the user's cache, or a temporary folder where that cannot be written."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lenet1998"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return Path(tempfile.mkdtemp(prefix="lenet1998-"))


def dependencies_hash() -> str:
    """A hash of all that decides the machine code: the package's sources, numba and the processor."""
    package = Path(lenet1998.__file__).parent
    files = sorted((package / "online").glob("*.py"))
    files += [package / name for name in ("networks.py", "weights.py", "bitmaps.py", "bitmaps.txt")]
    digest = hashlib.sha256(f"{sys.version} {numba.__version__} {np.__version__} {target()}".encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def module_for(network: Network, dtype: str) -> ModuleType:
    """The compiled module of `network`; the very first time it is compiled, which takes a while and is announced."""
    source = source_of(network, dtype)
    name = "online_" + hashlib.sha256((source + dependencies_hash()).encode()).hexdigest()[:20]
    if name in sys.modules:
        return sys.modules[name]
    folder = cache_folder()
    path, ready = folder / f"{name}.py", folder / f"{name}.ready"
    if not ready.exists():
        with FileLock(folder / f"{name}.lock"):
            if not ready.exists():
                print(f"compiling the online trainer of {network.name}, once (about 15 s)", file=sys.stderr, flush=True)
                path.write_text(source)
                command = [sys.executable, "-m", "lenet1998.online", str(path), dtype]
                package_root = str(Path(lenet1998.__file__).parents[1])
                subprocess.run(command, check=True, cwd=package_root)
                ready.touch()
    return imported(path)


def imported(path: Path) -> ModuleType:
    """The module at `path`, imported under its file's name."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # where numba's cache looks for it
    spec.loader.exec_module(module)
    return module


def compile_module(path: Path, dtype: str) -> None:
    """Have numba compile and cache the module at `path`, by running it on no patterns at all."""
    vector = np.zeros(0, dtype)
    update = Update(DESCEND, vector, np.zeros((2, 0), dtype), np.zeros(6), vector)
    terms = Terms(competitive=False, j=0.0, exact=False, top=0.0)
    images, labels, losses = np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8), np.zeros(0)
    imported(path).run(
        CLASSIFY, images, labels, vector, update, terms, GRADIENT, vector, vector, vector, losses, labels
    )  # fmt: skip
