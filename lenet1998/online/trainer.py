"""The compiled engine behind the interface that both engines share."""

import numpy as np

from lenet1998.online.compiler import module_for
from lenet1998.online.heads import make_terms
from lenet1998.online.kernels import GRADIENT, SQUARE_OF_SUM, SUM_OF_SQUARES
from lenet1998.online.machine import CLASSIFY, CURVATURE, TRAIN, plan_of
from lenet1998.online.plan import LANES
from lenet1998.online.rules import ACCUMULATE, ADAM, DESCEND, Update
from lenet1998.recipes import SDLM, Adam, Recipe
from lenet1998.weights import initial_weights


class OnlineTrainer:
    """One network trained pattern by pattern on one thread; all its state is its own.

    Images are (n, rows, columns) grey bytes and labels (n,), n any number of patterns at a time. Raises ValueError for
    a recipe that updates after several patterns, or whose layers or criterion do not go together.
    """

    name = "online"

    def __init__(self, recipe: Recipe, seed: int, dtype: type = np.float32):
        if recipe.batch != 1:
            raise ValueError(f"the online engine presents one pattern at a time; {recipe.name} wants {recipe.batch}")
        self.recipe = recipe
        self.dtype = np.dtype(dtype)
        self._terms = make_terms(recipe.network, recipe.criterion, recipe.steps)
        self._module = module_for(recipe.network, self.dtype.name)
        plan = plan_of(recipe.network)
        self._memory, self._squares = self._aligned(plan.size), self._aligned(plan.size)
        self._weights, self._curvature = self._aligned(plan.parameters), self._aligned(plan.parameters)
        self._update = self._make_update(recipe.steps, plan.parameters)
        self.set_weights(initial_weights(recipe.network, recipe.initialisation, seed))

    def _aligned(self, length: int) -> np.ndarray:
        """Zeros that begin on a cache line."""
        raw = np.zeros(length + LANES, self.dtype)
        skip = (-raw.ctypes.data % 64) // self.dtype.itemsize
        return raw[skip : skip + length]

    def _make_update(self, steps: object, parameters: int) -> Update:
        adam = np.zeros(6)
        rule, moments = DESCEND, 0
        if isinstance(steps, Adam):
            adam[:3] = steps.beta1, steps.beta2, steps.epsilon
            rule, moments = ADAM, parameters
        return Update(
            rule=rule,
            rates=self._aligned(parameters),
            moments=np.zeros((2, moments), self.dtype),
            adam=adam,
            derivatives=self._aligned(parameters),
        )

    @property
    def weights(self) -> np.ndarray:
        """The flat parameter vector, a copy."""
        return self._weights.copy()

    def set_weights(self, vector: np.ndarray) -> None:
        """Take the flat parameter vector `vector`."""
        self._weights[:] = vector

    @property
    def curvature(self) -> np.ndarray:
        """The last estimate of each parameter's second derivative, a copy."""
        return self._curvature.copy()

    def estimate_curvature(self, images: np.ndarray, labels: np.ndarray) -> None:
        """Average the diagonal Gauss-Newton curvature over the patterns (equations 23 to 27)."""
        literal = self.recipe.steps.coefficient == "sum of squares"
        sums = self._aligned(len(self._weights))
        update = self._update._replace(rule=ACCUMULATE, rates=sums)
        self._run(CURVATURE, images, labels, update, SUM_OF_SQUARES if literal else SQUARE_OF_SUM)
        self._curvature[:] = sums / len(images)

    def begin_pass(self, rate: float) -> tuple[float, float]:
        """Set the rate of every parameter (equation 21, or `rate` itself); return the smallest and the largest."""
        rates = self._update.rates
        sdlm = isinstance(self.recipe.steps, SDLM)
        rates[:] = rate / (self.recipe.steps.mu + self._curvature) if sdlm else rate
        return float(rates.min()), float(rates.max())

    def train(self, images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Present the patterns in the order given; return their losses and the answers, both before each update."""
        return self._run(TRAIN, images, labels, self._update, GRADIENT)

    def answers(self, images: np.ndarray) -> np.ndarray:
        """The answers of the frozen network, (n,) uint8."""
        return self._run(CLASSIFY, images, np.zeros(len(images), np.uint8), self._update, GRADIENT)[1]

    def _run(self, task, images, labels, update, sweep):
        losses, answers = np.empty(len(images)), np.empty(len(images), np.uint8)
        # The compiled function exists for writable, contiguous bytes.
        images = np.require(images, np.uint8, "CW")
        labels = np.require(labels, np.uint8, "CW")
        squared_weights = self._weights**2 if task == CURVATURE else self._weights  # read by that task alone
        self._module.run(
            task, images, labels, self._weights, update, self._terms, sweep,
            self._memory, self._squares, squared_weights, losses, answers,
        )  # fmt: skip
        return losses, answers

    def state(self) -> dict[str, np.ndarray]:
        """All that a resumed run needs."""
        moments, adam = self._update.moments, self._update.adam
        arrays = {"weights": self._weights, "curvature": self._curvature, "moments": moments, "adam": adam}
        return {name: array.copy() for name, array in arrays.items()}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Go on from a saved `state`."""
        self._weights[:], self._curvature[:] = state["weights"], state["curvature"]
        self._update.moments[:], self._update.adam[:] = state["moments"], state["adam"]
