"""What the six scalars of a run say about it, before anybody looks for a cause."""

from torch import Tensor

VERDICTS = ("no signal", "frozen", "too far", "collapse", "learns", "falls", "flat")
STILL = 1e-9  # nats per token: in float32 rounding leaves less
FAR = 0.02  # nats per token: half the square of a log-ratio of 0.2, which is where PPO clips
CLIPPED = 0.3  # share of the tokens; GSPO clips nearly as many on purpose
COLLAPSED = 0.1  # of the entropy at the beginning
MOVED = 0.1  # of reward_std at the beginning, which is the scale that rewards have


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
    """One word for a run of reinforcement learning. The first word that fits counts.

        no signal   reward_std is 0 at every point
        frozen      grad_norm is not 0, approx_kl is below 1e-9 at every point, and a rollout has more than one update
        too far     approx_kl is above 0.02 at some point, or clip_frac above 0.3
        collapse    entropy ends below a tenth of its first value, and reward has not risen
        learns      reward has risen: it ends above its first value by more than a tenth of the first reward_std
        falls       reward has fallen by as much
        flat        nothing of this

    Args:
        reward, reward_std, approx_kl, clip_frac, entropy, grad_norm: (points,), from the beginning of the run to its end.
        updates: optimizer steps on one rollout. With 1, the new policy is the old one, and approx_kl is 0 in every run.
    """
    change, least = reward[-1] - reward[0], MOVED * reward_std[0]
    if not reward_std.any():
        return "no signal"
    if updates > 1 and grad_norm.any() and (approx_kl < STILL).all():
        return "frozen"
    if (approx_kl > FAR).any() or (clip_frac > CLIPPED).any():
        return "too far"
    if entropy[-1] < COLLAPSED * entropy[0] and change <= least:
        return "collapse"
    return "learns" if change > least else "falls" if change < -least else "flat"
