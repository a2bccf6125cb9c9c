"""NeMo-RL: demonstrations and preferences."""

from torch import Tensor

from reference import objectives as ours

from ..cases import BETA, PAIRED, Case
from ..records import Row
from .entry import entries_of
from .preference import bradley_terry_row

nemo_rl = entries_of("nemo_rl")


def pairs_of(logprobs: Tensor, case: Case, *, average: bool = False) -> list[Tensor]:
    """Summed log-probs of chosen and rejected, which alternate, and those of the reference."""
    sums = [ours.sequence_logprobs(x, case.mask, average=average) for x in (logprobs, case.ref)]
    return [x[first::2] for x in sums for first in (0, 1)]


def dpo(logprobs: Tensor, case: Case, *, average: bool = False) -> Tensor:
    return ours.dpo_loss(*pairs_of(logprobs, case, average=average), beta=BETA).mean()


def with_summed_nll(logprobs: Tensor, case: Case) -> Tensor:
    return dpo(logprobs, case) - 0.5 * pairs_of(logprobs, case)[0].mean()


def with_mean_nll(logprobs: Tensor, case: Case) -> Tensor:
    return dpo(logprobs, case) + 0.5 * ours.sequence_mean(ours.token_nll(logprobs[::2]), case.mask[::2])


def accuracy(logprobs: Tensor, case: Case) -> Tensor:
    return (ours.preference_margin(*pairs_of(logprobs.detach(), case)) > 0).double().mean()


def chosen_log_ratio(logprobs: Tensor, case: Case) -> Tensor:
    chosen, _, ref_chosen, _ = pairs_of(logprobs.detach(), case)
    return ours.implicit_reward(chosen, ref_chosen, beta=1.0).mean()


PREFERENCE = [
    nemo_rl("NLLLossFn", Row("logprobs", lambda x, c: ours.sft_loss(x, c.mask)), "sft_loss"),
    nemo_rl("NLLLossFn", Row("logprobs", lambda x, c: ours.token_mean(ours.token_nll(x), c.mask)), "token_nll"),
    nemo_rl("PreferenceLossFn", bradley_terry_row(), "bradley_terry_loss"),
    nemo_rl("DPOLossFn", Row("logprobs", dpo, PAIRED), "dpo_loss"),
    nemo_rl(
        "DPOLossFn, preference_average_log_probs",
        Row("logprobs", lambda x, c: dpo(x, c, average=True), PAIRED),
        "dpo_loss",
        "`preference_average_log_probs`, ours of averaged log-probs",
    ),
    nemo_rl(
        "DPOLossFn, sft_loss_weight",
        Row("logprobs", with_summed_nll, PAIRED),
        "sequence_logprobs",
        "`sft_loss_weight`: the chosen row's NLL, summed",
    ),
    nemo_rl(
        "DPOLossFn, sft_loss_weight, sft_average_log_probs",
        Row("logprobs", with_mean_nll, PAIRED),
        "sequence_mean",
        "`sft_average_log_probs` of `DPOLossFn`",
    ),
    nemo_rl(
        "DPOLossFn accuracy",
        Row("logprobs", accuracy, PAIRED),
        "preference_margin",
        "`accuracy`: the share above 0",
    ),
    nemo_rl(
        "DPOLossFn rewards_chosen_mean",
        Row("logprobs", chosen_log_ratio, PAIRED),
        "implicit_reward",
        "`rewards_chosen_mean`",
        differs="without `beta`, so it is the mean log-ratio",
    ),
]
