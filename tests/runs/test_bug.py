"""train RECIPE --bug NAME: what it says, what it refuses, and that a faulty run is resumed with its fault."""

import json

import pytest
from small_runs import TINY, refusal

from reference.__main__ import main, parser
from reference.cli.parser import command_parser
from reference.runs.folder import read_metrics


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("grpo --bug lr_too_high --lr 1e-5", "--bug lr_too_high sets --lr itself: leave one of the two out"),
        ("grpo --bug group_of_two --group-size 4", "sets --group-size itself"),
        ("grpo --bug advantage_sign --engine trl", "puts a fault into our own loop: leave out --engine trl"),
        ("grpo --bug advantage_sing", "advantage_sign"),
        ("grpo --bug value_at_action", "value_at_action"),
        ("simpo --bug other_reference", "--bug"),
        ("tool-rl --task chains --bug tool_output_trained", "reinforcement learning with tools, and tool-rl"),
    ],
)
def test_what_is_refused(capsys, command, words):
    assert words in refusal(capsys, "train", *command.split())


def test_help_names_the_faults_that_the_recipe_can_have():
    sft, grpo = (command_parser(parser(), ["train", name]).format_help() for name in ("sft", "grpo"))
    assert "prompt_not_masked" in sft and "lr_too_high" not in sft
    assert "lr_too_high" in grpo and "value_at_action" not in grpo


@pytest.mark.slow
def test_a_faulty_run_says_so_and_goes_on_with_its_fault(tmp_path, capsys):
    for name, steps in (("whole", 2), ("parts", 1)):
        command = ["train", "grpo", "--bug", "advantages_not_centred", *TINY, "--steps", str(steps)]
        assert main([*command, "--out", str(tmp_path / name)]) == 0
    assert "bug      advantages_not_centred: The reward itself is the advantage." in capsys.readouterr().out
    assert json.loads((tmp_path / "parts" / "config.json").read_text())["bug"] == "advantages_not_centred"
    assert main(["train", "grpo", "--resume", str(tmp_path / "parts"), "--steps", "2"]) == 0
    whole, parts = (read_metrics(tmp_path / name) for name in ("whole", "parts"))
    assert [row["advantage_mean"] for row in whole] == [row["advantage_mean"] for row in parts]
    assert parts[1]["advantage_mean"] == parts[1]["reward"]
