"""Exact expectations: every sequence over a tiny vocabulary, weighted by its probability. Nothing is sampled.

A tabular policy has one row of logits per prefix: for V = 3 and T = 3 these are 1 + 3 + 9 = 13 rows. With so few
sequences an expectation is a sum, and its gradient is known to rounding, so an estimator can be held to 1e-10.
What is written here uses ``torch.softmax`` and loops only, never the functions under test.
"""

import itertools

import torch
from float64 import normal
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
    logits = normal(rows, vocab, seed=seed)
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


# What follows is built from the above: per-token log-probs, states and the two directions of the KL


def random_policies(vocab: int, length: int, seed: int, count: int) -> list[Tensor]:
    """Several policies, one after the other from the same generator; the first is that of ``random_policy``."""
    made = torch.Generator().manual_seed(seed)
    rows = len(all_prefixes(vocab, length))
    return [torch.randn(rows, vocab, dtype=torch.float64, generator=made).requires_grad_() for _ in range(count)]


def log_probs(table: Tensor, sequences: Tensor) -> Tensor:
    """Log-probability of each token of each sequence, differentiable: what a policy scores its own samples with."""
    return torch.softmax(table, dim=1)[rows_of(sequences, table.shape[1]), sequences].log()


def visits(table: Tensor, sequences: Tensor) -> Tensor:
    """Probability that a policy comes through each row of the table, that of its prefix. A constant: (rows,)."""
    total = torch.zeros(len(table), dtype=table.dtype)
    for row, weight in zip(rows_of(sequences, table.shape[1]), probabilities(table, sequences).detach(), strict=True):
        total[row] += weight
    return total


def kl_per_row(first: Tensor, second: Tensor) -> Tensor:
    """KL(first || second) of the two distributions in each row, by its definition: sum over tokens of p log(p / q)."""
    p, q = torch.softmax(first, dim=1), torch.softmax(second, dim=1)
    return (p * (p / q).log()).sum(dim=1)


def mean_over(weights: Tensor, tokens: Tensor) -> Tensor:
    """The loss that a batch of all sequences has: tokens added up in each row, rows weighted by a constant."""
    return (weights.detach() * tokens.sum(dim=1)).sum()


def cosine(first: Tensor, second: Tensor) -> float:
    return (first.flatten() @ second.flatten() / (first.norm() * second.norm())).item()


# What most files enumerate: three tokens, three steps

SEQUENCES = all_sequences(3, 3)  # 27 of them
ROWS = rows_of(SEQUENCES, 3)
EVERYTHING = torch.ones(27, 3)  # a mask that keeps every token
