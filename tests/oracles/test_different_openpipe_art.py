"""How ART differs from ours by design: what each test claims of a record stands in the table of README.md."""

import pytest
import torch
from torch import Tensor

from reference import objectives as ours

from .cases import CLIP_HIGH, CLIP_LOW, GROUP, GSPO_HIGH, GSPO_LOW, HOLES, KL_COEF, ORDINARY, PAIRED, SAMPLER_HIGH, Case
from .claims import F32, oracle
from .equal.openpipe_art import cispo, share_of_mean_size
from .equal.policy import POLICY_TOKEN, ppo
from .recorded import different_in, record_of
from .records import Row, assert_same, evaluate


def assert_equal_to(mine: Row, case: Case, theirs: dict[str, Tensor]) -> None:
    """To 1e-5: it adds 1e-6 to its divisor, the number of tokens."""
    answer = evaluate(mine, case)
    assert_same(answer["value"], theirs["value"], rtol=F32)
    assert_same(answer["gradient"], theirs["gradient"], rtol=F32)


def cases_of(record: str, cases: tuple = ORDINARY) -> list[str]:
    return [f"{record} | {case}" for case in cases]


# --- ratios ---


@different_in(
    "openpipe_art",
    *cases_of("loss_fn, ppo, average", HOLES),
    *cases_of("loss_fn, ppo, geometric_average", HOLES),
)
@oracle(
    "sequence_ratio",
    "ART",
    "`importance_sampling_level` average, geometric_average",
    differs="the mean of the token's own ratio and that of its row",
)
def test_two_levels_are_between_the_token_and_the_row(framework, record):
    case, theirs = record_of(framework, record)

    def between(logprobs: Tensor, case: Case) -> Tensor:
        r, s = ours.ratio(logprobs, case.old), ours.sequence_ratio(logprobs, case.old, case.mask)
        r = r.sqrt() * s.sqrt() if "geometric" in record else (r + s) / 2
        a = case.advantages[:, :1]
        return ours.token_mean(torch.maximum(-a * r, -a * r.clamp(1 - GSPO_LOW, 1 + GSPO_HIGH)), case.mask)

    assert_equal_to(Row("logprobs", between), case, theirs)


@different_in("openpipe_art", *cases_of("loss_fn, mask_prob_ratio, epsilon"))
@oracle(
    "sampler_correction",
    "ART",
    "`mask_prob_ratio` with an `epsilon` below 1",
    differs="masks nothing: what is outside the bounds gets the lower bound as its weight",
)
def test_a_masked_ratio_is_clipped_up_to_the_lower_bound(framework, record):
    case, theirs = record_of(framework, record)
    r = ours.ratio(case.logprobs, case.old)
    outside = (r <= 1 - CLIP_LOW) | (r >= 1 + CLIP_HIGH)
    weight = torch.where(outside, 1 - CLIP_LOW, r)
    row = Row("logprobs", lambda x, c: ours.token_mean(ours.reinforce_loss(x, weight * c.advantages), c.mask))
    assert_equal_to(row, case, theirs)
    assert (theirs["gradient"][outside & case.mask] != 0).all()
    assert (outside & case.mask).any()


@different_in("openpipe_art", *cases_of("loss_fn, ppo, max_negative_advantage_importance_sampling_weight"))
@oracle(
    "ppo_clip_loss",
    "ART",
    "`max_negative_advantage_importance_sampling_weight`",
    differs="`dual_clip` where A < 0, and the same bound in the place of the upper clip where A > 0",
)
def test_the_bound_for_negative_advantages_binds_the_positive_ones_too(framework, record):
    case, theirs = record_of(framework, record)

    def bounded(logprobs: Tensor, case: Case) -> Tensor:
        positive = ours.ppo_clip_loss(logprobs, case.old, case.advantages, clip_low=CLIP_LOW, clip_high=0.1)
        negative = ppo(logprobs, case, dual_clip=1.1)
        return ours.token_mean(torch.where(case.advantages > 0, positive, negative), case.mask)

    assert_equal_to(Row("logprobs", bounded), case, theirs)
    r = ours.ratio(case.logprobs, case.old)
    newly_flat = (case.advantages > 0) & (r > 1.1) & (r < 1 + CLIP_HIGH) & case.mask
    assert (theirs["gradient"][newly_flat] == 0).all()
    assert (evaluate(POLICY_TOKEN, case)["gradient"][newly_flat] != 0).all()


@different_in(
    "openpipe_art",
    *cases_of("loss_fn, truncated_importance_sampling"),
    *cases_of("loss_fn, ppo, truncated_importance_sampling"),
)
@oracle(
    "sampler_correction",
    "ART",
    "`truncated_importance_sampling` without `precalculate_logprobs`",
    differs="the weight is the ratio of the policy to the old one, which so counts twice",
)
def test_without_the_trainers_log_probs_the_ratio_counts_twice(framework, record):
    case, theirs = record_of(framework, record)
    weight = ours.ratio(case.logprobs, case.old).clamp(max=SAMPLER_HIGH)
    loss = ppo if "ppo" in record else cispo
    assert_equal_to(Row("logprobs", lambda x, c: ours.token_mean(loss(x, c) * weight, c.mask)), case, theirs)


# --- KL ---


@different_in("openpipe_art", *cases_of("loss_fn, kl_penalty_coef"))
@oracle(
    "kl_charge",
    "ART",
    "`kl_penalty_coef`",
    differs="each token is charged its own k1 minus the mean k1 of the batch",
)
def test_the_kl_in_the_advantage_is_centred(framework, record):
    case, theirs = record_of(framework, record)
    k1 = ours.kl_k1(case.logprobs, case.ref)
    charge = k1 - ours.masked_mean(k1, case.mask)
    advantages = case.advantages - KL_COEF * charge
    assert_equal_to(Row("logprobs", lambda x, c: ours.token_mean(cispo(x, c, advantages), c.mask)), case, theirs)
    assert_same(charge[case.mask].mean(), torch.tensor(0.0), atol=1e-12)


# --- advantages ---


@different_in("openpipe_art", "tokenize_trajectory_groups, one each | full")
@oracle("group_advantages", "ART", differs="a group of 1 gets 0, and is dropped; an error here")
def test_a_group_of_one_gets_nothing_there_and_is_an_error_here(framework, record):
    case, theirs = record_of(framework, record)
    assert (theirs["value"] == 0).all()
    with pytest.raises(ours.InputError, match="group_size is 1"):
        ours.group_advantages(case.rewards, group_size=1)


@different_in("openpipe_art", *cases_of("tokenize_trajectory_groups, number"))
@oracle("group_advantages", "ART", differs="a completion with an advantage of exactly 0 is dropped")
def test_a_completion_without_an_advantage_is_dropped(framework, record):
    case, theirs = record_of(framework, record)
    advantages = ours.group_advantages(case.rewards, group_size=GROUP)
    assert int(theirs["value"]) == int((advantages != 0).sum()) < len(case.rewards)


@different_in(
    "openpipe_art",
    "tokenize_trajectory_groups, groups of 3 with rewards of 0.1 | full",
    "packed_tensors_from_tokenized_results advantages, groups of 3 with rewards of 0.1 | full",
)
@oracle(
    "group_advantages",
    "ART",
    differs="equal rewards can leave a residue of rounding, here exactly 0; if no other group is there, it becomes -1",
)
def test_a_batch_of_equal_rewards_can_train_at_full_strength(framework, record):
    """The mean of three times 0.1 is a little more than 0.1, so no completion is dropped, and packing divides by the size."""
    case, theirs = record_of(framework, record)
    equal = torch.full_like(case.rewards, 0.1)
    assert (ours.group_advantages(equal, group_size=3) == 0).all()
    residue = 0.1 - (0.1 + 0.1 + 0.1) / 3
    expected = -1.0 if "packed" in record else residue / (abs(residue) + 1e-6)
    assert_same(torch.full_like(equal, expected), theirs["value"], rtol=1e-6, atol=1e-30)


@different_in(
    "openpipe_art",
    *cases_of("packed_tensors_from_tokenized_results advantages", PAIRED),
    *cases_of("packed_tensors_from_tokenized_results advantages, advantage_balance", PAIRED),
)
@oracle(
    "group_advantages",
    "ART",
    "`packed_tensors_from_tokenized_results`",
    differs="all advantages of a batch are divided by their mean size, so that without `scale_rewards` it stays 1",
)
def test_packing_divides_all_advantages_by_their_mean_size(framework, record):
    case, theirs = record_of(framework, record)
    mine = share_of_mean_size(case.scores)
    if "balance" in record:  # 0.5: half of each negative advantage is left, before the division
        mine = torch.where(mine > 0, mine, mine / 2)
        mine = mine / mine.abs().mean()
    assert_same(torch.where(case.mask, mine[:, None], 0.0), theirs["value"], rtol=F32)
    assert_same(mine.abs().mean(), torch.tensor(1.0), rtol=1e-12)
