"""The recipes. An algorithm is one row of choices: what the advantage is, how and where KL enters, how losses are aggregated.

GRPO is a row, and Dr.GRPO is that row with two entries changed. What the names in a row stand for is in ``advantages``,
``losses``, ``kl``, ``aggregation`` and ``preference_losses``; the loops (``rl``, ``supervised``, ``preference``) read
nothing but the row. Wherever a name stands, a function of your own may stand instead:

    from dataclasses import replace
    mine = replace(RECIPES["grpo"], advantage=lambda e, r: my_advantages(e.rewards, group_size=r.group_size))

    advantage(experience, recipe) -> (rows,), (rows, 1) or (rows, pred)
    loss(token_logprobs, experience, recipe) -> (rows, pred)            for reinforcement learning
    loss(pair_logprobs, recipe) -> (pairs,)                             for preferences
    kl(token_logprobs, ref_logprobs, old_logprobs) -> (rows, pred)
    aggregation(token_loss, mask, counts) -> a scalar

A number that only some entries read holds its column's default in every row that has no use for it: ``None`` (``gamma``,
``gae_lambda``, ``critic_lr``, ``value_clip``, ``dual_clip``) or a number (``label_smoothing``, ``target_margin``, ``pool``).
Another value there is refused, and so is one in a column of another kind of recipe.

This file needs no torch, so that ``--help`` and the comparison table appear at once.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args

Kind = Literal["rl", "sft", "reward", "preference"]
ALL = get_args(Kind)
POLICIES = ("rl", "preference")
CONSTANT_RATE: tuple[Kind, ...] = ("rl", "preference")  # nothing in their steps depends on how many there are to be


def option(
    default: Any,
    words: str | dict[Kind, str],
    *kinds: Kind,
    choices: tuple[str, ...] | dict[Kind, tuple[str, ...]] = (),
) -> Any:
    """A column of the table: its usual value, what it means, and the kinds of recipe that have it (none: all).

    ``choices``: the names that may stand there. Both by kind, where they differ.
    """
    return field(default=default, metadata={"help": words, "kinds": kinds or ALL, "choices": choices})


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One row. ``None`` in a slot means that the algorithm has no such thing."""

    name: str
    title: str
    source: str  # arXiv number, or author and year
    kind: Kind
    pitfall: str  # what goes wrong most often

    # the choices
    advantage: str | Callable | None = option(
        None, "what a completion, or a token of it, is compared with", "rl",
        choices=("group", "group_mean", "group_mean_batch_std", "leave_one_out", "reinforce_plus_plus",
                 "reinforce_plus_plus_baseline", "gae"),
    )  # fmt: skip
    loss: str | Callable = option(
        "", "the loss per token (RL) or per pair", "rl", "preference",
        choices={
            "rl": ("reinforce", "ppo_clip", "gspo", "cispo"),
            "preference": ("dpo", "ipo", "cdpo", "robust_dpo", "hinge", "simpo", "orpo", "kto"),
        },
    )  # fmt: skip
    kl: str | Callable | None = option(
        None, "estimator of the KL to the reference", "rl", choices=("k1", "k2", "k3", "abs", "k3_unbiased")
    )
    kl_place: str | None = option(
        None, "where that KL goes; measure: nowhere, a reference is kept and the KL to it logged", "rl",
        choices=("loss", "reward", "measure"),
    )  # fmt: skip
    kl_coef: float = option(0.0, "its weight; with 0 no reference is kept, but to measure", "rl")
    aggregation: str | Callable | None = option(
        None, "what token losses are divided by", "rl", choices=("sequence_mean", "token_mean", "fixed_length")
    )
    critic: str | None = option(
        None, "value head on the policy's own trunk, or on a copy of it", "rl", choices=("shared", "separate")
    )

    # the numbers that go with them
    clip_low: float | None = option(0.2, "lower clip: no further push below ratio 1 - this; none: no bound", "rl")
    clip_high: float | None = option(0.2, "upper clip: no further push above ratio 1 + this; none: no bound", "rl")
    dual_clip: float | None = option(None, "bound on the ratio where the advantage is negative", "rl")
    gamma: float | None = option(None, "discount per token; none, like 1: no discount", "rl")
    gae_lambda: float | None = option(None, "GAE: 1 is Monte Carlo, 0 one-step TD", "rl")
    vf_coef: float = option(0.0, "weight of the value loss", "rl")
    value_clip: float | None = option(None, "how far a value may move from its old one; none: any way", "rl")
    critic_lr: float | None = option(None, "learning rate of the critic", "rl")
    entropy_coef: float = option(0.0, "weight of the entropy, which is subtracted from the loss", "rl")
    sft_coef: float = option(
        0.0, {"rl": "weight of the NLL of careful demonstrations", "preference": "weight of the NLL of the chosen completions"},
        *POLICIES,
    )  # fmt: skip
    length_coef: float = option(0.0, "what a completion of the whole budget pays in reward", "rl")
    overlong: str = option(
        "score", "a truncated completion: wrong, left out, or also punished before", "rl",
        choices=("score", "mask", "penalty"),
    )  # fmt: skip
    max_rounds: int = option(1, "sample again, up to so often, until no group is dead (dynamic sampling)", "rl")
    kl_target: float | None = option(None, "steer kl_coef to this KL, in nats per token (adaptive)", "rl")
    ref_sync_every: int = option(0, "set the reference to the policy every so many steps; 0: never", "rl")
    beta: float = option(0.1, "tie to the reference: larger stays closer", "preference")
    target_margin: float = option(1.0, "SimPO's gamma, in units of reward", "preference")
    label_smoothing: float = option(0.1, "share of pairs taken to be labelled the wrong way round", "preference")
    online: bool = option(False, "new pairs from the current policy at every step", "preference")
    pool: int = option(2048, "prompts that the pairs of an offline run are sampled from, once", "preference", "reward")

    # how much of it
    steps: int = option(40, dict.fromkeys(ALL, "batches to learn from") | {"rl": "rollouts to learn from"})
    prompts_per_step: int = option(
        32, {"rl": "prompts per rollout", "sft": "demonstrations per batch", "reward": "pairs per batch",
             "preference": "pairs per batch; online, prompts to draw them from"},
    )  # fmt: skip
    group_size: int = option(8, "completions per prompt", *POLICIES, "reward")
    inner_epochs: int = option(1, "passes over each rollout", "rl")
    minibatches: int = option(2, "optimizer steps per pass; with 1 and one pass the ratio is always 1", "rl")
    lr: float = option(3e-4, "learning rate of AdamW")
    max_grad_norm: float | None = option(1.0, "gradients longer than this are shortened to it; none: none is")
    max_new_tokens: int = option(96, "budget of a completion; one that is cut off is wrong")
    temperature: float = option(1.0, "of the sampler, and so of every log-prob", *POLICIES, "reward")
    top_k: int | None = option(None, "draw from the so many likeliest tokens; none: from all", "rl")
    top_p: float = option(1.0, "draw from the likeliest tokens that together have this probability", "rl")
    micro_batch_size: int = option(16, "rows per forward pass; memory and speed only")
    bf16: bool = option(False, "run the model in bfloat16 (autocast); the weights stay float32")


GRPO = Recipe(
    name="grpo", title="Group Relative Policy Optimization", source="2402.03300", kind="rl",
    advantage="group", loss="ppo_clip", kl="k3", kl_place="loss", kl_coef=0.0, aggregation="sequence_mean",
    pitfall="groups with a small std get large advantages; long completions count less per token",
)  # fmt: skip
DPO = Recipe(
    name="dpo", title="Direct Preference Optimization", source="2305.18290", kind="preference", loss="dpo",
    steps=80, lr=4e-5, group_size=4,
    pitfall="beta is read the wrong way round; the log-prob of chosen may fall while the margin grows",
)  # fmt: skip

ROWS = (
    Recipe(
        name="ppo", title="Proximal Policy Optimization", source="1707.06347", kind="rl",
        advantage="gae", loss="ppo_clip", kl="k1", kl_place="reward", kl_coef=0.001, aggregation="token_mean",
        critic="separate", vf_coef=1.0, value_clip=0.2, gamma=1.0, gae_lambda=0.95, critic_lr=1e-3,
        steps=36, prompts_per_step=256, group_size=1,
        pitfall="a critic that has not caught up makes advantages noise; values read at the action are biased",
    ),
    GRPO,
    replace(
        GRPO, name="dr-grpo", title="GRPO done right", source="2503.20783",
        advantage="group_mean", aggregation="fixed_length",
        pitfall="its scale goes with the budget: Adam does not see that, SGD, gradient clipping and other terms do",
    ),
    replace(
        GRPO, name="dapo", title="Decoupled clip and dynamic sampling", source="2503.14476",
        clip_high=0.28, aggregation="token_mean", kl=None, kl_place=None, overlong="penalty", max_rounds=3, steps=36,
        pitfall="dynamic sampling costs more rollouts the better the policy gets",
    ),
    replace(
        GRPO, name="gspo", title="Group Sequence Policy Optimization", source="2507.18071",
        loss="gspo", clip_low=3e-4, clip_high=4e-4,
        pitfall="the clip of PPO, 0.2, is hundreds of times too wide for a mean over tokens",
    ),
    replace(
        GRPO, name="cispo", title="Clipped importance-sampling weights", source="2506.13585",
        loss="cispo", clip_low=None, clip_high=4.0, aggregation="token_mean", kl=None, kl_place=None,
        pitfall="what epsilon_high means differs between frameworks: the cap itself, or the cap minus 1",
    ),
    replace(
        GRPO, name="rloo", title="REINFORCE leave-one-out", source="2402.14740",
        advantage="leave_one_out", loss="reinforce", kl="k1", kl_place="reward", kl_coef=0.001,
        aggregation="fixed_length", minibatches=1,
        pitfall="without a ratio, a second step on the same samples is no longer on policy",
    ),
    replace(
        GRPO, name="reinforce++", title="REINFORCE with batch-whitened returns", source="2501.03262",
        advantage="reinforce_plus_plus", gamma=1.0, kl="k1", kl_place="reward", kl_coef=0.001, aggregation="token_mean",
        prompts_per_step=256, group_size=1,
        pitfall="no baseline per prompt: an easy prompt's right answer counts as much as a hard one's",
    ),
    replace(
        GRPO, name="reinforce++-baseline", title="REINFORCE++ with a group-mean baseline", source="2501.03262",
        advantage="reinforce_plus_plus_baseline", kl="k2", kl_place="loss", kl_coef=0.001, aggregation="token_mean",
        pitfall="whitened per micro-batch instead of per batch it is another algorithm",
    ),
    Recipe(
        name="sft", title="Supervised fine-tuning on careful solutions", source="2203.02155", kind="sft",
        steps=300, lr=4e-4, pitfall="the mask: prompts, padding and tool output are not to be imitated",
    ),
    Recipe(
        name="reward-model", title="Bradley-Terry reward model", source="2203.02155", kind="reward",
        steps=150, lr=1e-3, group_size=4, pool=4096,
        pitfall="it learns what the pairs happen to differ in, such as length",
    ),
    DPO,
    replace(
        DPO, name="dpo-online", title="DPO on fresh pairs of the current policy", source="2402.04792", online=True,
        pitfall="easy prompts soon give no pairs",
    ),
    replace(
        DPO, name="ipo", title="Identity preference optimisation", source="2310.12036", loss="ipo",
        pitfall="summed or averaged log-probs: frameworks differ, and so does the meaning of beta",
    ),
    replace(
        DPO, name="cdpo", title="Conservative DPO", source="Mitchell 2023", loss="cdpo",
        pitfall="not robust DPO, whose second term has the other sign",
    ),
    replace(
        DPO, name="robust-dpo", title="Robust DPO", source="2403.00409", loss="robust_dpo",
        pitfall="unbounded below on a single pair",
    ),
    replace(
        DPO, name="hinge", title="Hinge on the margin (SLiC, RSO)", source="2309.06657", loss="hinge",
        pitfall="pairs that are won no longer train",
    ),
    replace(
        DPO, name="simpo", title="Simple preference optimisation", source="2405.14734", loss="simpo", beta=2.0,
        pitfall="without a reference nothing but the learning rate keeps the policy close",
    ),
    replace(
        DPO, name="orpo", title="Odds-ratio preference optimisation", source="2403.07691", loss="orpo", beta=1.0,
        pitfall="its NLL term does most of the work; over which tokens it runs differs between frameworks",
    ),
    replace(
        DPO, name="kto", title="Kahneman-Tversky optimisation", source="2402.01306", loss="kto",
        pitfall="the reference point needs mismatched prompts in the batch",
    ),
)  # fmt: skip

RECIPES = {recipe.name: recipe for recipe in ROWS}


def recipe_from(options: dict[str, Any]) -> Recipe:
    """The row that ``options["recipe"]`` names, with the other options in the place of its entries."""
    row = RECIPES[options["recipe"]]
    return replace(
        row, **{column.name: options[column.name] for column in options_of(row.kind) if column.name in options}
    )


def is_model(name: str) -> bool:
    """Whether a checkpoint of this recipe, or of pretrain, may stand as --model: a reward model writes nothing."""
    return name not in RECIPES or RECIPES[name].kind != "reward"


def from_checkpoint(name: str) -> str:
    """For advice to start a new run of a recipe: that it may go on from the old one's model, where it may."""
    return ", from its newest checkpoint with --model if you like" if is_model(name) else ""


def options_of(kind: Kind) -> list[Any]:
    """The columns that a recipe of this kind has."""
    return [column for column in fields(Recipe) if kind in column.metadata.get("kinds", ())]
