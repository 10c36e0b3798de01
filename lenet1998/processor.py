"""The processor: its name, its cores, and what compiled code may use of it."""

import hashlib
import os
import platform
from pathlib import Path


def model() -> str:
    """The name of this machine's processor. Several generations may share it, as in "AMD EPYC"."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def target() -> tuple[str, str]:
    """LLVM's name and features of the processor that numba compiles for.

    It is this machine's, unless the environment variables NUMBA_CPU_NAME and NUMBA_CPU_FEATURES say otherwise.
    """
    from llvmlite import binding
    from numba import config
    from numba.core.codegen import get_host_cpu_features

    features = get_host_cpu_features() if config.CPU_FEATURES is None else config.CPU_FEATURES
    return config.CPU_NAME or binding.get_host_cpu_name(), features


def instruction_set() -> str:
    """`target` in short, as in "znver4 31f64895": the name and a hash of the features.

    Processors that share a model name may differ in it, as may virtual machines on the same processor.
    """
    name, features = target()
    return f"{name} {hashlib.sha256(features.encode()).hexdigest()[:8]}"
