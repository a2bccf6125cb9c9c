"""Putting a figure on the page: a PNG with a description that screen readers, diffs and tests can read."""

import base64
import html
import io
import os

from IPython.display import display
from ipywidgets import Widget
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from reference.style import describe as describe
from reference.style import description

# Set while notebooks are executed for the repository: widgets then leave their picture only, which any viewer shows.
STATIC = bool(os.environ.get("REFERENCE_STATIC"))

MARGIN, RADIUS = 14, 14  # in pixels, of the white card that a picture stands on


def show(figure: Figure) -> None:
    """Display a figure as a picture, with its description as the text alternative."""
    display(bundle(figure, description(figure)), raw=True)


def bundle(figure: Figure, words: str) -> dict[str, str]:
    """A figure and its text alternative for ``display``.

    JupyterLab shows a PNG as an image without an alternative, so a live notebook gets an <img> too, and prefers it. What is
    committed has the PNG and the words only, which GitHub, diffs and tests read.
    """
    data = {"image/png": base64.b64encode(png(figure)).decode(), "text/plain": words}
    return data if STATIC else {"text/html": image(data["image/png"], words), **data}


def as_html(figure: Figure) -> str:
    """The figure as an <img> with alt text, for widgets."""
    return image(base64.b64encode(png(figure)).decode(), description(figure))


def image(data: str, words: str) -> str:
    return f'<img style="max-width:100%" alt="{html.escape(words)}" src="data:image/png;base64,{data}">'


def view_of(widget: Widget) -> dict[str, object]:
    """What ``display`` needs of a widget, where other data is to stand beside it. Colab's ipywidgets 7 has no function."""
    model = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    return {"application/vnd.jupyter.widget-view+json": model}


def png(figure: Figure) -> bytes:
    """The figure on a card: white with round corners, transparent around them, so that it sits well in a dark page."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    picture = Image.open(buffer).convert("RGB")
    size = (picture.width + 2 * MARGIN, picture.height + 2 * MARGIN)
    card = Image.new("RGB", size, "white")
    card.paste(picture, (MARGIN, MARGIN))
    card.putalpha(round_corners(size))
    out = io.BytesIO()
    card.save(out, format="png")
    return out.getvalue()


def round_corners(size: tuple[int, int]) -> Image.Image:
    """Opaque but for the corners. Drawn four times as large and scaled down, which smooths their edge."""
    large = Image.new("L", (4 * size[0], 4 * size[1]), 0)
    ImageDraw.Draw(large).rounded_rectangle((0, 0, 4 * size[0] - 1, 4 * size[1] - 1), 4 * RADIUS, fill=255)
    return large.resize(size, Image.Resampling.BOX)
