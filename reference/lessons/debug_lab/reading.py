"""What the six scalars of a run say about it, before anybody looks for a cause."""

from torch import Tensor

VERDICTS = ("no signal", "frozen", "too far", "collapse", "learns", "flat")
STILL = 1e-9  # nats per token: rounding in float32 leaves less
FAR = 0.02  # nats per token: half the square of a log-ratio of 0.2, which is where PPO clips


def read_scalars(
    reward: Tensor,
    reward_std: Tensor,
    approx_kl: Tensor,
    clip_frac: Tensor,
    entropy: Tensor,
    grad_norm: Tensor,
    *,
    updates: int,
) -> str:
    """One word for a run of reinforcement learning. The first one that fits counts.

        no signal   reward_std is 0 at every point
        frozen      approx_kl is below 1e-9 at every point, although a rollout has more than one update
        too far     approx_kl is above 0.02 at some point
        collapse    entropy ends below a tenth of its beginning, and reward does not end above its beginning
        learns      reward ends above its beginning
        flat        nothing of this

    Args:
        reward, reward_std, approx_kl, clip_frac, entropy, grad_norm: (points,), from the beginning of the run to its end.
        updates: optimizer steps on one rollout. With 1, old and new policy are the same, and approx_kl is always 0.
    """
    risen = bool(reward[-1] > reward[0])
    if not reward_std.any():
        return "no signal"
    if updates > 1 and bool((approx_kl < STILL).all()):
        return "frozen"
    if bool((approx_kl > FAR).any()):
        return "too far"
    if bool(entropy[-1] < entropy[0] / 10) and not risen:
        return "collapse"
    return "learns" if risen else "flat"
