"""The questions that ``quiz`` asks, with an explanation for every option. A file for each notebook."""

from . import alignment, masking
from .question import Option, Question

QUESTIONS: dict[str, Question] = masking.QUESTIONS | alignment.QUESTIONS

__all__ = ["QUESTIONS", "Option", "Question"]
