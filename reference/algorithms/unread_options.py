"""Options that nothing reads: a run would be the same without them.

A row may hold one (GRPO names an estimator of a KL whose weight is 0). What somebody asks for is refused: an option that
was typed, and from Python a number that is none in every row without a use for it.
"""

from collections.abc import Mapping
from dataclasses import replace

from reference.algorithms.advantages import ADVANTAGES, Advantage, advantage_of
from reference.algorithms.losses import LOSSES, PolicyLoss, loss_of
from reference.algorithms.preference_losses import PREFERENCE_LOSSES, PreferenceLoss, preference_loss_of
from reference.algorithms.recipes import Recipe
from reference.algorithms.registry import name_of, options_in

OF_A_CRITIC = ("gae_lambda", "critic_lr", "value_clip")
Entry = Advantage | PolicyLoss | PreferenceLoss
NONE_WHERE_UNREAD = ("gamma", *OF_A_CRITIC, "dual_clip")


def unread(r: Recipe) -> dict[str, str]:
    """The options that nothing reads, of those that the recipe's command has, and why."""
    if r.kind == "reward":
        return {"eval_samples": "a reward model is measured on pairs, one of each held-out problem"}
    if r.kind == "preference":
        found = unread_by_entry(preference_loss_of(r), f"loss is {name_of(r.loss)}", PREFERENCE_LOSSES)
        return found | ({"pool": "the recipe is online and draws new pairs at every step"} if r.online else {})
    return unread_of_rl(r) if r.kind == "rl" else {}


def unread_of_rl(r: Recipe) -> dict[str, str]:
    found = unread_by_entry(loss_of(r), f"loss is {name_of(r.loss)}", LOSSES)
    if not r.critic:  # what it is fitted to is discounted and averaged over lambda, whatever the advantage
        found |= unread_by_entry(advantage_of(r), f"advantage is {name_of(r.advantage)}", ADVANTAGES)
        found |= dict.fromkeys(OF_A_CRITIC, "there is no critic")
    if not r.kl_coef:
        why = "kl_coef is 0 (give the KL a weight with --kl-coef to have one)"
        found |= dict.fromkeys(("kl",) if r.kl_place == "measure" else ("kl", "kl_place"), why)
    return found


def unread_by_entry(entry: Entry, choice: str, registry: Mapping[str, Entry]) -> dict[str, str]:
    """The options that other entries of the registry read and this one does not."""
    found = {}
    for option in options_in(registry):
        if option not in entry.reads:
            readers = [name for name, other in registry.items() if option in other.reads]
            found[option] = f"{choice}, and only {' and '.join(readers)} {'read' if len(readers) > 1 else 'reads'} it"
    return found


def without_unread(r: Recipe) -> Recipe:
    """The recipe of an older run's config.json, which notes a number where a row of today has none."""
    return replace(r, **dict.fromkeys(name for name in unread(r) if name in NONE_WHERE_UNREAD)) if r.kind == "rl" else r
