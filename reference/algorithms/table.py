"""The comparison table of the algorithms, printed from the recipes, so that it cannot say anything else than the code."""

import difflib
import textwrap
from collections.abc import Callable

from reference.algorithms.recipes import RECIPES, ROWS, Recipe, options_of
from reference.objectives.shapes import InputError

ADVANTAGE = {
    "group": "per completion: reward against the group's mean, over its std",
    "group_mean": "per completion: reward against the group's mean",
    "group_mean_batch_std": "per completion: reward against the group's mean, over the batch's std",
    "leave_one_out": "per completion: reward against the mean of the others of its group",
    "reinforce_plus_plus": "per token: reward to go, whitened over the batch",
    "reinforce_plus_plus_baseline": "per completion: reward against the group's mean, whitened over the batch",
    "gae": "per token: GAE with the critic, whitened over the batch",
}
NORMALISER = {
    "sequence_mean": "mean over tokens, then over completions",
    "token_mean": "mean over all tokens",
    "fixed_length": "sum over tokens / (completions x budget)",
}
INPUT = {
    "rl": "prompts, {g} sampled per prompt, a reward for each",
    "preference": "prompts with a chosen and a rejected completion",
    "sft": "prompts with a completion to imitate",
    "reward": "prompts with a chosen and a rejected completion",
}
KEY_NUMBERS = {
    "rl": ("group_size", "clip_low", "clip_high", "gamma", "gae_lambda", "vf_coef", "value_clip", "kl_coef", "minibatches"),
    "preference": ("beta", "target_margin", "label_smoothing"),
    "sft": (),
    "reward": (),
}  # fmt: skip
USED_BY = {"gamma": ("gae", "reinforce_plus_plus"), "gae_lambda": ("gae",), "vf_coef": ("gae",), "value_clip": ("gae",)}


def aspects(r: Recipe) -> dict[str, str]:
    """A recipe in the rows of the comparison table: aspect -> what this algorithm does about it."""
    return {
        "Input": INPUT[r.kind].format(g=r.group_size),
        "Key shape": shape(r),
        "Advantage": advantage(r),
        "Loss": name_of(r.loss) if r.loss else {"sft": "NLL", "reward": "-log sigmoid(chosen - rejected)"}[r.kind],
        "KL handling": kl(r),
        "Aggregation": aggregation(r),
        "Value head": {None: "no", "shared": "yes, on the policy's trunk", "separate": "yes, on a trunk of its own"}[r.critic],
        "Key numbers": ", ".join(f"{name} {shown(getattr(r, name))}" for name in key_numbers(r)) or "lr",
        "Common pitfall": r.pitfall,
        "Source": f"arXiv {r.source}" if r.source[0].isdigit() else r.source,
    }  # fmt: skip


def shape(r: Recipe) -> str:
    if r.kind in ("preference", "reward"):
        return "(pairs,): one number per completion"
    if r.kind == "sft":
        return "(batch, pred): per token"
    rows = "batch" if r.group_size == 1 else "prompts * group_size"
    return (
        f"({rows}, pred): per token" if r.advantage in ("gae", "reinforce_plus_plus") else f"({rows},): per completion"
    )


def advantage(r: Recipe) -> str:
    if r.kind == "rl":
        return ADVANTAGE.get(r.advantage, name_of(r.advantage))
    return {
        "sft": "none: every token of a demonstration counts 1",
        "reward": "none: it learns the reward",
        "preference": "none: implicit in the log-ratio of the pair, no policy gradient",
    }[r.kind]


def kl(r: Recipe) -> str:
    if r.kind != "rl":
        free = r.kind != "preference" or r.loss in ("simpo", "orpo")
        return "none" if free else "implicit, through the reference in the log-ratio"
    if r.kl is None:
        return "none"
    return f"{name_of(r.kl)} in the {r.kl_place}" + ("" if r.kl_coef else " (coefficient 0: off)")


def aggregation(r: Recipe) -> str:
    if r.kind == "rl":
        return NORMALISER.get(r.aggregation, name_of(r.aggregation))
    return "mean over all tokens" if r.kind == "sft" else "mean over pairs"


def key_numbers(r: Recipe) -> list[str]:
    """The numbers that matter for this row: not gamma where there are no returns, not a clip where nothing is clipped."""
    names = []
    for name in KEY_NUMBERS[r.kind]:
        unused = r.advantage not in USED_BY.get(name, (r.advantage,))
        unclipped = name.startswith("clip_") and r.loss == "reinforce"
        other_loss = (name == "target_margin" and r.loss != "simpo") or (
            name == "label_smoothing" and r.loss not in ("cdpo", "robust_dpo")
        )
        if not (unused or unclipped or other_loss or (name == "kl_coef" and r.kl is None)):
            names.append(name)
    return names


def besides(r: Recipe) -> list[str]:
    """What sets a row apart although no slot says so."""
    told = []
    if r.kind == "rl" and r.loss in ("ppo_clip", "gspo", "cispo") and r.clip_low != r.clip_high:
        told.append(f"clip: {shown(r.clip_low)} below, {shown(r.clip_high)} above")
    if r.max_rounds > 1:
        told.append(f"dynamic sampling: up to {r.max_rounds} rounds, until no group is dead")
    if r.overlong != "score":
        told.append({"mask": "cut-off completions left out", "penalty": "punished near the budget"}[r.overlong])
    if r.online:
        told.append("new pairs at every step")
    return told


def name_of(choice: str | Callable | None) -> str:
    return choice if isinstance(choice, str) else getattr(choice, "__name__", str(choice))


def shown(value: object) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def overview() -> str:
    """PPO, GRPO and DPO side by side, then one line for every recipe."""
    lines = [side_by_side([RECIPES[name] for name in ("ppo", "grpo", "dpo")]), "", "All recipes", ""]
    for r in ROWS:
        told = aspects(r)
        lines.append(f"{r.name:<22}{r.title} ({r.source})")
        choices = [told["Advantage"], told["Loss"], f"KL: {told['KL handling']}", told["Aggregation"], *besides(r)]
        lines += textwrap.wrap(" | ".join(choices), width=96, initial_indent=" " * 22, subsequent_indent=" " * 22)
    lines += ["", "What differs between two: python -m reference recipes grpo dr-grpo"]
    return "\n".join(lines)


def comparison(names: list[str]) -> str:
    """What differs between the named recipes: aspects in words, then every option whose value is not the same."""
    recipes = [RECIPES[name] for name in known(names)]
    if len(recipes) == 1:
        return side_by_side(recipes)
    kinds = {r.kind for r in recipes}
    common = [c.name for c in options_of(recipes[0].kind) if all(c in options_of(kind) for kind in kinds)]
    values = {name: [name_or_number(getattr(r, name)) for r in recipes] for name in common}
    different = {name: told for name, told in values.items() if len(set(told)) > 1}
    same = [name for name in aspects(recipes[0]) if len({aspects(r)[name] for r in recipes}) == 1]
    parts = [side_by_side(recipes, leave_out=same)]
    if different:
        rows = [
            ["option", *(r.name for r in recipes)],
            *([f"--{n.replace('_', '-')}", *told] for n, told in different.items()),
        ]
        parts.append(table(rows, width=22))
    if same:
        parts.append("The same in all: " + ", ".join(name.lower() for name in same))
    return "\n\n".join(parts)


def known(names: list[str]) -> list[str]:
    """The names, once each; refused if there is no such recipe."""
    for name in names:
        if name not in RECIPES:
            near = difflib.get_close_matches(name.lower(), RECIPES, n=1)
            guess = f"; did you mean {near[0]!r}? There are: " if near else ": there are "
            raise InputError(f"there is no recipe {name!r}{guess}{', '.join(RECIPES)}")
    return list(dict.fromkeys(names))


def name_or_number(value: object) -> str:
    return name_of(value) if callable(value) else shown(value)


def side_by_side(recipes: list[Recipe], leave_out: list[str] | None = None) -> str:
    """Aspects in rows, recipes in columns."""
    rows = [["", *(r.name for r in recipes)]]
    for aspect in aspects(recipes[0]):
        if aspect not in (leave_out or []):
            rows.append([aspect, *(aspects(r)[aspect] for r in recipes)])
    return table(rows, width=max(24, min(60, (112 - 16) // len(recipes) - 2)))


def table(rows: list[list[str]], *, width: int) -> str:
    """Plain text in columns; cells longer than ``width`` go on below."""
    widths = [16, *([width] * (len(rows[0]) - 1))]
    lines = []
    for number, row in enumerate(rows):
        cells = [textwrap.wrap(cell, w) or [""] for cell, w in zip(row, widths, strict=True)]
        for i in range(max(map(len, cells))):
            parts = [(cell[i] if i < len(cell) else "").ljust(w) for cell, w in zip(cells, widths, strict=True)]
            lines.append("  ".join(parts).rstrip())
        lines.append("  ".join("-" * w for w in widths) if number == 0 else "")
    return "\n".join(lines).rstrip()
