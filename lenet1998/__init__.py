"""A historical-fidelity reproduction of LeCun, Bottou, Bengio & Haffner (1998), with the LeNet of today beside it.

`LeNet5` builds the 1998 network as torch modules; `SDLM` is its optimizer (appendix C).
"""

from typing import Any

__all__ = ["SDLM", "LeNet5"]


def __getattr__(name: str) -> Any:
    # torch takes longer to import than the compiled trainer takes to start, so it is imported only when asked for.
    if name == "LeNet5":
        from lenet1998.layers import LeNet5

        return LeNet5
    if name == "SDLM":
        from lenet1998.sdlm import SDLM

        return SDLM
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
