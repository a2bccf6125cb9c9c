"""Turns of a benchmark, and the numbers that are made of them."""

import statistics
from typing import Any, NamedTuple

from transformers import PreTrainedModel

from reference.algorithms.recipes import Recipe

WARM_UP = 2  # turns that are not counted


class Turn(NamedTuple):
    """Seconds of one step and completion tokens that it sampled and trained on."""

    seconds: float
    tokens: float


def spread(values: list[float]) -> dict[str, float]:
    """The five numbers of a box plot. Between two values the quartile lies on the line, as numpy has it."""
    first, median, third = statistics.quantiles(values, n=4, method="inclusive") if values[1:] else values * 3
    return {"median": median, "quartile_1": first, "quartile_3": third, "least": min(values), "most": max(values)}


def side(turns: list[Turn], *, rows: int, flops: float, peak: float) -> dict[str, Any]:
    """One side in numbers: every turn, and what the counted ones come to.

    ``flops``: what a step needs, on average over them. ``peak``: the most FLOP/s of the machine.
    """
    counted = turns[WARM_UP:]
    seconds = spread([turn.seconds for turn in counted])
    return {
        "warm_up": [turn._asdict() for turn in turns[:WARM_UP]],
        "turns": [turn._asdict() for turn in counted],
        "seconds": seconds,
        "rollouts_per_second": rows / seconds["median"],
        "tokens_per_second": statistics.mean(turn.tokens for turn in counted) / seconds["median"],
        "share_of_peak": flops / seconds["median"] / peak,
    }


def ratio(ours: list[Turn], theirs: list[Turn]) -> dict[str, Any]:
    """How many times as long as ours their step takes: turn by turn, and the median once more per completion token."""
    ratios = [t.seconds / o.seconds for o, t in zip(ours, theirs, strict=True)]
    tokens = statistics.mean(t.tokens for t in theirs) / statistics.mean(o.tokens for o in ours)
    return {"turns": ratios, **spread(ratios), "per_token": statistics.median(ratios) / tokens}


def flops(model: PreTrainedModel, recipe: Recipe, *, turns: list[Turn], prompt_tokens: float) -> float:
    """What a step needs at least, without padding: 2 per weight and token to sample, 6 to train, a prompt once per group."""
    weights = sum(p.numel() for p in model.parameters())
    completion_tokens = statistics.mean(turn.tokens for turn in turns)
    sample_tokens = completion_tokens + prompt_tokens / recipe.group_size
    train_tokens = (completion_tokens + prompt_tokens) * recipe.inner_epochs
    return weights * (2 * sample_tokens + 6 * train_tokens)
