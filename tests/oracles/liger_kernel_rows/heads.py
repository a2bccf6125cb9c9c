"""Liger's losses whole: from hidden states and a head, with its options as they are when nobody sets them."""

import torch
from liger_kernel.chunked_loss import (
    LigerFusedLinearCPOLoss,
    LigerFusedLinearDPOLoss,
    LigerFusedLinearGRPOLoss,
    LigerFusedLinearJSDLoss,
    LigerFusedLinearKTOLoss,
    LigerFusedLinearORPOLoss,
    LigerFusedLinearSimPOLoss,
)
from liger_kernel.chunked_loss.fused_linear_ppo import LigerFusedLinearPPOBase
from torch import Tensor

from ..cases import BETA, PAIRED, TEMPERATURE, VOCAB, Case
from ..records import Row
from .preference import IGNORED


def head(case: Case) -> Tensor:
    """Any (vocab, width) matrix will do, and the logits of the case serve as hidden states. Half of it: small logits."""
    return case.logits[0, :VOCAB] / 2


def other_head(case: Case) -> Tensor:
    """Of the reference, or of the teacher."""
    return case.logits[1, :VOCAB] / 2


def targets(case: Case) -> Tensor:
    return torch.where(case.mask, case.tokens[:, 1:], IGNORED)


def logprobs(hidden: Tensor, case: Case, temperature: float = TEMPERATURE) -> Tensor:
    return LigerFusedLinearPPOBase.chunk_forward(
        hidden[:, :-1], head(case), case.tokens[:, 1:], temperature=temperature
    )


def grpo(hidden: Tensor, case: Case) -> Tensor:
    """Its defaults: a mean over tokens, a KL of weight 0.04. Old and reference are as far away as those of the case."""
    loss = LigerFusedLinearGRPOLoss(compiled=False)
    before = logprobs(case.logits, case, 1.0)
    return loss(
        hidden[:, :-1],
        head(case),
        case.tokens[:, 1:],
        case.mask.long(),
        case.advantages[:, 0],
        ref_per_token_logps=before + case.ref - case.logprobs,
        old_per_token_logps=before + case.old - case.logprobs,
    )[0]


def paired_row(kind: type, **options: float | bool) -> Row:
    """The first half of the rows was chosen, the second rejected."""

    def function(hidden: Tensor, case: Case) -> Tensor:
        loss = kind(beta=BETA, compiled=False, **options)
        if kind is LigerFusedLinearDPOLoss:
            reference = {"ref_input": case.logits[:, :-1], "ref_weight": other_head(case)}
        else:
            reference = {}
        return loss(head(case), hidden[:, :-1], targets(case), **reference)[0]

    return Row("logits", function, PAIRED)


def kto_row(**options: bool) -> Row:
    """Every second completion is desirable. The reference is given, whether or not it is used."""

    def function(hidden: Tensor, case: Case) -> Tensor:
        return LigerFusedLinearKTOLoss(beta=BETA, compiled=False, **options)(
            hidden[:, :-1],
            head(case),
            targets(case),
            preference_labels=torch.arange(len(hidden)) % 2 == 0,
            ref_input=case.logits[:, :-1],
            ref_weight=other_head(case),
        )[0]

    return Row("logits", function, ("ragged",))


def jsd(hidden: Tensor, case: Case) -> Tensor:
    """Half of it is the NLL of the labels."""
    student = hidden[:, :-1].flatten(0, 1)
    teacher = case.logits[:, :-1].flatten(0, 1)
    loss = LigerFusedLinearJSDLoss(compiled=False, temperature=TEMPERATURE)
    return loss(student, head(case), teacher, other_head(case), targets(case).flatten())


HEADS = {
    "LigerFusedLinearPPOBase.chunk_forward": Row("logits", logprobs, ("full",)),
    "LigerFusedLinearGRPOLoss": Row("logits", grpo),
    "LigerFusedLinearDPOLoss": paired_row(LigerFusedLinearDPOLoss),
    "LigerFusedLinearDPOLoss, average_log_prob": paired_row(LigerFusedLinearDPOLoss, average_log_prob=True),
    "LigerFusedLinearDPOLoss, compute_nll_loss": paired_row(LigerFusedLinearDPOLoss, compute_nll_loss=True),
    "LigerFusedLinearCPOLoss": paired_row(LigerFusedLinearCPOLoss),
    "LigerFusedLinearSimPOLoss": paired_row(LigerFusedLinearSimPOLoss),
    "LigerFusedLinearSimPOLoss, no NLL": paired_row(LigerFusedLinearSimPOLoss, compute_nll_loss=False),
    "LigerFusedLinearORPOLoss": paired_row(LigerFusedLinearORPOLoss),
    "LigerFusedLinearORPOLoss, no NLL": paired_row(LigerFusedLinearORPOLoss, compute_nll_loss=False),
    "LigerFusedLinearKTOLoss": kto_row(),
    "LigerFusedLinearKTOLoss, use_ref_model": kto_row(use_ref_model=True),
    "LigerFusedLinearJSDLoss": Row("logits", jsd, ("ragged",)),
}
