"""GRPO, whole: sample, verify, compare within the group, take a clipped step. Group Relative Policy Optimization, 2402.03300.

One step of the loop:
  1. rollout     prompts_per_step problems, group_size completions each, sampled from the current policy
  2. reward      1.0 if the verifier accepts the completion, else 0.0; a truncated completion gets 0.0
  3. advantage   reward minus group mean, over group std: one number per completion, shared by its tokens
  4. update      clipped surrogate (+ kl_coef * k3), aggregated, one optimizer step per minibatch

What differs from the paper, and why:
  - kl_coef is 0 by default (as in TRL, verl and DAPO): with an exact verifier there is no reward model to drift from.
  - Dropout stays off while training, or the first ratio of every update would not be 1.
  - Micro-batches are sorted by length and share one global denominator: the same gradient, less padding.
  - All randomness of step k comes from (seed, k), so a resumed run repeats an uninterrupted one bit for bit.
"""

import math
import random
import time
from collections.abc import Callable

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.objectives import (
    aggregate,
    approx_kl,
    clip_frac,
    dead_group_share,
    entropy,
    group_advantages,
    group_reward_std,
    kl_k3,
    masked_mean,
    position_ids,
    ppo_clip_loss,
    token_logprobs,
)
from reference.objectives.shapes import InputError
from reference.world.rollout import Rollout, encode_prompts, sample
from reference.world.tasks import Problem, draw_problem, verify


def train_grpo(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    optimizer: torch.optim.Optimizer,
    *,
    first_step: int = 0,
    steps: int,
    on_step: Callable[[int, dict[str, float]], bool],
    ref_model: PreTrainedModel | None = None,
    seed: int = 0,
    prompts_per_step: int = 32,
    group_size: int = 8,
    minibatches: int = 2,
    micro_batch_size: int = 64,
    max_new_tokens: int = 96,
    temperature: float = 1.0,
    scale: str = "group",
    aggregation: str = "sequence_mean",
    clip_low: float = 0.2,
    clip_high: float = 0.2,
    kl_coef: float = 0.0,
    max_grad_norm: float = 1.0,
) -> None:
    """Take steps ``first_step`` to ``steps - 1``. After each, ``on_step(step + 1, metrics)``; True from it ends the loop.

    ``model`` and ``optimizer`` are updated in place. ``ref_model`` is needed when ``kl_coef`` is not 0.
    """
    require_options(
        prompts_per_step=prompts_per_step, group_size=group_size, minibatches=minibatches, scale=scale,
        clip_low=clip_low, clip_high=clip_high, kl_coef=kl_coef,
    )  # fmt: skip
    if kl_coef and ref_model is None:
        raise InputError("kl_coef is not 0 but there is no ref_model: pass the model to stay close to")
    for step in range(first_step, steps):
        began = time.perf_counter()
        rng = random.Random(f"{seed}/{step}")
        generator = torch.Generator(model.device).manual_seed(rng.getrandbits(63))

        problems = [draw_problem(rng) for _ in range(prompts_per_step)]
        repeated = [problem for problem in problems for _ in range(group_size)]
        rollout = sample(
            model, tokenizer, encode_prompts(tokenizer, repeated),
            max_new_tokens=max_new_tokens, temperature=temperature, generator=generator,
        )  # fmt: skip
        rewards = verify_all(rollout, tokenizer, repeated)
        advantages = group_advantages(rewards, group_size=group_size, scale=scale)

        updates = []
        order = torch.tensor(rng.sample(range(len(repeated)), k=len(repeated)), device=model.device)
        for index in order.chunk(minibatches):
            updates.append(
                update(
                    model, optimizer, rollout.rows(index), advantages[index], ref_model=ref_model,
                    micro_batch_size=micro_batch_size, temperature=temperature, aggregation=aggregation,
                    max_new_tokens=max_new_tokens, clip_low=clip_low, clip_high=clip_high,
                    kl_coef=kl_coef, max_grad_norm=max_grad_norm,
                )
            )  # fmt: skip
        metrics = {
            "reward": rewards.mean().item(),
            "reward_std": group_reward_std(rewards, group_size=group_size).item(),
            "dead_groups": dead_group_share(rewards, group_size=group_size).item(),
            "length": rollout.completion_mask.sum(dim=1).float().mean().item(),
            "truncated": rollout.truncated.float().mean().item(),
            **{name: sum(u[name] for u in updates) / len(updates) for name in updates[0]},
            "seconds": time.perf_counter() - began,
        }
        if on_step(step + 1, metrics):
            return


def verify_all(rollout: Rollout, tokenizer: PreTrainedTokenizerBase, problems: list[Problem]) -> Tensor:
    """Rewards (rows,): the verifier's verdict on each completion; 0 for one that never came to its end."""
    verdicts = [verify(problem, text) for problem, text in zip(problems, rollout.texts(tokenizer), strict=True)]
    return torch.tensor(verdicts, device=rollout.tokens.device) * ~rollout.truncated


def update(
    model: PreTrainedModel,
    optimizer: torch.optim.Optimizer,
    batch: Rollout,
    advantages: Tensor,
    *,
    ref_model: PreTrainedModel | None,
    micro_batch_size: int,
    temperature: float,
    aggregation: str,
    max_new_tokens: int,
    clip_low: float,
    clip_high: float,
    kl_coef: float,
    max_grad_norm: float,
) -> dict[str, float]:
    """One optimizer step on ``batch``, gradients accumulated over micro-batches. Returns the scalars of the step."""
    lengths = batch.completion_mask.sum(dim=1)
    num_tokens, num_sequences = int(lengths.sum()), len(lengths)  # of the whole batch: micro-batching changes nothing
    totals: dict[str, float] = {}
    optimizer.zero_grad()
    for index in lengths.argsort().split(micro_batch_size):
        micro, micro_advantages = batch.rows(index), advantages[index][:, None]
        mask, old = micro.completion_mask, micro.old_logprobs

        logits = score(model, micro)
        new = token_logprobs(logits, micro.tokens, temperature=temperature)
        token_loss = ppo_clip_loss(new, old, micro_advantages, clip_low=clip_low, clip_high=clip_high)
        scalars = {
            "entropy": masked_mean(entropy(logits.detach(), temperature=temperature), mask),
            "approx_kl": approx_kl(new, old, mask),
            "clip_frac": clip_frac(new, old, micro_advantages, mask, clip_low=clip_low, clip_high=clip_high),
        }
        if kl_coef:
            with torch.no_grad():
                ref = token_logprobs(score(ref_model, micro), micro.tokens, temperature=temperature)
            kl = kl_k3(new, ref)
            token_loss = token_loss + kl_coef * kl
            scalars["kl"] = masked_mean(kl.detach(), mask)
        loss = aggregate(
            token_loss, mask, strategy=aggregation, max_length=max_new_tokens,
            num_tokens=num_tokens, num_sequences=num_sequences,
        )  # fmt: skip
        loss.backward()
        share = int(mask.sum()) / num_tokens
        for name, value in scalars.items():
            totals[name] = totals.get(name, 0.0) + share * value.item()
    totals["grad_norm"] = torch.nn.utils.clip_grad_norm_(model.parameters(), max_grad_norm).item()
    if not math.isfinite(totals["grad_norm"]):
        raise InputError(
            f"the gradient is {totals['grad_norm']}: the weights were left as they were; start again with a lower lr"
        )
    optimizer.step()
    return totals


def score(model: PreTrainedModel, batch: Rollout) -> Tensor:
    """Logits (rows, time, vocab) of a rollout, with positions that left padding cannot move."""
    mask = batch.attention_mask
    return model(batch.tokens, attention_mask=mask, position_ids=position_ids(mask), use_cache=False).logits


def require_options(
    *,
    prompts_per_step: int,
    group_size: int,
    minibatches: int,
    scale: str,
    clip_low: float,
    clip_high: float,
    kl_coef: float,
) -> None:
    """Refuse options that could only fail later, after minutes of sampling."""
    rows = prompts_per_step * group_size
    if minibatches < 1 or rows % minibatches:
        raise InputError(f"minibatches is {minibatches}, which does not divide the {rows} completions of a step")
    if not 0 <= kl_coef < math.inf:
        raise InputError(f"kl_coef is {kl_coef}, expected at least 0: a negative one rewards leaving the reference")
    # The objectives know their own limits: ask them, on a row of nothing.
    group_advantages(torch.zeros(group_size), group_size=group_size, scale=scale)
    nothing = torch.zeros(1, 1)
    ppo_clip_loss(nothing, nothing, nothing, clip_low=clip_low, clip_high=clip_high)
