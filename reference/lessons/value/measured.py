"""What the lesson measures on the small model: two gradients on a shared trunk, and the verdicts of new endings."""

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.algorithms.critic import Critic
from reference.algorithms.scoring import forward
from reference.objectives import ppo_clip_loss, token_logprobs, token_mean, value_loss, whiten
from reference.world.head import find_trunk
from reference.world.rollout import Rollout, sample
from reference.world.tasks import Problem, verify


def trunk_gradients(model: PreTrainedModel, rollout: Rollout, verdicts: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients of policy loss and value loss with respect to the shared layers, flat, each with the weight 1.

    ``verdicts`` (rows,): the return of every token of a row. The value head is the least-squares fit to them.
    """
    after_prompt = rollout.prompt_width - 1
    mask, old_logprobs = rollout.completion_mask[:, after_prompt:], rollout.sampler_logprobs[:, after_prompt:]
    returns = verdicts[:, None].expand(mask.shape).contiguous()
    out = forward(model, rollout, completions_only=True, hidden=True)
    hidden = out.hidden_states[-1]
    critic = Critic(model, shared=True)
    fit_head(critic.head, hidden[:, :-1][mask], returns[mask])
    values = critic(rollout, hidden)
    advantages = whiten(returns - values.detach(), mask)
    logprobs = token_logprobs(out.logits, rollout.tokens[:, after_prompt:])
    losses = ppo_clip_loss(logprobs, old_logprobs, advantages), value_loss(values, returns)
    weights = list(find_trunk(model).parameters())
    policy, value = (torch.autograd.grad(token_mean(loss, mask), weights, retain_graph=True) for loss in losses)
    return flat(policy), flat(value)


@torch.no_grad()
def fit_head(head: torch.nn.Linear, hidden: Tensor, targets: Tensor) -> None:
    """Least squares: the weights and the bias with the smallest squared error of ``head(hidden)``."""
    with_one = torch.cat([hidden, torch.ones_like(hidden[:, :1])], dim=1).double()
    solution = torch.linalg.lstsq(with_one, targets[:, None].double()).solution
    head.weight.copy_(solution[:-1].T)
    head.bias.copy_(solution[-1])


def flat(gradients: tuple[Tensor, ...]) -> Tensor:
    return torch.cat([gradient.flatten() for gradient in gradients])


def new_endings(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    problem: Problem,
    rollout: Rollout,
    states: list[tuple[int, int]],
    *,
    times: int,
) -> Tensor:
    """Verdicts (states, times): the model ends each state anew, and the verifier reads the whole completion.

    A state is a row of ``rollout`` and the number of completion tokens that are kept of it.
    """
    start = rollout.prompt_width
    prefixes = [rollout.tokens[row, : start + kept].tolist() for row, kept in states]
    new = sample(model, tokenizer, prefixes, group_size=times, seeds=range(len(states) * times), max_new_tokens=96)
    heads = [tokenizer.decode(prefix[start:]) for prefix in prefixes for _ in range(times)]
    passed = [verify(problem, head + tail) for head, tail in zip(heads, new.texts(tokenizer), strict=True)]
    return torch.tensor(passed).view(len(states), times)
