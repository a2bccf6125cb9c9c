"""Measuring runs of recipes with tools, and what ``python -m reference evaluate`` prints about them."""

import random
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.algorithms.recipes import Recipe
from reference.evaluation.tool_use import ToolUse, evaluate_tool_use
from reference.world.completions import complete, draw_problems, require_tools
from reference.world.rollout import row_seeds
from reference.world.tool_rollout import Trajectory


def measure_tools(
    recipe: Recipe,
    options: dict[str, Any],
    start: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    model: PreTrainedModel,
) -> ToolUse:
    """Tool use of a policy on held-out problems, as the options of its run say."""
    return evaluate_tool_use(
        model, tokenizer, problems=options["eval_problems"], samples=options["eval_samples"],
        max_new_tokens=recipe.max_new_tokens, max_calls=recipe.max_calls,
    )  # fmt: skip


def tool_report(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    *,
    problems: int,
    samples: int,
    max_new_tokens: int,
    max_calls: int,
    show: int,
    seed: int,
) -> str:
    """Tool use of a model, and ``show`` of its trajectories with what the tool answered, judged."""
    require_tools(model, tokenizer, max_new_tokens=max_new_tokens, max_calls=max_calls)
    lines = [
        str(evaluate_tool_use(
            model, tokenizer, problems=problems, samples=samples, max_new_tokens=max_new_tokens, max_calls=max_calls,
            seed=seed,
        ))
    ]  # fmt: skip
    rng = random.Random(seed)
    if show:
        shown = complete(
            model, tokenizer, draw_problems("tools", rng, show, held_out=True), task="tools",
            max_new_tokens=max_new_tokens, max_calls=max_calls, seeds=row_seeds(rng, show),
        )  # fmt: skip
        for problem, right, trajectory in zip(
            shown.problems, shown.correct.tolist(), shown.trajectories or [], strict=True
        ):
            verdict = "right" if right else f"{how_wrong(trajectory)}, the answer is {problem.answer}"
            lines += ["", f"{problem.question}  [{verdict}]", *told(trajectory)]
    return "\n".join(lines)


def how_wrong(trajectory: Trajectory) -> str:
    return "wrong" if trajectory.ending == "answer" else str(trajectory.ending)


def told(trajectory: Trajectory) -> list[str]:
    """A trajectory line by line: every call and its answer, then the words of the last turn."""
    calls = [f"    calls {text}  ->  {result.text}" for text, result in trajectory.calls]
    return [*calls, *(f"    {line}" for line in trajectory.answer.splitlines())]
