"""What LLaMA-Factory equals: preferences, demonstrations, the reward model."""

import torch
from torch import Tensor

from reference import objectives as ours

from ..cases import BETA, GLOBAL_TOKENS, HOLES, PAIRED, SMOOTHING, Case
from ..claims import F32
from ..llamafactory_options import ASFT_ALPHA, BCO_WEIGHT, SIMPO_GAMMA
from ..records import Row
from .entry import entries_of
from .ms_swift_offline import ld_dpo, of_pairs, pair_row, reward_row, whole_batch_row, with_running_mean
from .preference import bradley_terry_row

BCO = "`pref_bco_weight`: the shift is the mean over batches of their mean reward"
GOOD = (True, False, True, True)  # which of the four completions KTO is told are good
llamafactory = entries_of("llamafactory")


def simpo(chosen: Tensor, rejected: Tensor) -> Tensor:
    return ours.simpo_loss(chosen, rejected, beta=BETA, gamma=SIMPO_GAMMA).mean()


def orpo(chosen: Tensor, rejected: Tensor) -> Tensor:
    return ours.orpo_loss(chosen, rejected, beta=BETA).mean()


def averages(logits: Tensor, case: Case) -> tuple[Tensor, Tensor]:
    return of_pairs(ours.sequence_logprobs(ours.token_logprobs(logits, case.tokens), case.mask, average=True))


def dpo_and_bco(pairs: Tensor, case: Case) -> Tensor:
    dpo = ours.dpo_loss(*pairs, beta=BETA).mean()
    return (dpo + BCO_WEIGHT * with_running_mean(pairs, case)) / (1 + BCO_WEIGHT)


def kto(logits: Tensor, case: Case) -> Tensor:
    """The KL's completions are the same ones in another order, which its mean does not see."""
    now, before = (
        ours.sequence_logprobs(ours.token_logprobs(x, case.tokens), case.mask) for x in (logits, case.logits.flip(2))
    )
    return ours.kto_loss(now, before, torch.tensor(GOOD), ours.kto_kl(now, before), beta=BETA).mean()


def dft(logits: Tensor, case: Case, num_tokens: int | None = None) -> Tensor:
    logprobs = ours.token_logprobs(logits, case.tokens)
    return ours.token_mean(ours.reinforce_loss(logprobs, logprobs.exp()), case.mask, num_tokens=num_tokens)


def asft(logits: Tensor, case: Case) -> Tensor:
    kl = ours.generalised_jsd(logits, case.logits.flip(2), teacher_share=0)
    return dft(logits, case) + ASFT_ALPHA * ours.token_mean(kl, case.mask)


def sequence_logprobs(logits: Tensor, case: Case) -> Tensor:
    return ours.sequence_logprobs(ours.token_logprobs(logits, case.tokens), case.mask)


ENTRIES = [
    llamafactory("compute_preference_loss sigmoid", pair_row(ours.dpo_loss), "dpo_loss", "`sigmoid`"),
    llamafactory("get_batch_loss_metrics sigmoid", whole_batch_row(ours.dpo_loss), "dpo_loss", "`sigmoid`", rtol=F32),
    llamafactory(
        "compute_preference_loss sigmoid, dpo_label_smoothing",
        pair_row(ours.cdpo_loss, label_smoothing=SMOOTHING),
        "cdpo_loss",
        "`dpo_label_smoothing`",
    ),
    llamafactory("compute_preference_loss orpo", Row("pairs", lambda x, c: orpo(x[0], x[1])), "orpo_loss", "`orpo`"),
    llamafactory(
        "get_batch_loss_metrics orpo",
        Row("logits", lambda x, c: orpo(*averages(x, c)), PAIRED),
        "orpo_loss",
        "`orpo`, from logits",
        rtol=F32,
    ),
    llamafactory(
        "compute_preference_loss simpo", Row("pairs", lambda x, c: simpo(x[0], x[1])), "simpo_loss", "`simpo`"
    ),
    llamafactory(
        "get_batch_loss_metrics simpo",
        Row("logits", lambda x, c: simpo(*averages(x, c)), PAIRED),
        "simpo_loss",
        "`simpo`, from logits",
        rtol=F32,
    ),
    llamafactory("bco_loss", Row("pairs", with_running_mean), "bco_loss", BCO, rtol=F32),
    llamafactory(
        "bco_loss, second batch",
        Row("pairs", lambda x, c: with_running_mean(x, c, scales=(2, 1)), ("ragged",)),
        "bco_loss",
        BCO,
        rtol=F32,
    ),
    llamafactory(
        "compute_preference_loss sigmoid, pref_bco_weight", Row("pairs", dpo_and_bco), "bco_loss", BCO, rtol=F32
    ),
    llamafactory(
        "compute_preference_loss chosen_rewards", reward_row(0), "implicit_reward", "`rewards/chosen`, detached"
    ),
    llamafactory(
        "get_batch_loss_metrics sigmoid, ld_alpha",
        Row("logits", ld_dpo, ("ragged",)),
        "ld_dpo_loss",
        '`ld_alpha`, ours with `discounted="policy"`',
        rtol=F32,
    ),
    llamafactory("kto", Row("logits", kto, PAIRED), "kto_loss", "`stage: kto`", rtol=F32),
    llamafactory("kto", Row("logits", kto, PAIRED), "kto_kl", "`stage: kto`", rtol=F32),
    llamafactory("PairwiseTrainer", bradley_terry_row(), "bradley_terry_loss", rtol=F32),
    llamafactory("get_batch_logps", Row("logits", sequence_logprobs, HOLES), "sequence_logprobs"),
    llamafactory("get_batch_logps", Row("logits", sequence_logprobs, HOLES), "token_logprobs"),
    llamafactory(
        "dft_loss_func",
        Row("logits", dft),
        "reinforce_loss",
        "`use_dft_loss`: the token's probability is its advantage",
        rtol=F32,
    ),
    llamafactory(
        "dft_loss_func, num_items_in_batch",
        Row("logits", lambda x, c: dft(x, c, GLOBAL_TOKENS)),
        "token_mean",
        "`use_dft_loss` with `num_items_in_batch`",
        rtol=F32,
    ),
    llamafactory(
        "asft_loss_func", Row("logits", asft), "generalised_jsd", "`use_asft_loss`: forward KL to the base", rtol=F32
    ),
]
