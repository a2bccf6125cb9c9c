"""How torchrl differs from ours by design: what each test claims of a record stands in the table of README.md."""

import pytest
import torch

from reference import objectives as ours

from .cases import CLIP_HIGH, CLIP_LOW, COMPLETION, FAR, HOLES, KL_COEF
from .claims import oracle
from .equal.torchrl_policy import row_mean
from .recorded import different_in, record_of, same_record
from .records import Row, assert_same, evaluate

TITLE = "torchrl"


def torchrl(*records: str):
    return different_in("torchrl", *records)


def beyond_the_clip(case):
    r = ours.ratio(case.logprobs, case.old)
    return ((r < 1 - CLIP_LOW) | (r > 1 + CLIP_HIGH)) & case.mask


@torchrl(*(f"CISPOLoss | {case}" for case in FAR))
@oracle(
    "cispo_loss",
    TITLE,
    "`CISPOLoss`",
    differs="-A * clip(r), in which r is no constant: a clipped token has no gradient, as if it were left out",
)
def test_cispo_without_a_constant_weight_has_no_gradient_where_it_clips(framework, record):
    """CISPO was made to keep the gradient of exactly these tokens."""
    case, theirs = record_of(framework, record)

    def loss(logprobs, case):
        clipped = ours.ratio(logprobs, case.old).clamp(1 - CLIP_LOW, 1 + CLIP_HIGH)
        return ours.token_mean(-case.advantages * clipped, case.mask)

    mine = evaluate(Row("logprobs", loss), case)
    for key in ("value", "gradient"):  # its bounds are float32
        assert_same(mine[key], theirs[key], rtol=1e-7)
    clipped = beyond_the_clip(case)
    assert clipped.any() and (theirs["gradient"][clipped] == 0).all()
    bounds = {"clip_low": CLIP_LOW, "clip_high": CLIP_HIGH}
    row = Row("logprobs", lambda x, c: ours.token_mean(ours.cispo_loss(x, c.old, c.advantages, **bounds), c.mask))
    assert (evaluate(row, case)["gradient"][clipped] != 0).all()


@torchrl("GRPOLoss kl_approx | ragged", "GRPOLoss kl_approx | full")
@oracle("approx_kl", TITLE, "`kl_approx`", differs="the signed mean of old - new over the padded width")
def test_kl_approx_is_signed_and_counts_padding(same, framework, record):
    case, theirs = record_of(framework, record)
    difference = torch.where(case.mask, case.old - case.logprobs, 0.0)
    same_record(same, {"value": difference.mean(), "gradient": None}, theirs)
    assert not torch.allclose(ours.approx_kl(case.logprobs, case.old, case.mask), theirs["value"])


@torchrl("GRPOLoss clip_fraction | ragged", "GRPOLoss clip_fraction | full")
@oracle(
    "clip_frac",
    TITLE,
    "`clip_fraction`",
    differs="every ratio beyond a bound, whatever the sign of its advantage, over the padded width",
)
def test_clip_fraction_counts_ratios_of_either_sign_and_padding(same, framework, record):
    case, theirs = record_of(framework, record)
    same_record(same, {"value": beyond_the_clip(case).double().mean(), "gradient": None}, theirs)
    bounds = {"clip_low": CLIP_LOW, "clip_high": CLIP_HIGH}
    mine = ours.clip_frac(case.logprobs, case.old, case.advantages, case.mask, **bounds)
    assert not torch.allclose(mine.double(), theirs["value"])


@torchrl("GRPOLoss entropy | ragged", "GRPOLoss entropy | full")
@oracle("mean_entropy", TITLE, "`entropy` of `GRPOLoss`", differs="the mean over the padded width")
def test_the_entropy_that_is_logged_counts_padding_as_0(same, framework, record):
    case, theirs = record_of(framework, record)
    mine = torch.where(case.mask, ours.entropy(case.logits), 0.0).mean()
    same_record(same, {"value": mine, "gradient": None}, theirs)
    assert not torch.allclose(ours.mean_entropy(case.logits, case.mask), theirs["value"])


@torchrl("MCAdvantage, one each, isnan | full")
@oracle("group_advantages", TITLE, "`MCAdvantage`", differs="a group of 1 gets NaN, an error here")
def test_a_group_of_one_is_nan(framework, record):
    case, theirs = record_of(framework, record)
    assert theirs["value"].all()
    with pytest.raises(ours.InputError, match="group_size is 1"):
        ours.group_advantages(case.rewards, group_size=1)


@torchrl("MCAdvantage, steps | ragged", "MCAdvantage, steps | tools")
@oracle(
    "group_advantages",
    TITLE,
    "`MCAdvantage` of several steps",
    differs="without `trajectory_return` it normalises the rewards of all steps of the group, not the returns",
)
def test_the_rewards_of_steps_are_normalised_together(same, framework, record):
    """What comes before the last step has a reward of 0, and so an advantage of its own, the same in all trajectories."""
    case, theirs = record_of(framework, record)
    step = torch.arange(COMPLETION)
    there, last = step < case.lengths[:, None], step == case.lengths[:, None] - 1
    rewards = torch.where(last, case.scores[:, None], 0.0)
    mean, std = rewards[there].mean(), rewards[there].std()
    same_record(same, {"value": torch.where(there, (rewards - mean) / std, 0.0), "gradient": None}, theirs)
    early = theirs["value"][there & ~last]
    assert torch.allclose(early, early[0])


@torchrl("KLComputation | ragged", "KLComputation | full")
@oracle(
    "token_rewards",
    TITLE,
    "`KLComputation`",
    differs="the one reward of a completion, of shape (1, 1), is given to every token, not to the last one",
)
def test_the_reward_stands_at_every_token_when_the_kl_is_taken_from_it(same, framework, record):
    case, theirs = record_of(framework, record)
    charge = KL_COEF * ours.kl_k1(case.logprobs, case.ref) * case.mask
    same_record(same, {"value": case.scores[:, None] - charge, "gradient": None}, theirs)
    assert not torch.allclose(theirs["value"].sum(dim=1), case.scores - charge.sum(dim=1))


@torchrl("KLComputation, then MCAdvantage | ragged", "KLComputation, then MCAdvantage | full")
@oracle(
    "kl_penalised_rewards",
    TITLE,
    "`KLComputation`, then `MCAdvantage`",
    differs="each token's score minus its own KL, normalised over all tokens of the group: long rows count for more",
)
def test_the_rewards_of_tokens_are_normalised_over_all_tokens_of_a_group(same, framework, record):
    case, theirs = record_of(framework, record)
    rewards = case.scores[:, None] - KL_COEF * ours.kl_k1(case.logprobs, case.ref)
    same_record(same, {"value": ours.whiten(rewards, case.mask, eps=0.0), "gradient": None}, theirs)
    rewards = ours.kl_penalised_rewards(case.scores, ours.kl_k1(case.logprobs, case.ref), case.mask, kl_coef=KL_COEF)
    mine = ours.group_advantages(rewards, group_size=len(rewards), eps=0.0)[:, None] * case.mask
    assert not torch.allclose(mine, theirs["value"], rtol=0.01)


@torchrl("ClipPPOLoss.loss_critic | ragged", "ClipPPOLoss.loss_critic | full")
@oracle(
    "value_loss",
    TITLE,
    "`loss_critic`",
    differs='`loss_critic_type` is "smooth_l1" by default: ours up to an error of 1, beyond it the size of the error minus 1/2',
)
def test_the_critic_has_a_huber_loss_by_default(framework, record):
    case, theirs = record_of(framework, record)

    def loss(values, case):
        error = (values - case.returns).abs()
        return torch.where(error < 1, ours.value_loss(values, case.returns), error - 0.5)[case.mask]

    mine = evaluate(Row("values", loss), case)
    assert_same(mine["value"], theirs["value"])
    assert_same(mine["gradient"], theirs["gradient"])
    assert ((case.values - case.returns).abs()[case.mask] > 1).any()


@torchrl(*(f"SFTLoss | {case}" for case in HOLES))
@oracle("sft_loss", TITLE, "`SFTLoss`", differs="the mean over rows of each row's mean, an empty row counting as 0")
def test_sft_is_a_mean_over_rows(same, framework, record):
    case, theirs = record_of(framework, record)
    row = Row("logprobs", lambda x, c: row_mean(-x, c))
    same_record(same, evaluate(row, case), theirs)
    equal_lengths = len(set(case.mask.sum(dim=1).tolist())) == 1
    assert torch.allclose(ours.sft_loss(case.logprobs, case.mask), theirs["value"]) == equal_lengths


@torchrl("DistillationLoss | ragged", "DistillationLoss | full", "DistillationLoss | tools")
@oracle(
    "distillation_loss",
    TITLE,
    "`DistillationLoss`",
    differs="k3 in the loss: the gradient of a token is 1 - exp(-d), in expectation that of KL(teacher to student); here d",
)
def test_the_reverse_kl_has_the_gradient_of_the_forward_one(framework, record):
    """d is student - teacher. Its own docstring says so too: `kl_direction` changes what is logged."""
    case, theirs = record_of(framework, record)
    row = Row("logprobs", lambda x, c: row_mean(ours.distillation_loss(x, c.ref), c))
    d = case.logprobs - case.ref
    mine = evaluate(row, case)["gradient"]
    assert_same(torch.where(case.mask, mine / d * -(-d).expm1(), 0.0), theirs["gradient"])
    assert not torch.allclose(mine, theirs["gradient"], rtol=0.01)
