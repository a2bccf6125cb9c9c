"""The two shipped models: one tokenizer and one chat template, and the second one calls the calculator."""

import pytest

from reference.algorithms.recipes import ROWS
from reference.evaluation.tool_use import evaluate_tool_use
from reference.world.model import BASE, SHIPPED, TOOL_SFT, load


def test_both_have_one_tokenizer_and_one_template():
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "config.json"):
        assert (TOOL_SFT / name).read_bytes() == (BASE / name).read_bytes()
    assert sum(file.stat().st_size for file in TOOL_SFT.iterdir()) < 5_000_000


def test_every_recipe_starts_from_a_shipped_model():
    assert {recipe.start for recipe in ROWS} == SHIPPED.keys()


@pytest.mark.slow
def test_the_second_one_calls_where_it_is_needed_and_often_where_it_is_not():
    use = evaluate_tool_use(*load(TOOL_SFT), problems=90, samples=2, progress=False)
    # 180 trajectories: a share of 70 % has a standard error of 3.4 points, and one of 45 % over 60 of them 6.4.
    assert use.recall > 0.95 and use.valid > 0.9
    assert 0.55 < use.success < 0.85 and 0.2 < use.waste < 0.7
