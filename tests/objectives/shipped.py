"""Two rows of three tokens, the last one padding, on which frameworks were run once: their outputs, to four digits.

verl 0.9.1, SkyRL 0.3.0, AReaL 1.0.4, ms-swift 4.6.0, liger 0.8.5 and TRL 1.16; a test says whose a number is.
"""

import torch
from float64 import f64

NEW = f64([0.60, 0.30, 0.25], [0.30, 0.15, 0.50]).log()
OLD = f64([0.50, 0.40, 0.20], [0.50, 0.10, 0.50]).log()  # ratios 1.2, 0.75, 1.25 and 0.6, 1.5
ADVANTAGES, MASK = f64([1.0], [-1.0]), torch.tensor([[1, 1, 1], [1, 1, 0]])
DIGITS = {"rtol": 0, "atol": 6e-5}


def slopes(loss, logp):
    """The gradient of the sum of the losses."""
    (gradient,) = torch.autograd.grad(loss.sum(), logp)
    return gradient


def assert_shipped(loss, value, gradient):
    """``loss``, a function of the policy's log-probs, has this value and this gradient."""
    logp = NEW.clone().requires_grad_()
    ours = loss(logp)
    torch.testing.assert_close(ours.detach(), torch.tensor(value, dtype=torch.float64), **DIGITS)
    torch.testing.assert_close(slopes(ours, logp), f64(*gradient), **DIGITS)
