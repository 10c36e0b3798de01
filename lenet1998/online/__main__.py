"""`python -m lenet1998.online MODULE DTYPE` compiles a generated module; the package starts it as a child process."""

import sys
from pathlib import Path

from lenet1998.online.compiler import compile_module

compile_module(Path(sys.argv[1]), sys.argv[2])
