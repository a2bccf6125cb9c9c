"""What goes wrong in group_advantages with the small number beside the std."""

from torch import Tensor

from reference.teaching.bug import bug

from .advantages import centred_rows, divided, rows_of, scaled


@bug(
    "eps under the root",
    mistake="your eps is added to the variance; here it is added to the std",
    symptom="the same eps acts like its square root: 1e-4 flattens every spread below 0.01",
    wild="whitening in TRL's PPO and verl does this on purpose, with eps 1e-8",
)
def group_advantages__eps_under_root(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    groups, centred = rows_of(rewards, group_size), centred_rows(rewards, group_size)
    group, batch = (groups.var(dim=1, keepdim=True) + eps).sqrt(), (groups.var() + eps).sqrt()
    return divided(centred, scale, group=group, batch=batch).flatten()


@bug(
    "eps as a floor",
    mistake="your eps replaces a std that is smaller; it is meant to be added to every std",
    symptom="small differences from other codebases, largest where the spread is about as large as eps",
)
def group_advantages__eps_as_floor(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    groups, centred = rows_of(rewards, group_size), centred_rows(rewards, group_size)
    group, batch = groups.std(dim=1, keepdim=True).clamp_min(eps), groups.std().clamp_min(eps)
    return divided(centred, scale, group=group, batch=batch).flatten()


@bug(
    "eps left out",
    mistake="eps has no effect on what you divide by",
    symptom="0 / 0 = NaN in the first group whose completions are all right or all wrong",
)
def group_advantages__no_eps(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    return scaled(centred_rows(rewards, group_size), rows_of(rewards, group_size), scale, 0.0).flatten()


@bug(
    "eps outside the division",
    mistake="eps is added to the advantage instead of to the std; mind the parentheses around the denominator",
    symptom="dead groups give NaN all the same, and every other advantage is too high by eps",
)
def group_advantages__eps_outside(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    advantages = scaled(centred_rows(rewards, group_size), rows_of(rewards, group_size), scale, 0.0)
    return (advantages if scale == "none" else advantages + eps).flatten()


@bug(
    "eps of your own",
    mistake="you add a fixed small number where the eps that was passed is meant",
    symptom="the option is in the config and does nothing",
)
def group_advantages__own_eps(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    return scaled(centred_rows(rewards, group_size), rows_of(rewards, group_size), scale, 1e-4).flatten()
