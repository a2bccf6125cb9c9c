"""Demonstrations, preferences, lengths and metrics."""

from torch import Tensor

from reference import objectives as ours

from ..cases import BETA, BUFFER, COMPLETION, HOLES, PAIRED, SMOOTHING, Case
from ..claims import F32
from ..records import Row
from .entry import openrlhf, verl


def bradley_terry_row(*, margin: bool = False) -> Row:
    return Row("pairs", lambda x, c: ours.bradley_terry_loss(x[0], x[1], margin=c.margins if margin else None).mean())


def penalised_rewards(scores: Tensor, case: Case, max_length: int = COMPLETION) -> Tensor:
    return scores.detach() + ours.soft_overlong_penalty(case.lengths, max_length=max_length, buffer=BUFFER)


def ipo_of_margin(pairs: Tensor, case: Case) -> Tensor:
    return ((ours.preference_margin(*pairs) - 1 / (2 * BETA)) ** 2).mean()


def truncated_share(mask: Tensor, case: Case) -> Tensor:
    return ours.truncated_share(case.lengths == COMPLETION)


VERL = [
    verl(
        "DAPORewardManager",
        Row("scores", lambda x, c: ours.token_rewards(penalised_rewards(x, c), c.mask), ("ragged", "full")),
        "soft_overlong_penalty",
        "`overlong_buffer_cfg`",
        rtol=F32,
    ),
    verl("critic/score/mean", Row("scores", lambda x, c: ours.reward_mean(x), ("ragged", "full")), "reward_mean"),
    verl("response_length/mean", Row("mask", lambda x, c: ours.mean_length(c.mask)), "mean_length", rtol=F32),
    verl("response_length/clip_ratio", Row("mask", truncated_share), "truncated_share", rtol=F32),
]

OPENRLHF = [
    openrlhf("SFTLoss", Row("logprobs", lambda x, c: ours.sft_loss(x, c.mask)), "sft_loss"),
    openrlhf("SFTLoss", Row("logprobs", lambda x, c: ours.token_mean(ours.token_nll(x), c.mask)), "token_nll"),
    openrlhf(
        "SFTLoss sequence",
        Row("logprobs", lambda x, c: ours.sequence_mean(ours.token_nll(x), c.mask), PAIRED),
        "token_nll",
        "`SFTLoss` with `token_level_loss=False`",
    ),
    openrlhf(
        "GPTLMLoss",
        Row("logits", lambda x, c: ours.sft_loss(ours.token_logprobs(x, c.tokens), c.mask), PAIRED),
        "sft_loss",
    ),
    openrlhf("DPOLoss", Row("pairs", lambda x, c: ours.dpo_loss(*x, beta=BETA).mean()), "dpo_loss"),
    openrlhf(
        "DPOLoss, label_smoothing",
        Row("pairs", lambda x, c: ours.cdpo_loss(*x, beta=BETA, label_smoothing=SMOOTHING).mean()),
        "cdpo_loss",
        "`DPOLoss` with `label_smoothing`",
    ),
    openrlhf(
        "DPOLoss, ipo",
        Row("pairs", lambda x, c: ours.ipo_loss(*x, beta=BETA).mean()),
        "ipo_loss",
        "`DPOLoss` with `ipo`, of summed log-probs",
    ),
    openrlhf("DPOLoss, ipo", Row("pairs", ipo_of_margin), "preference_margin", "`DPOLoss`"),
    openrlhf(
        "DPOLoss chosen_rewards",
        Row("pairs", lambda x, c: ours.implicit_reward(x[0], x[2], beta=BETA).detach()),
        "implicit_reward",
        "`chosen_rewards`, detached",
    ),
    openrlhf(
        "DPOLoss rejected_rewards",
        Row("pairs", lambda x, c: ours.implicit_reward(x[1], x[3], beta=BETA).detach()),
        "implicit_reward",
        "`rejected_rewards`, detached",
    ),
    openrlhf("PairWiseLoss", bradley_terry_row(), "bradley_terry_loss"),
    openrlhf("PairWiseLoss, margin", bradley_terry_row(margin=True), "bradley_terry_loss", "`PairWiseLoss`"),
    openrlhf("LogExpLoss", bradley_terry_row(), "bradley_terry_loss"),
    openrlhf(
        "LogExpLoss, margin",
        bradley_terry_row(),
        "bradley_terry_loss",
        "`LogExpLoss`",
        differs="leaves the margin out",
    ),
    openrlhf("apply_overlong_penalty", Row("scores", penalised_rewards, HOLES), "soft_overlong_penalty", rtol=F32),
    openrlhf(
        "apply_overlong_penalty, beyond max_new_tokens",
        Row("scores", lambda x, c: penalised_rewards(x, c, COMPLETION - 1), ("full",)),
        "soft_overlong_penalty",
        "`apply_overlong_penalty`",
        rtol=F32,
    ),
]
