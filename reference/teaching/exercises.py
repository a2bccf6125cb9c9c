"""The exercises: what the learner writes, the inputs it is tried on, and the hints.

The answer key is the reference itself. Cases go from small to large, so that the first failing one is the simplest to
think about; each seed draws new numbers.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from reference.objectives import aggregate, completion_mask, masked_mean, position_ids, token_logprobs
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
    edge: bool = False  # a special case: a mistake is still recognised if it behaves differently here


@dataclass(frozen=True)
class Exercise:
    """A function to write. ``cases(seed)`` draws the inputs it is tried on."""

    reference: Callable
    cases: Callable[[int], list[Case]]
    hints: tuple[str, ...]
    in_short: str  # a solution without the checks of the inputs, as ``answer`` shows it first
    remark: Callable[[Callable], str] = lambda solution: ""  # what a passing solution may still want to know


def numbers(generator: torch.Generator, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def ragged_mask(lengths: list[int], width: int, *, start: int = 0) -> torch.Tensor:
    """Rows that keep ``length`` entries from ``start`` on."""
    position = torch.arange(width)
    return torch.stack([(position >= start) & (position < start + length) for length in lengths])


HOLES = torch.tensor([[0, 1, 1, 0, 1, 0], [0, 0, 1, 0, 0, 1]]).bool()  # two turns of an assistant, or a tool in between


def masked_mean_cases(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    masks = [ragged_mask([2, 3], 3), ragged_mask([1, 4], 5, start=1), HOLES, ragged_mask([7, 1, 3, 2], 9, start=2)]
    cases = [Case({"x": numbers(g, *mask.shape), "mask": mask}, {}, ("x",)) for mask in masks]
    empty_row = ragged_mask([2, 0, 5], 6)
    return [*cases, Case({"x": numbers(g, 3, 6), "mask": empty_row}, {}, ("x",), edge=True)]


def aggregate_cases(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    cases = []
    masks = [ragged_mask([2, 4], 5), ragged_mask([1, 6, 3], 7), HOLES, ragged_mask([3, 0, 5], 6)]
    for mask, budget in zip(masks, (8, 10, 4, 12), strict=True):
        for strategy in ("token_mean", "sequence_mean", "fixed_length"):
            arguments = {"token_loss": numbers(g, *mask.shape), "mask": mask}
            options = {"strategy": strategy, "max_length": budget}
            cases.append(Case(arguments, options, ("token_loss",), edge=not mask.any(dim=1).all()))
    return cases


def leaks_nan(solution: Callable) -> str:
    """Does a NaN under the mask reach the result? Legitimate, and worth knowing."""
    x, mask = torch.tensor([[1.0, torch.nan], [2.0, 3.0]]), torch.tensor([[True, False], [True, True]])
    options = {} if len(inspect.signature(solution).parameters) == 2 else {"strategy": "token_mean", "max_length": 2}
    return " (A NaN under the mask would reach it: see section 5.)" if solution(x, mask, **options).isnan() else ""


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
    after = torch.randint(2, 9, (2,), generator=g).tolist()  # generation in a batch may go on after the EOS
    arguments = {"tokens": torch.tensor([[4, EOS, 7, EOS, *after, 0]]), "completion_start": torch.tensor([2])}
    return [*cases, Case(arguments, {"eos_token_id": EOS})]


def position_ids_cases(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    pads = torch.randint(1, 4, (2,), generator=g).tolist()
    masks = [
        [[1, 1, 1]],
        [[0, 1, 1, 1], [1, 1, 1, 1]],
        [[0] * pads[0] + [1] * (7 - pads[0]), [1] * 5 + [0] * 2],
        [[0, 1, 0, 1, 1]],  # two pieces joined with padding between them
    ]
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
        ("See", "ck"),  # the completion's letters complete a token that began in the prompt
    ]
    return [Case({"tokenizer": tokenizer, "prompt": p, "completion": c}, {}) for p, c in pairs]


EXERCISES: dict[str, Exercise] = {
    "masked_mean": Exercise(
        masked_mean,
        masked_mean_cases,
        (
            "Two sums and a division. Which entries does each of the two sums run over?",
            "The numerator adds up x where the mask is 1. The denominator is the number of those places, not x.numel().",
            "torch.where(mask, x, 0.0) clears the rest of x. What do you get if you sum the mask itself?",
        ),
        """
def masked_mean(x, mask):
    return torch.where(mask, x, 0.0).sum() / mask.sum()
""",
        remark=leaks_nan,
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
        """
def aggregate(token_loss, mask, *, strategy, max_length):
    row_sums = torch.where(mask, token_loss, 0.0).sum(dim=1)
    lengths = mask.sum(dim=1)
    if strategy == "sequence_mean":
        return (row_sums / lengths.clamp_min(1)).sum() / (lengths > 0).sum()
    return row_sums.sum() / (lengths.sum() if strategy == "token_mean" else len(mask) * max_length)
""",
        remark=leaks_nan,
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
        """
def token_logprobs(logits, tokens, *, temperature):
    logprobs = (logits[:, :-1] / temperature).log_softmax(dim=-1)
    return logprobs.gather(dim=-1, index=tokens[:, 1:].unsqueeze(-1)).squeeze(-1)
""",
    ),
    "completion_mask": Exercise(
        completion_mask,
        completion_mask_cases,
        (
            "Think on the token axis first: from completion_start through the first EOS that is not before it. Then move "
            "to the prediction axis.",
            "torch.arange(T) against completion_start[:, None] gives 'inside the completion'. For 'up to the first EOS', "
            "count the EOS tokens of the completion strictly before each position: none means keep.",
            "Entry t of the result speaks of tokens[:, t + 1]. Which column of the token-axis mask has to go?",
        ),
        """
def completion_mask(tokens, completion_start, *, eos_token_id):
    inside = torch.arange(tokens.shape[1]) >= completion_start[:, None]
    is_end = inside & (tokens == eos_token_id)
    ends_before = is_end.cumsum(dim=1) - is_end.long()
    return (inside & (ends_before == 0))[:, 1:]
""",
    ),
    "position_ids": Exercise(
        position_ids,
        position_ids_cases,
        (
            "The first real token of every row is number 0, wherever it stands. What counts real tokens from the left?",
            "cumsum along the row counts them, starting from 1.",
            "Left pads come out negative after that. Any position of the row will do for them, but it must be one.",
        ),
        """
def position_ids(attention_mask):
    return (attention_mask.long().cumsum(dim=1) - 1).clamp_min(0)
""",
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
        """
def encode_pair(tokenizer, prompt, completion):
    text = prompt + completion + tokenizer.eos_token
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ends = [end for start, end in encoded["offset_mapping"]]
    return encoded["input_ids"], next(i for i, end in enumerate(ends) if end > len(prompt))
""",
    ),
}
