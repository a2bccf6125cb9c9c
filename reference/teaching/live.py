"""Watching a loop from a notebook: a progress bar, and the curves, drawn anew every few seconds while it trains."""

import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from IPython.display import display
from tqdm.auto import tqdm

from reference.algorithms.recipes import Recipe
from reference.runs.curves import PANELS, figure_curves

from .show import STATIC, bundle

SECONDS = 2.0  # between two pictures, at least
SHARE = 0.1  # of the time that may go into drawing them

Item = TypeVar("Item")


def with_bar(items: Iterable[Item], doing: str) -> Iterable[Item]:
    """The same items, with a progress bar that says what is being done and goes when it is done.

    for batch in with_bar(batches, "fitting the critic"):
    """
    return tqdm(items, desc=doing, leave=False, disable=STATIC)


def live(recipe: Recipe, *, curves: bool = True) -> Callable[[int, dict[str, float]], bool]:
    """An ``on_step`` for any loop: a progress bar and the scalars of the recipe's kind, as they come.

    train_rl(model, tokenizer, optimizer, recipe, on_step=live(recipe))

    The rows of metrics are kept in its attribute ``rows``. Where outputs cannot be replaced it draws once, at the end.
    With ``curves`` off it draws nothing: a bar that goes when the last step is done, and the rows.
    """
    rows: list[dict[str, float]] = []
    bar = tqdm(total=recipe.steps, desc=recipe.name, unit="step", leave=curves, disable=STATIC)
    handle, next_picture = None, 0.0

    def on_step(step: int, metrics: dict[str, float]) -> bool:
        nonlocal handle, next_picture
        rows.append({"step": step, **metrics})
        bar.update()
        last = step == recipe.steps
        if curves and (last or (not STATIC and time.monotonic() > next_picture)):
            began = time.monotonic()
            figure = figure_curves(rows, PANELS[recipe.kind], title=f"{recipe.name}, step {step}")
            data = bundle(figure, metrics_text(rows[-1], recipe))
            if handle is None:
                handle = display(data, raw=True, display_id=True)
            else:
                handle.update(data, raw=True)
            done = time.monotonic()
            next_picture = done + max(SECONDS, (done - began) / SHARE)
        if last:
            bar.close()
        return False

    on_step.rows = rows
    return on_step


def metrics_text(row: dict[str, float], recipe: Recipe) -> str:
    """The picture in words, for those who do not see it: the newest value of each scalar."""
    values = ", ".join(f"{name} {row[name]:.3g}" for name in PANELS[recipe.kind] if name in row)
    return f"Curves of {recipe.name} up to step {int(row['step'])}: {values}"
