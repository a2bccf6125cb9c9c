"""Which proposed calls are kept, the chats that come of them, and how good the filter was.

    kept_calls   calls that ran, and whose result lowers the loss of the text behind it by the threshold
    labelled     each text with the best of its kept calls; without one where it is easy as it is
    filtered     what was kept against the truth: which problem needs a call, and which call is right

The filter knows no truth. It keeps what helps to predict the text: a wrong result that begins like the right one helps
too, and a right call whose result the text does not show at once does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from reference.algorithms.toolformer import Losses, Proposal, Text, word_ids
from reference.objectives.tool_use import keep_call
from reference.world.tool_calls import parse_call
from reference.world.tool_tasks import TOOL_KINDS, Message, run

EASY = 1.0  # nats: below, a text is easy without a call


def gain(losses: Losses) -> Tensor:
    """By how much call and result make the text easier than the better of the two without a result, in nats."""
    with_result, without_result, without_call = losses
    return torch.minimum(without_call, without_result) - with_result


def kept_calls(proposals: Sequence[Proposal], losses: Losses, *, threshold: float) -> list[bool]:
    """Which proposals are kept: those that ran, and whose result gains the threshold."""
    helps = keep_call(*losses, threshold=threshold).tolist()
    return [proposal.result.kind == "ok" and yes for proposal, yes in zip(proposals, helps, strict=True)]


def labelled(
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[Text],
    proposals: Sequence[Proposal],
    losses: Losses,
    *,
    threshold: float,
    easy: float = EASY,
) -> list[list[Message]]:
    """Chats: each text with the call that gains most, if one is kept; as it was, where it is easy without a call.

    A call gains at most the loss without it, so where that is below ``easy`` at all proposals there is little to gain. A
    text that is hard, and that no proposal helps, is left out: imitated as it is, it would teach to guess.
    """
    kept, gains = kept_calls(proposals, losses, threshold=threshold), gain(losses).tolist()
    chats = []
    for text in texts:
        rows = [i for i, proposal in enumerate(proposals) if proposal.text is text]
        best = max((i for i in rows if kept[i]), key=lambda i: gains[i], default=None)
        if best is not None:
            chats.append(chat_of(tokenizer, proposals[best]))
        elif rows and all(losses[2][i] < easy for i in rows):
            chats.append([user(text), {"role": "assistant", "content": text.words}])
    return chats


def user(text: Text) -> Message:
    return {"role": "user", "content": text.problem.question}


def chat_of(tokenizer: PreTrainedTokenizerBase, proposal: Proposal) -> list[Message]:
    """The text with the call in its place: what stands before it, the call, the tool's answer, and how the text goes on."""
    words = word_ids(tokenizer, proposal.text)
    before, after = (str(tokenizer.decode(part)) for part in (words[: proposal.position], words[proposal.position :]))
    _, arguments = parse_call(proposal.call)
    return [user(proposal.text), *run(before, arguments["expression"]), {"role": "assistant", "content": after}]


@dataclass(frozen=True)
class Filtered:
    """How good the filter is at one threshold. ``good``: a call that the problem needs, and that is right."""

    threshold: float
    kept: int
    good: int  # of those that were kept
    waste: int  # kept, and the problem can be done by head
    wrong: int  # kept, and the problem needs a call, but not this one
    all_good: dict[str, int]  # of all proposals, by kind of problem

    @property
    def precision(self) -> float | None:
        return self.good / self.kept if self.kept else None

    @property
    def recall(self) -> float | None:
        return self.good / everything if (everything := sum(self.all_good.values())) else None


def filtered(proposals: Sequence[Proposal], losses: Losses, threshold: float) -> Filtered:
    """What is kept at this threshold, against the truth."""
    rows = [p for p, keep in zip(proposals, kept_calls(proposals, losses, threshold=threshold), strict=True) if keep]
    good = [p.text.problem.kind for p in proposals if p.needed and p.right]
    return Filtered(
        threshold=threshold,
        kept=len(rows),
        good=sum(p.needed and p.right for p in rows),
        waste=sum(not p.needed for p in rows),
        wrong=sum(p.needed and not p.right for p in rows),
        all_good={kind: good.count(kind) for kind in TOOL_KINDS if kind != "by head"},
    )
