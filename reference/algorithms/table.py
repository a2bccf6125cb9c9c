"""The comparison table of the algorithms, printed from the recipes, so that it cannot say anything else than the code."""

import difflib
import textwrap

from reference.algorithms.advantages import advantage_of
from reference.algorithms.aggregation import aggregation_of
from reference.algorithms.distill import asks_teacher, reads_reward
from reference.algorithms.kl import kl_of
from reference.algorithms.losses import loss_of
from reference.algorithms.preference_losses import preference_loss_of
from reference.algorithms.recipes import POLICIES, RECIPES, ROWS, Recipe, options_of
from reference.algorithms.registry import name_of
from reference.algorithms.unread_options import unread
from reference.objectives.shapes import InputError

INPUT = {
    "rl": "prompts, {g} sampled per prompt, a reward for each",
    "preference": "prompts with a chosen and a rejected completion",
    "sft": "prompts with a completion to imitate",
    "reward": "prompts with a chosen and a rejected completion",
}
TAUGHT = "prompts, {g} sampled per prompt, a teacher who reads them"
KEY_NUMBERS = {
    "rl": ("group_size", "clip_low", "clip_high", "gamma", "gae_lambda", "vf_coef", "value_clip", "kl_coef", "minibatches", "teacher_share"),
    "preference": ("beta", "target_margin", "label_smoothing"),
    "sft": (),
    "reward": (),
}  # fmt: skip


def aspects(r: Recipe) -> dict[str, str]:
    """A recipe in the rows of the comparison table: aspect -> what this algorithm does about it."""
    return {
        "Input": (TAUGHT if asks_teacher(r) and not reads_reward(r) else INPUT[r.kind]).format(g=r.group_size),
        "Key shape": shape(r),
        "Advantage": advantage(r),
        "Loss": loss(r),
        "KL handling": kl(r),
        "Aggregation": aggregation(r),
        "Value head": {None: "no", "shared": "yes, on the policy's trunk", "separate": "yes, on a trunk of its own"}[r.critic],
        "Key numbers": ", ".join(f"{name} {cell_text(getattr(r, name))}" for name in key_numbers(r)) or "lr",
        "Common pitfall": r.pitfall,
        "Source": f"arXiv {r.source}" if r.source[0].isdigit() else r.source,
    }  # fmt: skip


def shape(r: Recipe) -> str:
    if r.kind in ("preference", "reward"):
        return "(pairs,): one number per completion"
    if r.kind == "sft":
        return "(batch, pred): per token"
    rows = "batch" if r.group_size == 1 else "prompts * group_size"
    return f"({rows}, pred): per token" if advantage_of(r).per_token else f"({rows},): per completion"


def advantage(r: Recipe) -> str:
    if r.kind == "rl":
        return (
            advantage_of(r).words if loss_of(r).reads_advantage else "none: the teacher says what each token should be"
        )
    return {
        "sft": "none: every token of a demonstration counts 1",
        "reward": "none: it learns the reward",
        "preference": "none: implicit in the log-ratio of the pair, no policy gradient",
    }[r.kind]


def loss(r: Recipe) -> str:
    if r.kind in POLICIES:
        words = (loss_of(r) if r.kind == "rl" else preference_loss_of(r)).words
        return f"{name_of(r.loss)}: {words}"
    return {"sft": "NLL", "reward": "-log sigmoid(chosen - rejected)"}[r.kind]


def kl(r: Recipe) -> str:
    if r.kind == "preference" and preference_loss_of(r).reference:
        return "implicit, through the reference in the log-ratio"
    if r.kl_place == "measure":
        return "none charged; measured"
    if r.kl is None:
        return "none"
    return f"{name_of(r.kl)} ({kl_of(r).words}) in the {r.kl_place}" + ("" if r.kl_coef else ", coefficient 0: off")


def aggregation(r: Recipe) -> str:
    if r.kind == "rl":
        return aggregation_of(r).words
    return "mean over all tokens" if r.kind == "sft" else "mean over pairs"


def key_numbers(r: Recipe) -> list[str]:
    """The numbers that matter for this row: not gamma where there are no returns, not a clip where nothing is clipped."""
    unused = {*unread(r), *(() if r.critic else ("vf_coef",)), *(() if r.kl else ("kl_coef",))}
    return [name for name in KEY_NUMBERS[r.kind] if name not in unused]


def besides(r: Recipe) -> list[str]:
    """What sets a row apart although no slot says so."""
    found = []
    if r.kind == "rl" and "clip_low" in loss_of(r).reads and r.clip_low != r.clip_high:
        found.append(f"clip: {cell_text(r.clip_low)} below, {cell_text(r.clip_high)} above")
    if r.max_rounds > 1:
        found.append(f"dynamic sampling: up to {r.max_rounds} rounds, until no group is dead")
    if r.overlong != "score":
        found.append({"mask": "cut-off completions left out", "penalty": "punished near the budget"}[r.overlong])
    if r.online:
        found.append("new pairs at every step")
    return found


def cell_text(value: object) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def recipes_overview() -> str:
    """PPO, GRPO and DPO side by side, then one line for every recipe."""
    lines = [side_by_side([RECIPES[name] for name in ("ppo", "grpo", "dpo")]), "", "All recipes", ""]
    for r in ROWS:
        cells = aspects(r)
        lines.append(f"{r.name:<22}{r.title} ({r.source})")
        choices = [
            cells["Advantage"],
            name_of(r.loss) if r.loss else cells["Loss"],
            f"KL: {cells['KL handling']}",
            cells["Aggregation"],
            *besides(r),
        ]
        lines += textwrap.wrap(" | ".join(choices), width=96, initial_indent=" " * 22, subsequent_indent=" " * 22)
    lines += ["", "What differs between two: python -m reference recipes grpo dr-grpo"]
    return "\n".join(lines)


def comparison(names: list[str]) -> str:
    """What differs between the named recipes: aspects in words, then every option whose value is not the same."""
    recipes = [RECIPES[name] for name in recipe_names(names)]
    if len(recipes) == 1:
        return side_by_side(recipes)
    kinds = {r.kind for r in recipes}
    common = [c.name for c in options_of(recipes[0].kind) if all(c in options_of(kind) for kind in kinds)]
    values = {name: [name_or_number(getattr(r, name)) for r in recipes] for name in common}
    different = {name: row for name, row in values.items() if len(set(row)) > 1}
    same = [name for name in aspects(recipes[0]) if len({aspects(r)[name] for r in recipes}) == 1]
    parts = [side_by_side(recipes, leave_out=same)]
    if different:
        rows = [
            ["option", *(r.name for r in recipes)],
            *([f"--{n.replace('_', '-')}", *row] for n, row in different.items()),
        ]
        parts.append(table(rows, width=22))
    if same:
        parts.append("The same in all: " + ", ".join(name.lower() for name in same))
    return "\n\n".join(parts)


def recipe_names(names: list[str]) -> list[str]:
    """The names, once each; refused if there is no such recipe."""
    for name in names:
        if name not in RECIPES:
            near = difflib.get_close_matches(name.lower(), RECIPES, n=1)
            guess = f"; did you mean {near[0]!r}? There are: " if near else ": there are "
            raise InputError(f"there is no recipe {name!r}{guess}{', '.join(RECIPES)}")
    return list(dict.fromkeys(names))


def name_or_number(value: object) -> str:
    return name_of(value) if callable(value) else cell_text(value)


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
