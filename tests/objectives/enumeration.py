"""Exact expectations: every sequence over a tiny vocabulary, weighted by its probability. Nothing is sampled.

A tabular policy has one row of logits per prefix: for V = 3 and T = 3 these are 1 + 3 + 9 = 13 rows. With so few
sequences an expectation is a sum, and its gradient is known to rounding, so an estimator can be held to 1e-10.
What is written here uses ``torch.softmax`` and loops only, never the functions under test.
"""

import itertools

import torch
from torch import Tensor


def all_sequences(vocab: int, length: int) -> Tensor:
    """Every sequence of ``length`` tokens, one per row: (vocab ** length, length)."""
    return torch.tensor(list(itertools.product(range(vocab), repeat=length)))


def all_prefixes(vocab: int, length: int) -> list[tuple[int, ...]]:
    """Every state a policy can be in before its last token: (), (0,), (1,), ..., (0, 0), ..."""
    return [prefix for size in range(length) for prefix in itertools.product(range(vocab), repeat=size)]


def random_policy(vocab: int, length: int, seed: int) -> Tensor:
    """Logits of a tabular policy, one row per prefix, as a leaf that collects gradients."""
    rows = len(all_prefixes(vocab, length))
    logits = torch.randn(rows, vocab, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return logits.requires_grad_()


def rows_of(sequences: Tensor, vocab: int) -> Tensor:
    """Which row of the table each token of each sequence is drawn from."""
    row = {prefix: index for index, prefix in enumerate(all_prefixes(vocab, sequences.shape[1]))}
    return torch.tensor([[row[tuple(s[:t])] for t in range(len(s))] for s in sequences.tolist()])


def as_model_output(table: Tensor, sequences: Tensor) -> tuple[Tensor, Tensor]:
    """(logits, tokens) as a language model would see them: a first token, then the sequence.

    The logits after the last token score nothing that exists; they are filled with noise that must not matter.
    """
    count, vocab = len(sequences), table.shape[1]
    noise = torch.randn(count, 1, vocab, dtype=table.dtype, generator=torch.Generator().manual_seed(99))
    logits = torch.cat([table[rows_of(sequences, vocab)], noise], dim=1)
    return logits, torch.cat([torch.zeros(count, 1, dtype=torch.long), sequences], dim=1)


def probabilities(table: Tensor, sequences: Tensor) -> Tensor:
    """p(sequence), differentiable: the product over its tokens of softmax(row of the prefix)[token]."""
    picked = torch.softmax(table, dim=1)[rows_of(sequences, table.shape[1]), sequences]
    return picked.prod(dim=1)


def gradient(value: Tensor, parameter: Tensor) -> Tensor:
    return torch.autograd.grad(value, parameter, retain_graph=True)[0]


def assert_exact(actual: Tensor, expected: Tensor | float) -> None:
    """Equal to 1e-10 of the value (1e-12 where it is 0): some thousand float64 roundings, and no estimator's error."""
    expected = torch.as_tensor(expected, dtype=torch.float64).expand_as(actual)
    torch.testing.assert_close(actual.detach(), expected.detach(), rtol=1e-10, atol=1e-12)
