"""Measuring a run: held-out accuracy before and after, and what ``python -m reference evaluate`` prints."""

import json
import math
import random
import time
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.algorithms.recipes import RECIPES, Recipe, recipe_from
from reference.algorithms.reward_model import PairAccuracy, load_reward_model, pair_accuracy
from reference.evaluation.accuracy import Accuracy, evaluate
from reference.evaluation.tool_use import ToolUse
from reference.objectives.shapes import InputError
from reference.runs.checkpoints import newest_checkpoint
from reference.runs.files import is_number, read_json, write_atomically
from reference.runs.folder import is_run, read_options
from reference.runs.measure_rewards import rewards_report
from reference.runs.measure_tools import tool_report
from reference.world.gate import require_sampler
from reference.world.model import SHIPPED, load, pick_device
from reference.world.rollout import encode_prompts, row_seeds, sample
from reference.world.tasks import draw_problem, verify

Measured = Accuracy | PairAccuracy | ToolUse
SHARES = ("pass_at_k", "longer", "by_head", "product", "two_calls", "recall", "waste", "valid", "ran", "made_up")


def measure_policy(
    recipe: Recipe,
    options: dict[str, Any],
    start: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    model: PreTrainedModel,
) -> Accuracy:
    """Accuracy of a policy on held-out problems, as the options of its run say."""
    return evaluate(
        model, tokenizer, problems=options["eval_problems"], samples=options["eval_samples"],
        max_new_tokens=recipe.max_new_tokens,
    )  # fmt: skip


def measure_reward_model(
    recipe: Recipe,
    options: dict[str, Any],
    start: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    model: PreTrainedModel,
) -> PairAccuracy:
    """The same of a reward model: on pairs that ``start`` writes."""
    return pair_accuracy(model, tokenizer, start, recipe, prompts=options["eval_problems"])


def change(before: Measured, after: Measured) -> str:
    """What the run has changed, in one line."""
    if isinstance(before, ToolUse) and isinstance(after, ToolUse):
        return f"success  {before.success:.1%} -> {after.success:.1%}   calls per problem {before.calls:.2f} -> {after.calls:.2f}"
    if isinstance(before, PairAccuracy) and isinstance(after, PairAccuracy):
        return f"pairs    {before.share:.1%} -> {after.share:.1%}"
    assert isinstance(before, Accuracy) and isinstance(after, Accuracy)  # of one run: of one kind
    return f"sampled  {before.sampled:.1%} -> {after.sampled:.1%}   greedy {before.greedy:.1%} -> {after.greedy:.1%}"


def measure_once(run: Path, when: str, kind: type, measure: Callable[[], Any]) -> Any:
    """What ``measure`` returns, a dataclass of type ``kind``: taken once per run and kept in accuracy.json."""
    measurements = read_accuracy(run, kind)
    if when not in measurements:
        began = time.perf_counter()
        measurements[when] = asdict(measure())
        measurements.setdefault("seconds", {})[when] = time.perf_counter() - began
        write_atomically(run / "accuracy.json", json.dumps(measurements, indent=2) + "\n")
    print(f"{when:8} {kind(**measurements[when])}", flush=True)
    return kind(**measurements[when])


def read_accuracy(run: Path, kind: type = Accuracy) -> dict[str, Any]:
    """What was measured so far: "before" and "after" as ``kind``, and the "seconds" it took."""
    path, remedy = run / "accuracy.json", "delete it, and the accuracy is measured again"
    if not path.exists():
        return {}
    measurements = read_json(path, remedy)
    if not isinstance(measurements, dict) or not all(holds(kind, name, value) for name, value in measurements.items()):
        raise InputError(f"{path} is damaged: {remedy}")
    return measurements


def holds(kind: type, name: str, value: Any) -> bool:
    """Whether an entry of accuracy.json is what ``measure_once`` writes there: finite numbers under their names."""
    names = {field.name for field in fields(kind)} if name in ("before", "after") else None
    if not isinstance(value, dict) or (names is not None and value.keys() != names):
        return False
    if not all(is_number(number) and math.isfinite(number) for number in value.values()):
        return False
    try:  # a share with an interval needs no other check: only numbers from 0 to 1 have one
        return names is None or (bool(str(kind(**value))) and all(0 <= value.get(share, 0) <= 1 for share in SHARES))
    except (ValueError, ArithmeticError):
        return False


def forget(run: Path, when: str, kind: type = Accuracy) -> None:
    """Drop a measurement that no longer holds."""
    measurements = read_accuracy(run, kind)
    if measurements.pop(when, None):
        write_atomically(run / "accuracy.json", json.dumps(measurements, indent=2) + "\n")


def accuracy_report(
    run: str,
    *,
    problems: int,
    samples: int,
    show: int,
    seed: int,
    max_new_tokens: int | None = None,
    max_calls: int | None = None,
    task: str = "of the run",
    device: str = "auto",
) -> str:
    """Accuracy of a run's newest checkpoint, a model folder or a hub model, and ``show`` of its completions, judged.

    ``max_new_tokens``, ``max_calls``: None is the budget that the run had, and that of the table for a model of no run.
    With tools, where ``task`` or the run says so: how it uses them. Of a reward model: the share of pairs of its policy that it gets right, and the rewards of some.
    """
    if (recipe := recipe_of_run(run)) and recipe.kind == "reward":
        return pair_report(run, recipe, prompts=problems, show=show, seed=seed, device=device)
    budget = recipe or RECIPES["grpo"]
    max_new_tokens = max_new_tokens or budget.max_new_tokens
    model, tokenizer = load(newest_model(run), device=pick_device(device))
    require_sampler(model, tokenizer, max_new_tokens=max_new_tokens)
    if task == "tools" or (task == "of the run" and recipe and recipe.task == "tools"):
        return tool_report(
            model, tokenizer, problems=problems, samples=samples, max_new_tokens=max_new_tokens,
            max_calls=max_calls or budget.max_calls, show=show, seed=seed,
        )  # fmt: skip
    accuracy = evaluate(model, tokenizer, problems=problems, samples=samples, max_new_tokens=max_new_tokens, seed=seed)
    rng = random.Random(seed)
    examples = [draw_problem(rng, held_out=True) for _ in range(show)]
    lines = [str(accuracy)]
    if examples:
        rollout = sample(
            model, tokenizer, encode_prompts(tokenizer, examples),
            max_new_tokens=max_new_tokens, seeds=row_seeds(rng, show),
        )  # fmt: skip
        for problem, text, cut in zip(examples, rollout.texts(tokenizer), rollout.truncated.tolist(), strict=True):
            right = verify(problem, text) and not cut
            verdict = "right" if right else "cut off" if cut else f"wrong, the answer is {problem.answer}"
            lines += ["", f"{problem.question}  [{verdict}]", *(f"    {line}" for line in text.splitlines())]
    return "\n".join(lines)


def pair_report(run: str, recipe: Recipe, *, prompts: int, show: int, seed: int, device: str) -> str:
    """The same for a run of a reward model, on pairs that its policy writes for held-out problems."""
    source = read_options(Path(run), recipe.name)["model"]
    policy, tokenizer = load(SHIPPED.get(source, source), device=pick_device(device))
    require_sampler(policy, tokenizer, max_new_tokens=recipe.max_new_tokens)
    model = load_reward_model(newest_model(run), device=pick_device(device))
    return rewards_report(model, tokenizer, policy, recipe, prompts=prompts, show=show, seed=seed)


def recipe_of_run(run: str) -> Recipe | None:
    """The recipe of a run folder, with the options that it was started with; None for anything else."""
    folder = Path(run)
    if not (folder / "checkpoints").is_dir() or not (folder / "config.json").exists():
        return None
    options = read_options(folder)
    return recipe_from(options) if options["recipe"] in RECIPES else None


def newest_model(run: str) -> Path | str:
    """The newest checkpoint if ``run`` is a run folder; else what ``load`` takes."""
    folder = Path(run)
    if run in SHIPPED:
        return SHIPPED[run]
    if not (folder / "checkpoints").is_dir() and not is_run(folder):
        return run
    checkpoint, _ = newest_checkpoint(folder)
    if checkpoint is None:
        raise InputError(f"{folder} has no checkpoint yet: let it take a step, or name a model folder")
    return checkpoint
