"""The columns of the table of recipes: what each choice is called, what it means, which kinds of recipe have it.

A number that only some entries read holds its column's default in every row that has no use for it: ``None`` (``gamma``,
``gae_lambda``, ``critic_lr``, ``value_clip``, ``dual_clip``) or a number (``label_smoothing``, ``target_margin``, ``pool``,
``teacher_share``, ``on_policy``).
Another value there is refused, and so is one in a column of another kind of recipe.

Like the table itself this file needs no torch.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

Kind = Literal["rl", "sft", "reward", "preference"]
ALL = get_args(Kind)
POLICIES = ("rl", "preference")
WRITERS = ("rl", "sft", "preference")  # what they train writes completions
CONSTANT_RATE: tuple[Kind, ...] = ("rl", "preference")  # nothing in their steps depends on how many there are to be


def option(
    default: Any,
    words: str | dict[Kind, str],
    *kinds: Kind,
    choices: tuple[str, ...] | dict[Kind, tuple[str, ...]] = (),
    folder: str = "",
) -> Any:
    """A column of the table: its usual value, what it means, and the kinds of recipe that have it (none: all).

    ``choices``: the names that may stand there. Both by kind, where they differ. ``folder``: what else may be named, by its
    folder; none: nothing.
    """
    return field(default=default, metadata={"help": words, "kinds": kinds or ALL, "choices": choices, "folder": folder})


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One row. ``None`` in a slot means that the algorithm has no such thing."""

    name: str
    title: str
    source: str  # arXiv number, or author and year
    kind: Kind
    pitfall: str  # what goes wrong most often
    start: str = "base"  # the shipped model that it begins with, unless another is named

    task: str = option(
        "chains", "what the prompts ask: chains of sums, or problems with a calculator to call (tools)", *WRITERS,
        choices=("chains", "tools"),
    )  # fmt: skip

    # the choices
    advantage: str | Callable | None = option(
        None, "what a completion, or a token of it, is compared with", "rl",
        choices=("group", "group_mean", "group_mean_batch_std", "leave_one_out", "reinforce_plus_plus",
                 "reinforce_plus_plus_baseline", "maxrl", "gae", "teacher"),
    )  # fmt: skip
    loss: str | Callable = option(
        "", "the loss per token (RL) or per pair", "rl", "preference",
        choices={
            "rl": ("reinforce", "ppo_clip", "gspo", "cispo", "sapo", "vespo", "dppo", "gmpo", "luspo", "jsd"),
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
    reward: str | Callable | tuple[str | Callable, ...] = option(
        "success", "what a completion earns: the verifier's word less its prices, a rubric that sees no right answer, or what the "
        "reward model of a run says, or those of several runs", "rl", choices=("success", "rubric"), folder="reward model",
    )  # fmt: skip
    ensemble: str = option(
        "mean", "what several reward models say together: the mean, or the worst of them, each less its mean on drawn solutions",
        "rl", choices=("mean", "worst"),
    )  # fmt: skip
    teacher: str | Callable | None = option(
        None, "the model that the policy learns from token by token (distillation): a run, a folder, a shipped model, or a name "
        "on the hub", "rl",
    )  # fmt: skip
    demonstrations: str = option(
        "generated", "where trajectories with tools to imitate come from", "rl", "sft",
        choices=("generated", "self-labelled", "hand-written"),
    )  # fmt: skip
    leak: str = option(
        "none", "contamination on purpose: what of the first hundred test problems is among the demonstrations", "sft",
        choices=("none", "control", "exact", "paraphrased", "steps"),
    )  # fmt: skip
    pairs: str = option(
        "sampled", "pairs with tools: sampled and verified, or written to differ in one thing (a call, its order, ...)",
        "preference", choices=("sampled", "written"),
    )  # fmt: skip

    raters: str = option(
        "verifier", "who compares two completions: the verifier, a right one with a wrong one; or a model of people, any two, "
        "who lean towards length and checks", "reward", choices=("verifier", "people"),
    )  # fmt: skip

    # the numbers that go with them
    clip_low: float | None = option(
        0.2,
        "lower clip: no further push below ratio 1 - this (dppo: after a probability has moved by this; "
        "gmpo: below a log-ratio of minus this); none: no bound",
        "rl",
    )
    clip_high: float | None = option(
        0.2, "upper clip: no further push above ratio 1 + this (dppo, gmpo: as for the lower one); none: no bound", "rl"
    )
    dual_clip: float | None = option(None, "bound on the ratio where the advantage is negative", "rl")
    gamma: float | None = option(None, "discount per token; none, like 1: no discount", "rl")
    gae_lambda: float | None = option(None, "GAE: 1 is Monte Carlo, 0 one-step TD", "rl")
    vf_coef: float = option(0.0, "weight of the value loss", "rl")
    value_clip: float | None = option(None, "how far a value may move from its old one; none: any way", "rl")
    critic_lr: float | None = option(None, "learning rate of the critic", "rl")
    entropy_coef: float = option(0.0, "weight of the entropy, which is subtracted from the loss", "rl")
    teacher_share: float = option(
        1.0, "which divergence jsd is: 1 is KL(policy || teacher), reverse; 0 is KL(teacher || policy), forward; between the "
        "generalised Jensen-Shannon divergence", "rl",
    )  # fmt: skip
    on_policy: float = option(
        1.0, "share of steps that sample, with jsd; the others learn from ready-made careful solutions", "rl"
    )
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

    max_calls: int = option(3, "calls of a trajectory that are run, with tools", *WRITERS)
    call_price: float = option(0.0, "what a call costs in reward", "rl")
    invalid_price: float = option(0.0, "what a call costs beyond that if it could not be run", "rl")
    valid_bonus: float = option(0.0, "what a call earns if it could be run", "rl")
    mask_results: bool = option(True, "leave the tool's words out of the loss", "sft")

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


def options_of(kind: Kind) -> list[Any]:
    """The columns that a recipe of this kind has."""
    return [column for column in fields(Recipe) if kind in column.metadata.get("kinds", ())]
