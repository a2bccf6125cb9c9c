"""The widgets: sliders and boxes around the figures of the lessons. A file for each notebook.

Each function takes the numbers it starts with and shows controls above a picture. In a viewer that runs no widgets the
picture stands alone.
"""

from .advantages import difficulty, group, successes
from .aggregation import credit, kl_group, micro_batches
from .alignment import padding, temperature, walk
from .clipping import push, quadrants
from .kl import kl_batches, kl_curves, kl_follow
from .masking import supervision, weights
from .preference import beta, family
from .value import lambda_dial, value_clip, values

__all__ = [
    "beta",
    "credit",
    "difficulty",
    "family",
    "group",
    "kl_batches",
    "kl_curves",
    "kl_follow",
    "kl_group",
    "lambda_dial",
    "micro_batches",
    "padding",
    "push",
    "quadrants",
    "successes",
    "supervision",
    "temperature",
    "value_clip",
    "values",
    "walk",
    "weights",
]
