"""``play``: sliders and boxes around the figures of the lessons.

Each widget takes the numbers it starts with and shows controls above a picture. In a viewer that runs no widgets the
picture stands alone.
"""

from collections.abc import Callable


class Play:
    """``play.NAME(...)`` for every widget; ``dir(play)`` lists them."""

    def __init__(self, widgets: dict[str, Callable[..., None]]) -> None:
        self._widgets = widgets

    def __dir__(self) -> list[str]:
        return list(self._widgets)

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name not in self._widgets:
            raise AttributeError(f"there is no widget {name!r}; the widgets are {', '.join(self._widgets)}")
        return self._widgets[name]
