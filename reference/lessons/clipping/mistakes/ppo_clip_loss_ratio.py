"""What goes wrong in the ratio that PPO's loss clips: which way up, of what, and one per token or per row."""

from torch import Tensor

from reference.teaching.bug import bug

from .ratio import ratio_of, worse_of


@bug(
    "ratio upside down",
    mistake="the ratio is that of the old policy over the new one",
    symptom="the gradient has the wrong sign: good tokens become less likely",
)
def ppo_clip_loss__upside_down(
    new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    r = ratio_of(old, new)
    return worse_of(advantages, r, r.clamp(1 - clip_low, 1 + clip_high))


@bug(
    "no exp",
    mistake="a difference of log-probs is used as if it were a ratio: it is 0, not 1, where nothing has changed",
    symptom="bad tokens have no gradient from the first step on, as 0 lies below the range",
)
def ppo_clip_loss__no_exp(new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float) -> Tensor:
    r = new - old
    return worse_of(advantages, r, r.clamp(1 - clip_low, 1 + clip_high))


@bug(
    "difference of probabilities",
    mistake="a difference of probabilities is used as if it were a ratio: it is 0, not 1, where nothing has changed",
    symptom="bad tokens have no gradient from the first step on, as 0 lies below the range",
)
def ppo_clip_loss__difference(
    new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    r = new.exp() - old.exp()
    return worse_of(advantages, r, r.clamp(1 - clip_low, 1 + clip_high))


@bug(
    "ratio of log-probs",
    mistake="log-probs are divided by one another: the ratio PPO means is one of probabilities",
    symptom="rare and common tokens are clipped at different distances; the direction is inverted",
)
def ppo_clip_loss__ratio_of_logs(
    new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    r = new / old
    return worse_of(advantages, r, r.clamp(1 - clip_low, 1 + clip_high))


@bug(
    "old is new",
    mistake="the old log-probs have no say: the ratio is 1 whatever has happened since the samples were drawn",
    symptom="clip_frac and approx_kl are 0 in every pass; harmless with one update per batch, REINFORCE on stale "
    "samples with more",
    wild="TRL does it on purpose where each batch gets one update (TRL #3120, #3757 ask why clip_ratio is 0)",
)
def ppo_clip_loss__old_is_new(
    new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    r = ratio_of(new, new.detach())
    return worse_of(advantages, r, r.clamp(1 - clip_low, 1 + clip_high))


@bug(
    "one ratio per row, multiplied up",
    mistake="the log-ratios of a row are added up, so the whole completion has one ratio, and it is clipped almost at once",
    symptom="clip_frac is near 1 after the first update, and grows with the length of the completions",
    wild="reasoning-from-scratch #243, hands-on-modern-rl #75",
)
def ppo_clip_loss__sequence_product(
    new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    r = (new - old).sum(dim=1, keepdim=True).exp().expand(new.shape)
    return worse_of(advantages, r, r.clamp(1 - clip_low, 1 + clip_high))


@bug(
    "one ratio per row, averaged",
    mistake="the log-ratios of a row are averaged into one ratio: that is GSPO's, and PPO has one per token",
    symptom="clip_frac is near 0 with PPO's bounds: moves in opposite directions cancel in the mean",
    wild='TRL importance_sampling_level="sequence" asks for it on purpose',
)
def ppo_clip_loss__sequence_mean(
    new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    r = (new - old).mean(dim=1, keepdim=True).exp().expand(new.shape)
    return worse_of(advantages, r, r.clamp(1 - clip_low, 1 + clip_high))
