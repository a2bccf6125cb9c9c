"""What the README shows is what was recorded."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from reference.__main__ import main
from reference.algorithms.recipes import RECIPES, ROWS, recipe_from
from reference.algorithms.unread_options import without_unread
from reference.runs.recorded_runs import SEEDS, all_runs, runs_of
from reference.runs.results import TARGETS, results_table
from reference.teaching.show import description, png

ROOT = Path(__file__).parents[2]
RUNS = ROOT / "figures" / "runs"


def test_the_results_table_is_the_one_of_the_recorded_runs():
    assert results_table(RUNS) in (ROOT / "README.md").read_text()


def test_every_recipe_with_a_target_was_recorded_and_reached_it():
    found = all_runs(RUNS)
    assert {r.name for r in ROWS if r.kind == "rl" and r.task == "chains"} < TARGETS.keys() <= found.keys()
    for name, target in TARGETS.items():
        assert [run.seed for run in found[name]] == list(SEEDS)
        for run in found[name]:
            before, after = run.accuracy["before"], run.accuracy["after"]
            assert run.metrics[-1]["step"] == run.recipe.steps == len(run.metrics)
            assert run.minutes < 3, name
            if run.recipe.kind == "reward":
                assert after["share"] >= target and after["share"] > after["longer"]
            else:
                assert before["sampled"] <= 0.50 and before["greedy"] <= 0.92
                assert after["sampled"] >= target and after["greedy"] > before["greedy"], name


def test_the_best_recipe_is_above_90_percent():
    lowest = {
        name: min(run.accuracy["after"]["sampled"] for run in runs)
        for name, runs in all_runs(RUNS).items()
        if runs[0].recipe.kind == "rl" and runs[0].recipe.task == "chains"
    }
    assert max(lowest.values()) >= 0.9, lowest


def test_the_recorded_runs_used_todays_defaults():
    from reference.__main__ import parser

    for name, runs in all_runs(RUNS).items():
        defaults = vars(parser().parse_args(["train", name]))
        for run in runs:
            config = json.loads((RUNS / f"{name}-seed-{run.seed}" / "config.json").read_text())
            teacher = {"teacher": config.get("teacher")}  # which the row leaves to you
            row = replace(RECIPES[name], **teacher)
            assert without_unread(recipe_from(config)) == row  # an older one has numbers that nothing reads
            others = config.keys() - vars(RECIPES[name]).keys()
            assert {o: config[o] for o in others} == {o: defaults[o] for o in others} | {"seed": run.seed}


def test_both_engines_learn_as_much():
    ours, theirs = runs_of(RUNS, RECIPES["grpo"]), runs_of(RUNS, RECIPES["grpo"], engine="trl")
    assert len(ours) == len(theirs) == len(SEEDS)
    for first, last in ((0, 10), (10, 25), (25, 40)):  # the curves overlap: neither engine is above the other
        mean = [
            [sum(row["reward"] for row in run.metrics[first:last]) / (last - first) for run in runs]
            for runs in (ours, theirs)
        ]
        assert max(map(min, mean)) <= min(map(max, mean)) + 0.03


@pytest.mark.slow
def test_the_figures_command_redraws_what_is_committed(tmp_path, capsys):
    import shutil

    shutil.copytree(ROOT / "figures" / "runs", tmp_path / "figures" / "runs")
    shutil.copy(ROOT / "README.md", tmp_path)
    assert main(["figures", "--folder", str(tmp_path / "figures")]) == 0
    assert "results table" in capsys.readouterr().out
    assert (tmp_path / "README.md").read_text() == (ROOT / "README.md").read_text()
    for picture in re.findall(r"\(figures/(\w+\.png)\)", (ROOT / "README.md").read_text()):
        assert (tmp_path / "figures" / picture).stat().st_size > 10_000


def test_figures_without_recorded_runs_say_how_to_record_one(tmp_path, capsys):
    assert main(["figures", "--folder", str(tmp_path)]) == 2
    assert "holds no runs: record some with python -m reference record grpo" in capsys.readouterr().err


def test_every_link_in_the_readme_leads_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text()):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_a_description_is_there_for_every_picture():
    from reference.lessons.masking.figures import figure_weights

    figure = figure_weights([2, 8])
    assert "1/4 per token" in description(figure) and png(figure).startswith(b"\x89PNG")


def test_the_mistake_of_the_first_picture_is_named_by_check_itself():
    from reference.lessons.named import SOLUTION, figure_named, verdict_on

    said = verdict_on(SOLUTION, "token_logprobs")
    assert said.startswith("✗ token_logprobs: the temperature is not used")
    right = SOLUTION.replace("logits.log_softmax", "(logits / temperature).log_softmax")
    assert verdict_on(right, "token_logprobs").startswith("✓ token_logprobs")
    assert said in description(figure_named(SOLUTION, said))
