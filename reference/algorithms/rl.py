"""Reinforcement learning, whole: one loop for every recipe. Sample, verify, compare, take clipped steps.

    for each step
        collect      prompts_per_step problems, group_size completions each: rewards (shaped, KL taken off if it is there
                     that it goes), values, advantages (whitened where the recipe does), what the critic is fitted to
        for each of inner_epochs passes over them, for each of minibatches parts
            update   loss of every micro-batch, divided by counts over the whole part; one optimizer step

What a recipe decides is asked of its entries (``advantages``, ``losses``, ``kl``, ``aggregation``); everything else is
here, in ``collect`` and in ``critic``. Where the recipe has a teacher (``distill``), the model itself stands in that slot.
Dropout stays off while training, or the first ratio of every update would not be 1. All randomness of a step comes from
the seed and the step, so a resumed run repeats an uninterrupted one bit for bit.
"""

import random
import time
from dataclasses import replace

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.algorithms.aggregation import aggregation_of
from reference.algorithms.checks import require_critic, require_reference, require_rl, require_trainable
from reference.algorithms.collect import collect
from reference.algorithms.critic import Critic
from reference.algorithms.data import Counts, Experience, OnStep
from reference.algorithms.kl import kl_of
from reference.algorithms.losses import loss_of
from reference.algorithms.reading import Reading, read_completions
from reference.algorithms.ready_made import is_sampled, ready_made
from reference.algorithms.recipes import Recipe
from reference.algorithms.scoring import autocast
from reference.algorithms.shared_prompts import SharedPrompts, can_share
from reference.algorithms.step import backward, clip_gradient, trainable
from reference.algorithms.supervised import draw_demonstrations, micro_batches, require_demonstrations, sft_term
from reference.objectives import (
    adaptive_kl_coef,
    approx_kl,
    entropy,
    kl_full,
    masked_mean,
    mean_ratio,
    token_logprobs,
    token_mean,
    total_loss,
    value_loss,
)
from reference.world.eval_mode import eval_mode
from reference.world.workers import cores_of, workers_for


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

    ``model``, ``critic`` and ``optimizer`` are updated in place; all are in eval mode meanwhile, so dropout and gradient
    checkpointing are off, and as they were afterwards. ``ref_model`` is needed when the recipe charges or measures a KL, ``critic``
    when it names one. ``kl_coef``: where an adaptive coefficient had got to; else the recipe's.
    """
    require_rl(recipe, ref_model, critic, device=model.device)
    require_demonstrations(model, tokenizer, recipe)
    require_trainable(optimizer, model, critic)
    require_reference(model, ref_model, synced=bool(recipe.ref_sync_every))
    require_critic(model, critic)
    kl_coef = recipe.kl_coef if kl_coef is None else kl_coef
    with eval_mode(model, ref_model, critic, recipe.teacher), cores_of(model):
        for step in range(first_step, recipe.steps):
            began = time.perf_counter()
            rng = random.Random(f"{seed}/{step}")
            if recipe.ref_sync_every and step % recipe.ref_sync_every == 0:
                ref_model.load_state_dict(model.state_dict())

            sampled = is_sampled(recipe, rng)
            experience, metrics = collect(
                model, tokenizer, recipe, rng, ref_model=ref_model, critic=critic, kl_coef=kl_coef,
                given=None if sampled else ready_made(tokenizer, recipe, rng, device=model.device),
            )  # fmt: skip
            if recipe.on_policy < 1:
                metrics["on_policy"] = float(sampled)
            updates = []
            rows = len(experience.tokens)
            for _ in range(recipe.inner_epochs):
                order = torch.tensor(rng.sample(range(rows), k=rows), device=model.device)
                for index in order.chunk(recipe.minibatches):
                    mix = draw_demonstrations(tokenizer, rng, recipe) if recipe.sft_coef else None
                    part = experience.rows(index)
                    updates.append(
                        update(model, optimizer, part, recipe, critic=critic, kl_coef=kl_coef, demonstrations=mix)
                    )
            updates = [u for u in updates if u]
            metrics |= {name: sum(u[name] for u in updates) / len(updates) for name in updates[0]}
            metrics["ratio"] = updates[0]["ratio"]  # at the first inner step: 1, or something is wrong
            if recipe.kl_place in ("loss", "reward") and kl_coef:
                metrics["kl_coef"] = kl_coef
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
    non_empty = batch.mask.any(dim=1)
    counts = Counts(int(batch.mask.sum()), int(non_empty.sum()), len(non_empty), recipe.max_new_tokens)
    if counts.num_tokens == 0:  # all of them cut off and masked: this minibatch teaches nothing
        return {}
    totals: dict[str, Tensor] = {}
    optimizer.zero_grad()
    weights = trainable(optimizer, model, critic)
    prompts = SharedPrompts(model, batch, recipe) if can_share(model, batch) else None

    def loss_of(micro: Experience) -> tuple[Tensor, dict[str, Tensor]]:
        loss, scalars = micro_batch_loss(model, micro, recipe, counts, critic=critic, kl_coef=kl_coef, prompts=prompts)
        share = micro.mask.sum() / counts.num_tokens
        return loss, {name: share * value for name, value in scalars.items()}

    micros = [micro for micro in batch.micro_batches(recipe.micro_batch_size) if micro.mask.any()]
    leaves = weights if prompts is None else weights + prompts.leaves
    for scalars in backward(loss_of, micros, leaves, workers=workers_for(model)):
        for name, value in scalars.items():
            totals[name] = totals.get(name, 0.0) + value
    if prompts is not None:
        prompts.backward(weights)
    if demonstrations is not None:
        totals["sft_loss"] = imitate(model, weights, *demonstrations, recipe)
    norms = {"grad_norm": clip_gradient(model, recipe.max_grad_norm)}
    if critic is not None:
        norms["value_grad_norm"] = clip_gradient(
            critic, recipe.max_grad_norm,
            name="the critic's gradient", advice="start again with a lower critic_lr or vf_coef",
        )  # fmt: skip
    optimizer.step()
    return {name: value.item() for name, value in totals.items()} | norms


def imitate(model: PreTrainedModel, weights: list[Tensor], tokens: Tensor, mask: Tensor, recipe: Recipe) -> Tensor:
    """Add the gradient of sft_coef times the NLL of demonstrations to that of the weights. Returns the NLL, in nats per
    token."""
    tokens, mask = tokens.to(model.device), mask.to(model.device)

    def loss_of(part: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        nll = sft_term(model, *part, recipe, num_tokens=int(mask.sum()))
        return total_loss(torch.zeros_like(nll), sft_loss=nll, sft_coef=recipe.sft_coef), nll.detach()

    micros = micro_batches(tokens, mask, recipe.micro_batch_size)
    return torch.stack(list(backward(loss_of, micros, weights, workers=workers_for(model)))).sum()


def micro_batch_loss(
    model: PreTrainedModel,
    micro: Experience,
    recipe: Recipe,
    counts: Counts,
    *,
    critic: Critic | None,
    kl_coef: float,
    prompts: SharedPrompts | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """What one micro-batch adds to the loss of the step, and its scalars."""
    with autocast(model, recipe.bf16):
        shared = critic is not None and critic.shared
        reading = read_completions(model, micro, hidden=shared, prompts=None if prompts is None else prompts.cache)
        values = None if critic is None else critic(micro, reading.hidden)
    mask, old = micro.mask, micro.old_logprobs
    new = reading.spread(token_logprobs(reading.logits, reading.tokens, temperature=recipe.temperature))

    aggregate, policy_loss = aggregation_of(recipe).function, loss_of(recipe)
    divergence = {}
    if recipe.teacher is not None and policy_loss.reads_teacher:
        micro = with_logits(micro, reading, recipe)
        exact = kl_full(micro.logits.detach(), micro.teacher_logits, temperature=recipe.temperature)
        divergence = {"teacher_kl": masked_mean(exact, mask)}
    policy = policy_loss.function(new, micro, recipe)
    if (
        micro.correction is not None and policy_loss.reads_advantage
    ):  # a prefix is as likely, whatever was drawn behind it
        policy = micro.correction * policy
    scalars = divergence | {
        "ratio": mean_ratio(new, old, mask),
        "approx_kl": approx_kl(new, old, mask),
        "clip_frac": policy_loss.clip_frac(new, micro, recipe),
    }
    terms: dict[str, Tensor | float] = {}
    with torch.set_grad_enabled(recipe.entropy_coef > 0):
        token_entropy = reading.spread(entropy(reading.logits, temperature=recipe.temperature))
    scalars["entropy"] = masked_mean(token_entropy.detach(), mask)
    if recipe.entropy_coef:
        terms |= {"entropy": aggregate(token_entropy, mask, counts), "entropy_coef": recipe.entropy_coef}
    if recipe.kl_place == "loss" and kl_coef:
        kl = kl_of(recipe).function(new, micro.ref_logprobs, old)
        terms |= {"kl": aggregate(kl, mask, counts), "kl_coef": kl_coef}
    if values is not None:
        error = value_loss(
            values, micro.returns,
            old_values=micro.values if recipe.value_clip else None, clip=recipe.value_clip,
        )  # fmt: skip
        terms |= {"value_loss": token_mean(error, mask, num_tokens=counts.num_tokens), "vf_coef": recipe.vf_coef}
        scalars["value_loss"] = masked_mean(error.detach(), mask)
    return total_loss(aggregate(policy, mask, counts), **terms), scalars


def with_logits(micro: Experience, reading: Reading, recipe: Recipe) -> Experience:
    """The micro-batch with all logits of policy and teacher, each (rows, pred + 1, vocab); the teacher's get no gradient."""
    with torch.no_grad(), autocast(recipe.teacher, recipe.bf16):
        theirs = read_completions(recipe.teacher, micro).grid()
    return replace(micro, logits=reading.grid(), teacher_logits=theirs)
