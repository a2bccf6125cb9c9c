"""What goes from one part of a loop to the next: the experience of a rollout, pairs, counts, and what a step is reported to.

Plain data, made elsewhere: ``collect`` and ``pairs.draw_pairs`` fill it, losses, advantages and the loops read it.
Imports nothing heavy but torch: the table of recipes, which names losses and advantages, need not wait for a model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from reference.world.completions import Problem
    from reference.world.rollout import Rollout

OnStep = Callable[[int, dict[str, float]], bool]  # steps taken, metrics of the last one; True ends the loop


class Counts(NamedTuple):
    """What the losses of one optimizer step are divided by, over all of its micro-batches."""

    num_tokens: int
    num_kept: int  # completions that keep a token
    num_sequences: int  # all completions
    max_length: int  # the generation budget


@dataclass(frozen=True)
class Experience:
    """One row per completion. Optional tensors are ``None`` where the recipe has no use for them."""

    tokens: Tensor  # (rows, time) left-padded prompt, completion, right padding
    attention_mask: Tensor  # (rows, time)
    prompt_width: int
    group: Tensor  # (rows,) which prompt of the rollout this row completes
    mask: Tensor  # (rows, pred) the tokens that train
    old_logprobs: Tensor  # (rows, pred) of the policy that this rollout starts from
    rewards: (
        Tensor  # (rows,) as an advantage per completion sees them: shaped, and the KL taken off if it is in the reward
    )
    token_rewards: Tensor  # (rows, pred) the same per token, the score on the last one
    ref_logprobs: Tensor | None = None  # (rows, pred)
    values: Tensor | None = None  # (rows, pred) of the critic before any update
    gae: Tensor | None = None  # (rows, pred) before whitening, where there is a critic
    teacher_logprobs: Tensor | None = None  # (rows, pred)
    correction: Tensor | None = None  # (rows, pred) trainer over sampler, where the two differ
    advantages: Tensor | None = None  # (rows, pred), or (rows, 1): one per completion
    returns: Tensor | None = None  # (rows, pred) what the critic is fitted to
    logits: Tensor | None = None  # (rows, pred + 1, vocab) of the policy being trained, in a micro-batch with a teacher
    teacher_logits: Tensor | None = None  # the same of the teacher

    @property
    def targets(self) -> Tensor:
        """The tokens (rows, pred + 1) that ``token_logprobs`` wants: the last of the prompt, then the completion."""
        return self.tokens[:, self.prompt_width - 1 :]

    def rows(self, index: Tensor) -> Experience:
        """The named rows, without the columns that are padding in all of them."""
        attention = self.attention_mask[index]
        columns = attention.any(dim=0).nonzero()
        first, last = int(columns[0]), int(columns[-1]) + 1
        width = last - self.prompt_width
        per_token = {
            name: value[index, :width]
            for name in PER_TOKEN
            if (value := getattr(self, name)) is not None
        }  # fmt: skip
        return replace(
            self, tokens=self.tokens[index, first:last], attention_mask=attention[:, first:last],
            prompt_width=self.prompt_width - first, rewards=self.rewards[index], group=self.group[index], **per_token,
        )  # fmt: skip

    def micro_batches(self, size: int) -> Iterator[Experience]:
        """All rows, ``size`` at a time, the longest first, those of a prompt together: less padding, equal rows side by
        side, and with global counts the same gradient."""
        by_group = self.group.argsort(stable=True)
        by_length = self.attention_mask.sum(dim=1)[by_group].argsort(descending=True, stable=True)
        for index in by_group[by_length].split(size):
            yield self.rows(index)


PER_TOKEN = ("mask", "old_logprobs", "token_rewards", "ref_logprobs", "teacher_logprobs", "values", "gae", "correction",
             "advantages", "returns")  # fmt: skip


@dataclass(frozen=True)
class PairLogprobs:
    """What a preference loss sees: log-probs of whole completions, each (pairs,), in nats."""

    chosen: Tensor  # summed over the completion, with gradient
    rejected: Tensor
    chosen_average: Tensor  # per token, with gradient
    rejected_average: Tensor
    ref_chosen: Tensor | None = None  # summed, under the reference; None where there is none
    ref_rejected: Tensor | None = None
    kl: Tensor | None = None  # KTO's reference point, a scalar


@dataclass(frozen=True)
class Pairs:
    """Two completions of each problem. Row 2i is the chosen one, row 2i + 1 the rejected one of problem i."""

    completions: Rollout  # 2 * pairs rows
    problems: list[Problem]

    def __len__(self) -> int:
        return len(self.problems)

    def take(self, index: list[int]) -> Pairs:
        """The named pairs, without the columns that are padding in all of them."""
        rows = [row for i in index for row in (2 * i, 2 * i + 1)]
        device = self.completions.tokens.device
        return Pairs(self.completions.rows(torch.tensor(rows, device=device)), [self.problems[i] for i in index])

    def micro_batches(self, rows: int) -> Iterator[Pairs]:
        """All pairs, at most ``rows`` rows at a time (but at least one pair), the longest first."""
        lengths = self.completions.attention_mask.sum(dim=1).view(-1, 2).amax(dim=1)
        for index in lengths.argsort(descending=True, stable=True).split(max(1, rows // 2)):
            yield self.take(index.tolist())

    def texts(self, tokenizer: PreTrainedTokenizerBase) -> list[tuple[str, str]]:
        """Chosen and rejected completion of each problem, as text."""
        texts = self.completions.texts(tokenizer)
        return list(zip(texts[::2], texts[1::2], strict=True))
