"""Reinforcement learning, whole: one loop for every recipe. Sample, verify, compare, take clipped steps.

    for each step
        collect      prompts_per_step problems, group_size completions each: rewards (shaped, KL taken off if it is there
                     that it goes), values, advantages (whitened where the recipe does), what the critic is fitted to
        for each of inner_epochs passes over them, for each of minibatches parts
            update   loss of every micro-batch, divided by counts over the whole part; one optimizer step

What a recipe decides is looked up in ``slots``; everything else is here, in ``experience.collect`` and in ``critic``.
Dropout stays off while training, or the first ratio of every update would not be 1. All randomness of a step comes from
the seed and the step, so a resumed run repeats an uninterrupted one bit for bit.
"""

import random
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.objectives import (
    adaptive_kl_coef,
    approx_kl,
    entropy,
    masked_mean,
    mean_ratio,
    token_logprobs,
    token_mean,
    total_loss,
    value_loss,
)
from reference.objectives.shapes import InputError, require_at_least, require_positive
from reference.training.critic import Critic
from reference.training.experience import Experience, collect
from reference.training.recipes import Recipe
from reference.training.score import autocast, forward
from reference.training.slots import ADVANTAGES, AGGREGATIONS, KL, LOSSES, Counts, chosen, clipped_share
from reference.training.supervised import draw_demonstrations, sft_term, take_step

OnStep = Callable[[int, dict[str, float]], bool]


def train_rl(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    optimizer: torch.optim.Optimizer,
    recipe: Recipe,
    *,
    on_step: OnStep,
    first_step: int = 0,
    ref_model: PreTrainedModel | None = None,
    critic: Critic | None = None,
    kl_coef: float | None = None,
    seed: int = 0,
) -> None:
    """Take steps ``first_step`` to ``recipe.steps - 1``. After each, ``on_step(step + 1, metrics)``; True ends the loop.

    ``model``, ``critic`` and ``optimizer`` are updated in place. ``ref_model`` is needed when the recipe has a KL term,
    ``critic`` when it names one. ``kl_coef``: where an adaptive coefficient had got to; else the recipe's.
    """
    require_parts(recipe, ref_model, critic)
    kl_coef = recipe.kl_coef if kl_coef is None else kl_coef
    for step in range(first_step, recipe.steps):
        began = time.perf_counter()
        rng = random.Random(f"{seed}/{step}")
        if recipe.ref_sync_every and step % recipe.ref_sync_every == 0:
            ref_model.load_state_dict(model.state_dict())

        experience, metrics = collect(
            model, tokenizer, recipe, rng, ref_model=ref_model, critic=critic, kl_coef=kl_coef
        )
        updates = []
        rows = len(experience.tokens)
        for _ in range(recipe.inner_epochs):
            order = torch.tensor(rng.sample(range(rows), k=rows), device=model.device)
            for index in order.chunk(recipe.minibatches):
                mix = draw_demonstrations(tokenizer, rng, recipe.prompts_per_step) if recipe.sft_coef else None
                part = experience.rows(index)
                updates.append(
                    update(model, optimizer, part, recipe, critic=critic, kl_coef=kl_coef, demonstrations=mix)
                )
        updates = [u for u in updates if u]
        metrics |= {name: sum(u[name] for u in updates) / len(updates) for name in updates[0]}
        metrics["ratio"] = updates[0]["ratio"]  # at the first inner step: 1, or something is wrong
        if recipe.kl_target:
            metrics["kl_coef"] = kl_coef = adaptive_kl_coef(
                kl_coef, metrics["kl_k1"], target=recipe.kl_target, horizon=10_000, num_samples=rows
            )
        metrics["seconds"] = time.perf_counter() - began
        if on_step(step + 1, metrics):
            return


def update(
    model: PreTrainedModel,
    optimizer: torch.optim.Optimizer,
    batch: Experience,
    recipe: Recipe,
    *,
    critic: Critic | None = None,
    kl_coef: float = 0.0,
    demonstrations: tuple[Tensor, Tensor] | None = None,
) -> dict[str, float]:
    """One optimizer step on ``batch``, gradients accumulated over micro-batches. Returns the scalars of the step.

    ``demonstrations``: tokens and mask of chats to imitate on the side, where the recipe has a sft_coef.
    """
    kept = batch.mask.any(dim=1)
    counts = Counts(int(batch.mask.sum()), int(kept.sum()), len(kept), recipe.max_new_tokens)
    if counts.num_tokens == 0:  # all of them cut off and masked: this minibatch teaches nothing
        return {}
    totals: dict[str, Tensor] = {}
    optimizer.zero_grad()
    for micro in batch.micro_batches(recipe.micro_batch_size):  # of the whole batch: micro-batching changes nothing
        if not micro.mask.any():
            continue
        loss, scalars = loss_of(model, micro, recipe, counts, critic=critic, kl_coef=kl_coef)
        loss.backward()
        share = micro.mask.sum() / counts.num_tokens
        for name, value in scalars.items():
            totals[name] = totals.get(name, 0.0) + share * value
    if demonstrations is not None:
        nll = sft_term(model, *(part.to(model.device) for part in demonstrations), recipe)
        total_loss(torch.zeros_like(nll), sft_loss=nll, sft_coef=recipe.sft_coef).backward()
        totals["sft_loss"] = nll.detach()
    if critic is not None:
        norm = totals["value_grad_norm"] = torch.nn.utils.clip_grad_norm_(critic.parameters(), recipe.max_grad_norm)
        if not norm.isfinite():
            raise InputError(f"the critic's gradient is {norm.item()}: nothing was changed; lower critic_lr or vf_coef")
    grad_norm = take_step(model, optimizer, max_grad_norm=recipe.max_grad_norm)
    return {name: value.item() for name, value in totals.items()} | {"grad_norm": grad_norm}


def loss_of(
    model: PreTrainedModel,
    micro: Experience,
    recipe: Recipe,
    counts: Counts,
    *,
    critic: Critic | None,
    kl_coef: float,
) -> tuple[Tensor, dict[str, Tensor]]:
    """What one micro-batch adds to the loss of the step, and its scalars."""
    with autocast(model, recipe.bf16):
        shared = critic is not None and critic.shared
        out = forward(model, micro, completions_only=True, hidden=shared)
        values = None if critic is None else critic(micro, out.hidden_states[-1] if shared else None)
    mask, old = micro.mask, micro.old_logprobs
    new = token_logprobs(out.logits, micro.targets, temperature=recipe.temperature)

    def aggregated(x: Tensor) -> Tensor:
        return chosen(AGGREGATIONS, recipe.aggregation, "aggregation")(x, mask, counts)

    policy = chosen(LOSSES, recipe.loss, "loss")(new, micro, recipe)
    if micro.correction is not None:
        policy = micro.correction * policy
    scalars = {
        "ratio": mean_ratio(new, old, mask),
        "approx_kl": approx_kl(new, old, mask),
        "clip_frac": clipped_share(new, micro, recipe),
    }
    terms: dict[str, Tensor | float] = {}
    with torch.set_grad_enabled(recipe.entropy_coef > 0):
        spread = entropy(out.logits, temperature=recipe.temperature)
    scalars["entropy"] = masked_mean(spread.detach(), mask)
    if recipe.entropy_coef:
        terms |= {"entropy": aggregated(spread), "entropy_coef": recipe.entropy_coef}
    if recipe.kl_place == "loss" and kl_coef:
        kl = chosen(KL, recipe.kl, "kl")(new, micro.ref_logprobs, old)
        terms |= {"kl": aggregated(kl), "kl_coef": kl_coef}
    if values is not None:
        error = value_loss(
            values, micro.returns,
            old_values=micro.values if recipe.value_clip else None, clip=recipe.value_clip,
        )  # fmt: skip
        terms |= {"value_loss": token_mean(error, mask, num_tokens=counts.num_tokens), "vf_coef": recipe.vf_coef}
        scalars["value_loss"] = masked_mean(error.detach(), mask)
    return total_loss(aggregated(policy), **terms), scalars


def require_parts(recipe: Recipe, ref_model: PreTrainedModel | None, critic: Critic | None) -> None:
    """Refuse a recipe that could only fail later, after minutes of sampling, or that asks for what nothing reads."""
    r, rows = recipe, recipe.prompts_per_step * recipe.group_size
    if r.kind != "rl":
        raise InputError(f"{r.name} is a recipe of kind {r.kind!r}, not of reinforcement learning")
    for name in ("kl_coef", "entropy_coef", "sft_coef", "length_coef", "vf_coef", "ref_sync_every"):
        require_at_least(getattr(r, name), name, 0)
    for name in (
        "kl_target",
        "value_clip",
        "top_k",
        "inner_epochs",
        "max_rounds",
        "minibatches",
        "temperature",
        "top_p",
    ):
        if getattr(r, name) is not None:
            require_positive(getattr(r, name), name)
    require_at_least(r.top_p, "top_p", 0, 1)
    if rows % r.minibatches:
        raise InputError(f"minibatches is {r.minibatches}, which does not divide the {rows} completions of a step")
    for wrong, why in refused(r):
        if wrong:
            raise InputError(why)
    if r.kl_coef and ref_model is None:
        raise InputError("kl_coef is not 0 but there is no ref_model: pass the model to stay close to")
    if r.critic and critic is None:
        raise InputError(f"critic is {r.critic!r} but there is none: pass Critic(model, shared=...)")
    try_slots(recipe)


def refused(r: Recipe) -> list[tuple[bool, str]]:
    """Choices that do not go together: whether it is so, and what to say."""
    own = callable(r.advantage)
    return [
        (bool(r.kl_coef) and (r.kl is None or r.kl_place not in ("loss", "reward")),
         f"kl_coef is {r.kl_coef}, kl {r.kl} and kl_place {r.kl_place}: name estimator and place of the KL"),
        (bool(r.ref_sync_every or r.kl_target) and not r.kl_coef,
         "ref_sync_every and kl_target are about a reference, and kl_coef is 0: give it a weight"),
        (r.advantage == "gae" and not r.critic, "advantage 'gae' needs a critic: choose 'shared' or 'separate'"),
        (bool(r.critic) and r.advantage != "gae" and not own,
         f"advantage is {r.advantage!r}, which does not read the critic: choose 'gae', or critic none"),
        (bool(r.critic) != bool(r.vf_coef),
         f"critic is {r.critic} and vf_coef {r.vf_coef}: a critic needs a weight for its loss, and a weight a critic"),
        (r.value_clip is not None and not r.critic, f"value_clip is {r.value_clip}, and there is no critic to clip"),
        (r.dual_clip is not None and r.loss != "ppo_clip", f"dual_clip is {r.dual_clip}, which {r.loss!r} does not read"),
        (r.clip_low is None and r.loss in ("ppo_clip", "gspo"), f"clip_low is none, but {r.loss!r} needs a lower bound"),
        (r.group_size == 1 and (str(r.advantage).startswith("group") or r.max_rounds > 1),
         f"group_size is 1: advantage {r.advantage!r} and max_rounds {r.max_rounds} compare completions of one prompt"),
        (r.overlong not in ("score", "mask", "penalty"),
         f"overlong is {r.overlong!r}, expected 'score', 'mask' or 'penalty'"),
    ]  # fmt: skip


def try_slots(recipe: Recipe) -> None:
    """Call what the recipe names once, on completions of nothing: the objectives know their own limits."""
    rows = max(2, recipe.group_size)
    zero = torch.zeros(rows, 2)
    tokens = torch.zeros(rows, 3, dtype=torch.long)
    nothing = Experience(
        tokens=tokens, attention_mask=tokens == 0, prompt_width=1, mask=zero == 0, old_logprobs=zero,
        rewards=zero[:, 0], token_rewards=zero, values=zero,
    )  # fmt: skip
    advantages = zero[:, :1]
    if not callable(recipe.advantage):
        advantages = chosen(ADVANTAGES, recipe.advantage, "advantage")(nothing, recipe).view(rows, -1)
    token_loss = zero
    if not callable(recipe.loss):
        token_loss = chosen(LOSSES, recipe.loss, "loss")(zero, replace(nothing, advantages=advantages), recipe)
    if not callable(recipe.aggregation):
        counts = Counts(2 * rows, rows, rows, recipe.max_new_tokens)
        chosen(AGGREGATIONS, recipe.aggregation, "aggregation")(token_loss, nothing.mask, counts)
    if recipe.kl_coef and not callable(recipe.kl):
        chosen(KL, recipe.kl, "kl")(zero, zero, zero)
