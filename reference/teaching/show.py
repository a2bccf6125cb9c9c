"""Putting a figure on the page: a PNG with a description that screen readers, diffs and tests can read."""

import base64
import html
import io
import os

from IPython.display import display
from matplotlib.figure import Figure

# Set while notebooks are executed for the repository: widgets then leave their picture only, which any viewer shows.
STATIC = bool(os.environ.get("REFERENCE_STATIC"))


def described(figure: Figure, text: str) -> Figure:
    """Attach what the figure shows, in a sentence with its numbers."""
    figure.description = text
    return figure


def description(figure: Figure) -> str:
    return getattr(figure, "description", "figure")


def show(figure: Figure) -> None:
    """Display a figure as a picture, with its description as the text alternative."""
    display({"image/png": base64.b64encode(png(figure)).decode(), "text/plain": description(figure)}, raw=True)


def as_html(figure: Figure) -> str:
    """The figure as an <img> with alt text, for widgets."""
    data = base64.b64encode(png(figure)).decode()
    return f'<img style="max-width:100%" alt="{html.escape(description(figure))}" src="data:image/png;base64,{data}">'


def png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    return buffer.getvalue()
