"""Exports by hand: single options, refusals, the words over them, and the command."""

import json
import math
from dataclasses import replace

import pytest

from reference.__main__ import main
from reference.algorithms.recipes import RECIPES
from reference.frameworks.defaults import Cell, Value, framework_named
from reference.frameworks.export import export, text_of
from reference.frameworks.exporters.inverse import agreement, best
from reference.objectives.shapes import InputError

# --- by hand ---


def test_the_advantage_of_dr_grpo_is_two_options_of_verl():
    options = export(RECIPES["dr-grpo"], "verl").options
    assert options["algorithm.adv_estimator"] == "grpo" and options["algorithm.norm_adv_by_std_in_grpo"] is False
    assert options["actor_rollout_ref.actor.loss_agg_mode"] == "seq-mean-token-sum-norm"
    assert options["actor_rollout_ref.actor.loss_scale_factor"] == RECIPES["dr-grpo"].max_new_tokens


def test_the_cap_of_cispo_is_epsilon_high_in_trl_and_the_clip_elsewhere():
    recipe = replace(RECIPES["cispo"], clip_high=3.0)
    assert export(recipe, "trl").options["epsilon_high"] == 4.0
    assert export(recipe, "verl").options["actor_rollout_ref.actor.clip_ratio_high"] == 3.0


def test_rloo_sums_in_trl_and_so_its_norm_is_larger():
    recipe = replace(RECIPES["rloo"], max_grad_norm=0.5, max_new_tokens=200)
    assert export(recipe, "trl").options["max_grad_norm"] == 100.0


def test_conservative_dpo_is_two_losses_of_trl():
    """With e = 0.2: 1.4 sigmoid - 0.4 robust at 0.25, which is 1.5 a - 0.5 b: 1.4 a - 0.6 a + 0.2 b = 0.8 a + 0.2 b."""
    options = export(replace(RECIPES["cdpo"], label_smoothing=0.2), "trl").options
    assert (options["loss_type"], options["loss_weights"], options["label_smoothing"]) == (
        ["sigmoid", "robust"],
        [1.4, -0.4],
        0.25,
    )


def test_openrlhf_counts_completions_and_verl_prompts():
    """32 prompts with 8 completions in 2 steps: 128 completions, or 16 prompts."""
    assert export(RECIPES["grpo"], "openrlhf").options["--train.batch_size"] == 128
    assert export(RECIPES["grpo"], "verl").options["actor_rollout_ref.actor.ppo_mini_batch_size"] == 16
    options = export(RECIPES["grpo"], "trl").options
    assert (options["steps_per_generation"], options["gradient_accumulation_steps"]) == (16, 8)


def test_dynamic_sampling_without_a_limit_is_noted():
    assert any("without the limit of 3 rounds" in note for note in export(RECIPES["dapo"], "verl").notes)
    assert not any("rounds" in note for note in export(RECIPES["grpo"], "verl").notes)


def test_a_function_of_ones_own_cannot_be_named():
    with pytest.raises(InputError, match="advantage is a function of your own"):
        export(replace(RECIPES["grpo"], advantage=lambda e, r: e.rewards), "trl")


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("grpo", {"group_size": 1}, "group_size is 1"),
        ("grpo", {"loss": "sapo"}, "export does not write it"),
        ("grpo", {"advantage": "maxrl"}, "export does not write it"),
        ("distill", {}, "export does not write it"),
        ("distill", {"loss": "ppo_clip"}, "advantage is teacher, and export does not write it"),
        ("grpo", {"minibatches": 3}, "does not divide the 256 completions"),
        ("grpo", {"advantage": "gae"}, "needs a critic"),
        ("grpo", {"critic": "separate", "vf_coef": 1.0}, "does not read the critic"),
        ("grpo", {"kl_coef": 0.1, "kl_place": None}, "name estimator and place of the KL"),
    ],
)
def test_choices_that_do_not_go_together_are_refused(name, changes, said):
    with pytest.raises(InputError, match=said):
        export(replace(RECIPES[name], **changes), "verl")


def test_the_file_says_which_command_wrote_it():
    changes = {"group_size": 4, "clip_high": None, "bf16": True}
    first = text_of(export(replace(RECIPES["grpo"], **changes), "nemo")).replace("\n# ", " ")
    assert "python -m reference export grpo --to nemo --clip-high none --group-size 4 --bf16:" in first


def test_a_refusal_says_who_can():
    with pytest.raises(InputError) as refusal:
        export(RECIPES["rloo"], "openrlhf")
    assert str(refusal.value) == (
        f"OpenRLHF {framework_named('openrlhf').version} has no recorded option for loss = reinforce and aggregation = fixed_length of rloo: "
        "TRL and verl can express it"
    )


def test_every_option_has_words_over_it():
    text = text_of(export(RECIPES["grpo"], "verl"))
    assert (
        "    # above every ratio that there can be: no dual clip\n    actor_rollout_ref.actor.clip_ratio_c=1000000000.0\n"
        in text
    )
    assert "    # reward minus the group's mean, divided by the group's std\n    algorithm.adv_estimator=grpo\n" in text


def test_a_model_is_put_in_and_otherwise_asked_for():
    found = export(RECIPES["dpo"], "trl")
    assert "\nMODEL = ...  # FILL IN: the model to start from" in text_of(found)
    assert "\nMODEL = 'my/model'\n" in text_of(found, model="my/model")
    assert "MODEL='it'\"'\"'s'" in text_of(export(RECIPES["grpo"], "verl"), model="it's")


def test_trl_has_no_script_for_simpo():
    with pytest.raises(InputError, match="no script of TRL starts CPOConfig"):
        text_of(export(RECIPES["simpo"], "trl"), ".yaml")


# --- the inverse of the table ---

KIND = Cell(
    "ratio",
    "",
    "kind",
    "ppo",
    "a.py:1",
    values=(Value("ppo", "", {"loss": "ppo_clip", "ratio": "token"}), Value("gspo", "", {"loss": "gspo"})),
)
HIGH = Cell(
    "clip",
    "",
    "high",
    None,
    "a.py:2",
    column="clip_high",
    values=(Value(None, "", {}), Value(9, "", {"clip_high": 0.2})),
)


def test_the_value_that_agrees_most_is_taken():
    assert best([KIND], {"loss": "gspo"}) == "gspo" and best([KIND], {"loss": "ppo_clip"}) == "ppo"
    assert best([KIND], {"loss": "gspo", "ratio": "token"}) == "gspo"  # one that disagrees outweighs one that agrees
    assert best([KIND], {}) == "ppo"  # the default
    assert (
        best([HIGH], {"clip_high": 0.3}) == 0.3 and best([HIGH], {"clip_high": 0.2}) == 9
    )  # a known value before a copy


def test_agreement_counts_columns_that_are_wanted():
    assert agreement({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 2}) == 2
    assert agreement({"a": 1, "b": 2}, {"a": 1, "b": 3}) == 1 - 100


# --- the command ---


def test_the_command_prints_or_writes(tmp_path, capsys):
    assert main(["export", "grpo", "--to", "verl", "--group-size", "4"]) == 0
    assert "actor_rollout_ref.rollout.n=4\n" in capsys.readouterr().out
    path = tmp_path / "run.sh"
    assert main(["export", "grpo", "--to", "verl", "--out", str(path)]) == 0
    assert path.read_text().startswith("#!/usr/bin/env bash\n") and capsys.readouterr().out.strip() == str(path)
    assert main(["export", "grpo", "--to", "verl", "--out", str(path)]) == 2
    assert "is there already" in capsys.readouterr().err


def test_json_has_the_options_and_what_to_fill_in(capsys):
    assert main(["export", "grpo", "--to", "nemo", "--clip-high", "none", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["framework"], found["entry"], found["options"]["loss_fn.ratio_clip_max"]) == (
        "nemo_rl",
        "run_grpo.py",
        "inf",
    )
    assert [one["variable"] for one in found["fill_in"]] == ["MODEL", "DEFAULTS", "DATA", "ENV"]
    assert all(not isinstance(value, float) or math.isfinite(value) for value in found["options"].values())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["ppo", "--to", "trl"],
            "no recorded option for advantage = gae, kl = k1, kl_place = reward and critic = separate of ppo",
        ),
        (["grpo", "--to", "verl", "--out", "run.yaml"], "is a file that ends in .sh, not in '.yaml'"),
        (["grpo", "--to", "trl", "--framework-version", "0.1"], "TRL 0.1 is not recorded"),
        (["grpo", "--to", "trl", "--gamma", "0.9"], "nothing reads --gamma here"),
        (["grpo", "--to", "trl", "--json", "--out", "a.py"], "leave one of them out"),
        (["grpo", "--to", "trl", "--clip-low", "-1"], "clip_low"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(arguments, said, capsys):
    assert main(["export", *arguments]) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1
