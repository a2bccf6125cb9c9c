"""Rollouts with tools: the model writes a turn, the tool runs, its answer is appended as a turn, the model goes on.

What comes out is a ``Rollout`` like any other. Its completion mask is True on what the model wrote and False on the turns
of the tool, which stand between. So whoever trains on it leaves the tool's words out of the loss and of every mean, and
they stay visible to attention. Nothing that was sampled is ever tokenised again.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.objectives.shapes import InputError
from reference.world.model import eos_ids
from reference.world.reader import require_context
from reference.world.rollout import Rollout, left_padded, sample
from reference.world.tokenizer import EOS
from reference.world.tool_calls import LONGEST_RESULT, TOOLS, Result, Tools, answer_call, schemas

Ending = Literal["answer", "cut off", "forged turn", "unanswered call"]
ENDINGS: tuple[Ending, ...] = get_args(Ending)
NONE_LEFT = Result("over budget", "error: no call is left, answer now")
TURN = 3 + LONGEST_RESULT  # tokens of a tool's turn at most: header, a token a character, end, and the next header


@dataclass
class Trajectory:
    """One completion with its calls. ``ids``, ``sampled`` and ``logprobs`` have an entry per token behind the prompt."""

    ids: list[int] = field(default_factory=list)
    sampled: list[bool] = field(default_factory=list)  # by the model; False for the turns of the tool
    logprobs: list[float] = field(default_factory=list)  # under the distribution that was drawn from; 0 for the tool's
    calls: list[tuple[str, Result]] = field(default_factory=list)  # what was written, and how it was answered
    answer: str = ""  # the words of the last turn, calls left out
    ending: Ending | None = None

    @property
    def spent(self) -> int:
        """Tokens that the model has written."""
        return sum(self.sampled)

    def append(self, ids: list[int], logprobs: list[float] | None) -> None:
        """``logprobs`` None: somebody else has written this."""
        self.ids += ids
        self.sampled += [logprobs is not None] * len(ids)
        self.logprobs += [0.0] * len(ids) if logprobs is None else logprobs


def sample_with_tools(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: list[list[int]],
    *,
    max_new_tokens: int,
    max_calls: int,
    group_size: int = 1,
    seeds: Sequence[int] | None = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float = 1.0,
    greedy: bool = False,
    tools: Tools = TOOLS,
) -> tuple[Rollout, list[Trajectory]]:
    """``group_size`` trajectories for each prompt, len(prompts) * group_size rows.

    ``max_new_tokens`` counts what the model writes in all its turns, and nothing of the tools. ``max_calls``: the calls of
    a trajectory that are run. Later ones of a turn are answered with one error, and if the model calls again after that,
    the trajectory ends.
    ``seeds``: one per row, as in ``sample``. Raises ``InputError`` when prompt, budget and the longest answers exceed the
    model's context, for a tokenizer without the tokens of a call, and for a tool that no schema can be made of.
    """
    marks = Marks.of(tokenizer)
    schemas(tools)  # refused before anything is sampled
    require_context(model, max(map(len, prompts)) + max_new_tokens + (max_calls + 1) * TURN)
    rows = [Trajectory() for _ in range(len(prompts) * group_size)]
    ends = eos_ids(model, tokenizer)
    going = list(range(len(rows)))
    for turn in range(max_calls + 2):  # each turn but the last uses up a call, or is told that none is left
        first = turn == 0  # the first turn of a group begins with one prompt, later ones with what each row has by then
        begun = prompts if first else [prompts[i // group_size] + rows[i].ids for i in going]
        rollout = sample(
            model, tokenizer, begun, group_size=group_size if first else 1, greedy=greedy, temperature=temperature,
            top_k=top_k, top_p=top_p, max_new_tokens=max(max_new_tokens - rows[i].spent for i in going),
            seeds=None if seeds is None else [turn_seed(seeds[i], turn) for i in going],
        )  # fmt: skip
        for place, i in enumerate(going):
            ids, logprobs = written(rollout, place, max_new_tokens - rows[i].spent)
            rows[i].append(ids, logprobs)
            finish_turn(rows[i], ids, tokenizer, marks, ends, tools, max_calls=max_calls)
        going = [i for i in going if rows[i].ending is None]
        if not going:
            break
    return as_rollout(prompts, rows, group_size, tokenizer.pad_token_id, model.device), rows


def written(rollout: Rollout, row: int, most: int) -> tuple[list[int], list[float]]:
    """What one row of a rollout has sampled, at most so many tokens, and their log-probs. The row's draws depend on its
    seed alone, so a larger budget for others changes nothing before the cut."""
    kept = rollout.completion_mask[row]
    return rollout.tokens[row, 1:][kept].tolist()[:most], rollout.sampler_logprobs[row][kept].tolist()[:most]


def finish_turn(
    row: Trajectory,
    ids: list[int],
    tokenizer: PreTrainedTokenizerBase,
    marks: "Marks",
    ends: list[int],
    tools: Tools,
    *,
    max_calls: int,
) -> None:
    """Say how the trajectory ended with this turn, or run its calls and append their answers."""
    closed = bool(ids) and ids[-1] in ends
    words, *calls = split(ids[:-1] if closed else ids, marks.call)
    row.answer = str(tokenizer.decode(words))
    if not set(ids).isdisjoint(marks.forgery):
        row.ending = "forged turn"
    elif not closed:
        row.ending = "cut off"
    elif not calls:
        row.ending = "answer"
    elif any(result is NONE_LEFT for _, result in row.calls):
        row.ending = "unanswered call"
    if row.ending is not None:
        return
    texts = [str(tokenizer.decode(call)) for call in calls]
    left = max(0, max_calls - len(row.calls))
    row.calls += [(text, answer_call(text, tools)) for text in texts[:left]] + [
        (text, NONE_LEFT) for text in texts[left:]
    ]
    for _, result in row.calls[-len(texts) :][: left + 1]:
        row.append(marks.tool_turn(tokenizer, result.text), None)
    row.append([marks.assistant], None)


def split(ids: list[int], mark: int) -> list[list[int]]:
    """The parts of a list between the marks: one more than there are marks."""
    parts: list[list[int]] = [[]]
    for i in ids:
        if i == mark:
            parts.append([])
        else:
            parts[-1].append(i)
    return parts


@dataclass(frozen=True)
class Marks:
    """The ids of the tokens that open and close turns and calls."""

    call: int
    assistant: int
    tool: int
    end: int
    forgery: frozenset[int]  # those that no assistant's turn may hold

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase) -> "Marks":
        names = ("<|call|>", "<|assistant|>", "<|tool|>", EOS, "<|user|>")
        ids = [tokenizer.get_added_vocab().get(name) for name in names]
        if None in ids:
            raise InputError(
                f"this tokenizer has no token {names[ids.index(None)]}: tools are for models with the chat template of this course"
            )
        call, assistant, tool, end, user = (i for i in ids if i is not None)
        return cls(call, assistant, tool, end, frozenset({assistant, tool, user}))

    def tool_turn(self, tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
        """As the chat template has it; but a mark's name in the text stays text, and opens no turn."""
        return [self.tool, *tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"], self.end]


def turn_seed(seed: int, turn: int) -> int:
    """A number of its own for each turn of a row."""
    return seed if turn == 0 else random.Random(f"{seed}/{turn}").getrandbits(63)


def as_rollout(
    prompts: list[list[int]], rows: list[Trajectory], group_size: int, pad_token_id: int, device: torch.device
) -> Rollout:
    """The trajectories as one batch: prompts end in the same column, what follows them is padded on the right."""
    width, longest = max(map(len, prompts)), max(len(row.ids) for row in rows)
    tokens, attention = left_padded(prompts, width, width + longest, pad_token_id, device)
    tokens, attention = (x.repeat_interleave(group_size, dim=0) for x in (tokens, attention))
    behind = slice(width - 1, None)  # of the prediction axis: the completion's part
    mask = torch.zeros_like(attention[:, 1:])
    logprobs = torch.zeros(mask.shape, device=device)
    for i, row in enumerate(rows):
        length = len(row.ids)
        tokens[i, width : width + length] = torch.tensor(row.ids, device=device)
        attention[i, width : width + length] = True
        mask[i, behind][:length] = torch.tensor(row.sampled, device=device)
        logprobs[i, behind][:length] = torch.tensor(row.logprobs, device=device)
    truncated = torch.tensor([row.ending == "cut off" for row in rows], device=device)
    return Rollout(tokens, attention, mask, logprobs, truncated, width)
