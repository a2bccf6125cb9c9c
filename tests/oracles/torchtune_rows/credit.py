"""Whom torchtune credits with a reward: KL in the reward, returns, advantages, and where its recipes put the score."""

import torch
from torch import Tensor

from ..cases import COMPLETION, GAMMA, GROUP, KL_COEF, LAMBDA, ORDINARY, PROMPT, Case
from ..records import Row
from ..shared_rows import values_on_mask
from .stand_ins import get_unmasked_sequence_lengths, rlhf, statement


def of_response(x: Tensor) -> Tensor:
    """Its trajectories begin with the first token of the response."""
    return x[:, PROMPT - 1 :]


def rewards_ppo(scores: Tensor, case: Case, place: Tensor) -> Tensor:
    return rlhf.get_rewards_ppo(scores.detach(), of_response(case.logprobs), of_response(case.ref), KL_COEF, place)[0]


def last_token(case: Case) -> Tensor:
    return get_unmasked_sequence_lengths(~of_response(case.mask))


def place_of_recipe(case: Case) -> Tensor:
    recipe = {"self": type("Recipe", (), {"_max_generated_tokens": COMPLETION})}
    names = {"torch": torch, "seq_lens": last_token(case), **recipe}
    return statement("ppo_full_finetune_single_device.py", "value_seq_idxs", **names)


def rewards_on_mask(scores: Tensor, case: Case) -> Tensor:
    rewards = rewards_ppo(scores, case, last_token(case))
    return torch.where(of_response(case.mask), rewards, 0.0)


def advantages(values: Tensor, case: Case, which: int) -> Tensor:
    """Padding has values and rewards of 0, as in its recipe. 0: advantages, 1: returns."""
    given = [values_on_mask(x.detach(), case) for x in (values, case.token_rewards)]
    return values_on_mask(rlhf.estimate_advantages(*given, GAMMA, LAMBDA, masks=case.mask)[which], case)


def returns_of_recipe(scores: Tensor, case: Case) -> Tensor:
    """From scores, with the value of the position that gets the score, as the recipe has it."""
    mask, place = of_response(case.mask), place_of_recipe(case)
    logprobs, ref = (torch.where(mask, of_response(x), 1.0) for x in (case.logprobs, case.ref))
    values = torch.where(mask.scatter(1, place[:, None], True), of_response(case.values), 0.0)
    rewards = rlhf.get_rewards_ppo(scores.detach(), logprobs, ref, KL_COEF, place)[0]
    returns = rlhf.estimate_advantages(values, rewards, GAMMA, LAMBDA, masks=mask)[1]
    return torch.where(mask, returns, 0.0)


def grpo_advantages(rewards: Tensor, case: Case) -> Tensor:
    groups = rewards.detach().view(-1, GROUP)
    return statement("dev/grpo_full_finetune_distributed.py", "advantages", rewards=groups).flatten()


CREDIT = {
    "get_rewards_ppo": Row("scores", rewards_on_mask, ("ragged", "full")),
    "get_rewards_ppo, no place": Row(
        "scores",
        lambda x, c: rlhf.get_rewards_ppo(x.detach(), of_response(c.logprobs), of_response(c.ref), KL_COEF)[0],
        ("full",),
    ),
    "estimate_advantages": Row("values", lambda x, c: advantages(x, c, 0)),
    "estimate_advantages, returns": Row("values", lambda x, c: advantages(x, c, 1)),
    "PPO recipe, returns": Row("scores", returns_of_recipe, ("ragged", "full")),
    "GRPO recipe, advantages": Row("rewards", grpo_advantages, ORDINARY),
}
