"""The command ``trajectories``: chats from one of the three sources, shown, written to a file, and what they cost.

The self-labelled source is the one that computes: a proposer is trained, texts are drawn in batches, and calls are proposed,
run and measured until there are enough chats. The report says how good the filter was, since here the truth is known.
"""

import copy
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.algorithms.call_filter import filtered, labelled
from reference.algorithms.toolformer import (
    Losses,
    Proposal,
    Text,
    draw_texts,
    measure,
    propose,
    proposer_demonstrations,
    train_proposer,
    word_ids,
)
from reference.objectives.shapes import InputError
from reference.runs.files import shell_path
from reference.world.model import SHIPPED, load, pick_device
from reference.world.tool_rollout import Marks
from reference.world.tool_tasks import Message
from reference.world.trajectories import Source, answered_again, calls_of, draw_chats, shipped

BATCH = 48  # texts that are labelled together
PATIENCE = 6  # batches without one kept call, after which it is given up
SCORED = 300  # proposals in the file of scores: enough to see the filter at work
THRESHOLDS = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0)
DECIDES, AT_ONCE, UNTRAINED = "as asked", "directly behind the call", "by the model without demonstrations"  # measured


@dataclass
class Labelling:
    """What the self-labelled source has done."""

    threshold: float
    skip: int
    chats: list[list[Message]] = field(default_factory=list)
    texts: int = 0
    samples: int = 0  # of calls; equal ones at one place are one proposal
    proposals: list[Proposal] = field(default_factory=list)
    losses: dict[str, list[Losses]] = field(default_factory=dict)  # of each batch, by how they were measured
    valid_before: tuple[int, int] = (0, 0)  # of that model's own proposals for the first batch: those that run, and all

    @property
    def with_call(self) -> int:
        """How many of the chats have a call."""
        return sum(len(chat) > 2 for chat in self.chats)

    @property
    def model_calls(self) -> int:
        """Rows that went through the proposer: one a text to find places, one a sample, three to measure a proposal."""
        return self.texts + self.samples + 3 * len(self.proposals)


def fixed_source(source: Source, *, count: int | None, seed: int, failures: float) -> list[list[Message]]:
    """``count`` chats that need no model; of the hand-written ones all, each call run once more, where it is None."""
    if source == "hand-written" and count is None:
        return [answered_again(chat) for chat in shipped(source)]
    return draw_chats(source, random.Random(seed), count or 24, failures=failures)


def self_label(
    model_source: str, *, count: int, threshold: float, skip: int, demonstrations: int, steps: int, positions: int, samples: int,
    seed: int, device: str,
) -> Labelling:  # fmt: skip
    """Label texts, a batch at a time, until there are at least ``count`` chats. Raises ``InputError`` where no call is kept."""
    start, tokenizer = load(SHIPPED.get(model_source, model_source), device=pick_device(device))
    Marks.of(tokenizer)  # refused before anything is trained
    require_skip(tokenizer, batch_of(seed, 0)[0], skip)
    proposer = copy.deepcopy(start)
    with tqdm(total=steps, desc="proposer", unit="step", leave=False) as bar:
        rng = random.Random(seed)
        for _ in train_proposer(
            proposer, tokenizer, proposer_demonstrations(rng, demonstrations), steps=steps, seed=seed
        ):
            bar.update()
    done, batch = Labelling(threshold, skip), 0
    done.valid_before = valid(propose(start, tokenizer, *batch_of(seed, 0), positions=positions, calls=samples))
    with tqdm(total=count, desc="self-labelled", unit="chat", leave=False) as bar:
        while len(done.chats) < count:
            had = len(done.chats)
            label_batch(done, start, proposer, tokenizer, *batch_of(seed, batch), positions, samples)
            bar.update(min(count, len(done.chats)) - had)
            batch += 1
            if batch >= PATIENCE and not done.with_call:
                raise InputError(
                    f"none of {len(done.proposals)} proposed calls, of which {valid(done.proposals)[0]} run, gains "
                    f"{threshold:g} nats: train the proposer with "
                    "more --steps or more --demonstrations, or lower --threshold"
                )
    return done


def require_skip(tokenizer: PreTrainedTokenizerBase, texts: list[Text], skip: int) -> None:
    """Refuse to leave out whole texts: every loss would be 0, so nothing is gained and every text is easy."""
    shortest = min(len(word_ids(tokenizer, text)) + 1 for text in texts)  # and the end of the turn
    if skip >= shortest:
        raise InputError(f"--skip is {skip}, and the shortest text has {shortest} tokens: leave fewer out")


def batch_of(seed: int, batch: int) -> tuple[list[Text], random.Random]:
    """The texts of a batch, and what decides its samples."""
    rng = random.Random(f"{seed}/{batch}")
    return draw_texts(rng, BATCH), rng


def label_batch(
    done: Labelling, start: PreTrainedModel, proposer: PreTrainedModel, tokenizer: PreTrainedTokenizerBase,
    texts: list[Text], rng: random.Random, positions: int, samples: int,
) -> None:  # fmt: skip
    """A batch of texts: propose, run, measure, keep. Adds to ``done``."""
    proposals = propose(proposer, tokenizer, texts, rng, positions=positions, calls=samples)
    losses = {
        DECIDES: measure(proposer, tokenizer, proposals, skip=done.skip),
        AT_ONCE: measure(proposer, tokenizer, proposals),
        UNTRAINED: measure(start, tokenizer, proposals, skip=done.skip),
    }
    done.chats += labelled(tokenizer, texts, proposals, losses[DECIDES], threshold=done.threshold)
    done.texts += len(texts)
    done.samples += samples * len({(id(proposal.text), proposal.position) for proposal in proposals})
    done.proposals += proposals
    for how, measured in losses.items():
        done.losses.setdefault(how, []).append(measured)


def valid(proposals: Sequence[Proposal]) -> tuple[int, int]:
    return sum(proposal.result.kind == "ok" for proposal in proposals), len(proposals)


def joined(losses: Sequence[Losses]) -> Losses:
    """The losses of all batches, each (proposals,)."""
    with_result, without_result, without_call = (torch.cat(parts) for parts in zip(*losses, strict=True))
    return with_result, without_result, without_call


def report(done: Labelling) -> str:
    """What the labelling found and cost, and how good its filter was."""
    runs, proposals = valid(done.proposals)
    good = filtered(done.proposals, joined(done.losses[DECIDES]), done.threshold).all_good
    lines = [
        f"{done.texts} texts, {done.samples} samples, {proposals} different proposals: {runs} run "
        f"({100 * runs / max(1, proposals):.0f} %; before the demonstrations {done.valid_before[0]} of {done.valid_before[1]}).",
        f"Needed and right are {sum(good.values())}: " + ", ".join(f"{n} of {kind}" for kind, n in good.items()) + ".",
        f"{len(done.chats)} chats: {done.with_call} with a call, {len(done.chats) - done.with_call} easy without one.",
    ]
    if done.with_call:
        lines.append(
            f"Cost: {done.model_calls} model calls (rows), {done.model_calls / done.with_call:.1f} per chat with a call."
        )
    lines.append(
        "Precision: of the kept calls those that are needed and right; recall: of all that are. Wasted: the problem needs "
        "none. Wrong: it needs another."
    )
    for how, words in (
        (DECIDES, f"Kept by the loss of five tokens, behind {done.skip} that are left out:"),
        (AT_ONCE, "Kept by the loss of the five tokens directly behind the call:"),
        (UNTRAINED, "As the first, but the model without demonstrations measures the loss:"),
    ):
        lines += ["", words, *table(done.proposals, joined(done.losses[how]))]
    return "\n".join(lines)


def table(proposals: Sequence[Proposal], losses: Losses) -> list[str]:
    """A line for each threshold."""
    lines = [f"{'threshold':>9} {'kept':>6} {'precision':>10} {'recall':>7} {'wasted':>7} {'wrong':>6}"]
    for row in (filtered(proposals, losses, threshold) for threshold in THRESHOLDS):
        precision, recall = ("-" if share is None else f"{share:.2f}" for share in (row.precision, row.recall))
        lines.append(f"{row.threshold:>9g} {row.kept:>6} {precision:>10} {recall:>7} {row.waste:>7} {row.wrong:>6}")
    return lines


def scores(done: Labelling) -> dict[str, Any]:
    """The numbers of the first proposals that ran, a column each: what is needed to move the threshold afterwards."""
    rows = [i for i, proposal in enumerate(done.proposals) if proposal.result.kind == "ok"][:SCORED]
    proposals = [done.proposals[i] for i in rows]
    return {
        "threshold": done.threshold,
        "skip": done.skip,
        "kind": [p.text.problem.kind for p in proposals],
        "question": [p.text.problem.question for p in proposals],
        "text": [p.text.words for p in proposals],
        "position": [p.position for p in proposals],
        "call": [p.call for p in proposals],
        "result": [p.result.text for p in proposals],
        "needed": [p.needed for p in proposals],
        "right": [p.right for p in proposals],
        "losses": {how: columns(joined(losses), rows) for how, losses in done.losses.items()},
    }


def columns(losses: Losses, rows: list[int]) -> dict[str, list[float]]:
    names = ("with_result", "without_result", "without_call")
    return {name: [round(loss[i].item(), 3) for i in rows] for name, loss in zip(names, losses, strict=True)}


def shown(chat: Sequence[Message]) -> str:
    """A chat as lines: who speaks, the words, and behind them the calls."""
    lines = []
    for message in chat:
        said = (message.get("content") or "").rstrip("\n").replace("\n", "\n           ")
        calls = [] if "<|call|>" in said else [f"<|call|>{call}" for call in calls_of(message)]
        lines.append(f"{message['role']:>10} {' '.join([said, *calls] if said else calls)}")
    return "\n".join(lines)


def require_free(path: Path | None, *, overwrite: bool) -> None:
    """Refuse a file that is there already, before anything is computed."""
    if path is not None and path.is_dir():
        raise InputError(f"{shell_path(path)} is a folder: name a file in it")
    if path is not None and path.exists() and not overwrite:
        raise InputError(f"{shell_path(path)} is there already: name another file, or say --overwrite")
    if path is not None and not path.absolute().parent.is_dir():
        raise InputError(f"there is no folder {shell_path(path.parent)}: make it, or name a file in another")
