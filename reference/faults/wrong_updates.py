"""Wrong functions of ``update`` and of the critic: how a batch is scored, masked, divided and charged. Each takes the right
one and returns the wrong one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from reference.algorithms.aggregation import Aggregation
from reference.algorithms.critic import Critic
from reference.algorithms.data import Counts
from reference.algorithms.recipes import Recipe
from reference.objectives import position_ids

DROPOUT = 0.1


def at_temperature_one(token_logprobs: Callable) -> Callable:
    """The policy samples at its temperature, and is scored at 1."""

    def wrong(logits: Tensor, tokens: Tensor, *, temperature: float) -> Tensor:
        return token_logprobs(logits, tokens)

    return wrong


def one_late(token_logprobs: Callable) -> Callable:
    """The slice of the completion begins one position late: each token gets the log-prob of the token behind it."""

    def wrong(logits: Tensor, tokens: Tensor, *, temperature: float) -> Tensor:
        return token_logprobs(logits, tokens, temperature=temperature).roll(-1, dims=1)

    return wrong


def with_dropout(eval_mode: Callable) -> Callable:
    """The loop trains in train mode, with dropout in attention; what samples is in eval mode, as ever."""

    @contextmanager
    def wrong(*modules: nn.Module | None) -> Iterator[None]:
        with eval_mode(*modules):
            policy = next(module for module in modules if module is not None)
            layers: list[Any] = [part for part in policy.modules() if hasattr(part, "attention_dropout")]
            before = [part.attention_dropout for part in layers]
            for part in layers:
                part.attention_dropout = DROPOUT
            policy.train()
            try:
                yield
            finally:
                for part, p in zip(layers, before, strict=True):
                    part.attention_dropout = p

    return wrong


def own_counts(aggregation_of: Callable) -> Callable:
    """Each micro-batch divides by its own count, and the results are added up: the gradient grows with their number."""

    def wrong(recipe: Recipe) -> Aggregation:
        right = aggregation_of(recipe)

        def function(loss: Tensor, mask: Tensor, counts: Counts) -> Tensor:
            kept = int(mask.any(dim=1).sum())
            return right.function(loss, mask, Counts(int(mask.sum()), kept, len(mask), counts.max_length))

        return replace(right, function=function)

    return wrong


def entropy_added(total_loss: Callable) -> Callable:
    """The entropy bonus is added to the loss, so that training makes the entropy small."""

    def wrong(policy: Tensor, **terms: Any) -> Tensor:
        entropy, coef = terms.pop("entropy", 0.0), terms.pop("entropy_coef", 0.0)
        return total_loss(policy, **terms) + coef * entropy

    return wrong


def read_at_action(forward: Callable) -> Callable:
    """V is read from the hidden state of the token itself, which has seen the action that it is to judge."""

    def wrong(critic: Critic, batch: Any, hidden: Tensor | None) -> Tensor:
        if critic.trunk is not None:
            mask = batch.attention_mask
            hidden = critic.trunk(
                batch.tokens, attention_mask=mask, position_ids=position_ids(mask), use_cache=False
            ).last_hidden_state
        assert hidden is not None  # of a shared trunk
        pred = batch.tokens.shape[1] - batch.prompt_width
        return critic.head(hidden[:, -pred:].to(critic.head.weight.dtype)).squeeze(-1)

    return wrong


# ---- masks of demonstrations ------------------------------------------------------------------------------------------------


def with_prompt(prediction_mask: Callable) -> Callable:
    """Everything up to the last token of the assistant is in the loss, the question too."""

    def wrong(token_mask: Tensor) -> Tensor:
        return prediction_mask(token_mask.flip(1).cummax(dim=1).values.flip(1))

    return wrong


def without_end(prediction_mask: Callable) -> Callable:
    """The last token of the assistant, which ends its turn, is left out of the loss."""

    def wrong(token_mask: Tensor) -> Tensor:
        mask = prediction_mask(token_mask)
        behind = torch.nn.functional.pad(mask[:, 1:], (0, 1))
        return mask & behind

    return wrong
