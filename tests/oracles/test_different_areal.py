"""How AReaL's losses differ from ours by design: what each test claims of a record stands in the table of README.md."""

import pytest
import torch
from torch import Tensor

from reference import objectives as ours

from .cases import (
    GSPO_HIGH,
    GSPO_LOW,
    HOLES,
    KL_COEF,
    KL_TARGET,
    ORDINARY,
    SAMPLER_HIGH,
    SAMPLER_LOW,
    Case,
)
from .claims import F32, oracle
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
