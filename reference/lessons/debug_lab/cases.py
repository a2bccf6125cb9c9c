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


HEALTHY = {
    "reward": (0.6, 0.8, 0.85, 0.87),
    "reward_std": (0.42, 0.32, 0.25, 0.21),
    "approx_kl": (4e-4, 1e-4, 2e-4, 2e-4),
    "clip_frac": (0.002, 0.001, 0.001, 0.001),
    "entropy": (0.14, 0.08, 0.05, 0.04),
    "grad_norm": (0.24, 0.2, 0.19, 0.22),
}
STUCK = HEALTHY | {
    "reward": (0.41, 0.43, 0.4, 0.42),
    "reward_std": (0.46, 0.45, 0.46, 0.45),
    "entropy": (0.21, 0.2, 0.21, 0.2),
}
NOISE = {"approx_kl": (6e-14, 9e-14, 6e-14, 7e-14), "clip_frac": (0.0, 0.0, 0.0, 0.0)}
NOTHING = (0.0, 0.0, 0.0, 0.0)
RUNS: tuple[tuple[dict[str, tuple[float, ...]], int], ...] = (  # what differs from a run above, and updates per rollout
    (HEALTHY, 4),
    (HEALTHY | NOISE | {"reward": NOTHING, "reward_std": NOTHING, "grad_norm": NOTHING}, 4),
    (STUCK | NOISE, 4),
    (STUCK | NOISE, 1),
    (HEALTHY | NOISE, 1),
    (STUCK, 4),
    (STUCK | {"reward": (0.3, 0.01, 0.0, 0.0), "approx_kl": (0.1, 0.03, 0.002, 0.001), "entropy": (0.4, 1.5, 1, 0.8)}, 4),
    (HEALTHY | {"approx_kl": (0.004, 0.01, 0.03, 0.05)}, 4),
    (HEALTHY | {"clip_frac": (0.2, 0.35, 0.4, 0.5)}, 4),
    (STUCK | {"reward": (0.41, 0.38, 0.3, 0.2), "entropy": (0.2, 0.02, 0.005, 0.001)}, 4),
    (HEALTHY | {"entropy": (0.3, 0.1, 0.05, 0.02)}, 4),
    (STUCK | {"reward": (0.45, 0.43, 0.3, 0.15), "entropy": (0.18, 0.19, 0.2, 0.22)}, 4),
    (HEALTHY | {"reward": (0.7, 0.95, 1.0, 1.0), "reward_std": (0.42, 0.1, 0.0, 0.0)}, 4),
    (STUCK | {"reward": (0.4, 0.7, 0.5, 0.42)}, 4),
    (STUCK | {"reward": (0.41, 0.43, 0.4, 0.39), "entropy": (1.5, 1.0, 0.5, 0.12)}, 4),
    (STUCK | {"entropy": (0.07, 0.06, 0.06, 0.05)}, 4),
    (HEALTHY | NOISE | {"reward": (0.41, 0.42, 0.4, 0.41), "reward_std": (0.4, 0.4, 0.4, 0.4), "grad_norm": NOTHING}, 4),
)  # fmt: skip
SCALES = (1.0, 0.1, 10.0)  # of rewards: no verdict depends on it


def read_scalars_cases(seed: int) -> list[Case]:
    """Runs of four points, with rewards of different scales and entropies of different sizes."""
    g = torch.Generator().manual_seed(seed)
    cases = []
    for number, (run, updates) in enumerate(RUNS):
        scale = SCALES[(number + seed) % len(SCALES)]
        factor = 1 + 0.1 * float(torch.rand((), generator=g))
        by = {"reward": scale, "reward_std": scale, "entropy": factor, "grad_norm": factor}
        arguments = {
            name: by.get(name, 1.0) * torch.tensor(values, dtype=torch.float64) for name, values in run.items()
        }
        cases.append(Case(arguments, {"updates": updates}))
    return cases
