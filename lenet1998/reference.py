"""The readable engine: training through torch's autograd, the twin that the compiled one is tested against."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from lenet1998 import criteria
from lenet1998.data import grey_levels
from lenet1998.layers import build, flat, load_flat
from lenet1998.recipes import SDLM as SDLMSteps
from lenet1998.recipes import Adam, Recipe
from lenet1998.sdlm import SDLM
from lenet1998.weights import initial_weights

PATTERNS_AT_ONCE = 256  # converted, and shown to a frozen network


class ReferenceTrainer:
    """One run of a recipe. Images are (n, rows, columns) grey bytes, and labels are (n,).

    The caller keeps the passes: for each of them `estimate_curvature` where the recipe has SDLM steps and the
    curvature is due, `begin_pass`, then `train` on every pattern, in as many calls as it likes. Where several patterns
    make one update, every call but the last of a pass holds a multiple of `recipe.batch` patterns.

    All work is done in one thread, which the results depend on.
    """

    name = "torch"

    def __init__(self, recipe: Recipe, seed: int, dtype: type = np.float32):
        self.recipe = recipe
        self._dtype = np.dtype(dtype)
        self._model = build(recipe.network).to(torch.from_numpy(np.empty(0, self._dtype)).dtype)
        self.set_weights(initial_weights(recipe.network, recipe.initialisation, seed))
        match recipe.steps:
            case SDLMSteps(mu=mu):
                self._optimizer = SDLM(self._model, rate=0.0, mu=mu)
            case Adam(beta1=beta1, beta2=beta2, epsilon=epsilon):
                self._optimizer = torch.optim.Adam(self._model.parameters(), 0.0, (beta1, beta2), epsilon)
            case _:
                self._optimizer = torch.optim.SGD(self._model.parameters(), 0.0)

    @property
    def weights(self) -> np.ndarray:
        """A copy of the parameters in the order of `lenet1998.weights.layout`."""
        return flat(self._model)

    def set_weights(self, vector: np.ndarray) -> None:
        load_flat(self._model, vector)

    def estimate_curvature(self, images: np.ndarray, labels: np.ndarray) -> None:
        """Takes the curvature of each parameter anew, averaged over these patterns; no criterion's needs the labels.

        Raises TypeError for a recipe without SDLM steps.
        """
        steps = self.recipe.steps
        if not isinstance(steps, SDLMSteps):
            raise TypeError(f"the steps of {self.recipe.name} take no curvature")
        with _one_thread():
            self._optimizer.estimate(self._inputs(images), self.recipe.criterion, steps.top, steps.coefficient)

    def begin_pass(self, rate: float) -> tuple[float, float]:
        """Sets the global learning rate; the smallest and the largest rate that a parameter then has."""
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        return self._optimizer.effective_rates() if isinstance(self._optimizer, SDLM) else (rate, rate)

    def train(self, images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Presents the patterns in the given order, with an update after each (or after each `recipe.batch` of them).

        Returns each pattern's loss (n,) float64 and answer (n,) uint8, both before the update that it takes part in.
        """
        losses, answers = np.empty(len(images)), np.empty(len(images), np.uint8)
        batch = self.recipe.batch
        with _one_thread():
            for chunk in _slices(len(images), batch * -(-PATTERNS_AT_ONCE // batch)):
                inputs, targets = self._inputs(images[chunk]), torch.from_numpy(labels[chunk].astype(np.int64))
                for part in _slices(len(inputs), batch):
                    at = slice(chunk.start + part.start, chunk.start + part.stop)
                    losses[at], answers[at] = self._update(inputs[part], targets[part])
        return losses, answers

    def answers(self, images: np.ndarray) -> np.ndarray:
        """The frozen network's answer to each image, (n,) uint8."""
        answers = np.empty(len(images), np.uint8)
        with torch.inference_mode(), _one_thread():
            for chunk in _slices(len(images), PATTERNS_AT_ONCE):
                outputs = self._model(self._inputs(images[chunk]))
                answers[chunk] = criteria.answers(self.recipe.criterion, outputs).numpy()
        return answers

    def state(self) -> dict[str, np.ndarray]:
        """What a run needs to go on bit for bit: the weights, and the curvature or Adam's moments, as flat vectors."""
        arrays = {"weights": self.weights}
        per_parameter = [self._optimizer.state[parameter] for parameter in self._model.parameters()]
        if all(per_parameter):
            for name, key in self._optimizer_arrays().items():
                arrays[name] = torch.cat([entry[key].flatten() for entry in per_parameter]).numpy().copy()
            if isinstance(self._optimizer, torch.optim.Adam):
                arrays["step"] = per_parameter[0]["step"].numpy().astype(np.int64)
        return arrays

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Takes up what `state` gave, on a trainer of the same recipe."""
        self.set_weights(state["weights"])
        self._optimizer.state.clear()
        start = 0
        for parameter in self._model.parameters():
            stop = start + parameter.numel()
            for name, key in self._optimizer_arrays().items():
                if name in state:
                    values = torch.from_numpy(state[name][start:stop].astype(self._dtype)).view_as(parameter)
                    self._optimizer.state[parameter][key] = values
            if "step" in state:
                self._optimizer.state[parameter]["step"] = torch.tensor(float(state["step"]))
            start = stop

    def _optimizer_arrays(self) -> dict[str, str]:
        """Names in `state` to the names that the optimizer has for the same arrays."""
        if isinstance(self._optimizer, SDLM):
            return {"curvature": "h"}
        if isinstance(self._optimizer, torch.optim.Adam):
            return {"moment1": "exp_avg", "moment2": "exp_avg_sq"}
        return {}

    def _inputs(self, images: np.ndarray) -> Tensor:
        """Grey levels, (n, 1, rows, columns)."""
        network = self.recipe.network
        size, background, ink = network.input_size, network.background, network.ink
        levels = grey_levels(images, size, background, ink, self._dtype)
        return torch.from_numpy(levels)[:, None]

    def _update(self, inputs: Tensor, labels: Tensor) -> tuple[np.ndarray, np.ndarray]:
        self._optimizer.zero_grad()
        outputs = self._model(inputs)
        losses = criteria.losses(self.recipe.criterion, outputs, labels)
        losses.mean().backward()
        self._optimizer.step()
        return losses.detach().numpy(), criteria.answers(self.recipe.criterion, outputs.detach()).numpy()


def _slices(n: int, length: int) -> Iterator[slice]:
    return (slice(start, min(start + length, n)) for start in range(0, n, length))


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
