"""What the lesson measures on the small model: how much of its success comes from reading the tool's answer."""

from collections import defaultdict
from collections.abc import Callable

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.world.calculator import calculator
from reference.world.completions import Problem, encode_questions, verdict
from reference.world.tool_rollout import sample_with_tools

MAX_CALLS, MAX_NEW_TOKENS = 3, 96  # as in the recipes


def says_nothing(expression: str) -> str:
    """Answers nothing.

    Args:
        expression: is not read.
    """
    return ""


ANSWERS: dict[str, Callable[[str], str]] = {"the tool's own": calculator, "empty": says_nothing}


def solved_by_kind(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, problems: list[Problem], tool: Callable[[str], str]
) -> dict[str, float]:
    """The share of problems of each kind that greedy trajectories solve, when the calculator answers as ``tool`` does."""
    _, trajectories = sample_with_tools(
        model, tokenizer, encode_questions(tokenizer, problems), max_new_tokens=MAX_NEW_TOKENS, max_calls=MAX_CALLS,
        greedy=True, tools={"calculator": tool},
    )  # fmt: skip
    verdicts = defaultdict(list)
    for problem, trajectory in zip(problems, trajectories, strict=True):
        verdicts[problem.kind].append(verdict(problem, trajectory))
    return {kind: sum(each) / len(each) for kind, each in sorted(verdicts.items())}
