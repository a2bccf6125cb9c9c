"""What a detector finds in the demonstrations of a run that has seen a part of the test, where the truth is known."""

import random
from collections.abc import Collection, Sequence
from typing import NamedTuple

from reference.algorithms.leaks import LEAKED, draw_with_leaks
from reference.evaluation.contamination import ngram_overlap, words

from .experiments import LEAK_STEPS

ROWS = 32  # of a batch, as in the recipe sft


class Found(NamedTuple):
    """What a threshold flags of a test: leaked problems, and others."""

    leaked: int
    others: int

    @property
    def precision(self) -> float:
        """Of the flagged problems those that leaked; 0 where none is flagged."""
        return self.leaked / max(1, self.leaked + self.others)

    @property
    def recall(self) -> float:
        """Of the leaked problems those that are flagged."""
        return self.leaked / LEAKED


def training_texts(leak: str, *, seed: int = 0, steps: int = LEAK_STEPS) -> list[str]:
    """All chats that a run ``train sft --leak LEAK`` learns from, as texts, each once."""
    batches = (draw_with_leaks(random.Random(f"{seed}/{step}"), ROWS, leak) for step in range(steps))
    return list(dict.fromkeys("\n".join(turn["content"] for turn in chat) for batch in batches for chat in batch))


def shares_seen(tests: Sequence[str], texts: Collection[str], *, n: int) -> list[float]:
    """For each test problem the share of its n-grams that stand in the texts, as ``contaminated`` computes it.

    For a problem of fewer than n words n is its length. The n-grams of the texts are made once for each length.
    """
    sizes = [min(n, len(words(test))) for test in tests]
    read = [words(text) for text in texts]
    seen = {
        size: {tuple(text[i : i + size]) for text in read for i in range(len(text) - size + 1)} for size in set(sizes)
    }
    return [ngram_overlap(test, seen[size], n=size) for test, size in zip(tests, sizes, strict=True)]


def found(shares: Sequence[float], *, threshold: float) -> Found:
    """What is flagged at this threshold. The first hundred problems are the leaked ones."""
    flags = [share >= threshold for share in shares]
    return Found(sum(flags[:LEAKED]), sum(flags[LEAKED:]))
