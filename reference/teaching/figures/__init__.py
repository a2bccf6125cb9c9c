"""The pictures of the lessons: pure functions from numbers to a matplotlib Figure.

A widget wraps one of these and redraws it; the same function draws the static picture of the page, of the README and
of the tests.
"""

from .advantages import figure_choices, figure_dead, figure_difficulty, figure_group, figure_noise, figure_successes
from .aggregation import figure_length_push, figure_lengths, figure_split
from .clipping import figure_push, figure_quadrants, figure_ways_back
from .clipping_runs import figure_passes, figure_ratios
from .kl import figure_kl_batches, figure_kl_curves, figure_kl_follow
from .kl_model import figure_kl_along, figure_kl_runs, figure_two_kls
from .kl_place import figure_credit, figure_kl_group, figure_kl_reward
from .logprobs import figure_memory, figure_padding, figure_temperature, figure_walk
from .masks import figure_supervision, figure_tokens
from .preference import figure_beta, figure_falling, figure_family
from .preference_runs import figure_betas, figure_settled
from .value import figure_along, figure_calibration, figure_lambda, figure_value_clip, figure_values
from .weights import figure_weights

__all__ = [
    "figure_along",
    "figure_beta",
    "figure_betas",
    "figure_calibration",
    "figure_choices",
    "figure_credit",
    "figure_dead",
    "figure_difficulty",
    "figure_falling",
    "figure_family",
    "figure_group",
    "figure_kl_along",
    "figure_kl_batches",
    "figure_kl_curves",
    "figure_kl_follow",
    "figure_kl_group",
    "figure_kl_reward",
    "figure_kl_runs",
    "figure_lambda",
    "figure_length_push",
    "figure_lengths",
    "figure_memory",
    "figure_noise",
    "figure_padding",
    "figure_passes",
    "figure_push",
    "figure_quadrants",
    "figure_ratios",
    "figure_settled",
    "figure_split",
    "figure_successes",
    "figure_supervision",
    "figure_temperature",
    "figure_tokens",
    "figure_two_kls",
    "figure_value_clip",
    "figure_values",
    "figure_walk",
    "figure_ways_back",
    "figure_weights",
]
