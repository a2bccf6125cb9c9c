"""What goes wrong between rewards per token and the returns of tokens."""

import torch
from torch import Tensor

from reference.teaching.bug import bug


def backwards(rewards: Tensor, gamma: float) -> Tensor:
    """The loop of the textbook, over all positions."""
    running, returns = torch.zeros_like(rewards[:, 0]), torch.zeros_like(rewards)
    for t in reversed(range(rewards.shape[1])):
        running = rewards[:, t] + gamma * running
        returns[:, t] = running
    return returns


@bug(
    "rewards so far",
    mistake="your sum runs over the rewards up to a token; a return is about what comes from there on",
    symptom="the tokens that earned the reward get none of it, and the critic learns to remember instead of to foresee",
)
def discounted_returns__so_far(rewards: Tensor, mask: Tensor, *, gamma: float = 1.0) -> Tensor:
    return torch.where(mask, backwards((rewards * mask).flip(1), gamma).flip(1), 0.0)


@bug(
    "own reward left out",
    mistake="a token's own reward is missing from its return: the sum starts one step too late",
    symptom="the last token, where the verifier's reward usually stands, has return 0",
    wild="spinningup #50: rewards one step off in the PPO buffer, silent where rewards are dense",
)
def discounted_returns__own_left_out(rewards: Tensor, mask: Tensor, *, gamma: float = 1.0) -> Tensor:
    returns = backwards(rewards * mask, gamma)
    return torch.where(mask, returns - rewards, 0.0)


@bug(
    "gamma forgotten",
    mistake="gamma has no effect: what comes late counts as much as what comes now",
    symptom="none with gamma 1, the usual choice for language models; with less, the values are too large",
)
def discounted_returns__no_gamma(rewards: Tensor, mask: Tensor, *, gamma: float = 1.0) -> Tensor:
    return torch.where(mask, backwards(rewards * mask, 1.0), 0.0)


@bug(
    "discounted from the first token",
    mistake="every reward is discounted by its distance from the beginning of the row, not from the token that looks ahead",
    symptom="late tokens have returns near 0, so their mistakes cost nothing",
)
def discounted_returns__from_the_start(rewards: Tensor, mask: Tensor, *, gamma: float = 1.0) -> Tensor:
    weight = gamma ** torch.arange(rewards.shape[1], dtype=rewards.dtype)
    return torch.where(mask, backwards(rewards * mask * weight, 1.0), 0.0)


@bug(
    "own reward discounted",
    mistake="gamma is applied once too often: a token's own reward comes without discount",
    symptom="all returns are a factor gamma too small",
)
def discounted_returns__own_discounted(rewards: Tensor, mask: Tensor, *, gamma: float = 1.0) -> Tensor:
    return torch.where(mask, gamma * backwards(rewards * mask, gamma), 0.0)


@bug(
    "one return for all tokens",
    mistake="every token gets the return of the first one: rewards that were earned before a token are in its return too",
    symptom="none while the only reward stands at the end; with a KL per token in the reward, a token pays for earlier ones",
)
def discounted_returns__broadcast(rewards: Tensor, mask: Tensor, *, gamma: float = 1.0) -> Tensor:
    return torch.where(mask, backwards(rewards * mask, gamma)[:, :1].expand_as(rewards), 0.0)


@bug(
    "mask ignored",
    mistake="the mask has no effect: rewards on padding flow back into the completion",
    symptom="the same completion has another return in a wider batch",
    wild="TRL #7024, in MiniLLM",
)
def discounted_returns__mask_ignored(rewards: Tensor, mask: Tensor, *, gamma: float = 1.0) -> Tensor:
    return backwards(rewards, gamma)


@bug(
    "rewards on padding count",
    mistake="the result is masked, but the sum is not: what stands behind the last kept token still flows back into the row",
    symptom="a row that was cut off, or any row whose pads hold a KL or a score, has another return in a wider batch",
    wild="slime PR #1372, miles PR #1383: the KL of tool tokens in REINFORCE++",
)
def discounted_returns__pads_count(rewards: Tensor, mask: Tensor, *, gamma: float = 1.0) -> Tensor:
    return torch.where(mask, backwards(rewards, gamma), 0.0)


@bug(
    "numbers where the mask is 0",
    mistake="positions that the mask leaves out should be 0, and yours hold what was passing by",
    symptom="none as long as everybody masks again; a mean or a plot over all positions is wrong",
)
def discounted_returns__not_cleared(rewards: Tensor, mask: Tensor, *, gamma: float = 1.0) -> Tensor:
    return backwards(rewards * mask, gamma)


@bug(
    "a gap costs steps",
    mistake="a masked position between kept tokens still costs a factor gamma: it should be no step at all",
    symptom="the more a tool writes, the less of the final reward reaches the call",
    wild="OpenRLHF and slime count tool tokens as steps; REINFORCE++ skips them since verl PR #7300",
)
def discounted_returns__gap_decays(rewards: Tensor, mask: Tensor, *, gamma: float = 1.0) -> Tensor:
    return torch.where(mask, backwards(rewards * mask, gamma), 0.0)


@bug(
    "a gap forgets",
    mistake="the running sum becomes 0 at a masked position, so nothing earned behind a gap reaches the tokens before it",
    symptom="tool calls are never rewarded for the answer they made possible",
    wild="verl #7278: REINFORCE++ dropped rewards behind an observation",
)
def discounted_returns__gap_forgets(rewards: Tensor, mask: Tensor, *, gamma: float = 1.0) -> Tensor:
    running, returns = torch.zeros_like(rewards[:, 0]), torch.zeros_like(rewards)
    for t in reversed(range(rewards.shape[1])):
        running = (rewards[:, t] + gamma * running) * mask[:, t]
        returns[:, t] = running
    return returns


@bug(
    "one step ahead only",
    mistake="a token gets its own reward and the next one: what comes after that is left out",
    symptom="a reward at the end reaches the last two tokens, and no others",
)
def discounted_returns__one_step(rewards: Tensor, mask: Tensor, *, gamma: float) -> Tensor:
    ahead = torch.cat([(rewards * mask)[:, 1:], torch.zeros_like(rewards[:, :1])], dim=1)
    return (rewards + gamma * ahead) * mask


@bug(
    "last token left out",
    mistake="the loop starts one place too far left: the last column never gets its return",
    symptom="the reward at the end is lost, and so is all that is learnt from it",
)
def discounted_returns__last_left_out(rewards: Tensor, mask: Tensor, *, gamma: float) -> Tensor:
    running, returns = torch.zeros_like(rewards[:, 0]), torch.zeros_like(rewards)
    for t in reversed(range(rewards.shape[1] - 1)):
        running = torch.where(mask[:, t], rewards[:, t] + gamma * running, running)
        returns[:, t] = torch.where(mask[:, t], running, 0.0)
    return returns


@bug(
    "carried over to the next row",
    mistake="the running return is not set to 0 between rows: one completion starts with that of another",
    symptom="returns depend on the order of the batch",
)
def discounted_returns__carried_over(rewards: Tensor, mask: Tensor, *, gamma: float) -> Tensor:
    running, returns = torch.zeros_like(rewards[0, 0]), torch.zeros_like(rewards)
    for b in range(len(rewards)):
        for t in reversed(range(rewards.shape[1])):
            if mask[b, t]:
                running = rewards[b, t] + gamma * running
                returns[b, t] = running
    return returns


@bug(
    "columns in the opposite order",
    mistake="the returns are collected from the right to the left, and they are left in that order",
    symptom="the critic learns for the first token what holds for the last one",
)
def discounted_returns__not_turned_back(rewards: Tensor, mask: Tensor, *, gamma: float) -> Tensor:
    running, collected = torch.zeros_like(rewards[:, 0]), []
    for t in reversed(range(rewards.shape[1])):
        running = torch.where(mask[:, t], rewards[:, t] + gamma * running, running)
        collected.append(running)
    return torch.stack(collected, dim=1) * mask
