"""Controls above a picture that follows them."""

import base64
import html
from collections.abc import Callable

import ipywidgets as widgets
from IPython.display import display
from matplotlib.figure import Figure

from reference.teaching import spoken
from reference.teaching.show import STATIC, as_html, description, png, show, view_of

WIDE = widgets.Layout(width="26em")
LABEL = {"description_width": "9em"}


def slider(text: str, value: int, low: int, high: int) -> widgets.IntSlider:
    return widgets.IntSlider(value=value, min=low, max=high, description=text, layout=WIDE, style=LABEL)


def dial(
    text: str, value: float, low: float, high: float, step: float, *, number_format: str = ".2f", live: bool = True
) -> widgets.FloatSlider:
    """A slider for real numbers. ``live``: redraw while it moves, not only where it stops."""
    return widgets.FloatSlider(
        value=value, min=low, max=high, step=step, description=text, layout=WIDE, style=LABEL, readout_format=number_format,
        continuous_update=live,
    )  # fmt: skip


def box(text: str, value: bool) -> widgets.Checkbox:
    return widgets.Checkbox(value=value, description=text, indent=False, layout=widgets.Layout(width="16em"))


def choice(text: str, options: list) -> widgets.Dropdown:
    """``options``: values, or (what is shown, value)."""
    return widgets.Dropdown(options=options, description=text, layout=WIDE, style=LABEL)


def interact(draw: Callable[..., Figure], **controls: widgets.ValueWidget) -> widgets.VBox | None:
    """Controls above the picture that ``draw`` makes of their values; redrawn at every change, which is told in words."""
    figure = draw(**{name: control.value for name, control in controls.items()})
    if STATIC:
        show(figure)
        return None
    picture, told, words = widgets.HTML(as_html(figure)), spoken.unseen(), description(figure)

    def redraw(_: object) -> None:
        nonlocal words
        now = draw(**{name: control.value for name, control in controls.items()})
        picture.value, before, words = as_html(now), words, description(now)
        told.value = html.escape(spoken.changed(before, words))

    for control in controls.values():
        control.observe(redraw, "value")
    row = widgets.Box(list(controls.values()), layout=widgets.Layout(flex_flow="row wrap"))
    panel = spoken.panel([row, picture, told])
    still = {"image/png": base64.b64encode(png(figure)).decode(), "text/plain": description(figure)}
    display({**view_of(panel), **still}, raw=True)
    return panel
