"""What the paper states, held against itself and against the descriptions that are built from it."""

import ast
from itertools import pairwise
from pathlib import Path

from lenet1998 import networks, paper, recipes


def test_it_imports_nothing():
    tree = ast.parse(Path(paper.__file__).read_text())
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


def test_the_layers_add_up_to_the_totals():
    parameters = [stated for _, _, stated, _ in paper.LAYERS if stated is not None]
    connections = {name: stated for name, _, _, stated in paper.LAYERS}
    assert sum(parameters) == paper.FREE_PARAMETERS == 60_000
    # The two that are not stated: 84 units that read 120 and a bias, 10 codes of 84.
    assert connections.pop("F6") is None and connections.pop("output") is None
    assert sum(connections.values()) + 84 * 121 + 10 * 84 == paper.CONNECTIONS == 340_908


def test_table_I_is_the_one_that_is_built():
    grid = [row.split() for row in paper.TABLE_I]
    columns = tuple(tuple(s2 for s2 in range(6) if grid[s2][c3] == "X") for c3 in range(16))
    assert columns == networks.TABLE_I
    assert [row.count("X") for row in grid] == [10] * 6


def test_the_recipe_of_1998_has_the_papers_settings():
    recipe = recipes.LENET5_1998
    assert recipe.schedule == paper.SCHEDULE and recipe.passes == paper.PASSES == 20
    assert (recipe.steps.mu, recipe.steps.patterns) == (paper.MU, paper.CURVATURE_PATTERNS)
    assert (recipe.network.background, recipe.network.ink) == (paper.BACKGROUND, paper.INK)
    assert recipe.network.input_size == paper.INPUT_SIZE


def test_figure_5_has_the_numbers_of_the_text():
    passes, training, test = zip(*paper.FIGURE_5, strict=True)
    assert passes == tuple(range(1, 22))
    assert list(training) == sorted(training, reverse=True)
    resolution = 0.026
    assert all(abs(training[p - 1] - paper.TRAINING_ERROR_PCT) <= resolution for p in (19, 20))
    assert all(abs(error - paper.TEST_ERROR_PCT) <= resolution for error in test[12:])
    # The values are read off a grid of that resolution.
    assert all(abs(value / resolution - round(value / resolution)) < 0.05 for value in training + test)


def test_the_figures_agree_with_the_text():
    (_, training, test) = paper.FIGURE_6[-1]
    reading = 0.01
    assert abs(test - paper.TEST_ERROR_PCT) < reading + 1e-9 and abs(training - paper.TRAINING_ERROR_PCT) < reading
    assert 100 * paper.MISCLASSIFIED / 10_000 == paper.FIGURE_6_DISTORTED_TEST_ERROR_PCT
    assert round(paper.FIGURE_6_DISTORTED_TEST_ERROR_PCT, 1) == paper.DISTORTED_TEST_ERROR_PCT


def test_the_classifiers():
    rows = {(method, data): rest for method, data, *rest in paper.CLASSIFIERS}
    assert len(rows) == len(paper.CLASSIFIERS) == 27
    assert rows["LeNet-5", "regular"][0] == paper.TEST_ERROR_PCT
    assert rows["LeNet-5", "distorted"][0] == paper.DISTORTED_TEST_ERROR_PCT
    assert {data for _, data in rows} == {"regular", "deslanted", "16x16", "distorted"}
    assert rows["Boosted LeNet-4", "distorted"][3] == 3 * rows["LeNet-4", "regular"][3]
    for method, inputs, *hidden in (("28x28-1000-10", 784, 1000), ("28x28-500-150-10", 784, 500, 150)):
        sizes = [inputs, *hidden, 10]
        weights = sum((below + 1) * units for below, units in pairwise(sizes))
        assert rows[method, "regular"][3] == round(weights / 1000)
