"""How fast the online trainer is: python benchmarks/online.py [--json FILE]

LeNet-5 as the `lenet5` recipe trains it, one pattern at a time, on one core, against eager PyTorch on the same core.
What is compared is measured in turns within one run, and compared turn by turn: the same binary runs at half the speed
within an hour on a shared machine, and ratios survive that. Times are medians over the turns, in processor time where
one process works alone, so that other people's work on the core is not counted; several processes and their rates
are timed by the clock on the wall. Takes about a minute, and once some seconds more to compile the trainer.
"""

import argparse
import json
import multiprocessing
import os
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
from numba import njit

from lenet1998 import data
from lenet1998.networks import RBF, Network, walk
from lenet1998.online import OnlineTrainer
from lenet1998.online.kernels import GRADIENT
from lenet1998.online.machine import make_machine, plan_of
from lenet1998.recipes import LENET5_1998, shortened
from lenet1998.weights import layout

RECIPE = LENET5_1998
NETWORK = RECIPE.network
TURNS = 15
BATCH = 256  # patterns that PyTorch is given at once


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to FILE as well")
    file = parser.parse_args().json
    digits = data.load("sample").train
    measured = {
        **steps_and_forward_passes(digits),
        "layers_us": layer_times(digits),
        "multiply_adds_per_step": multiply_adds(NETWORK),
        "peak_multiply_adds_per_us": peak(),
        **processes(),
        **memory(),
        "environment": environment(),
    }
    limit = measured["multiply_adds_per_step"] / measured["peak_multiply_adds_per_us"]
    measured["share_of_peak_pct"] = round(100 * limit / measured["online_step_us"], 1)
    print(text(measured))
    if file:
        file.write_text(json.dumps(measured, indent=2) + "\n")


def environment() -> dict:
    """What the numbers depend on beside the code."""
    from lenet1998.records import provenance

    whole = provenance()
    return {name: whole[name] for name in ("revision", "clean", "versions", "processor", "instruction_set", "utc")}


def in_turns(works: dict[str, tuple[Callable[[], object], int]], turns: int = TURNS) -> dict[str, np.ndarray]:
    """Microseconds of processor time per pattern, (turns,), of each work on so many patterns; one unmeasured turn."""
    times = {name: np.empty(turns) for name in works}
    for turn in range(-1, turns):
        for name, (work, patterns) in works.items():
            began = time.process_time()
            work()
            if turn >= 0:
                times[name][turn] = (time.process_time() - began) / patterns * 1e6
    return times


# --- whole steps -----------------------------------------------------------------------------------------------------


def steps_and_forward_passes(digits: data.Digits) -> dict:
    """Microseconds per pattern of eager PyTorch and of the online trainer, and what the one is of the other."""
    images, labels = digits.images[:2000], digits.labels[:2000]
    trainer = OnlineTrainer(RECIPE, seed=0)
    trainer.estimate_curvature(images[:500], labels[:500])
    trainer.begin_pass(RECIPE.rate(1))
    times = in_turns(
        {
            "eager_step": (eager_step(images, labels), 100),
            "eager_step_without_onednn": (without_onednn(eager_step(images, labels)), 100),
            "online_step": (lambda: trainer.train(images, labels), len(images)),
            "eager_forward": (eager_forward(images), 200),
            "batch_forward": (batch_forward(images), BATCH),
            "online_forward": (lambda: trainer.answers(images), len(images)),
        }
    )
    measured = {f"{name}_us": round(median(values), 2) for name, values in times.items()}
    for name, slow, fast in (
        ("step_speedup", "eager_step", "online_step"),
        ("step_speedup_without_onednn", "eager_step_without_onednn", "online_step"),
        ("forward_speedup", "eager_forward", "online_forward"),
        ("forward_speedup_over_batches", "batch_forward", "online_forward"),
    ):
        measured[name] = round(median(times[slow] / times[fast]), 2)
    return measured


def eager_step(images: np.ndarray, labels: np.ndarray) -> Callable[[], None]:
    """A hundred bare steps: forward, equation 9, backward, update with one rate per parameter."""
    import torch

    from lenet1998.layers import build

    torch.set_num_threads(1)
    model = build(NETWORK)
    parameters = list(model.parameters())
    rates = [torch.full_like(parameter, 1e-4) for parameter in parameters]
    inputs, targets = list(torch_inputs(images[:100]).split(1)), labels[:100].tolist()
    rubbish = torch.full((1,), -RECIPE.criterion.j)

    def work():
        for x, label in zip(inputs, targets, strict=True):
            penalties = model(x)[0]
            loss = penalties[label] + torch.logsumexp(torch.cat((-penalties, rubbish)), 0)
            loss.backward()
            with torch.no_grad():
                for parameter, rate in zip(parameters, rates, strict=True):
                    parameter.addcmul_(parameter.grad, rate, value=-1)
                    parameter.grad = None

    return work


def without_onednn(work: Callable[[], None]) -> Callable[[], None]:
    """The same with PyTorch's own kernels, which are faster than oneDNN's for a single pattern."""
    import torch

    def work_without():
        warnings.filterwarnings("ignore", message="TF32")  # which the switch mentions, on processors too
        with torch.backends.mkldnn.flags(enabled=False):
            work()

    return work_without


def eager_forward(images: np.ndarray) -> Callable[[], None]:
    """Two hundred patterns shown to the frozen network one by one."""
    import torch

    from lenet1998.layers import build

    model, inputs = build(NETWORK), list(torch_inputs(images[:200]).split(1))

    def work():
        with torch.inference_mode():
            for x in inputs:
                model(x).argmin()

    return work


def batch_forward(images: np.ndarray) -> Callable[[], None]:
    """One batch of patterns shown to the frozen network."""
    import torch

    from lenet1998.layers import build

    model, inputs = build(NETWORK), torch_inputs(images[:BATCH])

    def work():
        with torch.inference_mode():
            model(inputs).argmin(1)

    return work


def torch_inputs(images: np.ndarray):
    """Grey levels (n, 1, 32, 32), made before the clock starts; the online trainer makes its own within the time."""
    import torch

    return torch.from_numpy(data.grey_levels(images))[:, None]


# --- layers ----------------------------------------------------------------------------------------------------------


def layer_times(digits: data.Digits, calls: int = 200) -> dict[str, float]:
    """Microseconds of each compiled piece of a step, called many times in a compiled loop."""
    machine, plan = make_machine(NETWORK, "float32"), plan_of(NETWORK)
    trainer = OnlineTrainer(RECIPE, seed=0)
    # The trainer's own memory, aligned as it should be. Rates are zero, so that no call changes the weights.
    memory, weights, update, terms = trainer._memory, trainer._weights, trainer._update, trainer._terms
    image, label = digits.images[0], digits.labels[0]

    @njit
    def copy(source, target):
        for i in range(len(source)):
            target[i] = source[i]

    def repeated(function, arguments, deltas):
        """A compiled loop; a backward kernel changes the derivatives that it starts from, so each call gets its own."""
        saved, derivatives = memory[deltas].copy(), memory[deltas]

        @njit
        def loop(saved, derivatives, *arguments):
            for _ in range(calls):
                copy(saved, derivatives)
                function(*arguments)

        return lambda: loop(saved, derivatives, *arguments)

    nothing = slice(0, 0)
    works = {"input": (repeated(machine.load, (image, memory), nothing), calls)}
    machine.load(image, memory)
    for step, forward in zip(plan.steps, machine.forward, strict=True):
        forward(weights, memory)
        works[f"{step.layer.name} forward"] = (repeated(forward, (weights, memory), nothing), calls)
    works["output and criterion"] = (repeated(machine.head.criterion, (memory, label, terms), nothing), calls)
    machine.head.criterion(memory, label, terms)
    for step, backward in reversed(list(zip(plan.steps, machine.backward, strict=True))):
        deltas = slice(step.deltas_out.start, step.deltas_out.start + step.deltas_out.length)
        arguments = (weights, memory, update, GRADIENT)
        works[f"{step.layer.name} backward"] = (repeated(backward, arguments, deltas), calls)
        backward(*arguments)
    return {name: round(median(times), 2) for name, times in in_turns(works).items()}


# --- arithmetic ------------------------------------------------------------------------------------------------------


def multiply_adds(network: Network) -> int:
    """Those of a training step with weights and RBF codes, not with subsampling and squashing.

    Forward, for the weights' gradients, and for the derivatives of the states, which the input needs none of.
    """
    total = 0
    kernels = {parameter.name: parameter.size for parameter in layout(network) if parameter.role == "weight"}
    for index, (layer, below, (units, rows, columns)) in enumerate(walk(network)):
        if isinstance(layer, RBF):
            total += 2 * units * below[0]
        elif f"{layer.name}.weight" in kernels:
            total += kernels[f"{layer.name}.weight"] * rows * columns * (3 if index else 2)
    return total


def peak() -> int:
    """Multiply-adds per microsecond in single precision at the best: short independent chains, all in registers."""
    depth, lanes, times = 16, 1024, 200

    @njit(fastmath={"contract"}, error_model="numpy")
    def chains(x, a, b):
        for _ in range(times):
            for i in range(lanes):
                value = x[i]
                for _ in range(depth):
                    value = value * a + b
                x[i] = value

    x, half = np.ones(lanes, np.float32), np.float32(0.5)
    count = depth * lanes * times
    microseconds = in_turns({"chains": (lambda: chains(x, half, half), count)}, turns=100)["chains"]
    assert (x == 1).all()
    return round(1 / min(microseconds))


# --- processes and memory --------------------------------------------------------------------------------------------


def processes(seconds: float = 1.0, turns: int = 5) -> dict:
    """Patterns per second, by the clock, of one process that trains, and of two at once.

    In processor time too, which is what the two take from each other when nobody else takes anything.
    """
    context = multiprocessing.get_context("spawn")
    pipes, workers = [], []
    for seed in range(2):
        here, there = context.Pipe()
        worker = context.Process(target=train_on_demand, args=(there, seed), daemon=True)
        worker.start()
        there.close()  # so that a worker that fails is noticed
        pipes.append(here)
        workers.append(worker)
    for pipe in pipes:
        pipe.recv()  # ready

    def rate(chosen):
        for pipe in chosen:
            pipe.send(seconds)
        return np.sum([pipe.recv() for pipe in chosen], 0)

    rates = np.array([(rate(pipes[:1]), rate(pipes)) for _ in range(turns)])
    (one, two), (one_undisturbed, two_undisturbed) = rates.T
    for pipe, worker in zip(pipes, workers, strict=True):
        pipe.send(None)
        worker.join()
    return {
        "patterns_per_second_1_process": round(median(one)),
        "patterns_per_second_2_processes": round(median(two)),
        "two_processes_over_one": round(median(two / one), 2),
        "two_processes_over_one_processor_time": round(median(two_undisturbed / one_undisturbed), 2),
    }


def train_on_demand(pipe, seed: int) -> None:
    """A worker: train for as many seconds as it is told; end at None.

    Answers with patterns per second by the clock, and per second of processor time.
    """
    digits = data.load("sample").train
    trainer = OnlineTrainer(RECIPE, seed)
    trainer.estimate_curvature(digits.images[:500], digits.labels[:500])
    trainer.begin_pass(RECIPE.rate(5))
    pipe.send("ready")
    while seconds := pipe.recv():
        patterns, began, began_cpu = 0, time.perf_counter(), time.process_time()
        while (passed := time.perf_counter() - began) < seconds:
            trainer.train(digits.images[:1000], digits.labels[:1000])
            patterns += 1000
        pipe.send((patterns / passed, patterns / (time.process_time() - began_cpu)))


def memory() -> dict:
    """Megabytes that a process at most holds which trains one pass, with all evaluations, and writes its record.

    On the full MNIST where LENET1998_DATA says where it is, else on the sample.
    """
    name = "mnist" if os.environ.get(data.VARIABLE) else "sample"
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    worker = context.Process(target=train_one_pass, args=(there, name), daemon=True)
    worker.start()
    there.close()
    megabytes = here.recv()
    worker.join()
    return {"peak_memory_mb": megabytes, "peak_memory_dataset": name}


def train_one_pass(pipe, name: str) -> None:
    """A worker: train one pass as the command line does, answer with its peak memory."""
    from lenet1998 import training

    dataset = data.load(name)
    with tempfile.TemporaryDirectory() as folder:
        run = training.make_run(shortened(RECIPE, 1), 0, dataset, "online")
        training.train(run, dataset, Path(folder))
    pipe.send(peak_memory())


def peak_memory() -> int:
    """Megabytes that this process has held at most."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage on Linux counts the parent that the process was forked from
        return round(int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024)
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20)


# --- the report ------------------------------------------------------------------------------------------------------


def text(m: dict) -> str:
    """The numbers beside the targets."""
    layers = m["layers_us"]
    lines = [
        f"LeNet-5, one pattern at a time, on one core of {m['environment']['processor']}",
        "",
        "microseconds per pattern     PyTorch   online    ratio   target",
    ]
    for name, slow, fast, ratio, target in (
        ("training step", "eager_step", "online_step", "step_speedup", 20),
        ("training step, no oneDNN", "eager_step_without_onednn", "online_step", "step_speedup_without_onednn", 20),
        ("forward, one by one", "eager_forward", "online_forward", "forward_speedup", 10),
        (f"forward, batches of {BATCH}", "batch_forward", "online_forward", "forward_speedup_over_batches", 1),
    ):
        lines.append(f"{name:26} {m[slow + '_us']:9.1f} {m[fast + '_us']:8.1f} {m[ratio]:7.1f}x {target:7}x")
    lines += ["", "of which                     forward  backward"]
    for layer in dict.fromkeys(name.split()[0] for name in layers if name.endswith("forward")):
        lines.append(f"{layer:26} {layers[layer + ' forward']:9.2f} {layers[layer + ' backward']:9.2f}")
    lines += [f"{name:26} {layers[name]:9.2f}" for name in ("input", "output and criterion")]
    lines += [
        f"{'sum':26} {sum(layers.values()):9.2f}",
        "",
        f"multiply-adds of a step {m['multiply_adds_per_step']:,}, {m['share_of_peak_pct']}% of the core's peak of "
        f"{m['peak_multiply_adds_per_us'] / 1000:.1f} per nanosecond",
        f"patterns per second {m['patterns_per_second_1_process']:,} by one process, "
        f"{m['patterns_per_second_2_processes']:,} by two: {m['two_processes_over_one']:.2f}x, "
        f"{m['two_processes_over_one_processor_time']:.2f}x in processor time (target 1.8x)",
        f"peak memory of a run {m['peak_memory_mb']} MB on {m['peak_memory_dataset']} (target under 600 MB)",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
