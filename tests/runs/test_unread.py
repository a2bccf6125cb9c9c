"""Options that nothing reads are refused when they are typed, and only then."""

from dataclasses import replace

import pytest
import torch
from small_runs import refusal, write_config

from reference.__main__ import parser, typed_options
from reference.algorithms.checks import require_kind, require_preference, require_rl
from reference.algorithms.distill import asks_teacher
from reference.algorithms.recipes import RECIPES, ROWS, Recipe, recipe_from
from reference.algorithms.unread_options import DEFAULT_WHERE_UNREAD, unread, without_unread
from reference.cli.unread_options import require_read, require_read_by_evaluate
from reference.lessons import EXPERIMENTS
from reference.objectives.shapes import InputError


def asked(*words: str) -> None:
    require_read(recipe_from(vars(parser().parse_args(["train", *words]))), typed_options(["train", *words]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "flag", "why"),
    [
        ("dpo --label-smoothing 0.4", "--label-smoothing", "loss is dpo, and only cdpo and robust_dpo read it"),
        ("kto --label-smoothing 0.1", "--label-smoothing", "loss is kto"),  # also the default, where it is typed
        ("cdpo --loss ipo --label-smoothing 0.2", "--label-smoothing", "loss is ipo"),
        ("dpo --target-margin 5", "--target-margin", "loss is dpo, and only simpo reads it"),
        ("robust-dpo --target-margin 0", "--target-margin", "loss is robust_dpo"),
        ("dpo-online --pool 3", "--pool", "the recipe is online"),
        ("dpo --online --pool 3", "--pool", "the recipe is online"),
        ("grpo --kl k1 --kl-place reward", "--kl", "kl_coef is 0"),
        ("grpo --kl-place reward", "--kl-place", "kl_coef is 0"),
        ("dapo --kl k3", "--kl", "kl_coef is 0"),
        ("ppo --kl-coef 0 --kl k3", "--kl", "kl_coef is 0"),
        (
            "rloo --clip-low 0.9",
            "--clip-low",
            "loss is reinforce, and only ppo_clip and gspo and cispo and dppo and gmpo and luspo read it",
        ),
        ("reinforce++ --loss reinforce --clip-high 5", "--clip-high", "loss is reinforce"),
        ("grpo --gae-lambda 1", "--gae-lambda", "there is no critic"),
        ("grpo --critic-lr 0.001", "--critic-lr", "there is no critic"),
        ("rloo --gamma 1", "--gamma", "advantage is leave_one_out, and only reinforce_plus_plus and gae read it"),
        ("grpo --value-clip 0.2", "--value-clip", "there is no critic"),
        ("gspo --dual-clip 3", "--dual-clip", "loss is gspo, and only ppo_clip reads it"),
        ("grpo --kl-place measure --kl k1", "--kl", "kl_place is measure, where k1 and k3 are logged"),
        ("grpo --call-price 0.1", "--call-price", "task is chains, which has no tools"),
        ("sft --demonstrations hand-written", "--demonstrations", "task is chains, which has no tools"),
        ("dpo --max-calls 2", "--max-calls", "task is chains, which has no tools"),
        ("tool-rl --demonstrations hand-written", "--demonstrations", "sft_coef is 0, and nothing is imitated"),
        ("tool-dpo --group-size 3", "--group-size", "the pairs are written, and none is sampled"),
        (
            "grpo --ensemble worst",
            "--ensemble",
            "there is one reward (name the runs of several reward models with --reward)",
        ),
        ("grpo --loss sapo --clip-low 0.2", "--clip-low", "loss is sapo, and only ppo_clip"),
        ("grpo --loss luspo --dual-clip 3", "--dual-clip", "loss is luspo, and only ppo_clip reads it"),
        ("grpo --teacher tool-sft", "--teacher", "loss is ppo_clip and advantage is group, and neither asks a teacher"),
        ("grpo --teacher-share 0.5", "--teacher-share", "loss is ppo_clip, and only jsd reads it"),
        ("grpo --on-policy 0.5", "--on-policy", "loss is ppo_clip, which learns from samples of the policy alone"),
        (
            "distill --teacher tool-sft --loss reinforce --on-policy 1",
            "--on-policy",
            "loss is reinforce, which learns from samples of the policy alone",
        ),
        (
            "distill --teacher tool-sft --advantage group",
            "--advantage",
            "loss is jsd, which reads no advantage",
        ),
        (
            "distill --teacher tool-sft --length-coef 0.5",
            "--length-coef",
            "loss is jsd and advantage is teacher, and the teacher teaches without a reward",
        ),
        (
            "distill --teacher tool-sft --loss ppo_clip --reward success",
            "--reward",
            "loss is ppo_clip and advantage is teacher",
        ),
        (
            "distill --teacher tool-sft --clip-high 0.3",
            "--clip-high",
            "loss is jsd, and only ppo_clip and gspo and cispo and dppo and gmpo and luspo read it",
        ),
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
        "grpo --clip-low 0.9", "cispo --clip-low 0.9", "grpo --kl-place measure", "grpo --gamma none --gae-lambda none", "rloo --loss ppo_clip --clip-high 5", "ppo --gamma 1",
        "reinforce++ --gamma 0.9", "ppo --gae-lambda 1 --critic-lr 0.1", "grpo --eval-samples 3", "dpo --eval-samples 3",
        "distill --teacher tool-sft --teacher-share 0 --on-policy 0.5", "grpo --loss jsd --teacher tool-sft",
        "distill --teacher tool-sft --loss cispo --clip-high 2", "grpo --advantage teacher --teacher tool-sft", "grpo --teacher none",
        "grpo --loss gmpo --clip-low 0.4 --clip-high 0.4", "grpo --loss dppo --clip-low 0.15", "grpo --advantage maxrl",
    ],
)  # fmt: skip
def test_what_is_read_is_accepted(command):
    asked(*command.split())


@pytest.mark.parametrize("recipe", ROWS, ids=lambda recipe: recipe.name)
def test_the_table_itself_may_hold_what_it_does_not_read(recipe):
    asked(recipe.name)
    known = vars(parser().parse_args(["train", recipe.name]))
    assert unread(recipe).keys() <= known.keys()  # or the refusal would name an option that is not there


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("dpo", {"gamma": 0.4}, "^gamma is 0.4, which a recipe of kind 'preference' does not have .only of rl.: leave it at None"),
        ("dpo", {"kl_coef": 0.4}, "^kl_coef is 0.4, which a recipe of kind 'preference' does not have"),
        ("grpo", {"beta": 0.5}, "^beta is 0.5, which a recipe of kind 'rl' does not have .only of preference.: leave it at 0.1"),
        ("grpo", {"pool": 3}, "only of preference and reward"),
        ("sft", {"loss": len}, "^loss is len, which a recipe of kind 'sft' does not have"),
        ("dpo", {"label_smoothing": 0.4}, "^label_smoothing is 0.4, .* only cdpo and robust_dpo read it: set it to 0.1"),
        ("cdpo", {"target_margin": 0.4}, "^target_margin is 0.4, and nothing reads it, since loss is cdpo"),
        ("grpo", {"ensemble": "worst"}, "^ensemble is worst, and nothing reads it, since there is one reward .*: set it to mean"),
        ("grpo", {"teacher": torch.nn.Linear(1, 1)}, "^teacher is Linear, and nothing reads it, .*: set it to none"),
        ("rloo", {"on_policy": 0.5}, "^on_policy is 0.5, and nothing reads it, since loss is reinforce, .*: set it to 1.0"),
        ("dpo", {"pool": 3, "online": True}, "^pool is 3, and nothing reads it, since the recipe is online"),
    ],
)  # fmt: skip
def test_what_nothing_reads_is_refused_from_python(name, changes, message):
    with pytest.raises(InputError, match=message):
        check(replace(RECIPES[name], **changes))


def check(recipe: Recipe) -> None:
    """What its loop asks first, with all parts that a recipe can need."""
    if recipe.kind == "rl":
        taught = {"teacher": torch.nn.Identity()} if asks_teacher(recipe) else {}
        require_rl(replace(recipe, **taught), object(), object())
    elif recipe.kind == "preference":
        require_preference(recipe, object())
    else:
        require_kind(recipe, recipe.kind, "")


@pytest.mark.parametrize("recipe", ROWS, ids=lambda recipe: recipe.name)
def test_every_row_passes_and_an_older_one_with_other_numbers_where_nothing_reads_them(recipe):
    check(recipe)
    numbers = {"gamma": 0.5, "gae_lambda": 0.5, "critic_lr": 0.5, "value_clip": 0.5, "dual_clip": 5.0,
               "label_smoothing": 0.3, "target_margin": 2.0, "pool": 64, "max_calls": 7, "demonstrations": "hand-written",
               "mask_results": False, "call_price": 0.3, "invalid_price": 0.3, "valid_bonus": 0.3, "leak": "exact",
               "ensemble": "worst", "teacher": "tool-sft", "teacher_share": 0.5, "on_policy": 0.5}  # fmt: skip
    assert numbers.keys() == set(DEFAULT_WHERE_UNREAD)
    older = replace(recipe, **{name: numbers[name] for name in unread(recipe) if name in numbers})
    assert without_unread(older) == recipe


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_recorded_commands_type_nothing_that_is_unread(name):
    asked(*EXPERIMENTS[name].split())


def test_none_asks_for_nothing():
    require_read(replace(RECIPES["grpo"], kl=None), {"kl"})
    with pytest.raises(InputError, match="nothing reads --kl here"):
        require_read(RECIPES["grpo"], {"kl"})


@pytest.mark.parametrize(
    ("option", "value"), [("--samples", "99"), ("--max-new-tokens", "3"), ("--max-calls", "2"), ("--task", "tools")]
)
def test_a_reward_model_is_measured_as_its_run_made_its_pairs(tmp_path, capsys, option, value):
    (tmp_path / "checkpoints").mkdir()
    write_config(tmp_path, "train", "reward-model")
    message = refusal(capsys, "evaluate", str(tmp_path), option, value)
    assert f"nothing reads {option} here, since {tmp_path} is a reward model" in message
    assert "nothing reads" not in refusal(capsys, "evaluate", str(tmp_path), "--show", "1", "--device", "cpu")


@pytest.mark.parametrize(
    ("run", "options", "refused"),
    [
        ("base", ["--max-calls", "2"], True),
        ("grpo", ["--max-calls", "2"], True),
        ("tool-rl", ["--max-calls", "2", "--task", "chains"], True),
        ("tool-rl", ["--max-calls", "2"], False),
        ("grpo", ["--max-calls", "2", "--task", "tools"], False),
        ("base", ["--task", "tools"], False),
    ],
)
def test_calls_are_counted_where_there_are_tools(tmp_path, run, options, refused):
    args = parser().parse_args(["evaluate", run, *options])
    if run in RECIPES:
        args.run = str(tmp_path)
        write_config(tmp_path, "train", run)
    typed = {option[2:].replace("-", "_") for option in options[::2]}
    if not refused:
        return require_read_by_evaluate(args.run, args.task, typed)
    with pytest.raises(InputError, match="nothing reads --max-calls here, since the problems are chains"):
        require_read_by_evaluate(args.run, args.task, typed)


def test_the_advice_to_take_back_a_number_of_the_row_can_be_followed():
    chains = replace(RECIPES["tool-rl"], task="chains")
    with pytest.raises(InputError, match=r"call_price is 0.05, and nothing reads it, .*: set it to 0.0"):
        check(chains)
    asked("tool-rl", "--task", "chains", "--call-price", "0")
    check(replace(chains, call_price=0.0))
    for other in (["tool-rl", "--task", "chains", "--call-price", "0.1"], ["grpo", "--call-price", "0"]):
        with pytest.raises(InputError, match="nothing reads --call-price here"):
            asked(*other)
