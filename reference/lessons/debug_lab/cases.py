"""The inputs that ``loss_zero`` and ``read_scalars`` are tried on."""

import torch

from reference.teaching.exercise import Case

LOSSES: tuple[
    tuple[list[list[int]], float, float], ...
] = (  # rewards of two groups, the loss, the norm of the gradient
    ([[1, 0], [0, 1]], 0.0, 0.3),
    ([[1, 1], [0, 0]], 0.0, 0.0),
    ([[1, 1], [1, 1]], 0.0, 0.0),
    ([[0, 0], [0, 0]], 0.0, 0.0),
    ([[1, 0], [1, 1]], 0.0, 0.0),
    ([[1, 0], [0, 1]], 0.0, 0.0),
    ([[1, 0], [1, 0]], -3e-9, 0.2),
    ([[1, 1], [0, 0]], 2e-9, 0.0),
    ([[1, 0], [0, 0]], -0.02, 0.2),
    ([[1, 0], [0, 0]], 0.05, 0.2),
    ([[1, 1], [0, 1]], 0.0, 3e-7),
)


def loss_zero_cases(seed: int) -> list[Case]:
    """Two groups of two rewards, or of three; the numbers of a loss that is not 0 and of a gradient are drawn."""
    g = torch.Generator().manual_seed(seed)
    cases = []
    for rewards, loss, grad_norm in LOSSES:
        drawn = 1 + float(torch.randint(1, 9, (1,), generator=g)) / 10
        groups = torch.tensor(rewards, dtype=torch.float64)
        cases.append(Case({"rewards": groups}, {"loss": loss * drawn, "grad_norm": grad_norm * drawn}))
    wide = torch.tensor([[0.0, 0, 1], [1, 1, 1], [0, 0, 0]], dtype=torch.float64)
    return [*cases, Case({"rewards": wide}, {"loss": 0.0, "grad_norm": 0.0})]
