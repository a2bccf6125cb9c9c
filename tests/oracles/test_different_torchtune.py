"""How torchtune differs from ours by design: what each test claims of a record stands in the table of README.md."""

import pytest
import torch

from reference import objectives as ours

from .cases import COMPLETION, GAMMA, KL_COEF, LAMBDA, ORDINARY, PROMPT, Case
from .claims import F32, oracle
from .equal.torchtune import REVERSE_KL, divergence_row, gae, of_response
from .recorded import different_in, record_of
from .records import assert_same, evaluate

TITLE = "torchtune"
FORWARD_KL = divergence_row(lambda student, teacher: ours.kl_full(teacher, student))


def different(record: str, *cases: str) -> pytest.MarkDecorator:
    return different_in("torchtune", *(f"{record} | {case}" for case in cases))


@different("logits_to_logprobs, bfloat16", "ragged")
@oracle("token_logprobs", TITLE, differs="bfloat16 logits are summed in bfloat16 (2⁻⁷), here in float32")
def test_bfloat16_logits_stay_in_bfloat16_there_and_go_to_float32_here(framework, record):
    case, theirs = record_of(framework, record)
    exact = ours.token_logprobs(case.logits.bfloat16().double(), case.tokens)
    assert_same(ours.token_logprobs(case.logits.bfloat16(), case.tokens), exact, rtol=1e-5, atol=1e-6)
    assert_same(theirs["value"], exact, rtol=2**-7, atol=2**-7)
    assert not torch.allclose(theirs["value"].double(), exact, rtol=1e-3, atol=0)


@different("estimate_advantages", *ORDINARY)
@oracle(
    "whiten",
    TITLE,
    "`estimate_advantages`",
    differs="the advantages keep their mean, because `shift_mean=True` adds it back",
)
def test_advantages_keep_their_mean(framework, record):
    """The option has the name of ours, and of verl's, and the opposite meaning. PPO takes its default."""
    case, theirs = record_of(framework, record)
    advantages = gae(case.values, case)
    assert_same(ours.whiten(advantages, case.mask, shift_mean=False), theirs["value"], rtol=F32)
    kept, mean = theirs["value"][case.mask], advantages[case.mask].mean()
    assert_same(kept.mean(), mean, rtol=F32)
    assert_same(kept.std(), torch.ones_like(mean), rtol=F32)
    assert mean.abs() > 0.05
    assert not torch.allclose(ours.whiten(advantages, case.mask), theirs["value"], rtol=0.01)


@different("PPO recipe, returns", "ragged", "full")
@oracle(
    "token_rewards",
    TITLE,
    "`ppo_full_finetune_single_device`",
    differs="the score is one step behind the last token, where the critic is read once more; not in a row of one token, or one that fills the batch",
)
def test_the_score_comes_one_step_later(framework, record):
    case, theirs = record_of(framework, record)

    def returns(mask: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        kl = KL_COEF * (case.logprobs - case.ref) * case.mask
        rewards = torch.zeros_like(kl).scatter(1, place[:, None], case.scores[:, None]) - kl
        return (ours.gae(rewards, case.values, mask, gamma=GAMMA, gae_lambda=LAMBDA) + case.values) * case.mask

    last = PROMPT - 2 + case.lengths
    later = torch.where((case.lengths > 1) & (case.lengths < COMPLETION), last + 1, last)
    assert_same(of_response(returns(case.mask.scatter(1, later[:, None], True), later)), theirs["value"])
    alike = torch.isclose(of_response(returns(case.mask, last)), theirs["value"]).all(dim=1)
    assert alike.tolist() == (last == later).tolist()


@different("PPOLoss ratios", *ORDINARY)
@oracle(
    "mean_ratio",
    TITLE,
    "`ratios` of `PPOLoss`",
    differs="padding counts; the recipe's log-probs are 1 there, its ratio 1",
)
def test_the_mean_ratio_is_over_padding_too(framework, record):
    case, theirs = record_of(framework, record)
    ratio = ours.ratio(case.logprobs, case.old)
    assert_same(ratio.mean(), theirs["value"])
    assert not torch.allclose(ours.mean_ratio(case.logprobs, case.old, case.mask), theirs["value"])


# --- distributions ---


def teacher_entropy(case: Case) -> torch.Tensor:
    return ours.token_mean(ours.entropy(case.logits.flip(dims=[2])), case.mask)


@different("ForwardKLWithChunkedOutputLoss", *ORDINARY)
@oracle(
    "kl_full",
    TITLE,
    "`ForwardKLLoss`",
    differs="the cross-entropy: the gradient of the forward KL, whose value is less by the teacher's entropy",
)
def test_its_forward_kl_is_the_cross_entropy(framework, record):
    case, theirs = record_of(framework, record)
    mine = evaluate(FORWARD_KL, case)
    assert_same(mine["value"] + teacher_entropy(case), theirs["value"])
    assert_same(mine["gradient"], theirs["gradient"].float())
    assert teacher_entropy(case) > 0.1


@different("SymmetricKLWithChunkedOutputLoss", *ORDINARY)
@oracle(
    "generalised_jsd",
    TITLE,
    "`SymmetricKLLoss`",
    differs="the mean of its forward and its reverse KL, without a mixture of the two models",
)
def test_its_symmetric_kl_has_no_mixture(framework, record):
    case, theirs = record_of(framework, record)
    forward, reverse = evaluate(FORWARD_KL, case), evaluate(REVERSE_KL, case)
    assert_same((forward["value"] + teacher_entropy(case) + reverse["value"]) / 2, theirs["value"])
    assert_same((forward["gradient"] + reverse["gradient"]) / 2, theirs["gradient"].float())
    mixed = evaluate(divergence_row(ours.generalised_jsd), case)
    assert not torch.allclose(mixed["gradient"].float(), theirs["gradient"].float(), rtol=0.1)
