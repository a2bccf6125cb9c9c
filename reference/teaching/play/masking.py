"""Widgets of notebook 00."""

from matplotlib.figure import Figure

from reference.teaching import controls
from reference.teaching.controls import box, slider

from ..example import Example
from ..figures import figure_supervision, figure_weights


def weights(lengths: tuple[int, int, int] = (2, 8, 5), max_length: int = 10) -> None:
    """Move the lengths of three completions and watch what one token weighs under each normaliser."""
    sliders = {
        f"row_{i}": slider(f"completion {i + 1}", value, 0, max_length) for i, value in enumerate(lengths)
    }  # fmt: skip

    def draw(row_0: int, row_1: int, row_2: int) -> Figure:
        return figure_weights([row_0, row_1, row_2], max_length=max_length)

    controls.interact(draw, **sliders)


def supervision(example: Example) -> None:
    """Choose which parts of a chat are supervised."""
    controls.interact(
        lambda **parts: figure_supervision(example, **parts),
        question=box("user's turn and headers", False),
        solution=box("assistant's words", True),
        end=box("the closing <|end|>", True),
    )
