"""Learning from preferences, whole: one loop for DPO and its relatives.

    once, or at every step if the recipe is online
        draw_pairs       group_size completions of each prompt, verified: one right, one wrong where there are both
    for each step
        preference_step  log-probs of both under policy and reference, the recipe's loss, its mean over all pairs; one step

What a recipe decides is asked of its entry in ``preference_losses``. The reference is frozen. Dropout stays off. All randomness of a step
comes from the seed and the step, the pool from the seed alone, so a resumed run repeats an uninterrupted one bit for
bit.
"""

import random
import time

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.algorithms.checks import require_preference, require_reference, require_trainable
from reference.algorithms.collect import logprobs_of
from reference.algorithms.data import OnStep, PairLogprobs, Pairs
from reference.algorithms.pairs import draw_pairs, draw_pool
from reference.algorithms.preference_losses import preference_loss_of
from reference.algorithms.reading import read_completions
from reference.algorithms.recipes import Recipe
from reference.algorithms.scoring import autocast
from reference.algorithms.step import backward, clip_gradient, trainable
from reference.objectives import kto_kl, sequence_logprobs, sft_loss, token_logprobs, total_loss
from reference.objectives.shapes import InputError
from reference.world.eval_mode import eval_mode
from reference.world.rollout import Rollout
from reference.world.workers import cores_of, workers_for


def train_preference(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    optimizer: torch.optim.Optimizer,
    recipe: Recipe,
    *,
    on_step: OnStep,
    first_step: int = 0,
    ref_model: PreTrainedModel | None = None,
    pool: Pairs | None = None,
    seed: int = 0,
) -> None:
    """Take steps ``first_step`` to ``recipe.steps - 1``. ``on_step(step + 1, metrics)`` after each; True ends the loop.

    ``model`` and ``optimizer`` are updated in place, the model in eval mode (without dropout) meanwhile. ``pool``: the pairs to learn from, unless the recipe is online;
    without one it is sampled from ``ref_model``, or from ``model`` where there is no reference and nothing was trained
    yet. A step takes ``prompts_per_step`` pairs of it, without repetition. Raises ``InputError`` for what
    ``require_preference`` refuses, where no prompt gives a pair, and for a gradient that is not finite.
    """
    require_preference(recipe, ref_model, device=model.device)
    require_trainable(optimizer, model)
    require_reference(model, ref_model)
    if pool is None and not recipe.online:
        if ref_model is None and first_step:
            raise InputError(
                f"pool is missing: to go on after step {first_step}, pass draw_pool(start, ...) of its first model"
            )
        pool = draw_pool(ref_model or model, tokenizer, recipe, seed=seed)
    with eval_mode(model, ref_model), cores_of(model):
        for step in range(first_step, recipe.steps):
            began = time.perf_counter()
            rng = random.Random(f"{seed}/{step}")
            if recipe.online:
                pairs = draw_pairs(model, tokenizer, recipe, rng, prompts=recipe.prompts_per_step)
            else:
                pairs = pool.take(rng.sample(range(len(pool)), k=min(recipe.prompts_per_step, len(pool))))
            metrics = preference_step(model, optimizer, pairs, recipe, ref_model=ref_model)
            if recipe.online:
                metrics["paired"] = len(pairs) / recipe.prompts_per_step
            metrics["seconds"] = time.perf_counter() - began
            if on_step(step + 1, metrics):
                return


def preference_step(
    model: PreTrainedModel,
    optimizer: torch.optim.Optimizer,
    pairs: Pairs,
    recipe: Recipe,
    *,
    ref_model: PreTrainedModel | None = None,
) -> dict[str, float]:
    """One optimizer step on ``pairs``, gradients accumulated over micro-batches. Returns the scalars of the step.

    ``loss``; ``margin``: how many nats chosen has gained on rejected, and ``accuracy``, the share of pairs where that
    is above 0; ``chosen`` and ``rejected``: what each has gained. Gains are over the reference, or, without one, over
    the log-probs that the completions were sampled with. ``grad_norm``: before clipping.
    """
    kl = kto_point(model, ref_model, pairs, recipe)
    num_tokens = int(pairs.completions.completion_mask[::2].sum())  # of all chosen completions
    totals: dict[str, Tensor] = {}
    optimizer.zero_grad()

    def loss_of(micro: Pairs) -> tuple[Tensor, dict[str, Tensor]]:
        loss, scalars = micro_batch_loss(
            model, micro, recipe, ref_model=ref_model, kl=kl, pairs=len(pairs), num_tokens=num_tokens
        )
        return loss, {"loss": loss.detach()} | scalars

    micros = pairs.micro_batches(recipe.micro_batch_size)
    with eval_mode(ref_model):  # here, once: parts beside each other must not switch it for one another
        workers = min(workers_for(each) for each in (model, ref_model) if each is not None)
        for scalars in backward(loss_of, micros, trainable(optimizer, model), workers=workers):
            for name, value in scalars.items():
                totals[name] = totals.get(name, 0.0) + value
    grad_norm = clip_gradient(model, recipe.max_grad_norm)
    optimizer.step()
    return {name: value.item() for name, value in totals.items()} | {"grad_norm": grad_norm}


def micro_batch_loss(
    model: PreTrainedModel,
    micro: Pairs,
    recipe: Recipe,
    *,
    ref_model: PreTrainedModel | None,
    kl: Tensor | None,
    pairs: int,
    num_tokens: int,
) -> tuple[Tensor, dict[str, Tensor]]:
    """What one micro-batch adds to the loss of the step and to its scalars. ``pairs``, ``num_tokens``: of the step."""
    rows = micro.completions
    start = rows.prompt_width - 1  # completions on the prediction axis; nothing is computed for prompts
    mask = rows.completion_mask[:, start:]
    with autocast(model, recipe.bf16):
        reading = read_completions(model, rows)
    logprobs = reading.spread(token_logprobs(reading.logits, reading.tokens, temperature=recipe.temperature))
    summed, average = (sequence_logprobs(logprobs, mask, average=each) for each in (False, True))
    ref = None if ref_model is None else sequence_logprobs(logprobs_of(ref_model, rows, recipe), mask)
    pair_logprobs = PairLogprobs(
        summed[::2], summed[1::2], average[::2], average[1::2],
        None if ref is None else ref[::2], None if ref is None else ref[1::2], kl,
    )  # fmt: skip
    loss = preference_loss_of(recipe).function(pair_logprobs, recipe).sum() / pairs
    if recipe.sft_coef:
        nll = sft_loss(logprobs[::2], mask[::2], num_tokens=num_tokens)
        loss = total_loss(loss, sft_loss=nll, sft_coef=recipe.sft_coef)
    before = rows.sampler_logprobs.sum(dim=1) if ref is None else ref
    chosen, rejected = (summed.detach() - before).view(-1, 2).unbind(dim=1)
    margin = chosen - rejected
    scalars = {"margin": margin, "accuracy": (margin > 0).float(), "chosen": chosen, "rejected": rejected}
    return loss, {name: value.sum() / pairs for name, value in scalars.items()}


def kto_point(model: PreTrainedModel, ref_model: PreTrainedModel | None, pairs: Pairs, recipe: Recipe) -> Tensor | None:
    """KTO's reference point, from all completions of the step, each under the prompt of the next pair.

    None for the losses of the table that have no use for it; a function of your own may have.
    """
    if ref_model is None or not preference_loss_of(recipe).kl:
        return None
    if len(pairs) < 2:
        if callable(recipe.loss):
            return None
        raise InputError("KTO puts completions under other prompts, and this step has one pair: raise prompts_per_step")
    rollout = mismatched_pairs(pairs.completions)
    mask = rollout.completion_mask[:, rollout.prompt_width - 1 :]
    return kto_kl(*(sequence_logprobs(logprobs_of(one, rollout, recipe), mask) for one in (model, ref_model)))


def mismatched_pairs(rows: Rollout) -> Rollout:
    """Each prompt with the completion of the pair before it. All begin in one column, so they only move down."""

    def roll(x: Tensor, width: int) -> Tensor:
        return torch.cat([x[:, :width], x[:, width:].roll(2, dims=0)], dim=1)

    width = rows.prompt_width
    return Rollout(
        roll(rows.tokens, width), roll(rows.attention_mask, width), roll(rows.completion_mask, width - 1),
        roll(rows.sampler_logprobs, width - 1), rows.truncated.roll(2), width,
    )  # fmt: skip
