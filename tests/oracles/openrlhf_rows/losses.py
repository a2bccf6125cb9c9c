"""What OpenRLHF trains on: losses of policy and value, of demonstrations and preferences, and its penalty for length."""

from types import SimpleNamespace

import torch
from torch import Tensor

from ..cases import (
    BETA,
    BUFFER,
    CLIP_HIGH,
    CLIP_LOW,
    COMPLETION,
    DUAL_CLIP,
    FAR,
    GSPO_HIGH,
    GSPO_LOW,
    HOLES,
    ORDINARY,
    PAIRED,
    SAMPLER_HIGH,
    SAMPLER_LOW,
    SMOOTHING,
    VALUE_CLIP,
    Case,
)
from ..records import Row
from ..shared_rows import GATE
from .stand_ins import apply_overlong_penalty, loss

# --- policy and value ---


def policy_loss_row(
    *,
    token_level: bool = True,
    dual_clip: float | None = None,
    output: int = 0,
    cases: tuple = ORDINARY,
    **correction: str,
) -> Row:
    """``output``: 0 the loss, 1 the clip ratio, 2 ppo_kl."""

    def function(logprobs: Tensor, case: Case) -> Tensor:
        policy = loss.PolicyLoss(CLIP_LOW, CLIP_HIGH, dual_clip, token_level, **options)
        return policy(logprobs, case.old, case.advantages, case.mask, case.sampler)[output]

    bounds = {"is_correction_threshold": (SAMPLER_LOW, SAMPLER_HIGH)} if correction else {}
    options = {f"is_correction_{key}": value for key, value in correction.items()} | bounds
    return Row("logprobs", function, cases)


def gated_row(gating: str, level: str) -> Row:
    """Tokens or rows are dropped by a divergence of the probabilities, and the others have their weight by token."""

    def function(logprobs: Tensor, case: Case) -> Tensor:
        options = {"level": level, "gating": gating, "threshold": (0, GATE)}
        policy = loss.PolicyLoss(
            CLIP_LOW, CLIP_HIGH, **{f"is_correction_{key}": value for key, value in options.items()}
        )
        return policy(logprobs, case.old, case.advantages, case.mask, case.sampler)[0]

    return Row("logprobs", function, PAIRED)


def language_model_loss(logits: Tensor, case: Case) -> Tensor:
    prompt = torch.zeros(len(case.mask), 1, dtype=torch.bool)
    kept = torch.cat([prompt, case.mask], dim=1)
    return loss.GPTLMLoss()(logits, torch.where(kept, case.tokens, -100))


def gspo_row(**options: str) -> Row:
    def function(logprobs: Tensor, case: Case) -> Tensor:
        policy = loss.PolicyLoss(GSPO_LOW, GSPO_HIGH, policy_loss_type="gspo", **options)
        return policy(logprobs, case.old, case.advantages[:, :1], case.mask, case.sampler)[0]

    return Row("logprobs", function, HOLES)


def mean_gspo_ratio(logprobs: Tensor, case: Case) -> Tensor:
    """The mean of the ratios: no clip, and an advantage of -1."""
    policy = loss.PolicyLoss(1.0, 1e9, policy_loss_type="gspo")
    return policy(logprobs, case.old, -torch.ones_like(case.advantages), case.mask)[0]


def value_loss_row(clip: float | None) -> Row:
    return Row("values", lambda x, c: loss.ValueLoss(clip)(x, c.old_values, c.returns, c.mask), HOLES)


# --- preferences and lengths ---


def dpo_row(output: int = 0, **options: float) -> Row:
    """``output``: 0 the loss, 1 and 2 the implicit rewards of chosen and rejected."""
    return Row("pairs", lambda x, c: loss.DPOLoss(BETA, **options)(*x)[output])


def reward_model_row(kind: type, *, margin: bool = False) -> Row:
    return Row("pairs", lambda x, c: kind()(x[0], x[1], c.margins if margin else None))


def penalised_rewards(scores: Tensor, case: Case, max_length: int = COMPLETION) -> Tensor:
    experience = SimpleNamespace(rewards=scores.detach().clone(), response_length=case.lengths)
    apply_overlong_penalty([experience], max_length, BUFFER)
    return experience.rewards


LOSSES = {
    "PolicyLoss": policy_loss_row(cases=FAR),
    "PolicyLoss sequence": policy_loss_row(token_level=False),
    "PolicyLoss clip_ratio": policy_loss_row(output=1),
    "PolicyLoss ppo_kl": policy_loss_row(output=2),
    "PolicyLoss, dual clip": policy_loss_row(dual_clip=DUAL_CLIP, cases=FAR),
    "PolicyLoss, is_correction token clip": policy_loss_row(level="token", mode="clip", cases=HOLES),
    "PolicyLoss, is_correction token mask": policy_loss_row(level="token", mode="mask", cases=HOLES),
    "PolicyLoss, is_correction seq mask": policy_loss_row(level="seq", mode="mask", cases=("ragged", "full", "tools")),
    "PolicyLoss gspo": gspo_row(),
    "PolicyLoss gspo, unclipped": Row("logprobs", mean_gspo_ratio),
    "PolicyLoss gspo, is_correction": gspo_row(is_correction_level="token"),
    **{
        f"PolicyLoss, is_correction {level} {gating}": gated_row(gating, level)
        for level in ("token", "seq")
        for gating in ("binary_kl", "tv")
    },
    "ValueLoss": value_loss_row(None),
    "ValueLoss sequence": Row(
        "values", lambda x, c: loss.ValueLoss(None, False)(x, c.old_values, c.returns, c.mask), PAIRED
    ),
    "GPTLMLoss": Row("logits", language_model_loss, PAIRED),
    "SFTLoss sequence": Row("logprobs", lambda x, c: loss.SFTLoss(False)(x, c.mask), PAIRED),
    "ValueLoss, clip_eps": value_loss_row(VALUE_CLIP),
    "SFTLoss": Row("logprobs", lambda x, c: loss.SFTLoss()(x, c.mask)),
    "DPOLoss": dpo_row(),
    "DPOLoss, label_smoothing": dpo_row(label_smoothing=SMOOTHING),
    "DPOLoss, ipo": dpo_row(ipo=True),
    "DPOLoss chosen_rewards": dpo_row(output=1),
    "DPOLoss rejected_rewards": dpo_row(output=2),
    "PairWiseLoss": reward_model_row(loss.PairWiseLoss),
    "PairWiseLoss, margin": reward_model_row(loss.PairWiseLoss, margin=True),
    "LogExpLoss": reward_model_row(loss.LogExpLoss),
    "LogExpLoss, margin": reward_model_row(loss.LogExpLoss, margin=True),
    "apply_overlong_penalty": Row("scores", penalised_rewards, HOLES),
    "apply_overlong_penalty, beyond max_new_tokens": Row(
        "scores", lambda x, c: penalised_rewards(x, c, COMPLETION - 1), ("full",)
    ),
}
