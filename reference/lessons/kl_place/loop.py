"""The whole loop: sample, verify, compare, loss, step. And a check of a loop that somebody else wrote.

The check runs both on a small setting, and compares where the weights have gone. If they differ, every known slip is
tried: the reference with one line changed. The slip that goes to the same place is the one that was made.
"""

import copy
import inspect
import random
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from reference.algorithms.scoring import score
from reference.lessons.kl_place.slips import SLIPS, Slip
from reference.objectives import (
    aggregate,
    completion_mask,
    group_advantages,
    kl_k1,  # noqa: F401  for the slip that takes it in the place of k2
    kl_k2,
    kl_k3,  # noqa: F401  and for the one that takes this
    ppo_clip_loss,
    token_logprobs,
)
from reference.world.model import load
from reference.world.rollout import encode_prompts, row_seeds, sample
from reference.world.tasks import draw_problem, verify

SMALL = {"steps": 2, "prompts": 4, "group_size": 4, "max_new_tokens": 48, "kl_coef": 2.0, "seed": 0}
RATE = 0.3  # of plain SGD, in which a difference of rounding stays as small as it is
NEAR = 3e-3  # of the way that the weights have moved: rounding is below it, every slip above


def train(
    model, ref_model, tokenizer, optimizer, *, steps, prompts, group_size, max_new_tokens, kl_coef, seed, on_step
):  # fmt: skip
    """GRPO with k2 in the loss. Updates the model in place; after each step, on_step(step + 1, mean reward)."""
    for step in range(steps):
        rng = random.Random(f"{seed}/{step}")
        count = prompts * group_size
        # 1 Sample
        problems = [draw_problem(rng) for _ in range(prompts)]
        rollout = sample(
            model, tokenizer, encode_prompts(tokenizer, problems), group_size=group_size,
            seeds=row_seeds(rng, count), max_new_tokens=max_new_tokens,
        )  # fmt: skip
        # 2 Verify
        texts = rollout.texts(tokenizer)
        verdicts = [verify(problems[row // group_size], text) for row, text in enumerate(texts)]
        rewards = torch.tensor(verdicts) * ~rollout.truncated
        # 3 Compare
        advantages = group_advantages(rewards, group_size=group_size, scale="group", eps=1e-4)
        for rows in torch.tensor(rng.sample(range(count), k=count)).chunk(2):
            # 4 Loss
            part = rollout.rows(rows)
            start = torch.full((len(rows),), part.prompt_width)
            mask = completion_mask(part.tokens, start, eos_token_id=tokenizer.eos_token_id)
            logp = token_logprobs(score(model, part), part.tokens, temperature=1.0)
            with torch.no_grad():
                ref_logp = token_logprobs(score(ref_model, part), part.tokens, temperature=1.0)
            losses = ppo_clip_loss(
                logp, part.sampler_logprobs, advantages[rows, None], clip_low=0.2, clip_high=0.2
            )  # fmt: skip
            losses = losses + kl_coef * kl_k2(logp, ref_logp)
            loss = aggregate(losses, mask, strategy="sequence_mean", max_length=max_new_tokens)
            # 5 Step
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        on_step(step + 1, rewards.mean().item())


@dataclass(frozen=True)
class Ran:
    """Where a loop has taken the weights, and what on_step got: the number of each step and its mean reward."""

    weights: Tensor
    reports: tuple[tuple[int, float], ...]


def ran(loop: Callable[..., Any]) -> Ran:
    """What a loop does in the small setting, from the shipped weights."""
    model, tokenizer = load()
    ref_model, reports = copy.deepcopy(model).requires_grad_(False), []
    torch.manual_seed(0)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)

    def on_step(step: int, reward: float) -> None:
        reports.append((int(step), float(reward)))

    loop(model, ref_model, tokenizer, optimizer, on_step=on_step, **SMALL)
    return Ran(flat(model), tuple(reports))


def flat(model: nn.Module) -> Tensor:
    return torch.cat([weight.detach().flatten() for weight in model.parameters()])


@cache
def reference_run() -> tuple[Ran, Tensor]:
    """What the reference does, and the weights that it begins with."""
    return ran(train), flat(load()[0])


@cache
def slipped_run(slip: Slip) -> Ran:
    """What the reference does with one line changed."""
    source = inspect.getsource(train)
    assert source.count(slip.right) == 1, slip.right
    namespace = dict(globals())
    exec(compile(source.replace(slip.right, slip.wrong), "<slip>", "exec"), namespace)
    return ran(namespace["train"])


def check_loop(loop: Callable[..., Any]) -> bool:
    """Print whether a loop goes where the reference goes, and if not, what is known of the reason."""
    passed, message = verdict(loop)
    print(message)
    return passed


def verdict(loop: Callable[..., Any]) -> tuple[bool, str]:
    try:
        yours = ran(loop)
    except NotImplementedError:
        return False, "○ train: not attempted yet. Replace the line that raises, one comment after the other."
    except Exception as error:  # the learner's code may fail in any way at all
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.name == loop.__name__]
        where = f" in line {lines[-1]} of your cell" if lines else ""
        return False, f"✗ train: it raised {type(error).__name__}{where}: {str(error).splitlines()[0][:200]}"
    reference, start = reference_run()
    way = (reference.weights - start).norm()

    def near(other: Ran) -> bool:
        return bool((yours.weights - other.weights).norm() < NEAR * way)

    off = ((yours.weights - reference.weights).norm() / way).item()
    if near(reference) and same_reports(yours, reference):
        rest = "" if off == 0 else f", up to rounding ({off:.0e} of the way that they moved)"
        return True, f"✓ train: after {SMALL['steps']} steps your weights are those of the reference{rest}."
    if near(reference):
        return (
            False,
            "✗ train: the weights are right. But on_step did not get step + 1 and the mean reward of each step.",
        )
    if torch.equal(yours.weights, start):
        return (
            False,
            "✗ train: the weights did not move. Does the optimizer get this model's gradient, and take a step?",
        )
    for slip in SLIPS:
        if near(slipped_run(slip)):
            return False, f"✗ train: {slip.mistake}.\n  In a run: {slip.symptom}."
    return (
        False,
        f"✗ train: {stage(yours, reference)} (Your weights end {off:.0%} of the reference's way from its end.)",
    )


def same_reports(yours: Ran, reference: Ran) -> bool:
    if len(yours.reports) != len(reference.reports):
        return False
    pairs = zip(yours.reports, reference.reports, strict=True)
    return all(step == its and abs(reward - right) < 1e-6 for (step, reward), (its, right) in pairs)


def stage(yours: Ran, reference: Ran) -> str:
    """How far the two agree, by the rewards that they reported."""
    if len(yours.reports) != SMALL["steps"]:
        return f"on_step was called {len(yours.reports)} times in {SMALL['steps']} steps, and the weights differ too."
    first, right = yours.reports[0][1], reference.reports[0][1]
    if abs(first - right) > 1e-6:
        told = f"{first:.3f} where the reference has {right:.3f}"
        return f"the mean reward of the first step is {told}: look at parts 1 and 2, and at the order in which rng is used."
    return "sampling and verifying agree with the reference in the first step: look at parts 3, 4 and 5."
