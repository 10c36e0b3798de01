"""The processor as provenance and the compiler's cache know it."""

import os
import platform
import subprocess
import sys

import pytest
from numba import config

from lenet1998 import processor
from lenet1998.online import compiler

# What numba itself says that it compiles for.
ASK = "from numba.core.registry import cpu_target as t; print(*t.target_context.codegen().magic_tuple()[1:], sep='\\n')"


@pytest.mark.parametrize("variables", [{}, {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": "+sse4.2"}])
def test_the_target_is_the_one_that_numba_compiles_for(variables, monkeypatch):
    if variables and platform.machine() != "x86_64":
        pytest.skip("the other target is one of x86-64")
    bare = {name: value for name, value in os.environ.items() if name not in ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES")}
    asked = subprocess.run(
        [sys.executable, "-c", ASK], env=bare | variables, capture_output=True, text=True, check=True
    )
    monkeypatch.setattr(config, "CPU_NAME", variables.get("NUMBA_CPU_NAME"))
    monkeypatch.setattr(config, "CPU_FEATURES", variables.get("NUMBA_CPU_FEATURES"))
    assert processor.target() == tuple(asked.stdout.splitlines())


def test_another_target_is_told_apart(monkeypatch):
    before = processor.instruction_set(), compiler.dependencies_hash()
    monkeypatch.setattr(config, "CPU_NAME", "plain")
    monkeypatch.setattr(config, "CPU_FEATURES", "")
    assert processor.instruction_set() == "plain e3b0c442"  # SHA-256 of nothing
    assert compiler.dependencies_hash() != before[1] and processor.instruction_set() != before[0]
