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


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("dpo", "dpo_loss"),
        ("clip higher", "ppo_clip_loss"),
        ("dual clip", "ppo_clip_loss"),
        ("leave one out", "rloo_advantages"),
        ("leave-one-out", "rloo_advantages"),
        ("dr.grpo", "fixed_length"),
        ("grpo advantage", "group_advantages"),
        ("advantage estimate", "gae"),
        ("low_var_kl", "kl_k3"),
        ("schulman k3", "kl_k3"),
        ("reward model", "bradley_terry_loss"),
        ("importance ratio", "ratio"),
        ("truncated importance", "sampler_correction"),
        ("TIS", "sampler_correction"),
        ("critic", "value_loss"),
        ("entropy", "entropy"),
        ("perplexity", "sft_loss"),
        ("cross-entropy", "sft_loss"),
        ("odds ratio", "orpo_loss"),
        ("pass@k", "pass_at_k"),
        ("self-consistency", "majority_vote"),
        ("confidence interval", "wilson_interval"),
        ("overlong", "overlong_mask"),
        ("soft overlong", "soft_overlong_penalty"),
        ("adaptive kl", "adaptive_kl_coef"),
        ("sequence-level importance", "sequence_ratio"),
        ("gspo", "gspo_loss"),
        ("normalise advantages", "whiten"),
    ],
)
def test_what_a_stranger_would_type_is_found_among_the_first_three(words, expected):
    assert expected in [formula.name for formula in search(words.split())[:3]]


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
    assert main(["formulas", "zzz", "kl"]) == 2
    assert capsys.readouterr().err == "reference: no formula mentions zzz and kl: try fewer or shorter words\n"


def test_write_makes_the_index(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("reference.formulas.INDEX", tmp_path / "index.md")
    assert main(["formulas", "--write"]) == 0
    assert (tmp_path / "index.md").read_text() == index()
