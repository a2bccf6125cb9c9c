"""Widgets of notebook 06."""

import ipywidgets as widgets
from matplotlib.figure import Figure

from reference.teaching import controls
from reference.teaching.controls import LABEL, WIDE, box, slider

from ..figures.aggregation import figure_split
from ..figures.kl_place import figure_credit, figure_kl_group
from ..figures.weights import STRATEGIES


def choice(text: str, options: list) -> widgets.Dropdown:
    return widgets.Dropdown(options=options, description=text, layout=WIDE, style=LABEL)


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


def kl_group() -> None:
    """KL in the reward of a group of four: how many are right, the coefficient, and what the group is divided by."""
    controls.interact(
        lambda num_right, exponent, scale: figure_kl_group(num_right, kl_coef=10.0**exponent, scale=scale),
        num_right=slider("right answers", 4, 0, 4),
        exponent=slider("log10 kl_coef", -2, -3, 0),
        scale=choice("divided by", [("the group's std", "group"), ("nothing", "none")]),
    )


def credit() -> None:
    """Where along a completion does it drift? The KL of four tokens, in tenths of a nat, and who pays for it."""
    tokens = {f"token_{t}": slider(f"token {t}, 0.1 nats", value, -5, 10) for t, value in enumerate((2, 10, -3, 5))}
    controls.interact(lambda **nats: figure_credit([value / 10 for value in nats.values()]), **tokens)
