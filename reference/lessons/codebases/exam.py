"""The final exam: three questions for each of the article's five goal questions."""

from collections.abc import Mapping
from typing import Any

from reference.lessons.codebases import exam_aggregation, exam_kl, exam_preference, exam_tools, exam_value
from reference.teaching.exam import Item, sit

POOL: tuple[Item, ...] = (
    *exam_kl.ITEMS,
    *exam_aggregation.ITEMS,
    *exam_value.ITEMS,
    *exam_preference.ITEMS,
    *exam_tools.ITEMS,
)


def exam(answers: Mapping[Any, Any] | None = None, *, draw: int = 0) -> None:
    """Without answers the questions, with answers the score of each goal, and where to go back to.

    ``draw``: another number takes other questions of the pool; questions and answers need the same one.
    """
    sit(POOL, answers, draw=draw)
