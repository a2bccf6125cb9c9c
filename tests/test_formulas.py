"""The index of formulas: complete, up to date, and found by the words that a stranger would try."""

import pytest

from reference import objectives
from reference.__main__ import main
from reference.formulas import INDEX, formulas, index, search


def test_the_committed_index_is_what_the_docstrings_say():
    assert INDEX.read_text() == index(), "run: python -m reference formulas --write"


def test_every_public_objective_is_in_the_index_once():
    names = [formula.name for formula in formulas() if formula.file.startswith("objectives")]
    assert sorted(names) == sorted(set(objectives.__all__) - {"InputError"})


@pytest.mark.parametrize("formula", formulas(), ids=lambda formula: formula.name)
def test_every_docstring_begins_with_a_sentence_and_shows_its_formula(formula):
    assert 20 < len(formula.summary) < 170
    without = {"aggregate", "mean_kl", "mean_entropy", "mean_ratio", "mean_length", "truncated_share", "grad_norm"}
    without |= {"group_reward_std", "dead_group_share", "majority_vote", "majority_score", "bootstrap_interval"}
    assert bool(formula.lines) or formula.name in without  # those are one sentence long


STRANGERS = [  # what somebody would type, and the functions that answer it
    ("leave-one-out baseline", "rloo_advantages"),
    ("reward-to-go", "token_rewards|discounted_returns"),
    ("kl penalty per token reward", "token_rewards|kl_penalised_rewards"),
    ("KL in reward", "token_rewards|kl_charge|kl_penalised_rewards"),
    ("is k3 gradient biased", "kl_k3|kl_unbiased"),
    ("gae tool tokens", "gae"),
    ("gae truncated", "gae"),
    ("truncated completions bootstrap", "gae|discounted_returns"),
    ("value loss clipping", "value_loss"),
    ("value clipping", "value_loss"),
    ("TIS", "sampler_correction"),
    ("vllm mismatch", "sampler_correction"),
    ("IPO average", "ipo_loss"),
    ("entropy bonus sign", "entropy|total_loss"),
    ("length penalty", "length_penalised_rewards"),
    ("pass@k", "pass_at_k"),
    ("pass@1", "pass_at_k"),
    ("majority voting", "majority_vote|majority_score"),
    ("maj@k", "majority_score|majority_vote"),
    ("ties", "majority_score|majority_vote"),
    ("Dr.GRPO", "group_advantages|fixed_length"),
    ("whitening", "whiten"),
    ("normalize advantages", "whiten|batch_advantages|group_advantages"),
    ("advantage normalization", "whiten|batch_advantages|group_advantages"),
    ("adaptive KL controller", "adaptive_kl_coef"),
    ("overlong filtering", "overlong_mask"),
    ("clip fraction", "clip_frac"),
    ("clipfrac", "clip_frac"),
    ("perplexity", "sft_loss"),
    ("GAE", "gae"),
    ("generalized advantage estimation", "gae"),
    ("group normalized advantage", "group_advantages"),
    ("GRPO", "group_advantages"),
    ("DAPO", "ppo_clip_loss|token_mean|overlong_mask|soft_overlong_penalty"),
    ("PPO", "ppo_clip_loss"),
    ("token-level loss", "token_mean"),
    ("loss aggregation", "aggregate|token_mean"),
    ("off-policy", "sampler_correction|kl_unbiased|ratio|off_policy_mask"),
    ("off policy correction", "sampler_correction"),
    ("dual-clip", "ppo_clip_loss"),
    ("importance sampling", "sampler_correction|ratio"),
    ("bootstrap", "gae|bootstrap_interval"),
    ("temperatures", "token_logprobs"),
    ("reference KL", "kl_k1|kl_k3|mean_kl"),
    ("kl divergence", "kl_k1|kl_k2|kl_k3|kl_full"),
    ("reverse kl", "kl_full|kl_k2"),
    ("cross entropies", "sft_loss|token_nll"),
    ("explained variances", "explained_variance"),
    ("NLL", "token_nll"),
    ("SFT", "sft_loss"),
    ("length bias", "sequence_mean"),
    ("std bias", "group_advantages"),
    ("dr grpo", "group_advantages|fixed_length"),
    ("MIS", "sampler_correction"),
    ("mismatch", "sampler_correction"),
    ("micro-batch", "token_mean"),
    ("pass at k", "pass_at_k"),
    ("exploration", "entropy|total_loss"),
    ("behavior policy", "sampler_correction|ratio"),
    ("clip higher", "ppo_clip_loss"),
    ("masked whiten", "whiten"),
    ("confidence interval", "wilson_interval"),
    ("zero variance", "dead_group_share|group_advantages"),
    ("policy gradient", "reinforce_loss"),
    ("log probs", "token_logprobs"),
    ("on-policy", "kl_unbiased|kl_straight_through|reinforce_loss"),
    ("dpo", "dpo_loss"),
    ("dual clip", "ppo_clip_loss"),
    ("leave one out", "rloo_advantages"),
    ("grpo advantage", "group_advantages"),
    ("low_var_kl", "kl_k3"),
    ("schulman k3", "kl_k3"),
    ("reward model", "bradley_terry_loss"),
    ("importance ratio", "ratio|sequence_ratio"),
    ("critic", "value_loss"),
    ("odds ratio", "orpo_loss"),
    ("self-consistency", "majority_vote"),
    ("overlong", "overlong_mask|soft_overlong_penalty"),
    ("gspo", "gspo_loss"),
    ("clipped ratio", "ppo_clip_loss|truncated_share"),
    ("group-relative", "group_advantages"),
    ("advantages std", "group_advantages"),
    ("vllm", "sampler_correction"),
    ("tool mask", "tool_mask"),
    ("assistant mask", "tool_mask|prediction_mask"),
    ("multi-turn mask", "tool_mask"),
    ("toolformer", "future_loss|keep_call"),
    ("price per call", "trajectory_reward"),
    ("tool reward", "trajectory_reward"),
    ("reward ensemble", "worst_of|mean_of"),
    ("worst case", "worst_of"),
    ("apo", "apo_zero_loss|apo_down_loss"),
    ("noise contrastive", "nca_loss"),
    ("win rate", "sppo_loss"),
    ("binary classifier", "bco_loss"),
    ("EXO", "exo_loss"),
    ("LD-DPO", "ld_dpo_loss"),
    ("aot unpaired", "aot_loss"),
    ("SAPO", "sapo_loss"),
    ("smooth gate", "sapo_loss"),
    ("GMPO", "gmpo_loss"),
    ("geo_mean", "gmpo_loss"),
    ("DPPO", "dppo_loss"),
    ("binary divergence", "dppo_loss"),
    ("Clip-Cov", "clip_cov_loss"),
    ("KL-Cov", "kl_cov_loss"),
    ("LUSPO", "luspo_loss"),
    ("VESPO", "vespo_loss"),
    ("teacher", "distillation_rewards|distillation_loss|generalised_jsd"),
    ("on-policy distillation", "distillation_rewards|distillation_loss"),
    ("generalized JSD", "generalised_jsd"),
    ("GKD", "generalised_jsd"),
    ("rejection sampling mask", "rejection_mask"),
    ("off-policy sequence mask", "off_policy_mask"),
    ("top entropy tokens", "top_entropy_mask"),
    ("MaxRL", "maxrl_advantages"),
    ("several rewards", "gdpo_advantages|worst_of|mean_of"),
    ("GDPO", "gdpo_advantages"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("typed", "expected"), STRANGERS)
def test_what_a_stranger_would_type_is_found_among_the_first_three(typed, expected):
    found = [formula.name for formula in search([typed])[0]]
    assert set(found[:3]) & set(expected.split("|")), found[:6]


def test_the_command_prints_the_docstring_of_an_exact_name(capsys):
    assert main(["formulas", "gae"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("reference.objectives.returns.gae(rewards: Float[Tensor, 'batch pred']")
    assert objectives.gae.__doc__.strip().splitlines()[-1].strip() in printed


def test_the_command_lists_several_matches(capsys):
    assert main(["formulas", "preference"]) == 0
    printed = capsys.readouterr().out
    assert "reference.objectives.preference.preference_margin" in printed and "dpo_loss" in printed


def test_nothing_found_is_said_in_one_sentence(capsys):
    assert main(["formulas", "zzz", "qqq"]) == 2
    said = "reference: no formula mentions zzz or qqq: try other words, or none for the list of all\n"
    assert capsys.readouterr().err == said


def test_a_word_that_is_nowhere_is_named_beside_the_best_of_the_others(capsys):
    assert main(["formulas", "zzz", "leave-one-out"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("Nothing mentions every word. These do not mention zzz:\n")
    assert "rloo_advantages" in printed


def test_the_name_of_a_file_prints_what_its_heading_says(capsys):
    assert main(["formulas", "returns"]) == 0
    assert capsys.readouterr().out.startswith("Returns and advantages of every token")


def test_no_words_list_everything(capsys):
    assert main(["formulas"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in set(objectives.__all__) - {"InputError"})


@pytest.mark.parametrize("name", ["GAE", "reference.objectives.returns.gae"])
def test_an_exact_name_may_be_capital_or_whole(name, capsys):
    assert main(["formulas", name]) == 0
    assert capsys.readouterr().out.startswith("reference.objectives.returns.gae(")


def test_write_makes_the_index(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("reference.formulas.INDEX", tmp_path / "index.md")
    assert main(["formulas", "--write"]) == 0
    assert (tmp_path / "index.md").read_text() == index()
