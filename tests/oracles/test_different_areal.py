"""How AReaL differs from ours by design: what each test claims of a record stands in the table of README.md."""

import pytest
import torch
from torch import Tensor

from reference import objectives as ours

from .cases import (
    BUFFER,
    COMPLETION,
    GAMMA,
    GROUP,
    GSPO_HIGH,
    GSPO_LOW,
    HOLES,
    KL_COEF,
    KL_TARGET,
    LAMBDA,
    ORDINARY,
    PROMPT,
    SAMPLER_HIGH,
    SAMPLER_LOW,
    Case,
)
from .claims import F32, oracle
from .equal.areal import EPS, batch_after_group, gae, lambda_returns, penalised_rewards, returns
from .equal.kl import K1, K2, K3
from .equal.policy import BOUNDS, POLICY_TOKEN, corrected_policy_row, correction, ppo
from .recorded import different_in, record_of, same_record
from .records import Row, assert_same, evaluate

TITLE = "AReaL"


def different(record: str, *cases: str) -> pytest.MarkDecorator:
    return different_in("areal", *(f"{record} | {case}" for case in cases))


# --- policy ---


@different("grpo_loss_fn, decoupled", *ORDINARY)
@oracle(
    "sampler_correction",
    TITLE,
    "`use_decoupled_loss` without `rejection_sampling`",
    differs="there is no weight: the sampler's log-probs have no effect",
)
def test_the_decoupled_loss_alone_does_not_look_at_the_sampler(same, framework, record):
    case, theirs = record_of(framework, record)
    same_record(same, evaluate(POLICY_TOKEN, case), theirs)
    assert not torch.allclose(evaluate(corrected_policy_row(high=1e9), case)["value"], theirs["value"])


@different("apply_rejection_sampling sequence mask, sum", *HOLES)
@oracle(
    "sampler_correction",
    TITLE,
    "level sequence, `agg: sum`",
    differs="rows stay by their product, our `sequence`, and weigh their geometric mean, our `geometric`",
)
def test_a_row_stays_by_its_product_and_weighs_its_geometric_mean(framework, record):
    case, theirs = record_of(framework, record)
    stays = correction(case, level="sequence", mode="mask", **BOUNDS) > 0
    assert_same(torch.where(stays, correction(case, level="geometric", high=1e9), 0.0), theirs["value"], rtol=F32)
    if record.endswith("full"):  # of the others only a row of one token stays
        assert stays.any() and not stays[case.mask].all()


@different("apply_rejection_sampling sequence mask, max", *HOLES)
@oracle(
    "sampler_correction",
    TITLE,
    "level sequence, `agg: max`",
    differs="rows stay by their largest ratio, against both bounds, and weigh their geometric mean",
)
def test_the_lower_bound_is_compared_with_the_largest_ratio(framework, record):
    case, theirs = record_of(framework, record)
    ratios = torch.where(case.mask, ours.ratio(case.old, case.sampler), 0.0)
    largest = ratios.amax(dim=1, keepdim=True)
    stays = (largest >= SAMPLER_LOW) & (largest <= SAMPLER_HIGH)
    assert_same(torch.where(stays, correction(case, level="geometric", high=1e9), 0.0), theirs["value"], rtol=F32)
    assert (stays & (ratios < SAMPLER_LOW) & case.mask).any()  # a ratio below the bound, in a row that stays


@different("grpo_loss_fn, sequence, advantages per token", *HOLES)
@oracle("gspo_loss", TITLE, differs="advantages per token are averaged over the row; ours takes one per row")
def test_a_ratio_per_row_gets_the_mean_of_the_rows_advantages(same, framework, record):
    def loss(logprobs: Tensor, case: Case) -> Tensor:
        mean = (case.advantages * case.mask).sum(dim=1) / case.mask.sum(dim=1).clamp_min(1)
        bounds = {"clip_low": GSPO_LOW, "clip_high": GSPO_HIGH}
        return ours.token_mean(ours.gspo_loss(logprobs, case.old, mean[:, None], case.mask, **bounds), case.mask)

    case, theirs = record_of(framework, record)
    same_record(same, evaluate(Row("logprobs", loss), case), theirs)


@different("grpo_loss_fn, m2_threshold", *ORDINARY)
@oracle(
    "rejection_mask",
    TITLE,
    "`m2_threshold`",
    differs="drops the largest (old - sampler)² until the mean of the others is below it; the divisor shrinks too",
)
def test_m2po_bounds_a_mean_of_the_batch(same, framework, record):
    case, theirs = record_of(framework, record)
    squares = (case.old - case.sampler).square()
    keep = case.mask.clone()
    while squares[keep].mean() >= KL_TARGET:
        keep &= squares < squares[keep].max()
    assert 0 < keep.sum() < case.mask.sum()
    same_record(same, evaluate(Row("logprobs", lambda x, c: ours.token_mean(ppo(x, c), keep)), case), theirs)
    assert squares[keep].max() > KL_TARGET  # a bound on each token, as ours, would drop this one


# --- distillation ---


@different("grpo_loss_fn, teacher alone", *ORDINARY)
@oracle(
    "distillation_loss",
    TITLE,
    "`rl_loss_weight: 0`",
    differs="the gradient is ours without a cap, the value that of -r (teacher_logp - logp)",
)
def test_the_teacher_alone_has_our_gradient_and_another_value(framework, record):
    case, theirs = record_of(framework, record)

    def loss(logprobs: Tensor, case: Case) -> Tensor:
        return KL_COEF * ours.token_mean(ours.distillation_loss(logprobs, case.ref, old_logprobs=case.old), case.mask)

    mine = evaluate(Row("logprobs", loss), case)
    assert_same(mine["gradient"], theirs["gradient"])
    weighed = ours.ratio(case.logprobs, case.old) * (case.logprobs - case.ref)
    assert_same(KL_COEF * ours.token_mean(weighed, case.mask), theirs["value"])
    assert not torch.allclose(mine["value"], theirs["value"])


@different("grpo_loss_fn, teacher", *ORDINARY)
@oracle(
    "distillation_loss",
    TITLE,
    "`rl_loss_weight` above 0, the default",
    differs="adds the mean of logp - teacher_logp: no gradient contains the teacher, each token falls alike",
)
def test_beside_a_policy_loss_the_teacher_is_in_no_gradient(framework, record):
    case, theirs = record_of(framework, record)
    policy = evaluate(POLICY_TOKEN, case)
    k1 = ours.token_mean(ours.kl_k1(case.logprobs, case.ref), case.mask)
    assert_same(policy["value"] + KL_COEF * k1, theirs["value"])
    assert_same(policy["gradient"] + KL_COEF * case.mask.double() / case.mask.sum(), theirs["gradient"])


# --- normalisation ---


@different("Normalization leave one out", *ORDINARY)
@oracle(
    "rloo_advantages",
    TITLE,
    "`mean_leave1out` with `std_level: group`",
    differs="the std is taken around the leave-one-out means too: G / (G - 1) cancels, and GRPO is left",
)
def test_leave_one_out_cancels_where_the_std_is_the_groups(framework, record):
    case, theirs = record_of(framework, record)
    grpo = ours.group_advantages(case.rewards, group_size=GROUP, eps=EPS * (GROUP - 1) / GROUP)
    assert_same(grpo, theirs["value"], rtol=F32, atol=1e-6)
    scaled = ours.rloo_advantages(case.rewards, group_size=GROUP)
    scaled = scaled / (case.rewards.view(-1, GROUP).std(dim=1).repeat_interleave(GROUP) + EPS)
    assert_same(scaled * (GROUP - 1) / GROUP, theirs["value"], rtol=1e-4)


@different("Normalization group, one each", "full")
@oracle("group_advantages", TITLE, differs="a group of 1 gets 0, an error here with a std")
def test_a_group_of_one_gets_0_there(framework, record):
    case, theirs = record_of(framework, record)
    assert theirs["value"].tolist() == [0.0] * len(case.rewards)
    with pytest.raises(ours.InputError, match="group_size is 1"):
        ours.group_advantages(case.rewards, group_size=1)


@different("Normalization leave one out, one each", "full")
@oracle("rloo_advantages", TITLE, differs="a group of 1 keeps its raw reward, an error here")
def test_a_group_of_one_keeps_its_reward_with_leave_one_out(framework, record):
    case, theirs = record_of(framework, record)
    assert_same(case.rewards / (1 + EPS), theirs["value"], rtol=F32)
    with pytest.raises(ours.InputError, match="group_size is 1"):
        ours.rloo_advantages(case.rewards, group_size=1)


@different("Normalization group, rest", "full")
@oracle(
    "group_advantages",
    TITLE,
    differs="rewards behind the last whole group are divided by `eps`, so that 1 becomes 100000; an error here",
)
def test_rewards_behind_the_last_whole_group_are_divided_by_eps(framework, record):
    case, theirs = record_of(framework, record)
    whole = len(case.rewards) // (GROUP + 1) * (GROUP + 1)
    groups = ours.group_advantages(case.rewards[:whole], group_size=GROUP + 1, eps=EPS)
    assert 0 < len(case.rewards) - whole < GROUP + 1
    assert_same(torch.cat([groups, case.rewards[whole:] / EPS]), theirs["value"], rtol=F32)
    with pytest.raises(ours.InputError, match="whole groups"):
        ours.group_advantages(case.rewards, group_size=GROUP + 1)


@different("Normalization group, batch std", *ORDINARY)
@oracle(
    "group_advantages",
    TITLE,
    "`std_level: batch`",
    differs='the std is that of the rewards minus their group\'s mean, with `scale="batch"` that of the rewards',
)
def test_the_batch_std_is_taken_around_the_group_means(framework, record):
    case, theirs = record_of(framework, record)
    centred = ours.group_advantages(case.rewards, group_size=GROUP, scale="none")
    assert_same(batch_after_group(case.rewards, case), theirs["value"], rtol=F32)
    mine = ours.group_advantages(case.rewards, group_size=GROUP, scale="batch", eps=EPS)
    assert_same(mine * (case.rewards.std() + EPS) / (centred.std() + EPS), theirs["value"], rtol=F32)
    assert centred.std() < 0.99 * case.rewards.std()


@different_in("areal", *(f"{name} | {case}" for name in ("adv_norm", "adv_norm, small") for case in HOLES))
@oracle("whiten", TITLE, "`adv_norm`", differs="1e-5 is added to the std, here 1e-8 to the variance")
def test_its_eps_is_added_to_the_std(framework, record):
    case, theirs = record_of(framework, record)
    x = (1e-4 if "small" in record else 1.0) * case.values
    std = x[case.mask].std()
    assert_same(ours.whiten(x, case.mask, eps=0.0) * std / (std + EPS), theirs["value"], rtol=F32)
    if "small" in record:
        assert not torch.allclose(ours.whiten(x, case.mask).float(), theirs["value"], rtol=0.01)


# --- rewards and returns ---

OF_VALUES = {"compute_advantages, values": gae, "compute_advantages returns, values": lambda_returns}


@different_in("areal", *(f"{name} | tools" for name in ("compute_advantages", *OF_VALUES)))
@oracle(
    "token_rewards",
    TITLE,
    differs="the score is on the last token that is no padding: lost if a tool wrote that one",
)
def test_areal_loses_the_score_of_a_completion_that_ends_with_what_a_tool_wrote(framework, record):
    case, theirs = record_of(framework, record)
    last = PROMPT - 2 + case.lengths
    ends_in_tool = ~case.mask[torch.arange(len(last)), last]
    assert ends_in_tool.any() and not ends_in_tool.all()
    counted = torch.where(ends_in_tool, 0.0, case.scores)
    name = record.partition(" | ")[0]
    if name == "compute_advantages":
        mine, with_score = returns(counted, case), returns(case.scores, case)
    else:
        mine, with_score = gae(case.values, case, counted), gae(case.values, case)
    if "returns" in name:
        mine, with_score = mine + case.values * case.mask, OF_VALUES[name](case.values, case)
    assert_same(mine, theirs["value"], rtol=F32, atol=1e-6)
    assert not torch.allclose(with_score.float(), theirs["value"], rtol=0.01)


@different("compute_advantages, no reference", *ORDINARY)
@oracle(
    "token_rewards",
    TITLE,
    "`kl_ctl` without a reference",
    differs="the reference's log-prob is 0: each token is charged its own log-prob",
)
def test_without_a_reference_a_token_is_charged_its_own_logprob(framework, record):
    """A bonus for unlikely tokens. The coefficient is 0.1 unless set, so a configuration without a reference has it."""
    case, theirs = record_of(framework, record)
    rewards = ours.token_rewards(case.scores, case.mask, kl=case.logprobs, kl_coef=KL_COEF)
    mine = ours.gae(rewards, torch.zeros_like(rewards), case.mask, gamma=GAMMA, gae_lambda=LAMBDA)
    assert_same(mine, theirs["value"], rtol=F32, atol=1e-6)
    assert not torch.allclose(returns(case.scores, case).float(), theirs["value"], rtol=0.01)


@different("reward_overlong_penalty, beyond max_new_tokens", "full")
@oracle("soft_overlong_penalty", TITLE, differs="falls below -1 beyond `max_new_tokens`")
def test_areal_goes_on_punishing_beyond_the_limit(framework, record):
    case, theirs = record_of(framework, record)
    at_limit = penalised_rewards(case.scores, case) - case.scores
    assert (at_limit == -1).all() and (case.lengths == COMPLETION).all()
    assert_same(case.scores - (1 + 1 / BUFFER), theirs["value"], rtol=F32)


@different_in("areal", *(f"KLEstimator {name} | far" for name in ("k1", "k2", "k3")))
@oracle("kl_k1", TITLE, differs="value cut at ±10, no gradient beyond")
@oracle("kl_k2", TITLE, differs="value cut at 10, no gradient beyond")
@oracle("kl_k3", TITLE, differs="value cut at 10, no gradient beyond")
def test_every_estimator_is_cut_at_10(framework, record):
    case, theirs = record_of(framework, record)
    (row,) = (row for name, row in (("k1", K1), ("k2", K2), ("k3", K3)) if f"{name} |" in record)
    mine = evaluate(row, case)
    cut = mine["value"].abs() > 10
    assert cut.any() and not cut.all()
    assert_same(mine["value"].clamp(-10, 10), theirs["value"])
    assert_same(torch.where(cut, 0.0, mine["gradient"]), theirs["gradient"].float())
