"""The pictures of the lessons: pure functions from numbers to a matplotlib Figure.

A widget wraps one of these and redraws it; the same function draws the static picture of the page, of the README and
of the tests.
"""

from .logprobs import figure_memory, figure_padding, figure_temperature, figure_walk
from .masks import figure_supervision, figure_tokens
from .weights import figure_weights

__all__ = [
    "figure_memory",
    "figure_padding",
    "figure_supervision",
    "figure_temperature",
    "figure_tokens",
    "figure_walk",
    "figure_weights",
]
