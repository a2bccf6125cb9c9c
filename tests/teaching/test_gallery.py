"""What the README shows is what was recorded."""

import json
import re
from pathlib import Path

from reference.__main__ import main
from reference.teaching.gallery import results_table
from reference.teaching.show import description, png

ROOT = Path(__file__).parents[2]


def test_the_results_table_is_the_one_of_the_recorded_runs():
    assert results_table(ROOT / "figures" / "runs") in (ROOT / "README.md").read_text()


def test_the_recorded_runs_keep_the_promise_of_the_readme():
    # from at most 50 % sampled and 92 % greedy to at least 80 % sampled with greedy above the base's, in 3 minutes
    for seed in range(3):
        run = ROOT / "figures" / "runs" / f"grpo-seed-{seed}"
        accuracy = json.loads((run / "accuracy.json").read_text())
        steps = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        assert accuracy["before"]["sampled"] <= 0.50 and accuracy["before"]["greedy"] <= 0.92
        assert accuracy["after"]["sampled"] >= 0.80 and accuracy["after"]["greedy"] > accuracy["before"]["greedy"]
        assert sum(step["seconds"] for step in steps) + sum(accuracy["seconds"].values()) < 180
        assert json.loads((run / "config.json").read_text())["seed"] == seed


def test_the_recorded_runs_used_todays_defaults():
    from reference.__main__ import parser

    defaults = vars(parser().parse_args(["train", "grpo"]))
    recorded = json.loads((ROOT / "figures" / "runs" / "grpo-seed-0" / "config.json").read_text())
    assert recorded == {name: defaults[name] for name in recorded}


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
    assert "holds no runs: record one with python -m reference train grpo" in capsys.readouterr().err


def test_every_link_in_the_readme_leads_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text()):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_a_description_is_there_for_every_picture():
    from reference.teaching.figures import figure_weights

    figure = figure_weights([2, 8])
    assert "1/4 per token" in description(figure) and png(figure).startswith(b"\x89PNG")
