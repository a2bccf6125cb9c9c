"""What the lesson says about its recorded runs, and the picture of them."""

import pytest

from reference.lessons.tool_use.experiments import MASKED, PRICED, REWARDED, SOURCES, VARIANTS
from reference.lessons.tool_use.figures_recorded import figure_shares, figure_tradeoff
from reference.lessons.tool_use.measured import ANSWERS, solved_by_kind
from reference.lessons.tool_use.recorded import WORDS, Uses, points_of, recorded_use, share_table, shares_of
from reference.objectives.shapes import InputError
from reference.teaching.show import description
from reference.world.model import TOOL_SFT, load
from reference.world.tool_tasks import ToolProblem


def every(uses: Uses, name: str) -> list[float]:
    return [getattr(use, name) for use in uses.after]


@pytest.mark.parametrize("names", [VARIANTS, PRICED, REWARDED, SOURCES, MASKED])
def test_everything_is_recorded_from_three_seeds(names):
    found = recorded_use(names)
    assert found.keys() == names.keys() and {len(uses.after) for uses in found.values()} == {3}


def test_without_a_folder_it_is_said(tmp_path):
    with pytest.raises(InputError, match="the recorded runs are not at"):
        recorded_use(VARIANTS, folder=tmp_path / "none")
    assert recorded_use(VARIANTS, folder=tmp_path) == {}


def test_each_objective_behind_the_one_before_and_alone():
    found = recorded_use(VARIANTS)
    sft, dpo, rl, last = (found[name] for name in ("SFT", "SFT, then DPO", "SFT, then RL", "SFT, DPO, then RL"))
    assert min(every(sft, "recall")) > 0.98 and min(every(sft, "waste")) > 0.3
    assert max(every(dpo, "calls")) < min(every(sft, "calls"))
    assert min(every(dpo, "product")) > 0.7 > max(use.product for use in dpo.before)
    assert min(every(rl, "success")) > max(every(dpo, "success")) and min(every(last, "success")) > 0.8
    assert min(every(rl, "waste")) > 0.9
    for name in ("DPO alone", "RL alone"):
        assert max(every(found[name], "recall")) < 0.01 and max(every(found[name], "product")) < 0.01


def test_a_price_above_the_difference_ends_the_calls_for_chains_and_costs_no_success():
    found = recorded_use(PRICED)
    assert min(every(found[0.05], "waste")) > 0.9 and max(every(found[0.2], "waste")) < 0.1
    assert abs(found[0.2].mean("success") - found[0.05].mean("success")) < 0.05
    assert found[0.2].mean("calls") < 0.8 * found[0.05].mean("calls")


def test_the_table_prints_means(capsys):
    share_table(recorded_use({"SFT": "tool-sft"}), "success", "calls")
    head, row = capsys.readouterr().out.splitlines()
    uses = recorded_use({"SFT": "tool-sft"})["SFT"]
    assert head.split() == [WORDS["success"], WORDS["calls"]]
    assert row.split() == ["SFT", f"{uses.mean('success'):.2f}", f"{uses.mean('calls'):.2f}"]


def test_the_picture_says_its_means():
    figure = figure_tradeoff({"one": [(1.0, 0.5), (3.0, 0.7)], "two": [(0.0, 0.1)]}, title="Both")
    assert (
        description(figure) == "Both. Means over the seeds: one: 2.00 calls, 60 % solved, two: 0.00 calls, 10 % solved"
    )
    assert points_of(recorded_use({"SFT": "tool-sft"}))["SFT"][0][0] > 1.0


def test_the_picture_of_all_shares_says_each_seed():
    uses = recorded_use({"SFT": "tool-sft"})
    shares = shares_of(uses, "success", "calls")
    assert shares["SFT"][WORDS["calls"]] == every(uses["SFT"], "calls")
    figure = figure_shares({"SFT": {"solved": [0.7, 0.75], "calls": [1.4, 1.41]}}, title="All")
    assert description(figure) == "All. Per seed: SFT: solved 0.70 0.75, calls 1.40 1.41"
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["solved", "calls"]


@pytest.mark.slow
def test_without_the_result_no_product_is_solved():
    model, tokenizer = load(TOOL_SFT)
    problems = [ToolProblem("product", f"What is {a}*86?", a * 86, (f"{a}*86",)) for a in range(41, 53)]
    right = {name: solved_by_kind(model, tokenizer, problems, tool)["product"] for name, tool in ANSWERS.items()}
    assert right["the tool's own"] > 0.7 and right["empty"] == 0.0
