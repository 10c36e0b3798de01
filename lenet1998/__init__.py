"""A historical-fidelity reproduction of LeCun, Bottou, Bengio & Haffner (1998), with the LeNet of today beside it.

`LeNet5` builds the 1998 network as torch modules; `SDLM` is its optimizer (appendix C); `load_pretrained` gives it
trained.
"""

from typing import Any

__all__ = ["SDLM", "LeNet5", "load_pretrained"]


def __getattr__(name: str) -> Any:
    # torch takes longer to import than the compiled trainer takes to start, so it is imported only when asked for.
    if name == "LeNet5":
        from lenet1998.layers import LeNet5

        return LeNet5
    if name == "SDLM":
        from lenet1998.sdlm import SDLM

        return SDLM
    if name == "load_pretrained":
        from lenet1998.pretrained import load_pretrained

        return load_pretrained
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
