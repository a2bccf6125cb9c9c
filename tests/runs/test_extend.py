"""--resume with and without --steps: what may stand beside it, and that a longer run is the run it would have been."""

import json
import shutil

import pytest
from small_runs import TINY, assert_same_run, last_weights, metrics_without_seconds, refusal, write_config

from reference.__main__ import main, parser, typed_options
from reference.algorithms.recipes import CONSTANT_RATE, ROWS
from reference.runs.folder import read_metrics
from reference.runs.measure import read_accuracy


def steps_of(run) -> int:
    return json.loads((run / "config.json").read_text())["steps"]


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ([], set()),
        (["--steps", "40"], {"steps"}),  # 40 is the default, and yet it was typed
        (["--steps=40", "--seed", "0"], {"steps", "seed"}),
        (["--no-bf16"], {"bf16"}),
        (["--kl", "none", "--model", "base"], {"kl", "model"}),
        (["--group", "8"], {"group_size"}),  # argparse takes a beginning for the whole
    ],
)
def test_typed_options_are_known_from_defaults(typed, found):
    assert typed_options(["train", "grpo", *typed]) == found


DEFAULT = vars(parser().parse_args(["train", "grpo"]))
BESIDE = [
    [f"--{name.replace('_', '-')}", "none" if value is None else str(value)]
    for name, value in DEFAULT.items()
    if name not in ("command", "recipe", "out", "resume", "steps", "bf16")
]


@pytest.mark.parametrize("option", [*BESIDE, ["--no-bf16"], ["--out", "elsewhere"]], ids=lambda option: option[0])
def test_every_option_but_steps_is_refused_even_with_its_default(finished, capsys, option):
    message = refusal(capsys, "train", "grpo", "--resume", str(finished), *option)
    flag = option[0].replace("--no-", "--")
    assert f"leave out {flag}, or start a new run" in message


def test_the_list_above_is_of_all_options():
    assert len(BESIDE) == len(DEFAULT) - 6 and ["--seed", "0"] in BESIDE and ["--critic", "none"] in BESIDE


@pytest.mark.slow
def test_a_longer_run_is_the_one_that_was_started_with_so_many_steps(finished, tmp_path):
    # as if it had been started with 2 steps; then they became 4
    run = tmp_path / "run"
    assert main(["train", "grpo", "--out", str(run), "--steps", "2", "--save-every", "2", *TINY]) == 0
    known = json.loads((run / "accuracy.json").read_text())
    known["after"]["sampled"] = 1.0  # what was measured after two steps must not stay
    (run / "accuracy.json").write_text(json.dumps(known))
    assert main(["train", "grpo", "--resume", str(run), "--steps", "4"]) == 0
    assert steps_of(run) == 4
    assert_same_run(run, finished)
    assert read_accuracy(run)["after"] == read_accuracy(finished)["after"]
    assert max(row["grad_norm"] for row in read_metrics(run)[2:]) > 0  # the weights did move after step 2
    options = [json.loads((folder / "config.json").read_text()) for folder in (run, finished)]
    assert options[0] == options[1]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ppo", "dpo", "dpo-online"])
def test_so_are_those_with_more_state_and_with_pairs(tmp_path, name):
    more = ["--prompts-per-step", "6", "--max-new-tokens", "64", *(["--pool", "12"] if name == "dpo" else [])]
    more += ["--kl-coef", "0.05", "--kl-target", "0.01", "--ref-sync-every", "2"] if name == "ppo" else []
    command = ["train", name, *TINY, *more, "--save-every", "1"]
    assert main([*command, "--steps", "3", "--out", str(tmp_path / "whole")]) == 0
    assert main([*command, "--steps", "1", "--out", str(tmp_path / "run")]) == 0
    assert main(["train", name, "--resume", str(tmp_path / "run"), "--steps", "3"]) == 0
    assert metrics_without_seconds(tmp_path / "run") == metrics_without_seconds(tmp_path / "whole")
    assert last_weights(tmp_path / "run") == last_weights(tmp_path / "whole")


def test_forty_steps_are_not_taken_for_no_wish(mine, monkeypatch):
    # six steps were done, 40 is the default: it used to be ignored
    from reference.runs import launch

    asked = []
    monkeypatch.setattr(launch, "run_recipe", lambda recipe, options, **_: asked.append((recipe, options)) or True)
    assert main(["train", "grpo", "--resume", str(mine), "--steps", "40"]) == 0
    assert main(["train", "grpo", "--resume", str(mine)]) == 0
    assert [(recipe.steps, options["steps"]) for recipe, options in asked] == [(40, 40), (4, 4)]


def test_fewer_steps_than_are_done_are_refused(mine, capsys):
    message = refusal(capsys, "train", "grpo", "--resume", str(mine), "--steps", "3")
    assert f"{mine} has taken 4 steps already, and steps is 3: give it more with --steps" in message
    assert steps_of(mine) == 4 and len(read_metrics(mine)) == 4


@pytest.mark.slow
def test_a_run_may_end_earlier_than_it_was_to_end(mine):
    shutil.rmtree(mine / "checkpoints" / "step-000004")
    assert main(["train", "grpo", "--resume", str(mine), "--steps", "3"]) == 0
    assert steps_of(mine) == 3 and [row["step"] for row in read_metrics(mine)] == [1, 2, 3]


@pytest.mark.parametrize("name", ["sft", "reward-model", "pretrain"])
def test_where_the_rate_falls_to_0_at_the_last_step_the_number_of_steps_stays(tmp_path, capsys, name):
    command = ["pretrain"] if name == "pretrain" else ["train", name]
    write_config(tmp_path, *command, "--steps", "6")
    message = refusal(capsys, *command, "--resume", str(tmp_path), "--steps", "8")
    assert f"the learning rate of {name} falls to 0 at its last step" in message
    assert "a run of 6 steps cannot become one of 8" in message
    assert steps_of(tmp_path) == 6


@pytest.mark.parametrize("kind", CONSTANT_RATE)
def test_the_loops_that_can_be_made_longer_read_the_number_of_steps_only_to_stop(kind):
    # a constant rate: nothing but the range of the loop, and the length of the bar, depends on recipe.steps
    from inspect import getsource

    from reference.algorithms import preference, rl

    source = getsource({"rl": rl, "preference": preference}[kind])
    assert source.count("recipe.steps") == source.count("range(first_step, recipe.steps)") + source.count(
        "`recipe.steps"
    )
    assert "set_rate" not in source
    assert {recipe.kind for recipe in ROWS} - set(CONSTANT_RATE) == {"sft", "reward"}
