"""How ms-swift differs from ours by design: what each test claims of a record stands in the table of README.md."""

import pytest
import torch

from reference import objectives as ours

from .cases import (
    CLIP_HIGH,
    CLIP_LOW,
    COMPLETION,
    GLOBAL_TOKENS,
    GROUP,
    HOLES,
    KL_COEF,
    ORDINARY,
    PROCESSES,
    SAMPLER_HIGH,
)
from .claims import oracle
from .equal.kl import K3
from .equal.ms_swift import kept_rows, of_all_processes, on_policy, top_entropy
from .equal.policy import POLICY_TOKEN, correction, ppo
from .equal.preference import penalised_rewards
from .ms_swift_options import LOW_DELTA
from .recorded import FIXTURES, different_in, record_of, same_record
from .records import Row, assert_same, evaluate

TITLE = "ms-swift"


def different(*records: str) -> pytest.MarkDecorator:
    return different_in("ms_swift", *records)


def on_cases(record: str, cases: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{record} | {case}" for case in cases)


@different(*on_cases("bnpo, delta below 1 + epsilon_high", ORDINARY))
@oracle("ppo_clip_loss", TITLE, differs="`delta` below 1 + `epsilon_high` bounds positive advantages as well")
def test_a_small_delta_bounds_the_ratio_of_both_signs(same, framework, record):
    case, theirs = record_of(framework, record)

    def loss(logprobs, case):
        r = ours.ratio(logprobs, case.old)
        clipped = r.clamp(1 - CLIP_LOW, 1 + CLIP_HIGH)
        return ours.token_mean(
            -torch.minimum(r.clamp_max(LOW_DELTA) * case.advantages, clipped * case.advantages), case.mask
        )

    same_record(same, evaluate(Row("logprobs", loss), case), theirs)
    plain = evaluate(POLICY_TOKEN, case)["gradient"]
    moved = (plain != theirs["gradient"]) & (case.advantages > 0)
    assert (theirs["gradient"][moved] == 0).all()
    assert moved.any() == ("ragged" in record)  # the others have no ratio between the two bounds


@different("bnpo, beta | far")
@oracle("kl_k3", TITLE, "`beta`", differs="value cut at 10, no gradient beyond")
def test_the_kl_of_the_loss_is_cut_at_10_and_its_gradient_with_it(same, framework, record):
    case, theirs = record_of(framework, record)
    k3 = evaluate(K3, case)
    cut = k3["value"] > 10
    assert (cut & case.mask).any()
    policy = evaluate(POLICY_TOKEN, case)
    kept = case.mask / case.mask.sum()
    assert_same(policy["value"] + KL_COEF * (torch.where(cut, 10.0, k3["value"]) * kept).sum(), theirs["value"])
    assert_same(policy["gradient"] + KL_COEF * torch.where(cut, 0.0, k3["gradient"]) * kept, theirs["gradient"])


@different(*on_cases("bnpo, token_truncate, beta", HOLES))
@oracle("sampler_correction", TITLE, differs="the weight multiplies the KL of the loss too")
def test_the_weight_of_the_sampler_multiplies_the_kl_too(same, framework, record):
    case, theirs = record_of(framework, record)
    weight = correction(case, high=SAMPLER_HIGH)

    def loss(logprobs, case):
        return ours.token_mean((ppo(logprobs, case) + KL_COEF * ours.kl_k3(logprobs, case.ref)) * weight, case.mask)

    def policy_only(logprobs, case):
        return ours.token_mean(ppo(logprobs, case) * weight + KL_COEF * ours.kl_k3(logprobs, case.ref), case.mask)

    same_record(same, evaluate(Row("logprobs", loss), case), theirs)
    assert not torch.allclose(evaluate(Row("logprobs", policy_only), case)["gradient"], theirs["gradient"])


@different(*on_cases("cispo, epsilon_high unset", ORDINARY))
@oracle("cispo_loss", TITLE, differs="without `epsilon_high` the cap is `epsilon` = 0.2: no weight is above 0.2")
def test_cispo_without_epsilon_high_caps_every_weight_at_epsilon(same, framework, record):
    case, theirs = record_of(framework, record)

    def loss(logprobs, case):
        weight = ours.ratio(logprobs, case.old).detach().clamp_max(CLIP_LOW)
        return of_all_processes(ours.reinforce_loss(logprobs, weight * case.advantages), case.mask)

    same_record(same, evaluate(Row("logprobs", loss), case), theirs)
    assert (ours.ratio(case.logprobs, case.old) > CLIP_LOW)[case.mask].all()  # even where nothing has moved


@different(*on_cases("MegatronGRPOTrainer bnpo", ORDINARY))
@oracle(
    "token_mean", TITLE, "`bnpo` of its GRPO", differs="counts each micro-batch by itself, on Megatron the whole batch"
)
def test_bnpo_has_another_divisor_on_megatron(framework, record):
    case, theirs = record_of(framework, record)
    without = record_of(framework, record.removeprefix("MegatronGRPOTrainer "))[1]
    tokens = case.mask.sum()
    for key in ("value", "gradient"):
        assert_same(without[key] * tokens / (GLOBAL_TOKENS / PROCESSES), theirs[key])
    assert tokens != GLOBAL_TOKENS / PROCESSES


@different("compute_advantages group, one each | full", "compute_advantages rloo, one each | full")
@oracle("group_advantages", TITLE, differs="0 for a group of 1, an error here")
@oracle("rloo_advantages", TITLE, differs="0 for a group of 1, an error here")
def test_a_group_of_one_has_no_advantage(framework, record):
    case, theirs = record_of(framework, record)
    assert (theirs["value"] == 0).all()
    for function in (ours.group_advantages, ours.rloo_advantages):
        with pytest.raises(ours.InputError, match="group_size is 1"):
            function(case.rewards, group_size=1)


@different("compute_advantages group, equal rewards | full")
@oracle("group_advantages", TITLE, differs="up to 1e-3 in a dead group whose mean rounds, exactly 0 here")
def test_equal_rewards_that_round_are_not_noticed(framework, record):
    case, theirs = record_of(framework, record)
    rewards = torch.cat([torch.full((3,), 0.9), case.rewards.float()[:3]])
    mine = ours.group_advantages(rewards, group_size=3)
    assert (mine[:3] == 0).all() and 1e-4 < theirs["value"][:3].abs().min() < 1e-3
    assert_same(mine[3:], theirs["value"][3:])


@different("compute_advantages group, NaN | full")
@oracle("group_advantages", TITLE, differs="a NaN reward counts as 0, an error here")
def test_a_nan_reward_counts_as_0(framework, record):
    case, theirs = record_of(framework, record)
    rewards = case.rewards.clone()
    rewards[1] = torch.nan
    assert_same(ours.group_advantages(rewards.nan_to_num(0.0), group_size=GROUP), theirs["value"])
    with pytest.raises(ours.InputError, match="NaN"):
        ours.group_advantages(rewards, group_size=GROUP)


@different("compute_advantages rloo, gdpo | full", "compute_advantages_dynamic gdpo | full")
@oracle("rloo_advantages", TITLE, '`scale_rewards="gdpo"`', differs="the estimator is not used")
@oracle("gdpo_advantages", TITLE, "`compute_advantages_dynamic`", differs="`gdpo` is no scale at all")
def test_gdpo_replaces_the_estimator_or_does_nothing(framework, record):
    case, theirs = record_of(framework, record)
    mine = ours.gdpo_advantages(case.rewards[:, None], torch.ones(len(case.rewards), 1), group_size=GROUP, eps=1e-8)
    if "dynamic" in record:
        assert_same(ours.group_advantages(case.rewards, group_size=GROUP, scale="none"), theirs["value"])
        assert not torch.allclose(mine[:, 0].float(), theirs["value"])
    else:
        assert_same(mine[:, 0], theirs["value"])


@different("compute_advantages reinforce_plus_plus | full")
@oracle(
    "reinforce_plus_plus_baseline_advantages",
    TITLE,
    "`reinforce_plus_plus`",
    differs="a std over completions and not over tokens, plus 1e-4",
)
@oracle(
    "reinforce_plus_plus_advantages",
    TITLE,
    "`reinforce_plus_plus`",
    differs="has a group mean and no return: it is the one with a baseline",
)
def test_reinforce_plus_plus_is_normalised_over_completions(framework, record):
    case, theirs = record_of(framework, record)
    centred = ours.group_advantages(case.rewards, group_size=GROUP, scale="none")
    of_one_token = torch.ones(len(centred), 1)
    mine = ours.reinforce_plus_plus_baseline_advantages(case.rewards, of_one_token, group_size=GROUP)[:, 0]
    assert_same(mine * (centred.var() + 1e-8).sqrt() / (centred.std() + 1e-4), theirs["value"])
    ragged = torch.arange(5)[None] <= torch.arange(len(centred))[:, None] % 5
    longer = ours.reinforce_plus_plus_baseline_advantages(case.rewards, ragged, group_size=GROUP)[:, 0]
    assert not torch.allclose(longer, theirs["value"], rtol=0.01)


@different("SoftOverlong, beyond soft_max_length | full")
@oracle("soft_overlong_penalty", TITLE, differs="falls below -1 beyond `soft_max_length`")
def test_soft_overlong_goes_on_punishing_beyond_the_limit(framework, record):
    case, theirs = record_of(framework, record)
    given = theirs["value"] - case.scores
    assert (case.lengths > COMPLETION - 1).all() and (given < -1).all()
    assert_same(penalised_rewards(case.scores, case, COMPLETION - 1) - case.scores, torch.full_like(case.scores, -1.0))


def test_what_leaves_tokens_out_does_so_in_some_case():
    cases = [FIXTURES["ms_swift"]["inputs"][name] for name in HOLES]
    for left in (top_entropy, lambda case: on_policy(case.logprobs, case), kept_rows):
        assert any((case.mask & ~left(case).bool()).any() for case in cases)
        assert any((case.mask & left(case).bool()).any() for case in cases)
