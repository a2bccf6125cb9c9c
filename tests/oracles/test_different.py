"""How verl and OpenRLHF differ from ours by design: what each test claims of a record stands in the table of README.md."""

import pytest
import torch
from torch import Tensor

from reference import objectives as ours

from .cases import (
    BUDGET,
    COMPLETION,
    DUAL_CLIP,
    FAR,
    GAMMA,
    GROUP,
    HOLES,
    KL_COEF,
    ORDINARY,
    PROMPT,
    SAMPLER_HIGH,
    SAMPLER_LOW,
    Case,
)
from .claims import F32, oracle
from .equal.kl import K3, kl_penalty_row, straight_through_row
from .equal.policy import POLICY_TOKEN, corrected_policy_row, correction, gspo, ppo
from .equal.preference import penalised_rewards
from .equal.tokens import num_non_empty_rows
from .recorded import different_in_several, record_of, same_record
from .records import Row, assert_same, evaluate


def different(verl: str | tuple[str, ...] = (), openrlhf: str | tuple[str, ...] = ()) -> pytest.MarkDecorator:
    """Records of either framework as parameters."""
    names = {"verl": verl, "openrlhf": openrlhf}
    return different_in_several(
        [(f, record) for f, given in names.items() for record in ([given] if isinstance(given, str) else given)]
    )


@different("logprobs_from_logits, bfloat16 | ragged", "log_probs_from_logits, bfloat16 | ragged")
@oracle("token_logprobs", "verl", differs="bfloat16 logits are summed in bfloat16 (2⁻⁷), here in float32")
@oracle("token_logprobs", "OpenRLHF", differs="bfloat16 logits are summed in bfloat16 (2⁻⁷), here in float32")
def test_bfloat16_logits_stay_in_bfloat16_there_and_go_to_float32_here(framework, record):
    case, theirs = record_of(framework, record)
    exact = ours.token_logprobs(case.logits.bfloat16().double(), case.tokens)
    assert_same(ours.token_logprobs(case.logits.bfloat16(), case.tokens), exact, rtol=1e-5, atol=1e-6)
    # bfloat16 keeps 8 bits: a relative step of 2**-8 on the result, more where logit and logsumexp nearly cancel
    assert_same(theirs["value"], exact, rtol=2**-7, atol=2**-7)
    assert not torch.allclose(theirs["value"].double(), exact, rtol=1e-3, atol=0)


@different("kl_penalty low_var_kl | far", "compute_approx_kl k3 | far")
@oracle("kl_k3", "verl", differs="value cut at 10, no gradient beyond")
@oracle("kl_k3", "OpenRLHF", differs="value cut at 10, no gradient beyond")
def test_k3_is_cut_at_10_there_and_its_gradient_with_it(framework, record):
    case, theirs = record_of(framework, record)
    mine = evaluate(K3, case)
    cut = mine["value"] > 10
    assert cut.any() and not cut.all()
    assert_same(torch.where(cut, 10.0, mine["value"]), theirs["value"])
    gradient = torch.where(cut, 0.0, mine["gradient"])  # ours keeps pulling a policy back from far away
    assert_same(gradient, theirs["gradient"].to(theirs["value"].dtype))


@different(
    "kl_penalty k3+ | far",
    ("compute_approx_kl k1, unbiased_gradient | far", "compute_approx_kl k3, unbiased_gradient | far"),
)
@oracle("kl_straight_through", "verl", differs="the value of `k3+` is cut at 10, its gradient is not")
@oracle("kl_straight_through", "OpenRLHF", differs="values are cut at ±10, their gradient is not")
def test_the_value_is_cut_but_not_the_gradient_that_was_put_through(framework, record):
    """The opposite of the plain estimators: out there the gradient of k2 is at its largest."""
    case, theirs = record_of(framework, record)
    mine = evaluate(straight_through_row("k1" if "k1" in record else "k3"), case)
    assert (mine["value"].abs() > 10).any()
    assert_same(mine["value"].clamp(-10, 10), theirs["value"])
    assert_same(mine["gradient"], theirs["gradient"].to(theirs["value"].dtype))


@different(openrlhf=tuple(f"compute_approx_kl k3, unbiased_gradient, older policy | {case}" for case in FAR))
@oracle(
    "kl_unbiased",
    "OpenRLHF",
    "`unbiased_gradient`",
    differs="the same gradient up to a ratio of 10, the weight's cap; the value has no weight, and is cut at ±10",
)
def test_openrlhf_weighs_the_gradient_of_the_kl_and_not_its_value(framework, record):
    case, theirs = record_of(framework, record)
    k3 = evaluate(kl_penalty_row("k3"), case)
    assert_same(k3["value"], theirs["value"])
    ratio = ours.ratio(case.logprobs, case.old)
    for estimator in ("k2", "k3"):  # the gradient of both is r * d * grad(logp)
        row = Row("logprobs", lambda x, c, k=estimator: ours.kl_unbiased(x, c.ref, c.old, estimator=k))
        capped = evaluate(row, case)["gradient"] * (ratio.clamp_max(10) / ratio)
        assert_same(capped, theirs["gradient"].to(theirs["value"].dtype))
    assert (ratio > 10).any() == record.endswith("far")


@different(
    ("compute_policy_loss_vanilla | far", "compute_policy_loss_vanilla, dual clip | far"),
    ("PolicyLoss | far", "PolicyLoss, dual clip | far"),
)
@oracle("ratio", "verl", differs="log-ratio clamped to ±20, here at 3/4 of what the dtype's `exp` can hold")
@oracle("ratio", "OpenRLHF", differs="log-ratio clamped to ±20, here at 3/4 of what the dtype's `exp` can hold")
def test_the_log_ratio_is_clamped_to_20_there(same, framework, record):
    case, theirs = record_of(framework, record)
    beyond = (case.logprobs - case.old).abs() > 20
    assert (beyond & case.mask).any()
    options = {"dual_clip": DUAL_CLIP} if "dual clip" in record else {}

    def clamped(logprobs: Tensor, case: Case) -> Tensor:
        return ours.token_mean(ppo(case.old + (logprobs - case.old).clamp(-20, 20), case, **options), case.mask)

    same_record(same, evaluate(Row("logprobs", clamped), case), theirs)
    if not options:  # the dual clip cuts e^20 and e^25 alike
        plain = evaluate(POLICY_TOKEN, case)
        assert not torch.allclose(plain["value"], theirs["value"])
        assert not torch.allclose(plain["gradient"], theirs["gradient"])


@different("compute_policy_loss_vanilla, dual clip | far", "PolicyLoss, dual clip | far")
def test_dual_clip_bounds_the_loss_where_the_advantage_is_negative(framework, record):
    """On by default in verl (clip_ratio_c=3), off in OpenRLHF (dual_clip=None) and here."""
    case, theirs = record_of(framework, record)
    pulled = (case.advantages < 0) & (case.logprobs - case.old > torch.tensor(DUAL_CLIP).log()) & case.mask
    assert pulled.any()
    assert (theirs["gradient"][pulled] == 0).all()
    assert (evaluate(POLICY_TOKEN, case)["gradient"][pulled] > 0).all()


@oracle("fixed_length", "verl", "`seq-mean-token-sum-norm`", differs="leaves empty rows out of the count")
def test_verl_does_not_count_empty_rows_in_the_fixed_length_mean():
    case, theirs = record_of("verl", "agg_loss seq-mean-token-sum-norm, budget | empty row")
    mine = ours.fixed_length(case.token_loss, case.mask, max_length=BUDGET)
    assert_same(mine * len(case.mask) / num_non_empty_rows(case), theirs["value"])
    assert num_non_empty_rows(case) < len(case.mask)


@different("compute_grpo_outcome_advantage | full", "group_norm advantages | full")
@oracle("group_advantages", "verl", differs="`eps` is 1e-6, here 1e-4")
@oracle("group_advantages", "OpenRLHF", differs="`eps` is 1e-9, here 1e-4")
def test_eps_is_the_only_difference_of_the_default_group_advantages(framework, record):
    """1e-6 in verl, 1e-9 in OpenRLHF, 1e-4 here and in TRL: visible as soon as the std is small."""
    case, theirs = record_of(framework, record)
    mine = ours.group_advantages(case.rewards, group_size=GROUP)
    assert not torch.allclose(mine, theirs["value"], rtol=1e-5)
    torch.testing.assert_close(mine, theirs["value"], rtol=1e-3, atol=1e-9)  # eps / std, and std > 0.1 here


@different(
    (
        "compute_grpo_outcome_advantage, one each | full",
        "compute_rloo_outcome_advantage, one each | full",
        "compute_rloo_vectorized_outcome_advantage, one each | full",
    )
)
@oracle("group_advantages", "verl", differs="a group of 1 keeps its raw reward, an error here")
@oracle(
    "rloo_advantages", "verl", differs="a group of 1 gets its raw reward, or 0 with `rloo_vectorized`; an error here"
)
def test_a_group_of_one_has_no_baseline_there_and_is_an_error_here(framework, record):
    case, theirs = record_of(framework, record)
    expected = {"grpo": case.rewards / (1 + 1e-6), "rloo_o": case.rewards, "rloo_v": torch.zeros_like(case.rewards)}
    (value,) = (value for name, value in expected.items() if f"compute_{name}" in record)
    assert_same(value, theirs["value"], rtol=F32)
    for function in (ours.group_advantages, ours.rloo_advantages):
        with pytest.raises(ours.InputError, match="group_size is 1"):
            function(case.rewards, group_size=1)


@different("compute_reinforce_plus_plus_baseline_outcome_advantage | full")
@oracle("reinforce_plus_plus_baseline_advantages", "verl", differs="a group of 1 keeps its raw reward")
def test_a_group_of_one_is_whitened_with_its_raw_reward_there(framework, record):
    """Three rows are one group of two and one of one."""
    case, theirs = record_of(framework, record)
    pair, single = case.scores[:2], case.scores[2:]
    centred = torch.cat([ours.group_advantages(pair, group_size=2, scale="none"), single])
    assert_same(ours.whiten(centred[:, None].expand(case.mask.shape), case.mask), theirs["value"], rtol=F32, atol=1e-6)


@different(openrlhf=tuple(f"masked_normalize, small | {case}" for case in HOLES))
@oracle("whiten", "OpenRLHF", differs="a variance below 1e-8 is raised to it, here 1e-8 is added to any")
def test_openrlhf_holds_the_variance_at_1e_8_where_we_add_it(framework, record):
    case, theirs = record_of(framework, record)
    x = 1e-4 * case.values
    variance = x[case.mask].var(correction=0)
    mine = ours.whiten(x, case.mask, ddof=0, eps=0.0) * (variance / variance.clamp_min(1e-8)).sqrt()
    assert_same(mine, theirs["value"])
    assert not torch.allclose(ours.whiten(x, case.mask, ddof=0), theirs["value"])


@different(("apply_kl_penalty | tools", "compute_reinforce_plus_plus_outcome_advantage, returns of scores | tools"))
@oracle(
    "token_rewards",
    "verl",
    differs="the score is on the completion's last token: lost in `gae` and `reinforce_plus_plus` if a tool wrote it",
)
def test_verl_loses_the_score_of_a_completion_that_ends_with_what_a_tool_wrote(framework, record):
    case, theirs = record_of(framework, record)
    last = PROMPT - 2 + case.lengths
    ends_in_tool = ~case.mask[torch.arange(len(last)), last]
    assert ends_in_tool.any() and not ends_in_tool.all()
    counted = torch.where(ends_in_tool, 0.0, case.scores)
    if "apply_kl_penalty" in record:
        mine = ours.token_rewards(counted, case.mask, kl=ours.kl_k1(case.logprobs, case.ref), kl_coef=KL_COEF)
    else:
        mine = ours.discounted_returns(ours.token_rewards(counted, case.mask), case.mask, gamma=GAMMA)
    assert_same(mine, theirs["value"])


@different(openrlhf=tuple(f"PolicyLoss, is_correction seq mask | {case}" for case in ("ragged", "full", "tools")))
@oracle(
    "sampler_correction",
    "OpenRLHF",
    "`is_correction_level` seq",
    differs="drops rows by our `geometric` weight, and weighs the others by token, without a bound",
)
def test_openrlhf_drops_rows_by_their_mean_and_weighs_tokens(same, framework, record):
    case, theirs = record_of(framework, record)
    stays = correction(case, level="geometric", mode="mask", low=SAMPLER_LOW, high=SAMPLER_HIGH) > 0
    weight = torch.where(stays, correction(case, high=1e9), 0.0)
    row = Row("logprobs", lambda x, c: ours.token_mean(ppo(x, c) * weight, c.mask))
    same_record(same, evaluate(row, case), theirs)
    if record.endswith("full"):  # in the others, rows of one token stay or none
        geometric = corrected_policy_row(level="geometric", mode="mask", low=SAMPLER_LOW, high=SAMPLER_HIGH)
        assert not torch.allclose(evaluate(geometric, case)["value"], theirs["value"])


@different(tuple(f"compute_policy_loss_gspo, rollout_is_weights | {case}" for case in HOLES))
@oracle(
    "gspo_loss",
    "verl",
    differs="a weight per token (`rollout_is_weights`) acts on its own log-prob only, here on the whole row",
)
def test_a_weight_per_token_tells_the_two_gspo_gradients_apart(framework, record):
    """Ours is the paper's ratio; verl's gives a token's weight to that token's log-prob alone."""
    case, theirs = record_of(framework, record)
    weight = correction(case, high=SAMPLER_HIGH)

    def weighed(logprobs: Tensor, case: Case) -> Tensor:
        return ours.sequence_mean(gspo(logprobs, case) * weight, case.mask)

    mine = evaluate(Row("logprobs", weighed), case)
    assert_same(mine["value"], theirs["value"])
    assert not torch.allclose(mine["gradient"], theirs["gradient"])
    # a row's gradient is as large in sum, but spread evenly here and by weight there
    assert_same(mine["gradient"].sum(dim=1), theirs["gradient"].sum(dim=1))
    share = weight / weight.sum(dim=1, keepdim=True).clamp_min(1e-9)
    assert_same(mine["gradient"] * share * case.mask.sum(dim=1, keepdim=True), theirs["gradient"])


@different("DAPORewardManager, beyond max_resp_len | full")
@oracle("soft_overlong_penalty", "verl", differs="falls below -1 beyond `max_resp_len`")
def test_verl_goes_on_punishing_beyond_the_limit(framework, record):
    case, theirs = record_of(framework, record)
    assert (case.lengths > COMPLETION - 1).all()
    given = theirs["value"].sum(dim=1) - case.scores
    assert (given < -1).all()
    assert_same(penalised_rewards(case.scores, case, COMPLETION - 1) - case.scores, torch.full_like(case.scores, -1.0))


@different(
    (
        *(f"critic/vf_explained_var | {case}" for case in ORDINARY),
        *(f"critic/vf_explained_var, equal returns | {case}" for case in ORDINARY),
    )
)
@oracle("explained_variance", "verl", differs="1e-5 is added to Var(R), so that equal returns give a number, here NaN")
def test_verl_adds_1e_5_to_the_variance_of_the_returns(framework, record):
    case, theirs = record_of(framework, record)
    returns = torch.ones_like(case.returns) if "equal" in record else case.returns
    mine = ours.explained_variance(case.values, returns, case.mask)
    left, all_of_it = (returns - case.values)[case.mask].var(), returns[case.mask].var()
    assert_same(1 - left / (all_of_it + 1e-5), theirs["value"])
    if "equal" in record:
        assert mine.isnan()
    else:
        assert_same(1 - (1 - mine) * all_of_it / (all_of_it + 1e-5), theirs["value"])


@different("critic/score/mean | empty row")
@oracle("reward_mean", "verl", "`critic/score/mean`", differs="leaves out completions without a token")
def test_verl_leaves_the_reward_of_an_empty_completion_out(framework, record):
    case, theirs = record_of(framework, record)
    assert_same(case.scores[case.lengths > 0].mean(), theirs["value"])
    assert not torch.allclose(ours.reward_mean(case.scores), theirs["value"])
