"""The study's recipes, which are fixed before they are run."""

from dataclasses import replace

from lenet1998 import study
from lenet1998.networks import lenet5
from lenet1998.recipes import LENET5_1998, SCHEDULE_1998, Criterion


def test_the_screening_crosses_every_reading_once_and_reads_no_test_set():
    recipes = study.screening()
    readings = {repr(replace(recipe, name="")) for recipe in recipes}
    # Two distances, two ranges of the weights, and equation 8 or three j, each of these with two curvatures at the top.
    assert len(recipes) == len({recipe.name for recipe in recipes}) == len(readings) == 2 * 2 * (1 + 3 * 2) + 1
    assert not any(recipe.reads_test_set or recipe.validation_patterns for recipe in recipes)
    assert {recipe.schedule for recipe in recipes} == {SCHEDULE_1998}
    assert recipes[-1].name == "study-literal" and recipes[-1].network == lenet5(half=False)
    assert recipes[-1].criterion == Criterion("mle") and recipes[-1].initialisation.gain == 2.4


def test_the_default_recipe_is_among_the_screened():
    unread = replace(LENET5_1998, name="", reads_test_set=False, frozen_errors="last pass")
    assert unread in [replace(recipe, name="") for recipe in study.screening()]
