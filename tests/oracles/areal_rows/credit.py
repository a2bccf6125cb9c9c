"""Whom AReaL credits with a reward: penalty for length, KL in the reward, returns, normalisation. In float32."""

import torch
from torch import Tensor

from ..cases import BUFFER, COMPLETION, GAMMA, GROUP, HOLES, KL_COEF, LAMBDA, ORDINARY, PROMPT, Case, without_longest
from ..records import Row
from ..shared_rows import values_on_mask
from .stand_ins import NormConfig, PPOActorConfig, actor, data, functional


def token_axis(x: Tensor) -> Tensor:
    """From the prediction axis to AReaL's, which stores what belongs to a token at that token."""
    return torch.cat([x.new_zeros(len(x), 1), x], dim=1)


def last_values(case: Case) -> Tensor:
    """The critic's value behind the last token of each row: only rows that fill the batch have it read."""
    return case.old_values[:, -1]


def batch_of(case: Case, scores: Tensor) -> dict[str, Tensor]:
    length = PROMPT + case.lengths[:, None]
    return {
        "input_ids": case.tokens,
        "rewards": scores.detach().clone(),
        "loss_mask": token_axis(case.mask).long(),
        "attention_mask": (torch.arange(case.tokens.shape[1]) < length).long(),
        "logprobs": token_axis(case.logprobs),
    }


def computed(
    case: Case,
    scores: Tensor | None = None,
    *,
    ref: bool = True,
    values: Tensor | None = None,
    which: str = "advantages",
    **options: object,
) -> Tensor:
    """The whole way from scores, with the options of `PPOActorConfig`."""
    batch = batch_of(case, case.scores if scores is None else scores)
    if ref:  # on the prediction axis, as its forward pass gives it
        batch["ref_logp"] = torch.cat([case.ref, case.ref.new_zeros(len(case.ref), 1)], dim=1)
    if values is not None:
        batch["values"] = torch.cat([values, last_values(case)[:, None]], dim=1)
    config = PPOActorConfig(kl_ctl=KL_COEF, discount=GAMMA, gae_lambda=LAMBDA, **options)
    with torch.no_grad():
        result = actor.PPOActor(config, None)._compute_advantages(batch)[which]
    return values_on_mask(result[:, :-1], case).float()


def normalised_row(group_size: int = GROUP, cases: tuple = ORDINARY, **options: str | bool | None) -> Row:
    config = NormConfig(group_size=group_size, **options)
    return Row("rewards", lambda x, c: data.Normalization(config)(x), cases)


def whitened_row(scale: float = 1.0) -> Row:
    norm = data.Normalization(NormConfig())
    return Row("values", lambda x, c: norm(scale * x, c.mask), HOLES)


def penalised_row(max_length: int, cases: tuple) -> Row:
    def function(scores: Tensor, case: Case) -> Tensor:
        return functional.reward_overlong_penalty(batch_of(case, scores), BUFFER, 1.0, max_length)["rewards"]

    return Row("scores", function, cases)


def of_ended(values: Tensor, case: Case) -> Tensor:
    """With a critic, of rows that all end with EOS."""
    ended = without_longest(case)
    return computed(ended, values=ended.values)


GROUPS = {"mean_level": "group", "std_level": "group"}
ALONE = {"group_size": 1, "cases": ("full",)}
CREDIT = {
    "Normalization group": normalised_row(**GROUPS),
    "Normalization group, std_unbiased=False": normalised_row(std_unbiased=False, **GROUPS),
    "Normalization group, no std": normalised_row(mean_level="group", std_level=None),
    "Normalization group, batch std": normalised_row(mean_level="group", std_level="batch"),
    "Normalization batch": normalised_row(),
    "Normalization leave one out, no std": normalised_row(mean_level="group", mean_leave1out=True, std_level=None),
    "Normalization leave one out": normalised_row(mean_leave1out=True, **GROUPS),
    "Normalization group, one each": normalised_row(**ALONE, **GROUPS),
    "Normalization leave one out, one each": normalised_row(mean_leave1out=True, **ALONE, **GROUPS),
    "Normalization group, rest": normalised_row(GROUP + 1, ("full",), **GROUPS),
    "adv_norm": whitened_row(),
    "adv_norm, small": whitened_row(scale=1e-4),
    "compute_advantages": Row("scores", lambda x, c: computed(c, x), HOLES),
    "compute_advantages, no reference": Row("scores", lambda x, c: computed(c, x, ref=False)),
    "compute_advantages, values": Row("values", lambda x, c: computed(c, values=x.detach()), HOLES),
    "compute_advantages returns, values": Row(
        "values", lambda x, c: computed(c, values=x.detach(), which="returns"), HOLES
    ),
    "compute_advantages, values, all ended": Row("values", of_ended, ("ragged",)),
    "compute_advantages, mask_no_eos_with_zero, all ended": Row(
        "scores", lambda x, c: computed(without_longest(c), mask_no_eos_with_zero=True), ("ragged",)
    ),
    "reward_overlong_penalty": penalised_row(COMPLETION, ("ragged", "full", "empty row")),
    "reward_overlong_penalty, beyond max_new_tokens": penalised_row(COMPLETION - 1, ("full",)),
}
