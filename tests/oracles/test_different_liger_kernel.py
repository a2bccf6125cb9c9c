"""How Liger differs from ours by design: what each test claims of a record stands in the table of README.md."""

import torch

from reference import objectives as ours

from .cases import BETA, CLIP_HIGH, CLIP_LOW, GSPO_HIGH, GSPO_LOW, PAIRED, SAMPLER_HIGH, SMOOTHING
from .claims import F32, oracle
from .equal.liger_kernel import luspo, ppo, row_advantages, row_mean, vespo
from .equal.liger_kernel_heads import chosen_nll, kto_whole, simpo, token_logprobs
from .equal.liger_kernel_preference import odds_ratio, pair_row
from .equal.policy import gspo
from .recorded import different_in, record_of, same_record
from .records import Row, assert_same, evaluate

TITLE = "Liger"


def liger(*records: str):
    return different_in("liger_kernel", *records)


@liger("ppo_loss_fn dapo, delta below the clip | ragged", "ppo_loss_fn dapo, delta below the clip | full")
@oracle("ppo_clip_loss", TITLE, differs="`delta` below 1 + `epsilon_high` bounds positive advantages as well")
def test_delta_below_the_clip_bounds_positive_advantages(same, framework, record):
    case, theirs = record_of(framework, record)

    def loss(logprobs, case):
        r, a = ours.ratio(logprobs, case.old), row_advantages(case)
        clipped = r.clamp(1 - CLIP_LOW, 1 + CLIP_HIGH)
        return ours.token_mean(-torch.minimum(r.clamp(max=1.1) * a, clipped * a), case.mask)

    same_record(same, evaluate(Row("logprobs", loss), case), theirs)
    bounded = (row_advantages(case) > 0) & (ours.ratio(case.logprobs, case.old) > 1.1) & case.mask
    assert bounded.any() and (theirs["gradient"][bounded] == 0).all()


@liger("ppo_loss_fn cispo, defaults | ragged")
@oracle("cispo_loss", TITLE, differs="without `epsilon_high` the cap is 0.2: every weight becomes 0.2")
def test_the_default_cap_of_cispo_is_below_one(same, framework, record):
    """`epsilon_high` is 0.2 for all loss types, and CISPO takes it for the cap itself, not for a distance from 1."""
    case, theirs = record_of(framework, record)
    weight = ours.ratio(case.logprobs, case.old).clamp(max=0.2)
    row = Row("logprobs", lambda x, c: ours.token_mean(-weight * row_advantages(c) * x, c.mask))
    same_record(same, evaluate(row, case), theirs)
    assert (weight[case.mask] == 0.2).all()


@liger("ppo_loss_fn luspo | ragged", "ppo_loss_fn luspo | full")
@oracle(
    "luspo_loss",
    TITLE,
    '`luspo` with `importance_sampling_level="token"`, its default',
    differs="the loss of every position times its row's length, padding included, over rows and width",
)
def test_luspo_by_token_trains_what_the_mask_leaves_out(same, framework, record):
    case, theirs = record_of(framework, record)
    lengths = case.mask.sum(dim=1, keepdim=True)
    same_record(same, evaluate(Row("logprobs", lambda x, c: (ppo(x, c) * lengths).mean()), case), theirs)
    assert (theirs["gradient"][~case.mask] != 0).any()


@liger("ppo_loss_fn luspo, sequence, beta | ragged", "ppo_loss_fn luspo, sequence, beta | full")
@oracle(
    "luspo_loss",
    TITLE,
    "`luspo` with `beta`",
    differs="the KL of every position, padding included, times its row's length, over rows and width",
)
def test_the_kl_of_luspo_trains_what_the_mask_leaves_out(same, framework, record):
    case, theirs = record_of(framework, record)
    lengths = case.mask.sum(dim=1, keepdim=True)

    def loss(logprobs, case):
        return row_mean(luspo(logprobs, case), case) + BETA * (ours.kl_k3(logprobs, case.ref) * lengths).mean()

    same_record(same, evaluate(Row("logprobs", loss), case), theirs)
    assert (theirs["gradient"][~case.mask] != 0).any()


@liger("ppo_loss_fn vespo, a token dropped | ragged", "ppo_loss_fn vespo, a token dropped | full")
@oracle(
    "vespo_loss",
    TITLE,
    "`vespo` with `vllm_is_ratio`",
    differs="one token of weight 0 takes its completion out",
)
def test_a_dropped_token_takes_its_completion_out_of_vespo(framework, record):
    """log 0 is held at log 1e-8, and so is the product of the completion: phi is below 1e-10."""
    case, theirs = record_of(framework, record)
    beyond = (case.old - case.sampler).exp() > SAMPLER_HIGH
    out = (beyond & case.mask).any(dim=1, keepdim=True) & case.mask
    assert out.any() and (theirs["gradient"][out].abs() < 1e-10).all()
    mine = evaluate(Row("logprobs", lambda x, c: vespo(x, c, c.sampler)), case)["gradient"]
    assert (mine[out].abs() > 1e-3).any()
    assert_same(mine[case.mask & ~out], theirs["gradient"][case.mask & ~out])


@liger(
    "ppo_loss_fn dapo, sequence, use_bias_correction_kl | ragged",
    "ppo_loss_fn dapo, sequence, use_bias_correction_kl | full",
)
@oracle(
    "kl_unbiased",
    TITLE,
    differs='with `importance_sampling_level="sequence"` the weight of every token is the sequence ratio, which is biased',
)
def test_the_kl_is_weighed_by_the_sequence_ratio(same, framework, record):
    case, theirs = record_of(framework, record)

    def loss(logprobs, case):
        weight = ours.sequence_ratio(logprobs, case.old, case.mask)
        return ours.token_mean(gspo(logprobs, case) + BETA * weight * ours.kl_k3(logprobs, case.ref), case.mask)

    assert (GSPO_LOW, GSPO_HIGH) == (0.05, 0.08)  # those of gspo
    same_record(same, evaluate(Row("logprobs", loss), case), theirs)


@liger("ppo_loss_fn kl, use_bias_correction_kl | ragged")
@oracle("mean_kl", TITLE, differs="its metric `kl` is the mean of k3 times the ratio with `use_bias_correction_kl`")
def test_the_metric_kl_has_the_ratio_in_it(same, framework, record):
    case, theirs = record_of(framework, record)
    row = Row("logprobs", lambda x, c: ours.token_mean(ours.kl_unbiased(x, c.ref, c.old), c.mask))
    same_record(same, evaluate(row, case), theirs)
    assert not torch.allclose(ours.mean_kl(case.logprobs, case.ref, case.mask), theirs["value"])


@liger("DPO sigmoid, label_smoothing | ragged")
@oracle("cdpo_loss", TITLE, differs="`sigmoid` ignores `label_smoothing`")
def test_dpo_ignores_label_smoothing(same, framework, record):
    """Its help promises cDPO."""
    case, theirs = record_of(framework, record)
    same_record(same, evaluate(pair_row(ours.dpo_loss), case), theirs)
    smoothed = evaluate(pair_row(ours.cdpo_loss, label_smoothing=SMOOTHING), case)
    assert not torch.allclose(smoothed["value"], theirs["value"])


@liger(*(f"LigerFusedLinearSimPOLoss | {case}" for case in PAIRED))
@oracle(
    "simpo_loss",
    TITLE,
    "SimPO from hidden states",
    differs="unless `compute_nll_loss=False`, the NLL of the chosen completions is added; `beta` is 0.1, `gamma` 0.5",
)
def test_simpo_has_an_nll_by_default(same, framework, record):
    case, theirs = record_of(framework, record)
    row = Row("logits", lambda x, c: simpo(x, c) + chosen_nll(x, c))
    same_record(same, evaluate(row, case), theirs)
    assert not torch.allclose(simpo(case.logits, case).float(), theirs["value"], rtol=0.1)


@liger(*(f"LigerFusedLinearORPOLoss | {case}" for case in PAIRED))
@oracle(
    "orpo_loss",
    TITLE,
    "ORPO from hidden states",
    differs="the NLL is one mean over the tokens of all chosen completions",
)
def test_the_nll_of_orpo_is_a_mean_over_tokens(same, framework, record):
    case, theirs = record_of(framework, record)

    def averages(hidden):
        return ours.sequence_logprobs(token_logprobs(hidden, case), case.mask, average=True).chunk(2)

    def loss(hidden, case):
        return odds_ratio(torch.stack(averages(hidden)), case) + chosen_nll(hidden, case)

    same_record(same, evaluate(Row("logits", loss), case), theirs)
    mine = ours.orpo_loss(*averages(case.logits), beta=BETA).mean()
    lengths = case.mask[: len(case.mask) // 2].sum(dim=1)
    assert torch.allclose(mine.float(), theirs["value"], rtol=F32) == bool((lengths == lengths[0]).all())


@liger("LigerFusedLinearKTOLoss | ragged")
@oracle(
    "kto_loss",
    TITLE,
    "KTO from hidden states",
    differs="`use_ref_model` is off by default: a reference that is given is not used, its log-probs are 0",
)
def test_kto_leaves_a_reference_that_is_given_out(same, framework, record):
    case, theirs = record_of(framework, record)
    same_record(same, evaluate(Row("logits", lambda x, c: kto_whole(x, c, reference=False)), case), theirs)
    assert not torch.allclose(kto_whole(case.logits, case).float(), theirs["value"], rtol=1e-3)
