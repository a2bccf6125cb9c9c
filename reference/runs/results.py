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


def update_readme(readme: Path, folder: Path) -> bool:
    """Put the results table between its marks in the README. False if there are no marks to put it between."""
    begin, end = "<!-- results -->", "<!-- end of results -->"
    text = readme.read_text() if readme.exists() else ""
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        return False
    head, tail = text.split(begin)[0], text.split(end)[1]
    write_atomically(readme, f"{head}{begin}\n{results_table(folder)}\n{end}{tail}")
    return True
