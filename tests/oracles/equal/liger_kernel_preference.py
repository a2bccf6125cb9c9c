"""Liger: its preference and distillation losses, on log-probs and on logits."""

from collections.abc import Callable

import torch
from torch import Tensor

from reference import objectives as ours

from ..cases import BETA, SMOOTHING, Case
from ..claims import F32
from ..records import Row
from .entry import entries_of

LIGER = entries_of("liger_kernel")
BOTH = ("ragged", "full")


def pair_row(loss: Callable, *, cases: tuple = ("ragged",), **options: float) -> Row:
    return Row("pairs", lambda x, c: loss(*x, beta=BETA, **options).mean(), cases)


def without_reference_row(loss: Callable, **options: float) -> Row:
    zero = torch.zeros_like
    return Row("pairs", lambda x, c: loss(x[0], x[1], zero(x[2]), zero(x[3]), beta=BETA, **options).mean(), BOTH)


def odds_ratio(pairs: Tensor, case: Case) -> Tensor:
    return (ours.orpo_loss(pairs[0], pairs[1], beta=BETA) + pairs[0]).mean()


def kto(pairs: Tensor, case: Case, kl: Tensor) -> Tensor:
    desirable = torch.arange(2 * pairs.shape[1]) < pairs.shape[1]
    return ours.kto_loss(pairs[:2].flatten(), pairs[2:].flatten(), desirable, kl, beta=BETA).mean()


def jsd_row(beta: float) -> Row:
    def function(logits: Tensor, case: Case) -> Tensor:
        return (ours.generalised_jsd(logits, case.logits.flip(2), teacher_share=beta) * case.mask).sum()

    return Row("logits", function, ("ragged",))


PREFERENCE = [
    LIGER("DPO sigmoid", pair_row(ours.dpo_loss, cases=BOTH), "dpo_loss", "`sigmoid`"),
    LIGER(
        "DPO chosen_rewards",
        Row("pairs", lambda x, c: ours.implicit_reward(x[0], x[2], beta=BETA), ("ragged",)),
        "implicit_reward",
        "`chosen_rewards`",
    ),
    LIGER(
        "DPO rejected_rewards",
        Row("pairs", lambda x, c: ours.implicit_reward(x[1], x[3], beta=BETA), ("ragged",)),
        "implicit_reward",
        "`rejected_rewards`",
    ),
    LIGER("DPO hinge", pair_row(ours.hinge_loss), "hinge_loss", "`hinge`"),
    LIGER(
        "DPO exo_pair",
        pair_row(ours.exo_loss, label_smoothing=SMOOTHING),
        "exo_loss",
        "`exo_pair`, `label_smoothing`",
        rtol=F32,
    ),
    LIGER("DPO nca_pair", pair_row(ours.nca_loss), "nca_loss", "`nca_pair`"),
    LIGER("DPO robust", pair_row(ours.robust_dpo_loss, label_smoothing=SMOOTHING), "robust_dpo_loss", "`robust`"),
    LIGER("DPO bco_pair", pair_row(ours.bco_loss), "bco_loss", "`bco_pair`, ours without a shift"),
    LIGER("DPO sppo_hard", pair_row(ours.sppo_loss), "sppo_loss", "`sppo_hard`, ours without win rates"),
    LIGER("DPO apo_zero", pair_row(ours.apo_zero_loss), "apo_zero_loss", "`apo_zero`"),
    LIGER("DPO apo_down", pair_row(ours.apo_down_loss), "apo_down_loss", "`apo_down`"),
    LIGER("CPO", without_reference_row(ours.dpo_loss), "dpo_loss", "CPO, before the NLL; reference log-probs 0"),
    LIGER(
        "CPO, label_smoothing",
        without_reference_row(ours.cdpo_loss, label_smoothing=SMOOTHING),
        "cdpo_loss",
        "CPO with `label_smoothing`, before the NLL; reference log-probs 0",
    ),
    LIGER(
        "SimPO",
        Row("pairs", lambda x, c: ours.simpo_loss(x[0], x[1], beta=BETA, gamma=0.5).mean(), BOTH),
        "simpo_loss",
        "SimPO, before the NLL",
    ),
    LIGER("ORPO", Row("pairs", odds_ratio, BOTH), "orpo_loss", "ORPO: what follows the NLL"),
    LIGER("KTO", Row("pairs", lambda x, c: kto(x, c, c.margins.mean()), BOTH), "kto_loss", "KTO, `kl`"),
    LIGER(
        "KTO, no kl",
        Row("pairs", lambda x, c: kto(x, c, x.new_zeros(())), BOTH),
        "kto_loss",
        "KTO without `kl`, ours with a `kl` of 0",
    ),
    *(
        LIGER(f"JSD, beta {beta}", jsd_row(beta), "generalised_jsd", "JSD, whose `beta` is `teacher_share`")
        for beta in (0, 0.3, 1)
    ),
    LIGER("JSD, beta 1", jsd_row(1), "kl_full", "JSD with `beta=1`"),
]
