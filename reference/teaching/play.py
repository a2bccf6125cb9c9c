"""The widgets: sliders and boxes around the figures of the lessons.

Each function takes the numbers it starts with and shows controls above a picture. In a viewer that runs no widgets the
picture stands alone.
"""

import base64
from collections.abc import Callable

import ipywidgets as widgets
import torch
from IPython.display import display
from matplotlib.figure import Figure

from .example import Example
from .figures import figure_padding, figure_supervision, figure_temperature, figure_walk, figure_weights
from .show import STATIC, as_html, description, png, show

WIDE = widgets.Layout(width="26em")
LABEL = {"description_width": "9em"}


def weights(lengths: tuple[int, int, int] = (2, 8, 5), max_length: int = 10) -> None:
    """Move the lengths of three completions and watch what one token weighs under each normaliser."""
    sliders = {
        f"row_{i}": slider(f"completion {i + 1}", value, 0, max_length) for i, value in enumerate(lengths)
    }  # fmt: skip

    def draw(row_0: int, row_1: int, row_2: int) -> Figure:
        if row_0 == row_1 == row_2 == 0:  # nothing to average: keep one token so that there is a picture
            row_0 = 1
        return figure_weights([row_0, row_1, row_2], max_length=max_length)

    interact(draw, **sliders)


def supervision(example: Example) -> None:
    """Choose which parts of a chat are supervised."""
    interact(
        lambda **parts: figure_supervision(example, **parts),
        question=box("user's turn and headers", False),
        solution=box("assistant's words", True),
        end=box("the closing <|end|>", True),
    )


def walk(example: Example, position: int = 12) -> None:
    """Walk through the chat: which logit row scores which token, and does the mask keep it?"""
    last = example.tokens.shape[1] - 2
    interact(lambda position: figure_walk(example, position=position), position=slider("position t", position, 0, last))


def temperature(example: Example, start: float = 0.5) -> None:
    """Sample at one temperature, score at 1: what the ratio is before anything was learned."""
    control = widgets.FloatSlider(
        value=start, min=0.3, max=2.0, step=0.1, description="temperature", layout=WIDE, style=LABEL,
    )  # fmt: skip
    interact(lambda temperature: figure_temperature(example, temperature=temperature), temperature=control)


def padding(models: dict[str, torch.nn.Module], tokens: torch.Tensor, pads: int = 3) -> None:
    """Pad a row on the left and compare its log-probs with those of the bare row."""
    interact(lambda pads: figure_padding(models, tokens, pads=pads), pads=slider("pads on the left", pads, 0, 12))


def slider(text: str, value: int, low: int, high: int) -> widgets.IntSlider:
    return widgets.IntSlider(value=value, min=low, max=high, description=text, layout=WIDE, style=LABEL)


def box(text: str, value: bool) -> widgets.Checkbox:
    return widgets.Checkbox(value=value, description=text, indent=False, layout=widgets.Layout(width="16em"))


def interact(draw: Callable[..., Figure], **controls: widgets.ValueWidget) -> widgets.VBox | None:
    """Controls above the picture that ``draw`` makes of their values; redrawn at every change."""
    figure = draw(**{name: control.value for name, control in controls.items()})
    if STATIC:
        show(figure)
        return None
    picture = widgets.HTML(as_html(figure))

    def redraw(_: object) -> None:
        picture.value = as_html(draw(**{name: control.value for name, control in controls.items()}))

    for control in controls.values():
        control.observe(redraw, "value")
    panel = widgets.VBox([widgets.Box(list(controls.values()), layout=widgets.Layout(flex_flow="row wrap")), picture])
    still = {"image/png": base64.b64encode(png(figure)).decode(), "text/plain": description(figure)}
    display({**panel._repr_mimebundle_(), **still}, raw=True)
    return panel
