"""Completions of a task's problems: sampled, with a tool or without, and verified. What loops and measurements share.

    chains    a completion is one turn, and the verifier reads its last line
    tools     a completion is a trajectory: turns with calls, the calculator's answers between them, a last turn

Both come as a ``Rollout``. So whoever trains or measures need not ask which task it is.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.objectives.shapes import InputError
from reference.world import tasks
from reference.world.reader import require_context
from reference.world.rollout import Rollout, encode_prompts, join, sample
from reference.world.tool_calls import schemas
from reference.world.tool_rollout import TURN, Marks, Trajectory, sample_with_tools
from reference.world.tool_tasks import Message, ToolProblem, draw_tool_problem, run, verify_answer

Task = Literal["chains", "tools"]
TASKS: tuple[Task, ...] = get_args(Task)
Problem = tasks.Problem | ToolProblem
UNREADABLE = ("malformed", "unknown tool", "wrong arguments")


@dataclass(frozen=True)
class Completions:
    """One row per completion, those of a problem next to each other. Without a tool ``trajectories`` is None."""

    rollout: Rollout
    problems: list[Problem]  # of each row
    correct: Tensor  # (rows,) 1.0 or 0.0; 0 for one that never came to its end
    trajectories: list[Trajectory] | None = None

    def calls(self, *, unreadable: bool = False, failed: bool = False) -> Tensor:
        """(rows,) how many calls each has written; of them the ``unreadable``, or those that ``failed`` for any reason."""
        kinds = [[result.kind for _, result in t.calls] for t in self.trajectories or []]
        if unreadable:
            kinds = [[kind for kind in row if kind in UNREADABLE] for row in kinds]
        if failed:
            kinds = [[kind for kind in row if kind != "ok"] for row in kinds]
        counts = [len(row) for row in kinds] or [0] * len(self.problems)
        return torch.tensor(counts, device=self.correct.device)

    def of_rows(self, numbers: Sequence[float]) -> Tensor:
        """A number for each row as a tensor (rows,) beside the others."""
        return torch.tensor(numbers, dtype=torch.float, device=self.correct.device)

    def rows(self, index: Tensor) -> "Completions":
        """The named rows, without the columns that are padding in all of them."""
        places = index.tolist()
        kept = None if self.trajectories is None else [self.trajectories[i] for i in places]
        return Completions(self.rollout.rows(index), [self.problems[i] for i in places], self.correct[index], kept)


def join_completions(parts: list[Completions], *, pad_token_id: int) -> Completions:
    """Parts of different widths as one."""
    plain = parts[0].trajectories is None
    return Completions(
        join([part.rollout for part in parts], pad_token_id=pad_token_id),
        [problem for part in parts for problem in part.problems],
        torch.cat([part.correct for part in parts]),
        None if plain else [trajectory for part in parts for trajectory in part.trajectories or []],
    )


def draw_problems(task: str, rng: random.Random, count: int, *, held_out: bool = False) -> list[Problem]:
    """So many random problems of the training split, or of the held-out split."""
    draw = draw_tool_problem if task == "tools" else tasks.draw_problem
    return [draw(rng, held_out=held_out) for _ in range(count)]


def encode_questions(tokenizer: PreTrainedTokenizerBase, problems: list[Problem]) -> list[list[int]]:
    """Prompts up to and including the header that opens the assistant's turn. With tools, their schemas are handed to the
    chat template; that of the small model leaves them out, since its one tool is always the same."""
    if all(isinstance(problem, tasks.Problem) for problem in problems):
        return encode_prompts(tokenizer, cast(list[tasks.Problem], problems))
    chats = [[{"role": "user", "content": problem.question}] for problem in problems]
    ids = tokenizer.apply_chat_template(
        chats, tools=cast(list[Any], schemas()), add_generation_prompt=True, return_dict=False
    )
    return cast(list[list[int]], ids)  # one list per problem, as return_dict=False and many chats have it


def complete(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    problems: list[Problem],
    *,
    task: str,
    max_new_tokens: int,
    max_calls: int,
    group_size: int = 1,
    seeds: Sequence[int] | None = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float = 1.0,
) -> Completions:
    """Sample ``group_size`` completions of each problem, and verify them: len(problems) * group_size rows.

    ``seeds``: one per row; without them the likeliest token is taken each time (greedy). ``max_calls`` is of tools only.
    """
    sampled = sampler(task, max_calls)(
        model, tokenizer, encode_questions(tokenizer, problems), group_size=group_size, max_new_tokens=max_new_tokens,
        seeds=seeds, temperature=temperature, top_k=top_k, top_p=top_p, greedy=seeds is None,
    )  # fmt: skip
    return judge(tokenizer, sampled, problems)


def sampler(task: str, max_calls: int) -> Callable[..., Rollout | tuple[Rollout, list[Trajectory]]]:
    """What samples for this task, with the arguments of ``sample``."""
    return partial(sample_with_tools, max_calls=max_calls) if task == "tools" else sample


def judge(
    tokenizer: PreTrainedTokenizerBase,
    sampled: Rollout | tuple[Rollout, list[Trajectory]],
    problems: list[Problem],
) -> Completions:
    """What a ``sampler`` has written for these problems, equally many rows for each, with the verifier's verdicts."""
    rollout, trajectories = sampled if isinstance(sampled, tuple) else (sampled, None)
    each = [problem for problem in problems for _ in range(len(rollout.tokens) // len(problems))]
    if trajectories is None:
        return Completions(rollout, each, verify_all(rollout, tokenizer, cast(list[tasks.Problem], each)))
    found = Completions(rollout, each, rollout.truncated.float(), trajectories)
    return replace(found, correct=found.of_rows([verdict(p, t) for p, t in zip(each, trajectories, strict=True)]))


def verify_all(rollout: Rollout, tokenizer: PreTrainedTokenizerBase, problems: list[tasks.Problem]) -> Tensor:
    """Rewards (rows,): the verifier's verdict on each completion; 0 for one that never came to its end."""
    verdicts = [tasks.verify(problem, text) for problem, text in zip(problems, rollout.texts(tokenizer), strict=True)]
    return torch.tensor(verdicts, device=rollout.tokens.device) * ~rollout.truncated


def verdict(problem: Problem, trajectory: Trajectory) -> float:
    """The verifier's word on a trajectory: on its last turn, if it ended with one."""
    return verify_answer(cast(ToolProblem, problem), trajectory.answer) * (trajectory.ending == "answer")


def require_tools(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, max_new_tokens: int, max_calls: int
) -> None:
    """Refuse a tokenizer without the tokens of a call, a chat template that prints no calls, and a context that the longest
    trajectory does not fit."""
    require_calls(tokenizer)
    longest = encode_questions(
        tokenizer, [ToolProblem("two calls", "What is 99 times the last two digits of 99*99?", 99, ())]
    )
    try:
        require_context(model, len(longest[0]) + max_new_tokens + (max_calls + 1) * TURN)
    except InputError as error:
        raise InputError(f"{error}, or lower max_calls: each may bring {TURN} tokens of an answer") from None


def require_calls(tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse a tokenizer without the tokens of a call, and a chat template that prints calls and answers in another way
    than a rollout has them."""
    marks, chat = Marks.of(tokenizer), [{"role": "user", "content": "What is 1+2?"}, *run("", "1+2")]
    try:
        printed, begun = (ids_of(tokenizer, messages) for messages in (chat, chat[:1]))
    except Exception as error:  # templates are programs: they may fail in any way
        raise InputError(f"the chat template cannot render a call and its answer ({error})") from None
    answer = [*marks.tool_turn(tokenizer, "3"), marks.assistant]
    if marks.call not in printed or printed[-len(answer) :] != answer or begun[-1] != marks.assistant:
        raise InputError(
            "the chat template does not print a call as <|call|>{...}<|end|> and its answer as "
            "<|tool|>...<|end|><|assistant|>, as rollouts with tools have them: take that of the shipped model"
        )


def ids_of(tokenizer: PreTrainedTokenizerBase, chat: list[Message]) -> list[int]:
    """A chat and the header behind it, at which the assistant goes on."""
    tools = cast(list[Any], schemas())
    ids = tokenizer.apply_chat_template(chat, tools=tools, add_generation_prompt=True, return_dict=False)
    return cast(list[int], ids)  # of one chat, as return_dict=False has it
