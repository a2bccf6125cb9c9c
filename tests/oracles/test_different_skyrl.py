"""How SkyRL differs from ours by design: what each test claims of a record stands in the table of README.md."""

import pytest
import torch
from torch import Tensor

from reference import objectives as ours

from .cases import (
    GAMMA,
    GROUP,
    HOLES,
    LAMBDA,
    ORDINARY,
    PROMPT,
    Case,
)
from .claims import F32, oracle
from .equal.kl import K3
from .recorded import different_in, record_of
from .records import Row, assert_same, evaluate


def different(*records: str) -> pytest.MarkDecorator:
    return different_in("skyrl", *records)


def response(case: Case) -> Tensor:
    """The completion, whoever wrote its tokens."""
    column = torch.arange(case.mask.shape[1]) - (PROMPT - 1)
    return (column >= 0) & (column < case.lengths[:, None])


@different("logprobs_from_logits, bfloat16 | ragged")
@oracle("token_logprobs", "SkyRL", differs="bfloat16 logits are summed in bfloat16 (2⁻⁷), here in float32")
def test_bfloat16_logits_stay_in_bfloat16(framework, record):
    case, theirs = record_of(framework, record)
    exact = ours.token_logprobs(case.logits.bfloat16().double(), case.tokens)
    rounded = case.logits[:, :-1].bfloat16().log_softmax(dim=-1).gather(2, case.tokens[:, 1:, None])[..., 0]
    assert_same(rounded, theirs["value"])
    assert not torch.allclose(theirs["value"].double(), exact, rtol=1e-3, atol=0)


@different("compute_approx_kl k3 | far")
@oracle("kl_k3", "SkyRL", differs="value cut at 10, no gradient beyond")
def test_k3_is_cut_at_10_and_its_gradient_with_it(framework, record):
    case, theirs = record_of(framework, record)
    mine = evaluate(K3, case)
    cut = mine["value"] > 10
    assert cut.any() and not cut.all()
    assert_same(torch.where(cut, 10.0, mine["value"]), theirs["value"])
    assert_same(torch.where(cut, 0.0, mine["gradient"]), theirs["gradient"])


@different(*(f"reduce_loss token_mean_legacy | {case}" for case in HOLES))
@oracle(
    "token_mean",
    "SkyRL",
    "`token_mean_legacy`",
    differs="a mean over micro-batches of ours; rows behind the last whole micro-batch are left out",
)
def test_the_legacy_mean_weighs_micro_batches_and_forgets_a_last_row(framework, record):
    case, theirs = record_of(framework, record)
    whole = len(case.mask) // 2
    starts = [2 * i for i in range(whole)]

    def legacy(x: Tensor, case: Case) -> Tensor:
        return sum(ours.token_mean(x[i : i + 2], case.mask[i : i + 2]) for i in starts) / whole

    mine = evaluate(Row("token_loss", legacy), case)
    assert_same(mine["value"], theirs["value"])
    assert_same(mine["gradient"], theirs["gradient"])
    if len(case.mask) == 3:
        assert case.mask[2].any() and (theirs["gradient"][2] == 0).all()


@different(
    "compute_gae_advantage_return | tools",
    "compute_gae_advantage_return returns | tools",
    "compute_reinforce_plus_plus_outcome_advantage | tools",
    "compute_reinforce_plus_plus_outcome_advantage returns | tools",
)
@oracle("gae", "SkyRL", differs="a tool's tokens are steps with values of their own")
@oracle("whiten", "SkyRL", differs="a tool's tokens count in the mean and in the std")
@oracle("discounted_returns", "SkyRL", differs="a tool's tokens are steps, which discount")
def test_the_tokens_of_a_tool_are_steps_like_any_other(framework, record):
    """The estimators get the mask of the completion; the one with holes comes in the loss."""
    case, theirs = record_of(framework, record)
    steps, rewards = response(case), torch.where(case.mask, case.token_rewards, 0.0)
    assert (steps & ~case.mask).any()

    def estimate(mask: Tensor) -> Tensor:
        if "gae" not in record:
            returns = ours.discounted_returns(rewards, mask, gamma=GAMMA)
            return returns if "returns" in record else ours.whiten(returns, mask)
        advantages = ours.gae(rewards, case.values, mask, gamma=GAMMA, gae_lambda=LAMBDA)
        return advantages + case.values if "returns" in record else ours.whiten(advantages, mask)

    assert_same(torch.where(case.mask, estimate(steps), 0.0), theirs["value"], rtol=F32, atol=1e-6)
    assert not torch.allclose(torch.where(case.mask, estimate(case.mask), 0.0), theirs["value"], rtol=1e-2)


@different("compute_grpo_outcome_advantage | full")
@oracle("group_advantages", "SkyRL", differs="`eps` is 1e-6, here 1e-4")
def test_eps_is_the_only_difference_of_the_default_group_advantages(framework, record):
    case, theirs = record_of(framework, record)
    mine = ours.group_advantages(case.rewards, group_size=GROUP)
    std = case.rewards.view(-1, GROUP).std(dim=1).repeat_interleave(GROUP)
    assert_same(mine * (std + 1e-4) / (std + 1e-6), theirs["value"])
    assert not torch.allclose(mine, theirs["value"], rtol=1e-5)


@different("compute_grpo_outcome_advantage, equal | full")
@oracle("group_advantages", "SkyRL", differs="not 0 in a dead group whose mean rounds: three rewards of 0.1 get -1e-11")
def test_equal_rewards_get_what_is_left_of_rounding(framework, record):
    case, theirs = record_of(framework, record)
    rewards = torch.full_like(case.rewards, 0.1)
    residue = rewards - rewards.view(-1, 3).mean(dim=1).repeat_interleave(3)
    assert (theirs["value"] != 0).all()
    torch.testing.assert_close(theirs["value"], residue / 1e-6, rtol=1e-4, atol=0)
    assert (ours.group_advantages(rewards, group_size=3) == 0).all()


@different(
    *(f"compute_{name}, one each | full" for name in ("grpo_outcome_advantage", "rloo_outcome_advantage")),
    "compute_maxrl_advantage, one each | full",
)
@oracle("group_advantages", "SkyRL", differs="a group of 1 keeps its raw reward, an error here")
@oracle("rloo_advantages", "SkyRL", differs="a group of 1 gets 0, an error here")
def test_a_group_of_one_has_no_baseline_there_and_is_an_error_here(framework, record):
    case, theirs = record_of(framework, record)
    raw = case.rewards / (1 + 1e-6)
    expected = {"grpo": raw, "rloo": torch.zeros_like(raw), "maxrl": case.rewards}
    (value,) = (value for name, value in expected.items() if name in record)
    assert_same(value, theirs["value"], rtol=1e-7)  # 1 + 1e-6 is a float32
    for function in (ours.group_advantages, ours.rloo_advantages, ours.maxrl_advantages):
        with pytest.raises(ours.InputError, match="group_size is 1"):
            function(case.rewards, group_size=1)


@different(*(f"compute_maxrl_advantage | {case}" for case in ORDINARY))
@oracle("maxrl_advantages", "SkyRL", "`maxrl`", differs="divides by mean + 1e-6, whatever its sign is")
def test_maxrl_adds_to_the_mean_and_keeps_its_sign(framework, record):
    case, theirs = record_of(framework, record)
    groups = case.rewards.view(-1, GROUP)
    mean = groups.mean(dim=1, keepdim=True)
    assert_same(((groups - mean) / (mean + 1e-6)).view(-1), theirs["value"])
    positive = (mean > 0)[:, 0]
    assert positive[:2].all()
    mine = ours.maxrl_advantages(groups[positive].flatten(), group_size=GROUP).view(-1, GROUP)
    assert_same(mine * (mean / (mean + 1e-6))[positive], theirs["value"].view(-1, GROUP)[positive])
    for group, advantages in zip(groups[~positive], theirs["value"].view(-1, GROUP)[~positive], strict=True):
        assert advantages[group.argmax()] < 0  # the best completion is pushed down
        with pytest.raises(ours.InputError, match="mean"):
            ours.maxrl_advantages(group, group_size=GROUP)


@different("postprocess_generator_output zero_variance_filter, rewards per token | full")
@oracle(
    "dead_group_share",
    "SkyRL",
    "`zero_variance_filter`",
    differs="nothing is masked where rewards come per token, as they do from its own generator",
)
def test_the_filter_of_dead_groups_does_nothing_with_the_rewards_of_its_own_generator(framework, record):
    case, theirs = record_of(framework, record)
    assert ours.dead_group_share(case.rewards, group_size=GROUP) > 0 and theirs["value"] == 0


@different(*(f"_normalize_advantages advantage_batch_normalize | {case}" for case in HOLES))
@oracle("whiten", "SkyRL", "`advantage_batch_normalize`", differs="the mean counts padding, as zeros; the std does not")
def test_batch_normalisation_subtracts_a_mean_over_padding(framework, record):
    case, theirs = record_of(framework, record)
    advantages, steps = torch.where(response(case), case.advantages, 0.0), response(case)
    centred = advantages - advantages.mean()
    scaled = centred * centred.pow(2)[steps].mean().rsqrt() / case.mask.sum()
    assert_same(torch.where(case.mask, scaled, 0.0), theirs["value"], rtol=1e-7)  # the count is a float32
    whitened = ours.whiten(advantages, steps, ddof=0) / case.mask.sum()
    assert not torch.allclose(torch.where(case.mask, whitened, 0.0), theirs["value"], rtol=1e-2)
