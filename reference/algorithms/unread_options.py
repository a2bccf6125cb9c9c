"""Options that nothing reads: a run would be the same without them.

A row may hold one (GRPO names an estimator of a KL whose weight is 0). What somebody asks for is refused: an option that
was typed, and from Python what no row without a use for it changes: a column of another kind of recipe, and those of
``DEFAULT_WHERE_UNREAD``. A choice or a clip that its row brings along is not refused there.
"""

from collections.abc import Mapping
from dataclasses import fields, replace

from reference.algorithms.advantages import ADVANTAGES, Advantage, advantage_of
from reference.algorithms.distill import asks_teacher, reads_reward
from reference.algorithms.losses import LOSSES, PolicyLoss, loss_of
from reference.algorithms.preference_losses import PREFERENCE_LOSSES, PreferenceLoss, preference_loss_of
from reference.algorithms.recipes import Recipe, options_of
from reference.algorithms.registry import name_of, options_in
from reference.objectives.shapes import InputError

OF_REWARDS = ("reward", "length_coef")
OF_A_CRITIC = ("gae_lambda", "critic_lr", "value_clip")
Entry = Advantage | PolicyLoss | PreferenceLoss
OF_TOOLS = ("max_calls", "demonstrations", "mask_results", "call_price", "invalid_price", "valid_bonus")
DEFAULT_WHERE_UNREAD = (
    "gamma",
    *OF_A_CRITIC,
    "dual_clip",
    "label_smoothing",
    "target_margin",
    "pool",
    "leak",
    "ensemble",
    "teacher",
    "teacher_share",
    "on_policy",
    *OF_TOOLS,
)
DEFAULTS = {column.name: column.default for column in fields(Recipe)}


def unread(r: Recipe) -> dict[str, str]:
    """The options that nothing reads, of those that the recipe's command has, and why."""
    if r.kind == "reward":
        return {"eval_samples": "a reward model is measured on pairs, one of each held-out problem"}
    found = unread_of_tools(r)
    if r.kind == "preference":
        found |= unread_by_entry(preference_loss_of(r), f"loss is {name_of(r.loss)}", PREFERENCE_LOSSES)
        return found | ({"pool": "the recipe is online and draws new pairs at every step"} if r.online else {})
    return found | (unread_of_rl(r) if r.kind == "rl" else {})


def unread_of_tools(r: Recipe) -> dict[str, str]:
    """Of the calls of a trajectory, and of where trajectories to imitate come from."""
    if r.task != "tools":
        columns = [column.name for column in options_of(r.kind) if column.name in OF_TOOLS]
        return dict.fromkeys(columns, f"task is {r.task}, which has no tools")
    found = {}
    if r.kind == "sft":
        found["leak"] = "task is tools, and the test problems that leak are chains"
    if r.kind == "rl" and not r.sft_coef:
        found["demonstrations"] = "sft_coef is 0, and nothing is imitated"
    if r.pairs == "written" and not r.online:
        found |= dict.fromkeys(("group_size", "temperature"), "the pairs are written, and none is sampled")
    return found


def unread_of_rl(r: Recipe) -> dict[str, str]:
    found = unread_by_entry(loss_of(r), f"loss is {name_of(r.loss)}", LOSSES)
    if not r.critic:  # what it is fitted to is discounted and averaged over lambda, whatever the advantage
        found |= unread_by_entry(advantage_of(r), f"advantage is {name_of(r.advantage)}", ADVANTAGES)
        found |= dict.fromkeys(OF_A_CRITIC, "there is no critic")
    if not isinstance(r.reward, tuple):
        found["ensemble"] = "there is one reward (name the runs of several reward models with --reward)"
    if not r.kl_coef:
        found |= unread_kl(r)
    return found | unread_with_teacher(r)


def unread_with_teacher(r: Recipe) -> dict[str, str]:
    """Of the rewards where a teacher teaches, and of the teacher where it does not."""
    found, loss, advantage = {}, f"loss is {name_of(r.loss)}", f"advantage is {name_of(r.advantage)}"
    if not loss_of(r).reads_advantage:
        found["advantage"] = f"{loss}, which reads no advantage"
    else:
        found["on_policy"] = f"{loss}, which learns from samples of the policy alone"
    if not reads_reward(r):
        found |= dict.fromkeys(OF_REWARDS, f"{loss} and {advantage}, and the teacher teaches without a reward")
    if not asks_teacher(r):
        found["teacher"] = (
            f"{loss} and {advantage}, and neither asks a teacher (--loss jsd or --advantage teacher does)"
        )
    return found


def unread_kl(r: Recipe) -> dict[str, str]:
    """Of a KL that is not charged."""
    if r.kl_place == "measure":
        return {"kl": "kl_place is measure, where k1 and k3 are logged and no other is computed"}
    return dict.fromkeys(("kl", "kl_place"), "kl_coef is 0 (give the KL a weight with --kl-coef to have one)")


def unread_by_entry(entry: Entry, choice: str, registry: Mapping[str, Entry]) -> dict[str, str]:
    """The options that other entries of the registry read and this one does not."""
    found = {}
    for option in options_in(registry):
        if option not in entry.reads:
            readers = [name for name, other in registry.items() if option in other.reads]
            found[option] = f"{choice}, and only {' and '.join(readers)} {'read' if len(readers) > 1 else 'reads'} it"
    return found


def without_unread(r: Recipe) -> Recipe:
    """The recipe of an older run's config.json, which may note a number where a row of today has the default."""
    return replace(r, **{name: DEFAULTS[name] for name in unread(r) if name in DEFAULT_WHERE_UNREAD})


def require_no_unread(r: Recipe) -> None:
    """Raise ``InputError`` for the first number that was changed and that nothing reads."""
    for name, why in unread(r).items():
        if name in DEFAULT_WHERE_UNREAD and getattr(r, name) != DEFAULTS[name]:
            default = "none" if DEFAULTS[name] is None else DEFAULTS[name]
            raise InputError(
                f"{name} is {name_of(getattr(r, name))}, and nothing reads it, since {why}: set it to {default}"
            )


def require_own_columns(r: Recipe) -> None:
    """Raise ``InputError`` for the first column of another kind of recipe that does not hold its default."""
    for column in fields(Recipe):
        kinds, value = column.metadata.get("kinds", (r.kind,)), getattr(r, column.name)
        if r.kind not in kinds and value != column.default:
            raise InputError(
                f"{column.name} is {name_of(value)}, which a recipe of kind {r.kind!r} does not have (only of "
                f"{' and '.join(kinds)}): leave it at {column.default!r}"
            )
