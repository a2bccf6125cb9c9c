"""A reward model in the place of the verifier: the policy is trained on what the reward model says (``reward``).

The verifier goes on judging beside it, and teaches nothing: so a log has both, the proxy and what it stands for.
Rewards are taken as they are, not centred. Every recipe whose advantage has a baseline takes a constant off anyway, and
only differences between completions of one prompt were learned. Several reward models are another matter: the worst of
them is a question of constants, so each of them gets its own taken off (``baseline_of``), and the log also has
``proxy_spread``, the mean over completions of the standard deviation among them.
"""

import random
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from reference.algorithms.pairs import encode_pairs
from reference.algorithms.recipes import Recipe
from reference.algorithms.reward_model import load_reward_model, rewards_of
from reference.objectives.shapes import InputError
from reference.world.completions import Completions
from reference.world.eval_mode import eval_mode
from reference.world.model import loading
from reference.world.rollout import Rollout
from reference.world.tasks import draw_problem, draw_solution

PROBLEMS = 8  # that a reward model is asked about before it is used
REFERENCE = 64  # problems whose solutions are the origin of a member of an ensemble


def load_proxy(
    folder: str | Path, tokenizer: PreTrainedTokenizerBase, *, device: str | torch.device = "cpu"
) -> PreTrainedModel:
    """The reward model of a folder, frozen, to score what a policy with this tokenizer writes.

    Raises ``InputError`` as ``load_reward_model`` does, for a reward model of another tokenizer, and for one whose reward
    is NaN, infinite, or the same for every completion.
    """
    model = load_reward_model(folder, device=device).requires_grad_(False)
    with loading(folder, "a tokenizer", "save tokenizer and reward model into one folder"):
        own = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    if own.get_vocab() != tokenizer.get_vocab():
        raise InputError(
            f"the reward model {folder} has another tokenizer than the policy ({len(own)} and {len(tokenizer)} tokens), and "
            "would read other texts than were written: train one with reward-model --model and the policy's model"
        )
    require_opinion(model, tokenizer, folder)
    return model


def require_opinion(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: str | Path) -> None:
    """Refuse a reward model that says the same of careful solutions and of guesses, or says no number."""
    with torch.no_grad():
        rewards = rewards_of(model, drawn_solutions(tokenizer, PROBLEMS, model.device))
    if not rewards.isfinite().all():
        raise InputError(
            f"the reward model {folder} gives {rewards.sum().item()}, expected finite rewards: train it again"
        )
    if rewards.max() == rewards.min():
        raise InputError(
            f"the reward model {folder} gives every completion the reward {rewards[0].item():g}, so nothing could be learned "
            "from it: train it with reward-model, and name its run"
        )


def drawn_solutions(tokenizer: PreTrainedTokenizerBase, number: int, device: str | torch.device) -> Rollout:
    """A careful and a hasty solution of each of so many problems, always the same ones."""
    rng = random.Random(0)
    problems = [draw_problem(rng) for _ in range(number)]
    texts = [(draw_solution(p, rng, style="careful"), draw_solution(p, rng, style="hasty")) for p in problems]
    return encode_pairs(tokenizer, problems, texts, device=device).completions


def baseline_of(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> float:
    """The origin of a reward model among others: its mean reward of the same careful and hasty solutions, half of each."""
    return proxy_rewards(model, drawn_solutions(tokenizer, REFERENCE, model.device)).mean().item()


@torch.no_grad()
def proxy_rewards(
    model: PreTrainedModel, rollout: Rollout, *, micro_batch_size: int = 64, bf16: bool = False
) -> Tensor:
    """(rows,) what the reward model says of each completion, rows of similar length at a time. Not centred.

    A truncated completion is read at its last token, as any other. Raises ``InputError`` for a reward that is not finite.
    """
    rewards = torch.zeros(len(rollout.tokens), device=rollout.tokens.device)
    with eval_mode(model):
        for part in rollout.attention_mask.sum(dim=1).argsort(descending=True, stable=True).split(micro_batch_size):
            rewards[part] = rewards_of(model, rollout.rows(part), bf16=bf16).float()
    if not rewards.isfinite().all():
        row = int((~rewards.isfinite()).nonzero()[0])
        raise InputError(
            f"the reward model gives {rewards[row].item()} to completion {row}: train it again, without --bf16"
        )
    return rewards


def reward_by(model: PreTrainedModel, *, baseline: float = 0.0) -> Callable[[Completions, Recipe], Tensor]:
    """The reward model as what stands in the slot ``reward`` of a recipe; of several there, each less its ``baseline_of``."""

    def proxy(completions: Completions, recipe: Recipe) -> Tensor:
        rewards = proxy_rewards(
            model, completions.rollout, micro_batch_size=recipe.micro_batch_size, bf16=recipe.bf16
        )  # fmt: skip
        return rewards - baseline

    return proxy
