"""The widgets: sliders and boxes around the figures of the lessons. A file for each notebook.

Each function takes the numbers it starts with and shows controls above a picture. In a viewer that runs no widgets the
picture stands alone.
"""

from .alignment import padding, temperature, walk
from .masking import supervision, weights

__all__ = ["padding", "supervision", "temperature", "walk", "weights"]
