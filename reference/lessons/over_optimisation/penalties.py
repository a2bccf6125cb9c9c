"""The length penalty under the name that it has in a loss of many terms."""

from torch import Tensor

from reference.objectives import soft_overlong_penalty


def soft_length_penalty(lengths: Tensor, *, max_length: int, buffer: int) -> Tensor:
    """What each completion is charged for coming near its budget, to add to rewards: (batch,) -> (batch,), from -1 to 0.

        0 up to max_length - buffer, -1 from max_length on, a straight line between

    ``lengths``: kept tokens. The ``buffer`` is the last part of the budget. DAPO's (2503.14476, eq. 13), which is
    ``objectives.soft_overlong_penalty``. Raises ``InputError`` as that does.
    """
    return soft_overlong_penalty(lengths, max_length=max_length, buffer=buffer)
