"""What a loss of 0 means: a healthy first step, or a step that teaches nothing."""

from torch import Tensor

VERDICTS = ("not zero", "healthy", "dead groups", "cut")
TOLERANCE = 1e-6  # what rounding leaves of a sum of numbers around 1 in float32


def loss_zero(rewards: Tensor, *, loss: float, grad_norm: float) -> str:
    """What a loss of 0 at the first inner step of GRPO means.

        not zero      the size of the loss is above 1e-6
        healthy       the loss is 0, and the gradient is not
        dead groups   the gradient is 0, since the rewards of every group are equal
        cut           the gradient is 0, although the rewards of some group differ

    Args:
        rewards: (groups, size), one row for each prompt.
        loss: of the policy, at ratio 1.
        grad_norm: the norm of its gradient, before clipping.
    """
    if abs(loss) > TOLERANCE:
        return "not zero"
    if grad_norm > 0:
        return "healthy"
    return "dead groups" if bool((rewards == rewards[:, :1]).all()) else "cut"
