"""What a screen reader is told of a widget: the names of its controls, their values in words, and what a change did.

ipywidgets has no way to write the attributes that this takes, so each panel carries a small script (aria.js beside this
file). Where a viewer does not run it, the panel works as before.
"""

import re
from functools import cache
from pathlib import Path

import ipywidgets as widgets

PART = re.compile(r"(?<=[.;]) ")
UNSEEN = {"width": "1px", "height": "1px", "min_width": "0", "margin": "0", "overflow": "hidden"}


@cache
def script() -> str:
    return Path(__file__).with_name("aria.js").read_text()


def panel(children: list[widgets.Widget], *, layout: widgets.Layout | None = None) -> widgets.VBox:
    """A box of widgets whose controls have names, and in which what is ``spoken`` or ``unseen`` is said when it changes."""
    output = {"output_type": "display_data", "metadata": {}, "data": {"text/html": f"<script>{script()}</script>"}}
    carrier = widgets.Output(outputs=(output,), layout=widgets.Layout(display="none"))
    box = widgets.VBox([*children, carrier], **({"layout": layout} if layout else {}))
    box.add_class("accessible-panel")
    return box


def spoken() -> widgets.HTML:
    """A text on the page that a screen reader says whenever it changes."""
    text = widgets.HTML()
    text.add_class("spoken")
    return text


def unseen() -> widgets.HTML:
    """The same, for those who do not see what changed: it takes no room on the page."""
    text = spoken()
    text.layout = widgets.Layout(**UNSEEN)
    return text


def changed(before: str, after: str) -> str:
    """Of a description, the parts that were not in the one before; all of it if there are none. Nothing if it is the same.

    changed("3 rows. k1 is 0.2; k2 is 0.3", "3 rows. k1 is 0.2; k2 is 0.4")  ->  "k2 is 0.4"
    """
    if before == after:
        return ""
    old = PART.split(before)
    new = [part for part in PART.split(after) if part not in old]
    return " ".join(new) or after
