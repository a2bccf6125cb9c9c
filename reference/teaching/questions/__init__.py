"""The questions that ``quiz`` asks, with an explanation for every option. A file for each notebook."""

from reference.teaching.question import Option, Question

from . import advantages, aggregation, alignment, clipping, kl, masking, preference, value

QUESTIONS: dict[str, Question] = (
    masking.QUESTIONS
    | kl.QUESTIONS
    | advantages.QUESTIONS
    | alignment.QUESTIONS
    | value.QUESTIONS
    | clipping.QUESTIONS
    | aggregation.QUESTIONS
    | preference.QUESTIONS
)

__all__ = ["QUESTIONS", "Option", "Question"]
