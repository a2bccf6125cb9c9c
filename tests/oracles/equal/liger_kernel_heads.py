"""Liger: its losses whole, from hidden states and a head, and from those of the reference."""

from collections.abc import Callable

import torch
from torch import Tensor

from reference import objectives as ours

from ..cases import BETA, ORDINARY, PAIRED, TEMPERATURE, VOCAB, Case
from ..claims import F32
from ..records import Row
from .entry import Equal
from .liger_kernel_preference import LIGER, odds_ratio


def head(case: Case, which: int = 0) -> Tensor:
    """0: the policy's, 1: of the reference or of the teacher. The logits of the case serve as hidden states."""
    return case.logits[which, :VOCAB] / 2


def logits(hidden: Tensor, case: Case, which: int = 0) -> Tensor:
    return hidden @ head(case, which).T


def token_logprobs(hidden: Tensor, case: Case, which: int = 0) -> Tensor:
    return ours.token_logprobs(logits(hidden, case, which), case.tokens)


def completions(hidden: Tensor, case: Case, *, average: bool = False) -> tuple[Tensor, ...]:
    """Log-probs of chosen, rejected, and of both by the reference."""
    policy, ref = (
        ours.sequence_logprobs(token_logprobs(x, case, which), case.mask, average=average)
        for which, x in enumerate((hidden, case.logits))
    )
    return *policy.chunk(2), *ref.chunk(2)


def chosen_nll(hidden: Tensor, case: Case) -> Tensor:
    """One mean over the tokens of all chosen completions."""
    chosen = len(hidden) // 2
    return ours.sft_loss(token_logprobs(hidden, case)[:chosen], case.mask[:chosen])


def dpo(hidden: Tensor, case: Case, *, average: bool = False) -> Tensor:
    return ours.dpo_loss(*completions(hidden, case, average=average), beta=BETA).mean()


def simpo(hidden: Tensor, case: Case) -> Tensor:
    return ours.simpo_loss(*completions(hidden, case, average=True)[:2], beta=BETA, gamma=0.5).mean()


def orpo_without_nll(hidden: Tensor, case: Case) -> Tensor:
    return odds_ratio(torch.stack(completions(hidden, case, average=True)), case)


def cpo(hidden: Tensor, case: Case) -> Tensor:
    chosen, rejected = completions(hidden, case)[:2]
    zero = torch.zeros_like(chosen)
    return ours.dpo_loss(chosen, rejected, zero, zero, beta=BETA).mean()


def kto_whole(hidden: Tensor, case: Case, *, reference: bool = True) -> Tensor:
    policy = ours.sequence_logprobs(token_logprobs(hidden, case), case.mask)
    ref = ours.sequence_logprobs(token_logprobs(case.logits, case, 1), case.mask)
    ref = ref if reference else torch.zeros_like(ref)
    return ours.kto_loss(policy, ref, torch.arange(len(hidden)) % 2 == 0, ref.new_zeros(()), beta=BETA).mean()


def grpo(hidden: Tensor, case: Case) -> Tensor:
    logprobs = token_logprobs(hidden, case)
    before = token_logprobs(case.logits, case) - case.logprobs
    kl = ours.kl_k3(logprobs, before + case.ref)
    loss = ours.ppo_clip_loss(logprobs, before + case.old, case.advantages[:, :1]) + 0.04 * kl
    return ours.token_mean(loss, case.mask)


def jsd(hidden: Tensor, case: Case) -> Tensor:
    divergence = ours.generalised_jsd(logits(hidden, case), logits(case.logits, case, 1), temperature=TEMPERATURE)
    nll = ours.sft_loss(token_logprobs(hidden, case), case.mask)
    return 0.5 * ours.token_mean(divergence, case.mask) + 0.5 * nll


def chunked(hidden: Tensor, case: Case) -> Tensor:
    return ours.chunked_token_logprobs(hidden, head(case), case.tokens, temperature=TEMPERATURE)


def whole(record: str, function: Callable, about: str, theirs: str, cases: tuple = PAIRED) -> Equal:
    return LIGER(record, Row("logits", function, cases), about, theirs, rtol=F32)


HEADS = [
    whole(
        "LigerFusedLinearPPOBase.chunk_forward", chunked, "chunked_token_logprobs", "its selective log-probs", ("full",)
    ),
    whole("LigerFusedLinearGRPOLoss", grpo, "ppo_clip_loss", "GRPO from hidden states", ORDINARY),
    whole("LigerFusedLinearDPOLoss", dpo, "dpo_loss", "DPO from hidden states"),
    whole("LigerFusedLinearDPOLoss", dpo, "sequence_logprobs", "DPO from hidden states"),
    whole(
        "LigerFusedLinearDPOLoss, average_log_prob",
        lambda x, c: dpo(x, c, average=True),
        "dpo_loss",
        "`average_log_prob`, ours on averages",
    ),
    whole(
        "LigerFusedLinearDPOLoss, compute_nll_loss",
        lambda x, c: dpo(x, c) + chosen_nll(x, c),
        "sft_loss",
        "`compute_nll_loss`: chosen completions, one mean over their tokens",
    ),
    whole(
        "LigerFusedLinearSimPOLoss, no NLL", simpo, "simpo_loss", "SimPO from hidden states, `compute_nll_loss=False`"
    ),
    whole("LigerFusedLinearORPOLoss, no NLL", orpo_without_nll, "orpo_loss", "ORPO: what follows the NLL"),
    whole(
        "LigerFusedLinearCPOLoss",
        lambda x, c: cpo(x, c) + chosen_nll(x, c),
        "sft_loss",
        "CPO: chosen completions, one mean over their tokens",
    ),
    whole("LigerFusedLinearKTOLoss, use_ref_model", kto_whole, "kto_loss", "KTO, `use_ref_model=True`", ("ragged",)),
    whole("LigerFusedLinearJSDLoss", jsd, "generalised_jsd", "JSD at a temperature, with half of the NLL", ("ragged",)),
]
