"""What ms-swift equals where it does not sample: demonstrations, preferences, reward models, and whole distributions."""

from collections.abc import Callable

import torch
from torch import Tensor

from reference import objectives as ours

from ..cases import BETA, HOLES, PAIRED, SMOOTHING, TEMPERATURE, Case
from ..claims import F32
from ..ms_swift_options import LD_ALPHA, NLL_COEF, TOP
from ..records import Row
from .entry import entries_of
from .preference import bradley_terry_row, ipo_of_margin

BCO = "`bco_pair`: the shift is the mean over batches of their mean reward"
GKD = "GKD, whose `beta` is our `teacher_share`"
ms_swift = entries_of("ms_swift")


def pair_row(loss: Callable, *, cases: tuple = ("ragged", "full", "empty row"), **options: float | bool) -> Row:
    return Row("pairs", lambda x, c: loss(*x, beta=BETA, **options).mean(), cases)


def with_running_mean(pairs: Tensor, case: Case, scales: tuple = (1,)) -> Tensor:
    """BCO, whose shift is the mean over the batches so far of their mean reward; ``scales``: of the batches' log-probs."""
    chosen, rejected = (ours.implicit_reward(pairs[k], pairs[k + 2], beta=BETA) for k in (0, 1))
    shift = torch.cat([chosen, rejected]).mean() * sum(scales) / len(scales)
    return ours.bco_loss(*pairs, beta=BETA, shift=shift).mean()


def reward_row(which: int) -> Row:
    return Row("pairs", lambda x, c: ours.implicit_reward(x[which], x[which + 2], beta=BETA).detach())


def of_pairs(x: Tensor) -> tuple[Tensor, Tensor]:
    """The rows of chosen and of rejected completions."""
    chosen, rejected = x.chunk(2)
    return chosen, rejected


def logprobs_of(logits: Tensor, case: Case, *, average: bool = False) -> list[Tensor]:
    """Of chosen and rejected under the policy, then under the reference."""
    both = [ours.token_logprobs(x, case.tokens) for x in (logits, case.logits.flip(2))]
    return [rows for x in both for rows in of_pairs(ours.sequence_logprobs(x, case.mask, average=average))]


def whole_batch_row(loss: Callable, *, average: bool = False) -> Row:
    return Row("logits", lambda x, c: loss(*logprobs_of(x, c, average=average), beta=BETA).mean(), PAIRED)


def with_nll(logits: Tensor, case: Case) -> Tensor:
    chosen, mask = (of_pairs(x)[0] for x in (ours.token_logprobs(logits, case.tokens), case.mask))
    dpo = ours.dpo_loss(*logprobs_of(logits, case), beta=BETA).mean()
    return ours.total_loss(dpo, sft_loss=ours.sft_loss(chosen, mask), sft_coef=NLL_COEF)


def ld_dpo(logits: Tensor, case: Case, discounted: str = "policy") -> Tensor:
    both = [ours.token_logprobs(x, case.tokens) for x in (logits, case.logits.flip(2))]
    rows = [part for x in (*both, case.mask) for part in of_pairs(x)]
    return ours.ld_dpo_loss(*rows, ld_alpha=LD_ALPHA, beta=BETA, discounted=discounted).mean()


def nll(logits: Tensor, case: Case) -> Tensor:
    return torch.where(case.mask, ours.token_nll(ours.token_logprobs(logits, case.tokens)), 0.0)


def dft(logits: Tensor, case: Case) -> Tensor:
    """Its gradient: the token's probability is the advantage. The value has the probability too."""
    logprobs = ours.token_logprobs(logits, case.tokens)
    return torch.where(case.mask, ours.reinforce_loss(logprobs, logprobs.exp()), 0.0)


def jsd_row(share: float, *, temperature: float = 1.0, top: int | None = None, cases: tuple = HOLES) -> Row:
    """``top``: of the tokens that the teacher finds likeliest, both renormalised."""

    def function(logits: Tensor, case: Case) -> Tensor:
        teacher = case.logits.flip(2)
        if top is not None:
            teacher, likeliest = teacher.topk(top, dim=-1)
            logits = logits.gather(-1, likeliest)
        divergence = ours.generalised_jsd(logits, teacher, teacher_share=share, temperature=temperature)
        return ours.token_mean(divergence, case.mask)

    return Row("logits", function, cases)


PAIRS = {
    "sigmoid": (pair_row(ours.dpo_loss), "dpo_loss"),
    "sigmoid, label_smoothing": (pair_row(ours.cdpo_loss, label_smoothing=SMOOTHING), "cdpo_loss"),
    "robust": (pair_row(ours.robust_dpo_loss, label_smoothing=SMOOTHING), "robust_dpo_loss"),
    "exo_pair": (pair_row(ours.exo_loss, label_smoothing=SMOOTHING), "exo_loss"),
    "exo_pair, label_smoothing 0": (pair_row(ours.exo_loss, label_smoothing=1e-3), "exo_loss"),
    "hinge": (pair_row(ours.hinge_loss), "hinge_loss"),
    "sppo_hard": (pair_row(ours.sppo_loss), "sppo_loss"),
    "nca_pair": (pair_row(ours.nca_loss), "nca_loss"),
    "aot": (pair_row(ours.aot_loss, label_smoothing=SMOOTHING), "aot_loss"),
    "aot_unpaired": (pair_row(ours.aot_loss, label_smoothing=SMOOTHING, paired=False), "aot_loss"),
    "apo_zero": (pair_row(ours.apo_zero_loss), "apo_zero_loss"),
    "apo_down": (pair_row(ours.apo_down_loss), "apo_down_loss"),
}
OFFLINE = [
    *(ms_swift(f"dpo_loss {name}", row, function, f"`{name}`") for name, (row, function) in PAIRS.items()),
    ms_swift("dpo_loss ipo", pair_row(ours.ipo_loss), "ipo_loss", "`ipo`, of averaged log-probs"),
    ms_swift(
        "get_batch_loss_metrics ipo",
        whole_batch_row(ours.ipo_loss, average=True),
        "ipo_loss",
        "`ipo`, of averaged log-probs",
    ),
    ms_swift("dpo_loss ipo", Row("pairs", ipo_of_margin), "preference_margin", "`ipo`"),
    ms_swift("dpo_loss bco_pair", Row("pairs", with_running_mean), "bco_loss", BCO, rtol=F32),
    ms_swift(
        "dpo_loss bco_pair, second batch",
        Row("pairs", lambda x, c: with_running_mean(x, c, scales=(2, 1)), ("ragged",)),
        "bco_loss",
        BCO,
        rtol=F32,
    ),
    ms_swift("dpo_loss chosen_rewards", reward_row(0), "implicit_reward", "`rewards/chosen`, detached"),
    ms_swift("dpo_loss rejected_rewards", reward_row(1), "implicit_reward", "`rewards/rejected`, detached"),
    ms_swift("get_batch_loss_metrics sigmoid", whole_batch_row(ours.dpo_loss), "dpo_loss", "`sigmoid`"),
    ms_swift(
        "get_batch_loss_metrics sigmoid",
        whole_batch_row(ours.dpo_loss),
        "sequence_logprobs",
        "`concatenated_forward` of its DPO",
    ),
    ms_swift(
        "get_batch_loss_metrics sigmoid", whole_batch_row(ours.dpo_loss), "token_logprobs", "`get_per_token_logps`"
    ),
    ms_swift(
        "get_batch_loss_metrics rpo_alpha",
        Row("logits", with_nll, PAIRED),
        "sft_loss",
        "`rpo_alpha` of its DPO: chosen completions, one mean over their tokens",
    ),
    ms_swift(
        "get_batch_loss_metrics ld_alpha",
        Row("logits", ld_dpo, PAIRED),
        "ld_dpo_loss",
        '`ld_alpha`, ours with `discounted="policy"`',
    ),
    ms_swift("RewardTrainer", bradley_terry_row(), "bradley_terry_loss"),
    ms_swift(
        "RewardTrainer, margin", bradley_terry_row(margin=True), "bradley_terry_loss", "`RewardTrainer`, `margin`"
    ),
    ms_swift("per_token_loss_func", Row("logits", nll), "token_nll", rtol=F32),
    ms_swift(
        "per_token_loss_func, enable_dft_loss",
        Row("logits", dft),
        "reinforce_loss",
        "`enable_dft_loss`: the token's probability is its advantage",
        rtol=F32,
    ),
    ms_swift("_compute_jsd_loss beta 0", jsd_row(0, cases=("ragged",)), "generalised_jsd", GKD),
    ms_swift("_compute_jsd_loss beta 1", jsd_row(1, cases=("ragged",)), "generalised_jsd", GKD),
    ms_swift("_compute_jsd_loss beta 1", jsd_row(1, cases=("ragged",)), "kl_full", "GKD with `beta` 1"),
    ms_swift("_compute_jsd_loss beta 0.3, temperature", jsd_row(0.3, temperature=TEMPERATURE), "generalised_jsd", GKD),
    ms_swift(
        "_compute_jsd_loss gkd_logits_topk",
        jsd_row(0.5, top=TOP, cases=("tools",)),
        "generalised_jsd",
        "`gkd_logits_topk`",
        differs="student and teacher are both renormalised over the teacher's likeliest tokens",
    ),
]
