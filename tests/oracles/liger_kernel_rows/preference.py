"""What Liger's preference and distillation losses make of log-probs and of logits."""

import torch
from liger_kernel.chunked_loss.cpo_loss import LigerFusedLinearCPOFunction
from liger_kernel.chunked_loss.dpo_loss import LigerFusedLinearDPOFunction
from liger_kernel.chunked_loss.jsd_loss import LigerFusedLinearJSDFunction
from liger_kernel.chunked_loss.kto_loss import LigerFusedLinearKTOFunction
from liger_kernel.chunked_loss.orpo_loss import LigerFusedLinearORPOFunction
from liger_kernel.chunked_loss.simpo_loss import LigerFusedLinearSimPOFunction
from torch import Tensor

from ..cases import BETA, SMOOTHING, Case
from ..records import Row

GAMMA_OF_SIMPO = 0.5  # its default
IGNORED = -100


def of_pairs(pairs: Tensor) -> Tensor:
    """As many targets as there are completions: Liger divides by the half."""
    return torch.zeros(2 * pairs.shape[1], 1, dtype=torch.long)


def dpo_row(loss_type: str, *, output: int = 0, cases: tuple = ("ragged",), **options: float) -> Row:
    """``output``: 0 the loss, 1 and 2 the implicit rewards of chosen and rejected."""

    def function(pairs: Tensor, case: Case) -> Tensor:
        loss_fn = LigerFusedLinearDPOFunction.preference_loss_fn
        return loss_fn(*pairs[:2], of_pairs(pairs), *pairs[2:], beta=BETA, loss_type=loss_type, **options)[output]

    return Row("pairs", function, cases)


def without_reference_row(kind: type, **options: float) -> Row:
    def function(pairs: Tensor, case: Case) -> Tensor:
        return kind.preference_loss_fn(*pairs[:2], of_pairs(pairs), beta=BETA, **options)[0]

    return Row("pairs", function, ("ragged", "full"))


def kto_row(*, with_kl: bool) -> Row:
    def function(pairs: Tensor, case: Case) -> Tensor:
        desirable = torch.arange(2 * pairs.shape[1]) < pairs.shape[1]
        kl = case.margins.mean() if with_kl else None
        return LigerFusedLinearKTOFunction.preference_loss_fn(
            pairs[:2].flatten(), desirable, of_pairs(pairs), pairs[2:].flatten(), beta=BETA, kl=kl
        )[0]

    return Row("pairs", function, ("ragged", "full"))


def jsd_row(beta: float) -> Row:
    """Summed over the tokens that count. The teacher has the student's logits in another order."""

    def function(logits: Tensor, case: Case) -> Tensor:
        target = torch.where(case.mask, case.tokens[:, 1:], IGNORED)
        return LigerFusedLinearJSDFunction.distillation_loss_fn(
            logits[:, :-1], case.logits.flip(2)[:, :-1], beta=beta, target=target
        )

    return Row("logits", function, ("ragged",))


PREFERENCE = {
    "DPO sigmoid": dpo_row("sigmoid", cases=("ragged", "full")),
    "DPO sigmoid, label_smoothing": dpo_row("sigmoid", label_smoothing=SMOOTHING),
    "DPO chosen_rewards": dpo_row("sigmoid", output=1),
    "DPO rejected_rewards": dpo_row("sigmoid", output=2),
    "DPO hinge": dpo_row("hinge"),
    "DPO exo_pair": dpo_row("exo_pair", label_smoothing=SMOOTHING),
    "DPO nca_pair": dpo_row("nca_pair"),
    "DPO robust": dpo_row("robust", label_smoothing=SMOOTHING),
    "DPO bco_pair": dpo_row("bco_pair"),
    "DPO sppo_hard": dpo_row("sppo_hard"),
    "DPO apo_zero": dpo_row("apo_zero"),
    "DPO apo_down": dpo_row("apo_down"),
    "CPO": without_reference_row(LigerFusedLinearCPOFunction),
    "CPO, label_smoothing": without_reference_row(LigerFusedLinearCPOFunction, label_smoothing=SMOOTHING),
    "SimPO": without_reference_row(LigerFusedLinearSimPOFunction, gamma=GAMMA_OF_SIMPO),
    "ORPO": without_reference_row(LigerFusedLinearORPOFunction),
    "KTO": kto_row(with_kl=True),
    "KTO, no kl": kto_row(with_kl=False),
    "JSD, beta 0": jsd_row(0),
    "JSD, beta 0.3": jsd_row(0.3),
    "JSD, beta 1": jsd_row(1),
}
