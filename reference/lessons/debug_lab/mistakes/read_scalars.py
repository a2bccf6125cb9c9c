"""What goes wrong when the six scalars of a run are read."""

from typing import Any

import torch
from torch import Tensor

from reference.lessons.debug_lab.reading import CLIPPED, COLLAPSED, FAR, MOVED, STILL, read_scalars
from reference.teaching.bug import bug

NAMES = ("reward", "reward_std", "approx_kl", "clip_frac", "entropy", "grad_norm")


def without(word: str, scalars: tuple[Tensor, ...], updates: int) -> str:
    """The verdict where this word is never given: what the rest of the list says."""
    run = dict(zip(NAMES, scalars, strict=True))
    harmless: dict[str, dict[str, Tensor]] = {
        "frozen": {"approx_kl": run["approx_kl"].clamp_min(2 * STILL)},
        "too far": {"approx_kl": run["approx_kl"].clamp_max(FAR), "clip_frac": run["clip_frac"].clamp_max(CLIPPED)},
        "collapse": {"entropy": torch.ones_like(run["entropy"])},
    }
    return read_scalars(*(run | harmless[word]).values(), updates=updates)


@bug(
    "updates not read",
    mistake="an approx_kl of 0 is taken for frozen weights, however many updates a rollout has",
    symptom="every run with one update per rollout is called frozen while its reward rises",
    wild="TRL #3120: asked why clip_ratio is always 0, with one update",
)
def read_scalars__updates(*scalars: Tensor, updates: int) -> str:
    return read_scalars(*scalars, updates=4)


@bug(
    "exactly 0",
    mistake="approx_kl is compared with 0 exactly, and rounding leaves 1e-13",
    symptom="weights that never move are reported as a flat run",
)
def read_scalars__exactly(*scalars: Tensor, updates: int) -> str:
    said = read_scalars(*scalars, updates=updates)
    return without("frozen", scalars, updates) if said == "frozen" and scalars[2].any() else said


@bug(
    "no gradient is frozen",
    mistake="a run without a gradient is called frozen: its weights have nothing to follow",
    symptom="somebody looks for a wrong optimizer, and the gradient is 0 before it",
)
def read_scalars__no_gradient(*scalars: Tensor, updates: int) -> str:
    *five, grad_norm = scalars
    return read_scalars(*five, torch.ones_like(grad_norm), updates=updates)


@bug(
    "one point without spread",
    mistake="reward_std has to be 0 at one point only",
    symptom="a run that has solved its prompts at the end is said to have had no signal",
)
def read_scalars__one_point(*scalars: Tensor, updates: int) -> str:
    return "no signal" if (scalars[1] == 0).any() else read_scalars(*scalars, updates=updates)


@bug(
    "the reward first",
    mistake="a reward that has risen is called learning, before the other scalars are looked at",
    symptom="a run whose steps are far too large passes until its reward breaks down",
)
def read_scalars__reward_first(*scalars: Tensor, updates: int) -> str:
    reward, reward_std = scalars[:2]
    risen = reward[-1] - reward[0] > MOVED * reward_std[0]
    return "learns" if risen else read_scalars(*scalars, updates=updates)


@bug(
    "the last point only",
    mistake="approx_kl and clip_frac are read at the end of the run only",
    symptom="a rate that has ruined the policy in its first steps is not seen: a ruined policy hardly moves any more",
)
def read_scalars__last_only(*scalars: Tensor, updates: int) -> str:
    reward, reward_std, approx_kl, clip_frac, *rest = scalars
    ends = [torch.full_like(x, x[-1].item()) for x in (approx_kl, clip_frac)]
    said = read_scalars(*scalars, updates=updates)
    return read_scalars(reward, reward_std, *ends, *rest, updates=updates) if said == "too far" else said


@bug(
    "clip_frac not read",
    mistake="clip_frac is not looked at",
    symptom="half of the tokens teach nothing more, and the run is said to learn",
)
def read_scalars__clip_frac(*scalars: Tensor, updates: int) -> str:
    reward, reward_std, approx_kl, clip_frac, *rest = scalars
    return read_scalars(reward, reward_std, approx_kl, 0 * clip_frac, *rest, updates=updates)


@bug(
    "both at once",
    mistake="approx_kl and clip_frac both have to be large, where one of them is enough",
    symptom="no run is ever said to go too far: tokens of a ruined policy have no advantage, so nothing of them is clipped",
)
def read_scalars__both(*scalars: Tensor, updates: int) -> str:
    said = read_scalars(*scalars, updates=updates)
    far = (scalars[2] > FAR).any() and (scalars[3] > CLIPPED).any()
    return without("too far", scalars, updates) if said == "too far" and not far else said


@bug(
    "low entropy is collapse",
    mistake="entropy that ends below a tenth is called a collapse even where the reward has risen",
    symptom="a policy that has become sure of right answers is stopped",
)
def read_scalars__sure(*scalars: Tensor, updates: int) -> str:
    said, entropy = read_scalars(*scalars, updates=updates), scalars[4]
    return "collapse" if said == "learns" and entropy[-1] < COLLAPSED * entropy[0] else said


@bug(
    "entropy in nats",
    mistake="entropy is compared with a fixed number, and not with its own beginning",
    symptom="the verdict depends on the vocabulary and on the task",
)
def read_scalars__in_nats(*scalars: Tensor, updates: int) -> str:
    said = without("collapse", scalars, updates)
    return "collapse" if scalars[4][-1] < 0.1 and said in ("falls", "flat") else said


def risen_by_a_number(*scalars: Tensor, updates: int) -> str:
    return by_least(scalars, updates, 0.05)


def risen_at_all(*scalars: Tensor, updates: int) -> str:
    return by_least(scalars, updates, 0.0)


def by_least(scalars: tuple[Any, ...], updates: int, least: float) -> str:
    said, change = read_scalars(*scalars, updates=updates), scalars[0][-1] - scalars[0][0]
    if said not in ("learns", "falls", "flat"):
        return said
    return "learns" if change > least else "falls" if change < -least else "flat"


@bug(
    "a fixed rise",
    mistake="the change of the reward is compared with a fixed number, and rewards have no fixed scale",
    symptom="with rewards around 10 noise is called learning, and with rewards around 0.1 nothing ever is",
    likewise=(risen_at_all,),
)
def read_scalars__fixed(*scalars: Tensor, updates: int) -> str:
    return risen_by_a_number(*scalars, updates=updates)


@bug(
    "the best point",
    mistake="the best reward of the run is compared with the first one, in the place of the last",
    symptom="a run that has lost what it had learned is said to learn",
)
def read_scalars__best(*scalars: Tensor, updates: int) -> str:
    reward, *rest = scalars
    return read_scalars(torch.cat([reward[:-1], reward.max()[None]]), *rest, updates=updates)


@bug(
    "falling is flat",
    mistake="a reward that has fallen is called flat",
    symptom="a run that makes the policy worse is left to go on, in the hope that it begins to learn",
)
def read_scalars__no_fall(*scalars: Tensor, updates: int) -> str:
    said = read_scalars(*scalars, updates=updates)
    return "flat" if said == "falls" else said
