"""Two questions for autograd: does the length of a sample have a gradient, and which way does the entropy go?

Apart from ``sampled_length`` the policy is one softmax over a few completions, so that a mean over what it writes is a sum.
"""

from collections.abc import Callable

import torch
from torch import Tensor

STOP = 0  # the choice that ends a completion


def sampled_length(logits: Tensor, *, seed: int = 0) -> tuple[int, bool, bool]:
    """A completion is drawn: its length in tokens, and whether a gradient leads from that back to the logits, and whether
    one leads from the log-probs of its tokens. ``logits``: (time, choices), where choice 0 ends the completion.

    A length is a count of the tokens up to the end. Drawing them gives whole numbers, and autograd stops there.
    """
    logits = logits.clone().requires_grad_()
    drawn = torch.multinomial(logits.softmax(dim=-1), 1, generator=torch.Generator().manual_seed(seed))
    before = (drawn.squeeze(1) == STOP).long().cumsum(dim=0).roll(1)
    before[0] = 0
    mask = before == 0  # the token that ends the completion is one of its own
    length, logprobs = mask.sum(), logits.log_softmax(dim=-1).gather(1, drawn)
    return int(length), length.requires_grad, logprobs.requires_grad


def gradients_with_length(logits: Tensor, mask: Tensor, *, length_coef: float) -> dict[str, Tensor]:
    """The gradient of a policy loss, of the same loss with a length term, and with the length in the reward. (batch,) each.

    The policy chooses completion i with probability softmax(logits)_i, and all completions have the reward 0. In the
    reward, each pays length_coef per token. The policy gradient is summed over all completions with their probabilities.
    """
    lengths = mask.sum(dim=1).double()
    return {
        "without": gradient_of(logits, rewards=torch.zeros_like(lengths)),
        "in the loss": gradient_of(logits, rewards=torch.zeros_like(lengths), added=length_coef * lengths.mean()),
        "in the reward": gradient_of(logits, rewards=-length_coef * lengths),
    }


def gradient_of(logits: Tensor, *, rewards: Tensor, added: Tensor | float = 0.0) -> Tensor:
    """Of the policy-gradient loss, the mean of -reward * log p over what the policy writes, plus what is added to it."""
    logits = logits.clone().double().requires_grad_()
    logprobs = logits.log_softmax(dim=0)
    loss = -(logprobs.detach().exp() * rewards * logprobs).sum() + added
    return torch.autograd.grad(loss, logits)[0]


def entropy_after_step(logits: Tensor, *, sign: int, entropy_coef: float, lr: float) -> tuple[float, float]:
    """Entropy in nats before and after one step downhill on a loss of sign * entropy_coef * entropy alone.

    ``sign``: -1 as in ``objectives.total_loss``, +1 where the entropy is added. ``logits``: (choices,).
    """
    logits = logits.clone().double().requires_grad_()
    before = entropy_of(logits)
    (gradient,) = torch.autograd.grad(sign * entropy_coef * before, logits)
    return before.item(), entropy_of(logits - lr * gradient).item()


def entropy_of(logits: Tensor) -> Tensor:
    """Of one softmax, as a scalar in nats."""
    logprobs = logits.log_softmax(dim=0)
    return -(logprobs.exp() * logprobs).sum()


def terms_of(logits: Tensor) -> dict[str, Tensor]:
    """KL to another policy, NLL of the third choice, and entropy of one softmax over five choices, in nats."""
    other = torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0]).log_softmax(dim=0)
    logprobs = logits.log_softmax(dim=0)
    return {
        "kl": (logprobs.exp() * (logprobs - other)).sum(),
        "sft_loss": -logprobs[2],
        "entropy": entropy_of(logits),
    }


def moved_by_a_step(total: Callable[..., Tensor], term: str, *, coef: float = 0.1) -> float:
    """By how much one step downhill on ``total`` moves a term whose coefficient alone is not next to 0, in nats.

    ``term``: a key of ``terms_of``. Policy loss and value error are 0. A total without a gradient moves nothing.
    """
    logits = torch.tensor([1.0, 0.5, 0.0, -0.5, -1.0], requires_grad=True)
    before, zero = terms_of(logits), 0 * logits.sum()
    coefs = {name: coef if name[:2] == term[:2] else 1e-9 for name in ("kl_coef", "sft_coef", "entropy_coef")}
    loss = total(zero, value_loss=zero, vf_coef=0.5, **before, **coefs)
    if loss.requires_grad:
        loss.backward()
    gradient = torch.zeros_like(logits) if logits.grad is None else logits.grad
    return (terms_of(logits.detach() - gradient)[term] - before[term]).item()
