"""The exercises: what the learner writes, the inputs it is tried on, and the hints. A file for each notebook.

The answer key is the reference itself. Cases go from small to large, so that the first failing one is the simplest to
think about; each seed draws new numbers.
"""

from reference.teaching.exercise import Case, Exercise

from . import advantages, aggregation, alignment, clipping, kl, masking, preference, value

EXERCISES: dict[str, Exercise] = (
    masking.EXERCISES
    | advantages.EXERCISES
    | alignment.EXERCISES
    | kl.EXERCISES
    | clipping.EXERCISES
    | aggregation.EXERCISES
    | value.EXERCISES
    | preference.EXERCISES
)

__all__ = ["EXERCISES", "Case", "Exercise"]
