"""What SkyRL trains on: losses of policy and value, and the whole loss of its worker."""

from collections.abc import Callable
from types import SimpleNamespace

import torch
from torch import Tensor

from ..cases import (
    CLIP_HIGH,
    CLIP_LOW,
    DUAL_CLIP,
    ENTROPY_COEF,
    FAR,
    GSPO_HIGH,
    GSPO_LOW,
    HOLES,
    KL_COEF,
    ORDINARY,
    PAIRED,
    VALUE_CLIP,
    Case,
)
from ..records import Row
from .corrections import OUTLIER, TOKEN_MASK, TOKEN_TIS
from .extracts import forward_backward_micro
from .stand_ins import AlgorithmConfig, OffPolicyCorrectionConfig, ppo_utils

CLIP = {"eps_clip_low": CLIP_LOW, "eps_clip_high": CLIP_HIGH}
GSPO_CLIP = {"eps_clip_low": GSPO_LOW, "eps_clip_high": GSPO_HIGH}
NO_CLIP = {"eps_clip_low": 1.0, "eps_clip_high": 1e9}
WIDE_SHARE, COV_LOW, COV_HIGH = 1.0, 0.1, 0.8  # all candidates are taken: nothing is left to chance
KL_SHARE, KL_COV_COEF = 0.4, 0.7
DELTA_LOW, DELTA_HIGH = 0.02, 0.03
# What its `validate_cfg` makes of `use_tis`, if `tis_imp_ratio_cap` is not set too.
USE_TIS = {"tis_ratio_type": "token", "token_tis_ratio_clip_high": AlgorithmConfig().tis_imp_ratio_cap}


def scaled_advantages(advantages: Tensor, case: Case, reduction: str) -> Tensor:
    """As its trainer prepares them, so that the sum in the loss is a mean."""
    if reduction == "sum":
        return advantages
    mask = case.mask.float()
    return ppo_utils.apply_loss_reduction_to_advantages_minibatch(advantages, mask, reduction, 1, 1)


def algorithm(name: str, nested: dict[str, float | str], correction: dict, **options: float | str) -> AlgorithmConfig:
    """``nested``: the options in the group that has the loss's name."""
    config = AlgorithmConfig(policy_loss_type=name, **options)
    for key, value in nested.items():
        assert hasattr(getattr(config, name), key)
        setattr(getattr(config, name), key, value)
    config.off_policy_correction = OffPolicyCorrectionConfig(**correction)
    return config


def policy_loss_row(
    name: str = "regular",
    reduction: str = "token_mean",
    *,
    advantages: Callable[[Case], Tensor] = lambda case: case.advantages,
    nested: dict[str, float | str] | None = None,
    correction: dict[str, float | str] | None = None,
    sampler: bool = False,
    metric: str = "",
    float32: bool = True,
    cases: tuple = ORDINARY,
    **options: float | str,
) -> Row:
    """``float32``: most of its losses take the ratio through it. ``sampler``: it has log-probs of the sampler."""

    def function(logprobs: Tensor, case: Case) -> Tensor | float:
        config = algorithm(name, nested or {}, correction or {}, loss_reduction=reduction, **(options or CLIP))
        given = scaled_advantages(advantages(case), case, reduction)
        mask, rollout = case.mask.float(), case.sampler if sampler or correction else None
        loss, metrics = ppo_utils.PolicyLossRegistry.get(name)(logprobs, case.old, given, config, mask, rollout)
        return metrics[metric] if metric else (loss.float() if float32 else loss)

    return Row("logprobs", function, cases)


def row_advantages(case: Case) -> Tensor:
    return case.advantages[:, :1].expand_as(case.advantages)


def gspo_row(reduction: str) -> Row:
    return policy_loss_row("gspo", reduction, advantages=row_advantages, float32=False, cases=HOLES, **GSPO_CLIP)


def dppo_row(kind: str, *, cases: tuple = FAR, **options: bool | dict) -> Row:
    nested = {"dppo_type": kind, "delta_low": DELTA_LOW, "delta_high": DELTA_HIGH}
    return policy_loss_row("dppo", nested=nested, cases=cases, **options)


def clip_cov_row(reduction: str) -> Row:
    nested = {"clip_ratio": WIDE_SHARE, "clip_cov_lb": COV_LOW, "clip_cov_ub": COV_HIGH}
    return policy_loss_row("clip_cov", reduction, nested=nested, float32=False)


def kl_cov_row(reduction: str, **options: dict) -> Row:
    nested = {"kl_cov_frac": KL_SHARE, "ppo_kl_coef": KL_COV_COEF}
    return policy_loss_row("kl_cov", reduction, nested=nested, float32=False, **options)


def value_loss_row(clip: float | None) -> Row:
    config = AlgorithmConfig(value_clip=clip)
    mask_of = lambda case: case.mask.float()  # noqa: E731
    return Row("values", lambda x, c: ppo_utils.ppo_critic_loss(x, c.old_values, c.returns, config, mask_of(c))[0])


def worker_step(logprobs: Tensor, case: Case, rows: slice, metric: str = "") -> Tensor | float:
    """One micro-batch of the worker. -logp stands in for the entropy, so that it has a gradient here."""
    config = algorithm("regular", {}, {}, use_entropy_loss=True, **CLIP)
    config.kl_loss_coef, config.entropy_loss_coef = KL_COEF, ENTROPY_COEF
    policy, last = logprobs[rows], torch.zeros_like(logprobs[rows, :1])
    experience = SimpleNamespace(
        sequences=case.tokens[rows],
        action_log_probs=case.old[rows],
        base_action_log_probs=case.ref[rows],
        advantages=scaled_advantages(case.advantages, case, "token_mean")[rows],
        num_actions=logprobs.shape[1],
        loss_mask=case.mask.float()[rows],
        to_device=lambda _: None,
        **dict.fromkeys(("attention_mask", "action_mask", "rollout_logprobs", "pixel_values", "image_grid_thw")),
    )
    losses: list[Tensor] = []
    model = lambda *_, **__: (policy, {"entropy": torch.cat([-policy, last], dim=1)})  # noqa: E731
    model.train = lambda: None
    worker = SimpleNamespace(
        model=model,
        optimizer=None,
        cfg=SimpleNamespace(algorithm=config),
        policy_loss_fn=ppo_utils.PolicyLossRegistry.get("regular"),
        mesh_rank=SimpleNamespace(dp_size=1),
        strategy=SimpleNamespace(backward=lambda loss, *_: losses.append(loss)),
        scheduler=SimpleNamespace(get_last_lr=lambda: [0.0]),
    )
    status = forward_backward_micro(worker, experience, len(policy) / len(logprobs))
    return status[metric] if metric else losses[0].float()


def total_loss_row(*, micro_batch: int, cases: tuple = ORDINARY) -> Row:
    """The losses of a mini-batch's micro-batches, whose gradients add up."""

    def function(logprobs: Tensor, case: Case) -> Tensor:
        starts = range(0, len(logprobs), micro_batch)
        return sum(worker_step(logprobs, case, slice(start, start + micro_batch)) for start in starts)

    return Row("logprobs", function, cases)


LOSSES = {
    "ppo_policy_loss": policy_loss_row(cases=FAR),
    "ppo_policy_loss sequence_mean": policy_loss_row(reduction="sequence_mean"),
    "ppo_policy_loss clip_ratio": policy_loss_row(metric="clip_ratio"),
    "ppo_policy_loss dual_clip": policy_loss_row("dual_clip", clip_ratio_c=DUAL_CLIP, cases=FAR, **CLIP),
    "ppo_policy_loss, TIS": policy_loss_row(correction=TOKEN_TIS, cases=HOLES),
    "ppo_policy_loss, token mask": policy_loss_row(correction=TOKEN_MASK, cases=HOLES),
    "ppo_policy_loss, outlier mask": policy_loss_row(correction=OUTLIER, cases=HOLES),
    "ppo_policy_loss, one threshold": policy_loss_row(correction={"token_mask_is_threshold_high": 1.0}),
    "ppo_policy_loss, use_tis": policy_loss_row(correction=USE_TIS),
    "gspo_policy_loss": gspo_row("sequence_mean"),
    "gspo_policy_loss token_mean": gspo_row("token_mean"),
    "gspo_policy_loss, advantages per token": policy_loss_row("gspo", "sequence_mean", float32=False, **GSPO_CLIP),
    "gspo_policy_loss, unclipped": policy_loss_row(
        "gspo", "sequence_mean", advantages=lambda c: -torch.ones_like(c.advantages), float32=False, **NO_CLIP
    ),
    "compute_policy_loss_cispo": policy_loss_row("cispo"),
    "compute_policy_loss_cispo, bounds": policy_loss_row(
        "cispo", nested={"cispo_eps_clip_low": CLIP_LOW, "cispo_eps_clip_high": CLIP_HIGH}, cases=FAR
    ),
    "rollout_is_policy_loss": policy_loss_row("rollout_is", sampler=True, cases=HOLES),
    "sapo_policy_loss": policy_loss_row("sapo", float32=False),
    "sapo_policy_loss sequence_mean": policy_loss_row("sapo", "sequence_mean", float32=False),
    "dppo_policy_loss": dppo_row("binary_tv"),
    "dppo_policy_loss binary_kl": dppo_row(
        "binary_kl", cases=("empty row", "tools")
    ),  # in the others, an old log-prob is above 0
    "dppo_policy_loss, sampler": dppo_row("binary_tv", sampler=True, cases=ORDINARY),
    "dppo_policy_loss, TIS": dppo_row("binary_tv", correction=TOKEN_TIS, cases=ORDINARY),
    "compute_policy_loss_clip_cov": clip_cov_row("token_mean"),
    "compute_policy_loss_clip_cov, sum": clip_cov_row("sum"),
    "compute_policy_loss_kl_cov": kl_cov_row("token_mean"),
    "compute_policy_loss_kl_cov, sum": kl_cov_row("sum"),
    "compute_policy_loss_kl_cov, token mask": kl_cov_row("token_mean", correction=TOKEN_MASK),
    "cross_entropy_loss": policy_loss_row("cross_entropy", float32=False),
    "importance_sampling_loss": policy_loss_row("importance_sampling", "sum", float32=False),
    "importance_sampling_loss importance_ratio": policy_loss_row("importance_sampling", metric="importance_ratio"),
    "ppo_critic_loss": value_loss_row(None),
    "ppo_critic_loss, value_clip": value_loss_row(VALUE_CLIP),
    "_forward_backward_micro": total_loss_row(micro_batch=4),
    "_forward_backward_micro, two": total_loss_row(micro_batch=2, cases=PAIRED),
    "_forward_backward_micro policy_kl": Row("logprobs", lambda x, c: worker_step(x, c, slice(None), "policy_kl")),
}
