"""The widgets on aggregation."""

from matplotlib.figure import Figure

from reference.lessons.masking.figures import STRATEGIES
from reference.teaching import controls
from reference.teaching.controls import box, choice, slider

from .figures import figure_split


def micro_batches(lengths: tuple[int, int, int, int] = (2, 8, 3, 7), max_length: int = 10) -> None:
    """A batch of four completions: its strategy, how it is split, and what the parts divide by."""
    sliders = {f"row_{i}": slider(f"completion {i + 1}", length, 1, max_length) for i, length in enumerate(lengths)}

    def draw(strategy: str, rows: int, own: bool, **row: int) -> Figure:
        return figure_split(list(row.values()), rows=rows, strategy=strategy, own=own, max_length=max_length)

    controls.interact(
        draw,
        strategy=choice("strategy", [STRATEGIES[1], STRATEGIES[0], STRATEGIES[2]]),
        rows=choice("rows each", [1, 2, 4]),
        own=box("each by its own count", True),
        **sliders,
    )


WIDGETS = {"micro_batches": micro_batches}
