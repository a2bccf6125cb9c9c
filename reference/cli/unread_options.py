"""Options that were typed and that nothing would read: refused. Only what stands in the command line is asked."""

from pathlib import Path

from reference.algorithms.recipes import RECIPES, Recipe
from reference.algorithms.unread_options import DEFAULT_WHERE_UNREAD, DEFAULTS, unread
from reference.objectives.shapes import InputError
from reference.runs.files import shell_path
from reference.runs.folder import is_run, read_options


def require_read(recipe: Recipe, typed: set[str]) -> None:
    """Raise ``InputError`` for the first option that was typed and that the recipe, as it is now, does not read.

    ``none`` asks for nothing, and is accepted. So is the default where the row has another number, which must be taken back.
    """
    for name, why in unread(recipe).items():
        if name in typed and getattr(recipe, name, "") is not None and not takes_back(recipe, name):
            raise InputError(f"nothing reads {flag(name)} here, since {why}: leave it out")


def takes_back(recipe: Recipe, name: str) -> bool:
    """Whether an option is typed to have its default where the row has another, as --call-price 0 beside --task chains."""
    default = DEFAULTS.get(name)
    return name in DEFAULT_WHERE_UNREAD and getattr(recipe, name) == default != getattr(RECIPES[recipe.name], name)


def require_read_by_evaluate(run: str, task: str, typed: set[str]) -> None:
    """The same for ``evaluate``: a reward model writes nothing, and the options of its pairs are those of its run. What is
    asked chains has no tools."""
    options = read_options(folder) if is_run(folder := Path(run)) else {}
    recipe = RECIPES.get(options.get("recipe", ""))
    of_pairs = {"samples", "max_new_tokens", "max_calls", "task"}
    if recipe and recipe.kind == "reward" and (names := sorted(typed & of_pairs)):
        raise InputError(
            f"nothing reads {flag(names[0])} here, since {shell_path(folder)} is a reward model, which is measured on pairs as "
            "its run made them: leave it out"
        )
    if task == "of the run":
        task = options.get("task", recipe.task if recipe else "chains")
    if task != "tools" and "max_calls" in typed:
        raise InputError(
            "nothing reads --max-calls here, since the problems are chains, without a tool: add --task tools"
        )


def require_read_by_bench(before: Path | None, typed: set[str]) -> None:
    """The same for ``bench``: beside another checkout TRL does not run."""
    if before is not None and (names := sorted(typed & {"trl_micro_batch_size", "memory"})):
        raise InputError(
            f"nothing reads {flag(names[0])} here, since --before compares the times of two checkouts, without TRL: leave it out"
        )


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")
