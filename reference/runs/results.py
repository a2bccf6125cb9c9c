"""What each kind of recipe promises, and the table of the README: the recorded runs in numbers."""

from pathlib import Path
from typing import Any

from reference.algorithms.recipes import ROWS
from reference.evaluation.statistics import wilson_interval
from reference.runs.files import write_atomically
from reference.runs.recorded_runs import Run, all_runs

TARGETS = {  # the least share right (reward model: of pairs) of every seed; sampled for all but the reward model
    **{recipe.name: 0.80 for recipe in ROWS if recipe.kind == "rl" and recipe.task == "chains"},
    "sft": 0.90, "reward-model": 0.70, "dpo": 0.55, "dpo-online": 0.70,
}  # fmt: skip


def results_table(folder: Path) -> str:
    """The recorded runs as a Markdown table: a row per recipe, a number per seed, held-out problems after training."""
    found = {name: runs for name, runs in all_runs(folder).items() if runs[0].recipe.task == "chains"}
    rows = [
        "| `train` | steps | sampled, % right | greedy, % right | pass@8, % | minutes |",
        "|---|---|---|---|---|---|",
    ]
    policies = [run for runs in found.values() for run in runs if run.recipe.kind != "reward"]
    if policies:
        rows.append(row_of_the_base(policies[0].accuracy["before"]))
    for name, runs in found.items():
        if runs[0].recipe.kind == "reward":
            cells = [f"{per_seed(runs, 'share')} of pairs (the longer one: {per_seed(runs, 'longer')})", "", ""]
        else:
            cells = [per_seed(runs, kind) for kind in ("sampled", "greedy", "pass_at_k")]
        minutes = " / ".join(f"{run.minutes:.1f}" for run in runs)
        rows.append("| " + " | ".join([f"`{name}`", str(runs[0].recipe.steps), *cells, minutes]) + " |")
    return "\n".join(rows)


def row_of_the_base(base: dict[str, Any]) -> str:
    """What every policy was before it was trained."""
    low, high = wilson_interval(base["sampled"], base["problems"])
    sampled = f"{base['sampled']:.1%} [{low:.1%}, {high:.1%}]"
    return f"| (the base) | | {sampled} | {base['greedy']:.1%} | {base['pass_at_k']:.1%} | |"


def per_seed(runs: list[Run], kind: str) -> str:
    """What was measured after training, seed by seed, in per cent."""
    return " / ".join(f"{run.accuracy['after'][kind]:.1%}".removesuffix("%") for run in runs)


TOOL_COLUMNS = {  # of ToolUse -> the words above it
    "success": "success, %", "recall": "calls where needed, %", "waste": "calls where not, %", "valid": "valid calls, %",
    "made_up": "made up, %",
}  # fmt: skip


def tool_results_table(folder: Path) -> str:
    """The recorded runs with a tool as a Markdown table: a row per recipe, a number per seed, after training."""
    found = {name: runs for name, runs in all_runs(folder).items() if runs[0].recipe.task == "tools"}
    head = ["`train`", "from", "steps", *TOOL_COLUMNS.values(), "calls per problem"]
    rows = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name, runs in found.items():
        calls = " / ".join(f"{run.accuracy['after']['calls']:.2f}" for run in runs)
        cells = [f"`{name}`", f"`{runs[0].recipe.start}`", str(runs[0].recipe.steps)]
        rows.append(f"| {' | '.join([*cells, *(per_seed(runs, kind) for kind in TOOL_COLUMNS), calls])} |")
    return "\n".join(rows)


TABLES = {"results": results_table, "tool results": tool_results_table}  # the marks of each in the README


def update_readme(readme: Path, folder: Path) -> bool:
    """Put the tables of results between their marks in the README. False if there are no marks to put them between."""
    text = old = readme.read_text() if readme.exists() else ""
    for name, table in TABLES.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        if text.count(begin) == text.count(end) == 1 and text.index(begin) < text.index(end):
            head, tail = text.split(begin)[0], text.split(end)[1]
            text = f"{head}{begin}\n{table(folder)}\n{end}{tail}"
    if text != old:
        write_atomically(readme, text)
    return any(f"<!-- {name} -->" in text for name in TABLES)
