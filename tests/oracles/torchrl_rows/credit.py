"""Whom torchrl credits with a reward: advantages of a group, GAE and its kin, whitening, and the critic's loss."""

from types import SimpleNamespace

import torch
from tensordict import TensorDict
from tensordict.nn import TensorDictModule
from torch import Tensor
from torchrl.envs.llm.transforms.kl import KLComputation
from torchrl.objectives.llm.grpo import MCAdvantage
from torchrl.objectives.ppo import ClipPPOLoss
from torchrl.objectives.value.advantages import GAE
from torchrl.objectives.value.functional import (
    generalized_advantage_estimate,
    reward2go,
    td0_advantage_estimate,
    vec_generalized_advantage_estimate,
)

from ..cases import COMPLETION, GAMMA, GROUP, HOLES, KL_COEF, LAMBDA, ORDINARY, PROMPT, VALUE_CLIP, Case
from ..records import Row
from ..shared_rows import values_on_mask
from .demonstrations import stacked

# --- a group's advantages ---


def trajectory(group: int, rewards: Tensor) -> TensorDict:
    steps = len(rewards)
    done = torch.arange(steps)[:, None] == steps - 1
    step = TensorDict({"reward": rewards[:, None], "done": done}, batch_size=[steps])
    return TensorDict({"group": torch.full((steps,), group), "next": step}, batch_size=[steps])


def advantages_of(transform: MCAdvantage, trajectories: list[TensorDict]) -> Tensor:
    """One after the other, as a replay buffer gets them: the last of a group gives its advantages."""
    results = [transform.inv(each) for each in trajectories]
    return torch.cat([result["advantage"].flatten() for result in results if result is not None])


def one_step_row(*, group_size: int = GROUP, cases: tuple = ORDINARY, **options: str) -> Row:
    def function(rewards: Tensor, case: Case) -> Tensor:
        transform = MCAdvantage(group_size, prompt_key="group", **options)
        single = rewards.detach()[:, None]
        return advantages_of(transform, [trajectory(i // group_size, reward) for i, reward in enumerate(single)])

    return Row("rewards", function, cases)


def turns_row(**options: str) -> Row:
    """Each row is a trajectory of as many steps as it has tokens. The score comes with the last step."""

    def function(scores: Tensor, case: Case) -> Tensor:
        lengths = case.lengths.tolist()
        rewards = [torch.zeros(n, dtype=scores.dtype) for n in lengths]
        for reward, score in zip(rewards, scores.detach(), strict=True):
            reward[-1] = score
        transform = MCAdvantage(len(lengths), prompt_key="group", **options)
        advantages = advantages_of(transform, [trajectory(0, reward) for reward in rewards])
        padded = torch.zeros(len(lengths), COMPLETION, dtype=scores.dtype)
        return padded.masked_scatter(torch.arange(COMPLETION) < case.lengths[:, None], advantages)

    return Row("scores", function, ("ragged", "tools"))


# --- the KL in the reward ---


def with_kl(scores: Tensor, case: Case) -> list[Tensor]:
    """A completion has one reward, in torchrl's shape (1, 1). Outside of the mask there are no log-probs to differ."""
    gen, ref = (torch.where(case.mask, x, 0.0) for x in (case.logprobs, case.ref))
    batch = {("log_probs", "full"): gen, ("ref_log_probs", "full"): ref, "reward": scores.detach()[:, None, None]}
    completions = stacked({("next", *([key] if isinstance(key, str) else key)): x for key, x in batch.items()})
    return KLComputation(coeff=KL_COEF)(completions)["next"].get("reward", as_list=True)


def kl_penalised_rewards(scores: Tensor, case: Case) -> Tensor:
    return torch.stack(with_kl(scores, case)).squeeze(-1)


def advantages_with_kl(scores: Tensor, case: Case) -> Tensor:
    """The rows are a group, each of as many tokens as it has, and one step."""
    kept = [reward[mask] for reward, mask in zip(with_kl(scores, case), case.mask, strict=True)]
    done = torch.ones(1, 1, dtype=torch.bool)
    steps = [TensorDict({"reward": each[None], "done": done}, batch_size=[1]) for each in kept]
    group = [TensorDict({"group": torch.zeros(1), "next": step}, batch_size=[1]) for step in steps]
    transform = MCAdvantage(len(group), prompt_key="group")
    results = [transform.inv(each) for each in group]
    tokens = torch.cat([x.flatten() for x in results[-1].get("advantage", as_list=True)])
    return torch.zeros_like(case.logprobs).masked_scatter(case.mask, tokens)


# --- returns and whitening ---


def transitions(values: Tensor, case: Case) -> dict[str, Tensor]:
    """Values, those of the next token, rewards, and whether the completion ends here, in torchrl's shape."""
    values = values.detach()
    following = torch.cat([values[:, 1:], torch.zeros_like(values[:, :1])], dim=1)
    done = torch.arange(values.shape[1]) == PROMPT - 2 + case.lengths[:, None]
    named = {
        "state_value": values,
        "next_state_value": following,
        "reward": case.token_rewards,
        "done": done,
    }
    return {name: x[..., None] for name, x in named.items()}


def gae_row(estimate: object, output: int = 0) -> Row:
    def function(values: Tensor, case: Case) -> Tensor:
        result = estimate(GAMMA, LAMBDA, **transitions(values, case))[output]
        return values_on_mask(result[..., 0], case)

    return Row("values", function)


def td_residuals(values: Tensor, case: Case) -> Tensor:
    return values_on_mask(td0_advantage_estimate(GAMMA, **transitions(values, case))[..., 0], case)


def rewards_to_go(token_rewards: Tensor, case: Case) -> Tensor:
    done = transitions(token_rewards, case)["done"]
    return values_on_mask(reward2go(token_rewards.detach()[..., None], done, GAMMA)[..., 0], case)


def whitened(values: Tensor, case: Case) -> Tensor:
    """Given what is valid."""
    estimator = SimpleNamespace(_expand_to_match=GAE._expand_to_match)
    return values_on_mask(GAE._normalize_advantage(estimator, values.detach(), case.mask), case)


def whitened_by_group(values: Tensor, case: Case) -> Tensor:
    """Within the rows of each prompt."""
    estimator = SimpleNamespace(_expand_to_match=GAE._expand_to_match)
    prompts = torch.arange(len(values)) // 2
    return values_on_mask(GAE._normalize_advantage(estimator, values.detach(), case.mask, prompts), case)


# --- the critic ---


def critic_loss(values: Tensor, case: Case, **options: object) -> tuple[Tensor, ...]:
    """Of the tokens that count, one each."""
    critic = TensorDictModule(lambda value: value, in_keys=["new"], out_keys=["state_value"])
    loss = ClipPPOLoss(actor_network=critic, critic_network=critic, functional=False, **options)
    batch = {"new": values, "state_value": case.old_values, "value_target": case.returns}
    tokens = int(case.mask.sum())
    return loss.loss_critic(TensorDict({k: x[case.mask][:, None] for k, x in batch.items()}, batch_size=[tokens]))


def critic_row(output: int = 0, cases: tuple = ("ragged", "full"), **options: object) -> Row:
    """``output``: 0 the loss, 2 the explained variance."""
    return Row("values", lambda x, c: critic_loss(x, c, **options)[output].squeeze(-1), cases)


ONE_EACH = one_step_row(group_size=1)
CREDIT = {
    "KLComputation": Row("scores", kl_penalised_rewards, ("ragged", "full")),
    "KLComputation, then MCAdvantage": Row("scores", advantages_with_kl, ("ragged", "full")),
    "MCAdvantage": one_step_row(),
    "MCAdvantage, trajectory_return": one_step_row(trajectory_return="sum", cases=("full",)),
    "MCAdvantage, one each, isnan": Row("rewards", lambda x, c: ONE_EACH.function(x, c).isnan(), ("full",)),
    "MCAdvantage, steps": turns_row(),
    "MCAdvantage, steps, trajectory_return": turns_row(trajectory_return="sum"),
    "generalized_advantage_estimate": gae_row(generalized_advantage_estimate),
    "generalized_advantage_estimate, value_target": gae_row(generalized_advantage_estimate, 1),
    "vec_generalized_advantage_estimate": gae_row(vec_generalized_advantage_estimate),
    "td0_advantage_estimate": Row("values", td_residuals),
    "reward2go": Row("token_rewards", rewards_to_go, ("ragged", "full")),
    "GAE._normalize_advantage": Row("values", lambda x, c: GAE._normalize_advantage(None, x.detach()), ("ragged",)),
    "GAE._normalize_advantage, valid": Row("values", whitened, HOLES),
    "GAE._normalize_advantage, valid, groups": Row("values", whitened_by_group, ("ragged",)),
    "ClipPPOLoss.loss_critic": critic_row(),
    "ClipPPOLoss.loss_critic, l2": critic_row(loss_critic_type="l2"),
    "ClipPPOLoss.loss_critic, l2, clip_value": critic_row(loss_critic_type="l2", clip_value=VALUE_CLIP),
    "ClipPPOLoss explained_variance": critic_row(2),
}
