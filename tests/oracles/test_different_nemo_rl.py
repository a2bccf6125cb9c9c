"""How NeMo-RL differs from ours by design: what each test claims of a record stands in the table of README.md."""

import pytest
import torch
from torch import Tensor

from reference import objectives as ours

from .cases import BUFFER, COMPLETION, GROUP, HOLES, KL_COEF, ORDINARY, SAMPLER_HIGH, Case
from .claims import F32, oracle
from .equal.nemo_rl import kl_term
from .equal.preference import penalised_rewards
from .recorded import different_in, record_of, same_record
from .records import Row, assert_same, evaluate


def over_the_others(rewards: Tensor, group_size: int = GROUP) -> Tensor:
    """Reward minus the mean of the others, divided by the std of the others, or by nothing where that is 0."""
    advantages = ours.rloo_advantages(rewards, group_size=group_size)
    groups = rewards.view(-1, group_size)
    others = torch.stack([groups[:, [j for j in range(group_size) if j != i]] for i in range(group_size)], dim=1)
    std = others.std(dim=2).view(-1)
    return torch.where(std > 0, advantages / (std + 1e-6), advantages)


@different_in("nemo_rl", *(f"GRPOAdvantageEstimator | {case}" for case in ORDINARY))
@oracle(
    "group_advantages",
    "NeMo-RL",
    "`grpo`, its default",
    differs="mean and std are those of the others in the group; where their std is 0 it does not divide",
)
def test_the_mean_and_the_std_leave_the_completion_itself_out(framework, record):
    case, theirs = record_of(framework, record)
    assert_same(over_the_others(case.rewards), theirs["value"])
    lone_success = theirs["value"][:GROUP]
    assert lone_success[0] == 1  # the others' std is 0, and the reward stays what it is
    assert_same(lone_success[1:], torch.full((GROUP - 1,), -(1 / 3) / (1 / 3) ** 0.5), rtol=F32)
    assert lone_success.sum() < -0.7  # not 0, as with the mean of all


@different_in("nemo_rl", "GRPOAdvantageEstimator, groups of 2 | full")
@oracle(
    "group_advantages",
    "NeMo-RL",
    "`grpo` with groups of 2",
    differs="`normalize_rewards` does nothing, since one other has no std",
)
def test_in_groups_of_2_nothing_is_normalised(framework, record):
    case, theirs = record_of(framework, record)
    assert_same(ours.rloo_advantages(case.rewards, group_size=2), theirs["value"])


@different_in(
    "nemo_rl", "GRPOAdvantageEstimator, rewards of 0.9 and 1 | full", "GRPOAdvantageEstimator, rewards of 0.9 | full"
)
@oracle(
    "group_advantages",
    "NeMo-RL",
    "`grpo`, its default",
    differs="the std of equal rewards can be a rounding error of float32: a lone 1 among rewards of 0.9 gets 236",
)
def test_equal_rewards_of_the_others_can_have_a_std(framework, record):
    """Three rewards of 0.9 have a std of 4e-4 there: the mean of squares minus the square of the mean, in float32."""
    case, theirs = record_of(framework, record)
    spread = 0.1 if "and 1" in record else 0.0
    rewards = 0.9 + spread * case.rewards
    exact = over_the_others(rewards)
    x = torch.tensor(0.9)
    mean, mean_of_squares = (x + x + x) / 3, (x.square() + x.square() + x.square()) / 3
    residue = ((mean_of_squares - mean.square()) * 1.5).sqrt() + 1e-6
    assert 3e-4 < residue < 5e-4
    if spread:
        assert_same(exact[0], torch.tensor(0.1), rtol=1e-12)
        assert_same((torch.tensor(1.0) - mean) / residue, theirs["value"][0])
        assert theirs["value"][0] > 200
        assert_same(exact[1:GROUP], theirs["value"][1:GROUP], rtol=1e-4)
    else:
        assert (ours.rloo_advantages(rewards, group_size=GROUP) == 0).all()
        assert_same((x - mean) / residue, theirs["value"][0])
        assert 0 < theirs["value"][0].abs() < 1e-3


@different_in("nemo_rl", "GRPOAdvantageEstimator, one each | full")
@oracle("rloo_advantages", "NeMo-RL", differs="a group of 1 gets 0; an error here")
@oracle("group_advantages", "NeMo-RL", differs="a group of 1 gets 0; an error here")
def test_a_group_of_one_gets_nothing_there_and_is_an_error_here(framework, record):
    case, theirs = record_of(framework, record)
    assert (theirs["value"] == 0).all()
    for function in (ours.group_advantages, ours.rloo_advantages):
        with pytest.raises(ours.InputError, match="group_size is 1"):
            function(case.rewards, group_size=1)


@different_in("nemo_rl", *(f"GDPOAdvantageEstimator | {case}" for case in ORDINARY))
@oracle(
    "gdpo_advantages",
    "NeMo-RL",
    "`gdpo`, its default",
    differs="each kind has mean and std of the others in the group; the sum is divided by its std without an eps",
)
def test_gdpo_leaves_the_completion_out_of_the_statistics_of_each_kind(framework, record):
    case, theirs = record_of(framework, record)
    total = over_the_others(case.rewards) + over_the_others(case.rewards.flip(0))
    assert_same(ours.batch_advantages(total, eps=0), theirs["value"])


@different_in("nemo_rl", "dynamic_sampling | full")
@oracle(
    "dead_group_share",
    "NeMo-RL",
    "`use_dynamic_sampling`",
    differs="drops each completion whose others all earn the same: a lone success goes, the failures of its group stay",
)
def test_dynamic_sampling_drops_the_lone_success_itself(framework, record):
    case, theirs = record_of(framework, record)
    lone_success, dead, mixed = theirs["value"].split(GROUP)
    assert case.rewards[:GROUP].tolist() == [1, 0, 0, 0]
    assert lone_success.tolist() == [False, True, True, True]
    assert not dead.any() and mixed.all()
    assert_same(ours.dead_group_share(case.rewards, group_size=GROUP), torch.tensor(1 / 3), rtol=F32)


@different_in("nemo_rl", *(f"ClippedPGLossFn KL k2 | {case}" for case in ORDINARY))
@oracle(
    "kl_unbiased",
    "NeMo-RL",
    "`reference_policy_kl_type` k2",
    differs="the ratio of 1 is differentiated for k2 too: d + d² / 2 in the place of d",
)
def test_the_gradient_of_k2_has_a_second_term(framework, record):
    case, theirs = record_of(framework, record)
    row = Row("logprobs", lambda x, c: ours.token_mean(kl_term(x, c, x.detach(), "k2"), c.mask))
    mine = evaluate(row, case)
    assert_same(mine["value"], theirs["value"])
    d = torch.where(case.mask, case.logprobs - case.ref, 0.0)
    assert_same(KL_COEF * d / case.mask.sum(), mine["gradient"])
    assert_same(KL_COEF * (d + d**2 / 2) / case.mask.sum(), theirs["gradient"])


@different_in("nemo_rl", "ClippedPGLossFn KL k3 | far")
@oracle(
    "kl_unbiased",
    "NeMo-RL",
    "`reference_policy_kl_type` k3",
    differs="value cut at 10 and log-ratio at 20, no gradient beyond either",
)
def test_a_token_beyond_the_clamps_of_the_kl_is_not_called_back(same, framework, record):
    case, theirs = record_of(framework, record)
    d, k3 = case.logprobs - case.ref, ours.kl_k3(case.logprobs, case.ref)
    beyond = (d.abs() > 20) | (k3 > 10)
    assert (beyond & case.mask).any() and not beyond[case.mask].all()
    assert ((d > 9) & (k3 > 10) & case.mask).any()  # also a token far likelier than under the reference

    def clamped(logprobs: Tensor, case: Case) -> Tensor:
        kl = torch.where(beyond, KL_COEF * 10.0, kl_term(logprobs, case, logprobs.detach()))
        return ours.token_mean(kl, case.mask)

    same_record(same, evaluate(Row("logprobs", clamped), case), theirs)


@different_in("nemo_rl", *(f"critic/explained_var, equal returns | {case}" for case in ORDINARY))
@oracle(
    "explained_variance",
    "NeMo-RL",
    differs="Var(R) is held at 1e-8 or above, so that equal returns give a huge negative number, here NaN",
)
def test_equal_returns_are_explained_by_minus_millions(framework, record):
    case, theirs = record_of(framework, record)
    left = (1 - case.values)[case.mask].var(correction=0)
    assert_same(1 - left / 1e-8, theirs["value"], rtol=1e-7)
    assert theirs["value"] < -1e6
    assert ours.explained_variance(case.values, torch.ones_like(case.returns), case.mask).isnan()


@different_in("nemo_rl", *(f"compute_and_apply_seq_logprob_error_masking | {case}" for case in HOLES))
@oracle(
    "rejection_mask",
    "NeMo-RL",
    "`seq_logprob_error_threshold`",
    differs="rows by their mean of exp(abs(log ratio)), which no estimator of the KL has; the rows leave the divisor",
)
def test_rows_are_left_out_by_the_mean_of_the_larger_ratio(framework, record):
    """Of trainer over sampler and sampler over trainer, the larger one."""
    case, theirs = record_of(framework, record)
    error = torch.where(case.mask, (case.old - case.sampler).abs().exp(), 0.0)
    mean = error.sum(dim=1) / case.mask.sum(dim=1).clamp_min(1)
    assert torch.equal((mean <= SAMPLER_HIGH).float(), theirs["value"])


@different_in("nemo_rl", "apply_reward_shaping, beyond max_response_length | full")
@oracle("soft_overlong_penalty", "NeMo-RL", differs="falls below -1 beyond `max_response_length`")
def test_it_goes_on_punishing_beyond_the_limit(framework, record):
    case, theirs = record_of(framework, record)
    beyond = case.lengths - (COMPLETION - 1)
    assert (beyond > 0).all()
    assert_same(case.scores - 1 - beyond / BUFFER, theirs["value"], rtol=F32)
    assert_same(penalised_rewards(case.scores, case, COMPLETION - 1), case.scores - 1)


@different_in("nemo_rl", "apply_reward_shaping, two answers | full")
@oracle(
    "soft_overlong_penalty",
    "NeMo-RL",
    "`reward_shaping` in a conversation",
    differs="the length is that of the first answer alone",
)
def test_only_the_first_answer_of_a_conversation_has_a_length(framework, record):
    """The completion's tokens are two answers, all but the last and the last."""
    case, theirs = record_of(framework, record)
    first = ours.soft_overlong_penalty(case.lengths - 1, max_length=COMPLETION, buffer=BUFFER)
    assert_same(case.scores + first, theirs["value"], rtol=F32)
    assert (penalised_rewards(case.scores, case) < theirs["value"]).all()
