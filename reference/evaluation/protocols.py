"""Completions under a stated protocol, as lines of a file: what was asked, how it was sampled, and every text.

A score is a number about a model *and* a protocol. So each line carries its protocol, and whoever reads the file knows how
the texts came about. Nothing is judged here: ``python -m reference score`` does that, as often as one likes.
"""

import random
from collections.abc import Iterator
from typing import Any, NamedTuple

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.evaluation.log_ratios import TOKENS, first_log_ratios
from reference.objectives.shapes import InputError
from reference.world.completions import Completions, Problem, draw_problems, encode_questions, judge, sampler
from reference.world.prompts import encode_ways
from reference.world.reader import require_context
from reference.world.rollout import ROWS, row_seeds

Line = dict[str, Any]
RATIOS = f"log pi - log pi of the other model, first {TOKENS} tokens, temperature 1"  # how the protocol calls them


class Against(NamedTuple):
    """A model that a policy is compared with, token by token."""

    name: str  # in the protocol
    model: PreTrainedModel


def completion_lines(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    *,
    name: str,
    problems: int = 400,
    samples: int = 8,
    first: int = 0,
    prompt: str = "chat",
    greedy: bool = False,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float = 1.0,
    max_new_tokens: int = 96,
    task: str = "chains",
    max_calls: int = 3,
    seed: int = 12345,
    against: Against | None = None,
) -> Iterator[Line]:
    """A line for each held-out problem, from number ``first`` on: its question, answer, completions and protocol.

    ``name``: of the model, as it is to stand in the protocol. ``prompt``: one of ``world.prompts.WAYS``. What a completion
    is drawn with depends on the seed and the number of its problem only, so a part of the lines is a part of the same
    experiment, and two models with one seed meet the same problems with the same random numbers. ``greedy``: the likeliest
    token each time, one completion a problem. With tools a completion is the words of the last turn. ``against``: a model
    with the same tokenizer; a line then has ``log_ratios`` too, those of ``first_log_ratios``, a list a completion. Raises
    ``InputError`` for a prompt and a budget that exceed the context, for more than one greedy sample, for another
    prompt than ``chat`` with tools, and for ``against`` where samples are not drawn at temperature 1 from all tokens, or
    have turns of a tool.
    """
    if greedy and samples != 1:
        raise InputError(f"samples is {samples}, and greedy completions of one problem are all the same: ask for 1")
    if task == "tools" and prompt != "chat":
        raise InputError(f"prompt is {prompt!r}, and problems with tools are asked as 'chat' only: leave it out")
    protocol = protocol_of(
        name=name, samples=samples, prompt=prompt, greedy=greedy, temperature=temperature, top_k=top_k,
        top_p=top_p, max_new_tokens=max_new_tokens, task=task, max_calls=max_calls, seed=seed,
        against=against.name if against else None,
    )  # fmt: skip
    drawn, sample = draw_problems(task, random.Random(seed), problems, held_out=True), sampler(task, max_calls)
    at_once = max(1, ROWS // samples)
    for start in range(first, problems, at_once):
        part = drawn[start : start + at_once]
        seeds = [s for i in range(len(part)) for s in row_seeds(random.Random(f"{seed}/{start + i}"), samples)]
        asked = encoded(tokenizer, part, prompt)
        if against:
            require_context(against.model, max(map(len, asked)) + TOKENS)
        sampled = sample(
            model, tokenizer, asked, group_size=samples, max_new_tokens=max_new_tokens,
            seeds=None if greedy else seeds, temperature=temperature, top_k=top_k, top_p=top_p, greedy=greedy,
        )  # fmt: skip
        done = judge(tokenizer, sampled, part)
        ratios = first_log_ratios(model, against.model, done.rollout) if against else None
        yield from lines_of(done, tokenizer, part, start, protocol, ratios)


def encoded(tokenizer: PreTrainedTokenizerBase, problems: list[Problem], prompt: str) -> list[list[int]]:
    if prompt == "chat":
        return encode_questions(tokenizer, problems)  # with the schemas of tools, where there are some
    return encode_ways(tokenizer, [problem.question for problem in problems], prompt)


def protocol_of(
    *,
    name: str,
    samples: int,
    prompt: str,
    greedy: bool,
    temperature: float,
    top_k: int | None,
    top_p: float,
    max_new_tokens: int,
    task: str,
    max_calls: int,
    seed: int,
    against: str | None = None,
) -> Line:
    """What a line says of how it came about: all that was decided, and nothing that was not read. The number of problems
    is left out, since the first hundred lines of four hundred are the same hundred. ``against``: the name of the model
    that the policy is compared with. Raises ``InputError`` where its log-ratios would not be an estimate of a KL."""
    if against is not None:
        require_own_samples(task=task, greedy=greedy, temperature=temperature, top_k=top_k, top_p=top_p)
    sampling = {"greedy": True} if greedy else {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    tools = {"max_calls": max_calls} if task == "tools" else {}
    return {
        "model": name, "task": task, "prompt": prompt, "samples": samples, **sampling, "max_new_tokens": max_new_tokens,
        **tools, "seed": seed, **({} if against is None else {"against": against, "log_ratios": RATIOS}),
    }  # fmt: skip


def require_own_samples(*, task: str, greedy: bool, temperature: float, top_k: int | None, top_p: float) -> None:
    """Refuse samples that are not drawn from the policy itself: over those the mean log-ratio estimates no KL."""
    wrong = {
        "--greedy": greedy, f"--temperature {temperature:g}": temperature != 1, f"--top-k {top_k}": top_k is not None,
        f"--top-p {top_p:g}": top_p != 1,
    }  # fmt: skip
    if changed := [option for option, there in wrong.items() if there]:
        raise InputError(
            f"--against needs samples of the model itself, at temperature 1 and from all tokens, since only their mean "
            f"log-ratio estimates a KL: leave {' and '.join(changed)} out, or --against"
        )
    if task == "tools":
        raise InputError("--against compares completions of one turn, and those with tools have several: leave one out")


def lines_of(
    done: Completions, tokenizer: PreTrainedTokenizerBase, problems: list[Problem], first: int, protocol: Line,
    ratios: list[list[float]] | None,
) -> Iterator[Line]:  # fmt: skip
    """One line a problem. ``tokens``: how many the model has written, the end-of-turn among them. A trajectory that did
    not come to an answer counts as truncated."""
    tokens = done.rollout.completion_mask.sum(dim=1).view(len(problems), -1).tolist()
    if done.trajectories is None:
        texts, cut = done.rollout.texts(tokenizer), done.rollout.truncated.tolist()
    else:
        texts, cut = [t.answer for t in done.trajectories], [t.ending != "answer" for t in done.trajectories]
    group = len(texts) // len(problems)
    for i, problem in enumerate(problems):
        rows = slice(i * group, (i + 1) * group)
        line: Line = {
            "id": first + i, "question": problem.question, "answer": str(problem.answer), "completions": texts[rows],
            "truncated": cut[rows], "tokens": tokens[i],
        }  # fmt: skip
        if done.trajectories is not None:
            line["calls"] = done.calls()[rows].tolist()
        if ratios is not None:
            line["log_ratios"] = ratios[rows]
        yield line | {"protocol": protocol}
