"""The exercises: what the learner writes, the inputs it is tried on, and the hints.

The answer key is the reference itself. Cases go from small to large, so that the first failing one is the simplest to
think about; each seed draws new numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from reference.objectives import (
    aggregate,
    completion_mask,
    fixed_length,
    masked_mean,
    position_ids,
    sequence_mean,
    token_logprobs,
    token_mean,
)
from reference.objectives.masking import masked_sums
from reference.world.model import load
from reference.world.tokenizer import encode_pair

EOS = 1


@dataclass(frozen=True)
class Case:
    """One call: positional arguments, options, and for which arguments gradients are compared."""

    arguments: dict[str, Any]
    options: dict[str, Any]
    differentiable: tuple[str, ...] = ()
    count_where: torch.Tensor | None = None  # compare here only; elsewhere any valid value will do


@dataclass(frozen=True)
class Exercise:
    """A function to write. ``cases(seed)`` draws the inputs it is tried on."""

    reference: Callable
    cases: Callable[[int], list[Case]]
    hints: tuple[str, ...]
    helpers: tuple[Callable, ...] = ()  # what the reference calls and a reader of the answer wants to see


def numbers(generator: torch.Generator, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def ragged_mask(lengths: list[int], width: int, *, start: int = 0) -> torch.Tensor:
    """Rows that keep ``length`` entries from ``start`` on."""
    position = torch.arange(width)
    return torch.stack([(position >= start) & (position < start + length) for length in lengths])


def masked_mean_cases(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    shapes = [([2, 3], 3, 0), ([1, 4], 5, 1), ([2, 0, 5], 6, 0), ([4, 4], 4, 0), ([7, 1, 3, 2], 9, 2)]
    return [
        Case({"x": numbers(g, len(lengths), width), "mask": ragged_mask(lengths, width, start=start)}, {}, ("x",))
        for lengths, width, start in shapes
    ]


def aggregate_cases(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    cases = []
    for lengths, width, budget in [([2, 4], 5, 8), ([1, 6, 3], 7, 10), ([3, 0, 5], 6, 12)]:
        for strategy in ("token_mean", "sequence_mean", "fixed_length"):
            loss, mask = numbers(g, len(lengths), width), ragged_mask(lengths, width)
            cases.append(
                Case({"token_loss": loss, "mask": mask}, {"strategy": strategy, "max_length": budget}, ("token_loss",))
            )
    return cases


def token_logprobs_cases(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    cases = []
    for batch, time, vocab, temperature in [(1, 3, 4, 1.0), (2, 4, 5, 1.0), (2, 5, 7, 0.5), (3, 6, 5, 1.5)]:
        tokens = torch.randint(vocab, (batch, time), generator=g)
        logits = 2 * numbers(g, batch, time, vocab)
        cases.append(Case({"logits": logits, "tokens": tokens}, {"temperature": temperature}, ("logits",)))
    return cases


def completion_mask_cases(seed: int) -> list[Case]:
    """Prompts with an EOS of their own, left and right padding, pad ids that are and are not the EOS."""
    g = torch.Generator().manual_seed(seed)
    cases = []
    for layout in (  # left pads, prompt, completion with its EOS (or -length without one), right pads; pad id
        [(0, 2, 3, 0, 0)],
        [(0, 3, 2, 2, 0), (0, 2, 4, 1, 0)],
        [(2, 2, 3, 2, EOS), (0, 4, 2, 3, EOS)],
        [(1, 3, -4, 0, EOS), (2, 2, 1, 3, EOS), (0, 4, 4, 0, EOS)],
    ):
        rows, starts = [], []
        for left, prompt, completion, right, pad in layout:
            words = torch.randint(2, 9, (prompt + abs(completion),), generator=g).tolist()
            words[prompt - 1] = EOS  # a chat prompt closes the user's turn with the same token
            if completion > 0:
                words[-1] = EOS
            rows.append([pad] * left + words + [pad] * right)
            starts.append(left + prompt)
        arguments = {"tokens": torch.tensor(rows), "completion_start": torch.tensor(starts)}
        cases.append(Case(arguments, {"eos_token_id": EOS}))
    return cases


def position_ids_cases(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    pads = torch.randint(1, 4, (2,), generator=g).tolist()
    masks = [[[1, 1, 1]], [[0, 1, 1, 1], [1, 1, 1, 1]], [[0] * pads[0] + [1] * (7 - pads[0]), [1] * 5 + [0] * 2]]
    cases = []
    for mask in map(torch.tensor, masks):
        cases.append(Case({"attention_mask": mask}, {}, count_where=mask.bool()))
    return cases


def encode_pair_cases(seed: int) -> list[Case]:
    """Boundaries where nothing merges, where a space merges into the next word, and where two words join."""
    _, tokenizer = load()
    number = torch.randint(10, 99, (1,), generator=torch.Generator().manual_seed(seed)).item()
    pairs = [
        (f"{number}+1=", str(number + 1)),
        (f"{number}. So far so ", "good."),
        ("Next", " one."),
        ("An", "swer: 7"),
    ]
    return [Case({"tokenizer": tokenizer, "prompt": p, "completion": c}, {}) for p, c in pairs]


EXERCISES: dict[str, Exercise] = {
    "masked_mean": Exercise(
        masked_mean,
        masked_mean_cases,
        (
            "Two sums and a division. Which entries does each of the two sums run over?",
            "The numerator adds up x where the mask is 1. The denominator is the number of those places, not x.numel().",
            "x * mask is 0 where the mask is 0. What do you get if you sum the mask itself?",
        ),
        helpers=(masked_sums,),
    ),
    "aggregate": Exercise(
        aggregate,
        aggregate_cases,
        (
            "All three share the numerator: the sum of the kept losses. Only sequence_mean divides before it sums over rows.",
            "Denominators: the number of kept tokens; the number of rows times max_length; and, for sequence_mean, each "
            "row's own count first and then the number of rows.",
            "A row that keeps nothing is 0 / 0 in sequence_mean. clamp_min(1) saves the division; then make sure the row "
            "is not counted as a row either.",
        ),
        helpers=(token_mean, sequence_mean, fixed_length, masked_sums),
    ),
    "token_logprobs": Exercise(
        token_logprobs,
        token_logprobs_cases,
        (
            "T positions, T-1 predictions: which position predicts nothing you have, and which token is predicted by none?",
            "The logits at position t score tokens[:, t + 1]. Drop the last of the one and the first of the other.",
            "Temperature divides the logits before log_softmax over the vocabulary (the last axis); then gather picks one "
            "entry per position. gather wants an index with a last axis of its own: unsqueeze(-1), later squeeze(-1).",
        ),
    ),
    "completion_mask": Exercise(
        completion_mask,
        completion_mask_cases,
        (
            "Think on the token axis first: from completion_start through the first EOS that is not before it. Then move "
            "to the prediction axis.",
            "torch.arange(T) against completion_start[:, None] gives 'inside the completion'. For 'up to the first EOS', "
            "count the EOS tokens strictly before each position: none means keep.",
            "Entry t of the result speaks of tokens[:, t + 1]. Which column of the token-axis mask has to go?",
        ),
    ),
    "position_ids": Exercise(
        position_ids,
        position_ids_cases,
        (
            "The first real token of every row is number 0, wherever it stands. What counts real tokens from the left?",
            "cumsum along the row counts them, starting from 1.",
            "Left pads come out negative after that. Any valid position will do for them, but it must be one.",
        ),
    ),
    "encode_pair": Exercise(
        encode_pair,
        encode_pair_cases,
        (
            "Join the strings before you tokenise: prompt, completion, tokenizer.eos_token.",
            "tokenizer(text, add_special_tokens=False, return_offsets_mapping=True) tells for each token which characters "
            "it covers.",
            "The completion begins at the first token whose end lies beyond len(prompt).",
        ),
    ),
}
