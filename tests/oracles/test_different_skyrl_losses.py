"""How the losses of SkyRL differ from ours by design: what each test claims of a record stands in the table of README.md."""

import pytest
import torch
from torch import Tensor

from reference import objectives as ours

from .cases import (
    CLIP_HIGH,
    CLIP_LOW,
    DUAL_CLIP,
    GSPO_HIGH,
    GSPO_LOW,
    HOLES,
    ORDINARY,
    Case,
)
from .claims import F32, oracle
from .equal.policy import ppo
from .equal.skyrl_losses import calibrated, divided, dppo, kl_cov, row_mean, token_row
from .recorded import FIXTURES, different_in, record_of, same_record
from .records import Row, assert_same, evaluate


def different(*records: str) -> pytest.MarkDecorator:
    return different_in("skyrl", *records)


@different("ppo_policy_loss | far", "ppo_policy_loss dual_clip | far", "dppo_policy_loss | far")
@oracle("ratio", "SkyRL", differs="log-ratio clamped to ±20, here at 3/4 of what the dtype's `exp` can hold")
def test_the_log_ratio_is_clamped_to_20(framework, record):
    case, theirs = record_of(framework, record)
    assert ((case.logprobs - case.old).abs() > 20)[case.mask].any()
    options = {"dual_clip": DUAL_CLIP} if "dual_clip" in record else {}

    def loss(old: Tensor, logprobs: Tensor, case: Case) -> Tensor:
        near = old + (logprobs - old).clamp(-20, 20)
        if "dppo" not in record:
            return ppo(near, case, **options)
        stopped = dppo(logprobs, case) == 0  # the bound is on probabilities, which nobody clamps
        return torch.where(stopped, 0.0, -case.advantages * ours.ratio(near, old))

    clamped, plain = (
        evaluate(token_row(f), case)
        for f in (lambda x, c: loss(c.old, x, c), lambda x, c: dppo(x, c) if "dppo" in record else ppo(x, c, **options))
    )
    for key in ("value", "gradient"):
        assert_same(clamped[key], theirs[key], rtol=F32)
        if not options:  # the dual clip cuts e^20 and e^25 alike
            assert not torch.allclose(plain[key], theirs[key].double())


@different(*(f"gspo_policy_loss, advantages per token | {case}" for case in ORDINARY))
@oracle(
    "gspo_loss", "SkyRL", "`gspo`", differs="GSPO-token: takes an advantage per token, which weighs its own log-prob"
)
def test_gspo_has_an_advantage_and_a_gradient_per_token(same, framework, record):
    case, theirs = record_of(framework, record)
    s = ours.sequence_ratio(case.logprobs, case.old, case.mask)
    before = case.logprobs - s.log()  # with these as the old log-probs, every token has the ratio of its row

    def per_token(logprobs: Tensor, case: Case) -> Tensor:
        loss = ours.ppo_clip_loss(logprobs, before, case.advantages, clip_low=GSPO_LOW, clip_high=GSPO_HIGH)
        return row_mean(loss, case)

    same_record(same, evaluate(Row("logprobs", per_token), case), theirs)
    with pytest.raises(ours.InputError, match="advantages"):
        ours.gspo_loss(case.logprobs, case.old, case.advantages, case.mask)


@different(*(f"rollout_is_policy_loss | {case}" for case in HOLES))
@oracle(
    "cispo_loss",
    "SkyRL",
    "`rollout_is`, which is described as CISPO with another value and the same gradient",
    differs="no gradient outside of the bounds, where CISPO has the one of the bound",
)
def test_rollout_is_drops_the_tokens_that_cispo_keeps(framework, record):
    case, theirs = record_of(framework, record)
    low_high = {"clip_low": CLIP_LOW, "clip_high": CLIP_HIGH}

    def to_sampler(logprobs: Tensor, case: Case) -> Tensor:
        return ours.cispo_loss(logprobs, case.sampler, case.advantages, **low_high)

    capped, dropped = (evaluate(token_row(loss), case)["gradient"] for loss in (to_sampler, calibrated))
    assert_same(dropped, theirs["gradient"], rtol=F32, atol=1e-6)
    r = (case.logprobs - case.sampler).exp()
    outside = ((r < 1 - CLIP_LOW) | (r > 1 + CLIP_HIGH)) & case.mask
    assert outside.any() and (case.mask & ~outside).any()
    assert (theirs["gradient"][outside] == 0).all() and (capped[outside] != 0).all()
    assert_same(capped[~outside], theirs["gradient"][~outside], rtol=F32, atol=1e-6)


@different(*(f"compute_off_policy_correction is_ratio_min | {case}" for case in ("ragged", "full")))
@oracle(
    "mean_ratio",
    "SkyRL",
    "`is_ratio_min`",
    differs="0 as soon as a position is masked, because it is multiplied by the mask",
)
def test_the_smallest_ratio_is_that_of_padding(framework, record):
    case, theirs = record_of(framework, record)
    assert not case.mask.all() and theirs["value"] == 0
    assert (case.old - case.sampler).exp()[case.mask].min() > 0.4


@different(*(f"ppo_policy_loss, use_tis | {case}" for case in ORDINARY))
@oracle(
    "sampler_correction",
    "SkyRL",
    "`use_tis` alone",
    differs="its cap is -1 unless `tis_imp_ratio_cap` is set too: every weight is -1, and the loss changes its sign",
)
def test_use_tis_without_its_cap_trains_backwards(same, framework, record):
    case, theirs = record_of(framework, record)
    same_record(same, evaluate(token_row(lambda x, c: -ppo(x, c)), case), theirs)
    assert (theirs["gradient"] != 0).any()
    with pytest.raises(ours.InputError, match="high=-1"):
        ours.sampler_correction(case.old, case.sampler, case.mask, high=-1.0)


@different(*(f"compute_policy_loss_kl_cov, token mask | {case}" for case in ORDINARY))
@oracle("rejection_mask", "SkyRL", "`token_mask_is_threshold_*` with `kl_cov`", differs="accepted, and without effect")
def test_kl_cov_ignores_the_masks_of_the_sampler(same, framework, record):
    case, theirs = record_of(framework, record)
    same_record(same, evaluate(Row("logprobs", lambda x, c: kl_cov(x, c, divided(c))), case), theirs)


# --- the cases themselves ---


def test_the_cases_visit_both_bounds_of_dppo_and_of_cispo():
    visited: dict[str, set[int]] = {"tv": set(), "kl": set()}
    for name in HOLES:
        case = FIXTURES["skyrl"]["inputs"][name]
        for divergence, sides in visited.items():
            if divergence == "tv" or name in ("empty row", "tools"):
                stopped = dppo(case.logprobs, case, divergence=divergence) == 0
                sides |= set((stopped.long() * case.advantages.sign().long())[case.mask].tolist())
    assert visited == {"tv": {-1, 0, 1}, "kl": {-1, 0, 1}}
    far = FIXTURES["skyrl"]["inputs"]["far"]
    r = ours.ratio(far.logprobs, far.old)[far.mask]
    assert (r < 1 - CLIP_LOW).any() and (r > 1 + CLIP_HIGH).any()
