"""Whether a next token can be drawn, and what to do where it cannot."""

from torch import Tensor

from reference.objectives.shapes import InputError, require_no_nan


def require_drawable(logp: Tensor, logits: Tensor, *, temperature: float) -> None:
    """Refuse log-probs (rows, vocab) that are NaN, and say whether the model or the temperature made them so.

    One NaN makes its whole row NaN. Logits that are finite, over a temperature near 0, are infinite, and then no
    distribution is left.
    """
    if logp[:, 0].isnan().any() and logits.isfinite().all():
        raise InputError(
            f"temperature is {temperature:g}, and the logits over it are infinite: take 0.001 or more, or the likeliest token "
            "each time with greedy"
        )
    require_no_nan(logp[:, :1], "logits (of the sampling model, over the temperature)")
