"""Experience: what one rollout teaches from. Sampled completions with their rewards, KL, values and advantages.

It is made once per rollout by ``collect`` and then cut into minibatches and micro-batches. Whatever is per token covers
the completion part of the prediction axis only, (rows, pred) with pred = time - prompt_width: index t is about the t-th
completion token, and nothing is computed for prompts.
"""

import random
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.algorithms.advantages import advantage_of, gae_of
from reference.algorithms.critic import Critic
from reference.algorithms.data import Experience
from reference.algorithms.distill import asks_about_samples
from reference.algorithms.kl import kl_of
from reference.algorithms.losses import loss_of
from reference.algorithms.reading import read_completions
from reference.algorithms.recipes import Recipe
from reference.algorithms.rewards import combined, member_rewards
from reference.algorithms.scoring import autocast
from reference.evaluation.tool_use import tool_scalars
from reference.objectives import (
    dead_group_share,
    explained_variance,
    group_reward_std,
    kl_penalised_rewards,
    length_penalised_rewards,
    mean_kl,
    mean_length,
    overlong_mask,
    reward_mean,
    sampler_correction,
    soft_overlong_penalty,
    token_logprobs,
    token_rewards,
    truncated_share,
)
from reference.objectives.shapes import InputError, at_least_float32
from reference.world.completions import Completions, draw_problems, encode_questions, join_completions, judge, sampler
from reference.world.eval_mode import eval_mode
from reference.world.rollout import Rollout, row_seeds
from reference.world.workers import in_parallel, workers_for


def collect(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    recipe: Recipe,
    rng: random.Random,
    *,
    ref_model: PreTrainedModel | None = None,
    critic: Critic | None = None,
    kl_coef: float = 0.0,
    given: Completions | None = None,
) -> tuple[Experience, dict[str, float]]:
    """Sample, verify, shape the rewards, score with reference, teacher and critic, compare. The experience and its scalars.

    ``given``: completions to learn from in the place of samples; of these there is only one scalar, their length.
    """
    completions, rounds = (given, 1) if given else sample_groups(model, tokenizer, recipe, rng)
    rollout, correct = completions.rollout, completions.correct
    part = slice(rollout.prompt_width - 1, None)  # completions on the prediction axis
    mask, sampler = rollout.completion_mask[:, part], rollout.sampler_logprobs[:, part]
    of_members = member_rewards(completions, recipe)
    scores = combined(of_members, recipe)
    rewards = shaped_rewards(scores, mask.sum(dim=1), recipe)

    same = samples_as_it_trains(recipe) and given is None
    old = sampler if same else logprobs_of(model, rollout, recipe)
    ref = None if ref_model is None else logprobs_of(ref_model, rollout, recipe)
    charge = kl_of(recipe).function(old, ref, old) if ref is not None and recipe.kl_place == "reward" else None
    penalty_coef = 0.0 if charge is None else kl_coef
    experience = Experience(
        tokens=rollout.tokens,
        attention_mask=rollout.attention_mask,
        prompt_width=rollout.prompt_width,
        group=torch.arange(len(rollout.tokens), device=rollout.tokens.device) // recipe.group_size,
        mask=overlong_mask(mask, rollout.truncated) if recipe.overlong == "mask" else mask,
        old_logprobs=old,
        rewards=rewards if charge is None else kl_penalised_rewards(rewards, charge, mask, kl_coef=penalty_coef),
        token_rewards=token_rewards(rewards, mask, kl=charge if penalty_coef else None, kl_coef=penalty_coef),
        ref_logprobs=ref,
        teacher_logprobs=logprobs_of(recipe.teacher, rollout, recipe) if asks_about_samples(recipe) else None,
        values=None if critic is None else values_of(critic, model, rollout, recipe),
        correction=None if same or given else sampler_correction(old, sampler, mask),
    )
    if not experience.mask.any():
        raise InputError("every completion was cut off at the budget, and masked for it: raise max_new_tokens")
    if critic is not None:
        gae = gae_of(experience, recipe)
        returns = torch.where(experience.mask, gae + experience.values, 0.0)
        experience = replace(experience, gae=gae, returns=returns)
    advantages = rewards.new_zeros(len(rewards), 1)
    if loss_of(recipe).reads_advantage:
        advantages = advantage_of(recipe).function(experience, recipe)
        advantages = advantages[:, None] if advantages.dim() == 1 else advantages
    if given:
        return replace(experience, advantages=advantages), {"length": mean_length(mask).item()}
    grouped = recipe.group_size > 1
    metrics = {
        "reward": reward_mean(correct),
        "reward_std": group_reward_std(correct, group_size=recipe.group_size) if grouped else correct.std(correction=0),
        "dead_groups": dead_group_share(correct, group_size=recipe.group_size) if grouped else torch.zeros(()),
        "length": mean_length(mask),
        "truncated": truncated_share(rollout.truncated),
    }
    for name, those in (("length_right", correct > 0), ("length_wrong", correct == 0)):
        if those.any():
            metrics[name] = mean_length(mask[those])
    if completions.trajectories is not None:
        metrics |= {"earned": reward_mean(rewards)} | tool_scalars(completions)
    elif recipe.reward != "success":  # what teaches, beside what it stands for
        metrics["proxy"] = reward_mean(scores)
        if len(of_members) > 1:  # how far they disagree
            metrics["proxy_spread"] = of_members.std(dim=0, correction=0).mean()
    if recipe.max_rounds > 1:
        metrics["rounds"] = torch.tensor(float(rounds))
    metrics |= spread_of(advantages, experience.mask)
    if ref is not None:  # on the samples of the policy itself, so that it is KL(pi || ref)
        metrics |= {f"kl_{k}": mean_kl(old, ref, mask, estimator=k) for k in ("k1", "k3")}
    if experience.teacher_logprobs is not None:
        metrics["teacher_kl"] = mean_kl(old, experience.teacher_logprobs, mask, estimator="k1")
    if critic is not None:
        metrics["explained_variance"] = explained_variance(experience.values, experience.returns, experience.mask)
    # where all returns are equal there is no share that is explained
    numbers = {name: value.item() for name, value in metrics.items() if not value.isnan()}
    return replace(experience, advantages=advantages), numbers


def spread_of(advantages: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """Mean and std of the advantages, over what the estimator has centred: completions, or where there is one per token the
    tokens that train. The mean is 0 for every estimator that compares."""
    each = advantages[:, 0] if advantages.shape[1] == 1 else advantages[mask]
    return {"advantage_mean": each.mean(), "advantage_std": each.std(correction=0)}


def samples_as_it_trains(recipe: Recipe) -> bool:
    """Whether the sampler's log-probs are those of the policy that is trained.

    At top_p 0.9 it is another policy, and bfloat16 rounds with the batch's size.
    """
    return recipe.top_k is None and recipe.top_p == 1 and not recipe.bf16


def sample_groups(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, recipe: Recipe, rng: random.Random
) -> tuple[Completions, int]:
    """The completions of a step, verified, and how many rounds of sampling that took.

    With ``max_rounds`` above 1, dead groups are replaced by new prompts in further rounds (DAPO's dynamic sampling);
    after the last round they fill what is still missing.
    """
    alive, dead = [], []
    for rounds in range(1, recipe.max_rounds + 1):
        problems = draw_problems(recipe.task, rng, recipe.prompts_per_step - len(alive))
        sampled = sampler(recipe.task, recipe.max_calls)(
            model, tokenizer, encode_questions(tokenizer, problems), group_size=recipe.group_size,
            seeds=row_seeds(rng, len(problems) * recipe.group_size), max_new_tokens=recipe.max_new_tokens,
            temperature=recipe.temperature, top_k=recipe.top_k, top_p=recipe.top_p,
        )  # fmt: skip
        found = judge(tokenizer, sampled, problems)
        if recipe.max_rounds == 1:
            return found, rounds
        for group in torch.arange(len(found.correct), device=found.correct.device).split(recipe.group_size):
            is_dead = dead_group_share(found.correct[group], group_size=recipe.group_size) == 1
            (dead if is_dead else alive).append(found.rows(group))
        if len(alive) == recipe.prompts_per_step:
            break
    groups = (alive + dead)[: recipe.prompts_per_step]
    return join_completions(groups, pad_token_id=tokenizer.pad_token_id), rounds


def shaped_rewards(rewards: Tensor, lengths: Tensor, recipe: Recipe) -> Tensor:
    """What is added to a reward before anything is compared: a price for length, DAPO's punishment near the budget."""
    if recipe.length_coef:
        rewards = length_penalised_rewards(
            rewards, lengths, length_coef=recipe.length_coef, max_length=recipe.max_new_tokens
        )
    if recipe.overlong == "penalty":
        limit = recipe.max_new_tokens
        rewards = rewards + soft_overlong_penalty(lengths, max_length=limit, buffer=max(1, limit // 4))
    return rewards


@torch.no_grad()
def logprobs_of(model: PreTrainedModel, rollout: Rollout, recipe: Recipe) -> Tensor:
    """Log-probs (rows, pred) of the completions under a model, at the temperature of training."""

    def one(part: Rollout) -> Tensor:
        with autocast(model, recipe.bf16):
            reading = read_completions(model, part)
        return reading.spread(token_logprobs(reading.logits, reading.tokens, temperature=recipe.temperature))

    with eval_mode(model):
        return in_micro_batches(one, rollout, recipe.micro_batch_size, workers=workers_for(model))


@torch.no_grad()
def values_of(critic: Critic, model: PreTrainedModel, rollout: Rollout, recipe: Recipe) -> Tensor:
    """V (rows, pred) of the state before each completion token."""

    def one(part: Rollout) -> Tensor:
        with autocast(model, recipe.bf16):
            return critic(part, read_completions(model, part, hidden=True).hidden if critic.shared else None)

    with eval_mode(model, critic):
        return in_micro_batches(one, rollout, recipe.micro_batch_size, workers=workers_for(model))


def in_micro_batches(function: Callable[[Rollout], Tensor], rollout: Rollout, size: int, *, workers: int = 1) -> Tensor:
    """Apply to rows of similar length at a time; the results (rows, pred) in the old order, 0 on padding."""
    parts = rollout.attention_mask.sum(dim=1).argsort(descending=True, stable=True).split(size)
    done = list(in_parallel(lambda index: at_least_float32(function(rollout.rows(index))), parts, workers=workers))
    result = done[0].new_zeros(rollout.completion_mask[:, rollout.prompt_width - 1 :].shape)
    for index, part in zip(parts, done, strict=True):
        result[index, : part.shape[1]] = part
    return torch.where(rollout.completion_mask[:, rollout.prompt_width - 1 :], result, 0.0)
