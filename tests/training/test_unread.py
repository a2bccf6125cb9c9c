"""Options that nothing reads are refused when they are typed, and only then."""

import json
from dataclasses import replace

import pytest
from small_runs import refusal

from reference.__main__ import parser, recipe_of, typed_options
from reference.cli_unread import require_read, unread
from reference.objectives.shapes import InputError
from reference.teaching.experiments import EXPERIMENTS
from reference.training.recipes import RECIPES, ROWS


def asked(*words: str) -> None:
    require_read(recipe_of(vars(parser().parse_args(["train", *words]))), typed_options(["train", *words]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "flag", "why"),
    [
        ("dpo --label-smoothing 0.4", "--label-smoothing", "loss is dpo, and only cdpo and robust_dpo expect"),
        ("kto --label-smoothing 0.1", "--label-smoothing", "loss is kto"),  # also the default, where it is typed
        ("cdpo --loss ipo --label-smoothing 0.2", "--label-smoothing", "loss is ipo"),
        ("dpo --target-margin 5", "--target-margin", "loss is dpo, and only simpo has a margin"),
        ("robust-dpo --target-margin 0", "--target-margin", "loss is robust_dpo"),
        ("dpo-online --pool 3", "--pool", "the recipe is online"),
        ("dpo --online --pool 3", "--pool", "the recipe is online"),
        ("grpo --kl k1 --kl-place reward", "--kl", "kl_coef is 0"),
        ("grpo --kl-place reward", "--kl-place", "kl_coef is 0"),
        ("dapo --kl k3", "--kl", "kl_coef is 0"),
        ("ppo --kl-coef 0 --kl k3", "--kl", "kl_coef is 0"),
        ("rloo --clip-low 0.9", "--clip-low", "loss is reinforce, which clips nothing"),
        ("reinforce++ --loss reinforce --clip-high 5", "--clip-high", "loss is reinforce"),
        ("grpo --gae-lambda 1", "--gae-lambda", "there is no critic"),
        ("grpo --critic-lr 0.001", "--critic-lr", "there is no critic"),
        ("rloo --gamma 1", "--gamma", "advantage leave_one_out has no returns over time"),
        ("reward-model --eval-samples 3", "--eval-samples", "a reward model is measured on pairs"),
    ],
)
def test_what_nothing_reads_is_refused_with_the_reason(command, flag, why, capsys, tmp_path):
    message = refusal(capsys, "train", *command.split(), "--out", str(tmp_path / "run"), "--device", "cpu")
    assert f"nothing reads {flag} here, since {why}" in message and message.endswith(": leave it out")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "command",
    [
        "cdpo --label-smoothing 0.2", "robust-dpo --label-smoothing 0.2", "dpo --loss cdpo --label-smoothing 0.1",
        "simpo --target-margin 5", "dpo --pool 3", "dpo-online --no-online --pool 3",
        "grpo --kl k1 --kl-place reward --kl-coef 0.1", "ppo --kl k3", "grpo --kl none", "rloo --clip-low none",
        "grpo --clip-low 0.9", "cispo --clip-low 0.9", "rloo --loss ppo_clip --clip-high 5", "ppo --gamma 1",
        "reinforce++ --gamma 0.9", "ppo --gae-lambda 1 --critic-lr 0.1", "grpo --eval-samples 3", "dpo --eval-samples 3",
    ],
)  # fmt: skip
def test_what_is_read_is_accepted(command):
    asked(*command.split())


@pytest.mark.parametrize("recipe", ROWS, ids=lambda recipe: recipe.name)
def test_the_table_itself_may_hold_what_it_does_not_read(recipe):
    asked(recipe.name)
    known = vars(parser().parse_args(["train", recipe.name]))
    assert unread(recipe).keys() <= known.keys()  # or the refusal would name an option that is not there


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_recorded_commands_type_nothing_that_is_unread(name):
    asked(*EXPERIMENTS[name].split())


def test_none_asks_for_nothing():
    require_read(replace(RECIPES["grpo"], kl=None), {"kl"})
    with pytest.raises(InputError, match="nothing reads --kl here"):
        require_read(RECIPES["grpo"], {"kl"})


@pytest.mark.parametrize(("option", "value"), [("--samples", "99"), ("--max-new-tokens", "3")])
def test_a_reward_model_is_measured_as_its_run_made_its_pairs(tmp_path, capsys, option, value):
    options = vars(parser().parse_args(["train", "reward-model"]))
    (tmp_path / "checkpoints").mkdir()
    kept = {key: value for key, value in options.items() if key not in ("command", "out", "resume")}
    (tmp_path / "config.json").write_text(json.dumps(kept))
    message = refusal(capsys, "evaluate", str(tmp_path), option, value)
    assert f"nothing reads {option} here, since {tmp_path} is a reward model" in message
    assert "nothing reads" not in refusal(capsys, "evaluate", str(tmp_path), "--show", "1", "--device", "cpu")
