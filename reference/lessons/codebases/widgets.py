"""The widget on reading a codebase."""

from matplotlib.figure import Figure

from reference.teaching import controls
from reference.teaching.controls import slider

from .figures_divisors import figure_divisors


def divisors(lengths: tuple[int, int, int, int] = (3, 7, 8, 2), budget: int = 12) -> None:
    """Four completions in two micro-batches, cut in two ways: what is a token of the first one divided by?"""
    sliders = {f"row_{i}": slider(f"completion {i + 1}", length, 1, budget) for i, length in enumerate(lengths)}

    def draw(**row: int) -> Figure:
        return figure_divisors(list(row.values()), budget=budget)

    controls.interact(draw, **sliders)


WIDGETS = {"divisors": divisors}
