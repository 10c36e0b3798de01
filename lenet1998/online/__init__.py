"""The fast online trainer: the arithmetic of the PyTorch reference, one pattern at a time, compiled with numba."""

from lenet1998.online.trainer import OnlineTrainer

__all__ = ["OnlineTrainer"]
