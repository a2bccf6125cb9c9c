"""The recipes. An algorithm is one row of choices: what the advantage is, how and where KL enters, how losses are aggregated.

GRPO is a row, and Dr.GRPO is that row with two entries changed. What the names in a row stand for is in ``advantages``,
``rewards``, ``losses``, ``kl``, ``aggregation`` and ``preference_losses``; the loops (``rl``, ``supervised``, ``preference``) read
nothing but the row. Wherever a name stands, a function of your own may stand instead:

    from dataclasses import replace
    mine = replace(RECIPES["grpo"], advantage=lambda e, r: my_advantages(e.rewards, group_size=r.group_size))

    reward(completions, recipe) -> (rows,)
    advantage(experience, recipe) -> (rows,), (rows, 1) or (rows, pred)
    loss(token_logprobs, experience, recipe) -> (rows, pred)            for reinforcement learning
    loss(pair_logprobs, recipe) -> (pairs,)                             for preferences
    kl(token_logprobs, ref_logprobs, old_logprobs) -> (rows, pred)
    aggregation(token_loss, mask, counts) -> a scalar

In the slot ``teacher`` stands a model: its name on the command line, from Python the model itself (``teacher.load_teacher``).
What may stand in each column is said in ``columns``.

This file needs no torch, so that ``--help`` and the comparison table appear at once.
"""

from dataclasses import replace
from typing import Any

from reference.algorithms.columns import ALL, CONSTANT_RATE, POLICIES, Kind, Recipe, options_of

__all__ = [
    "ALL",
    "CONSTANT_RATE",
    "POLICIES",
    "RECIPES",
    "ROWS",
    "Kind",
    "Recipe",
    "from_checkpoint",
    "is_model",
    "options_of",
    "recipe_from",
]

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
    replace(
        GRPO, name="tool-rl", title="GRPO with a tool in the loop", source="2503.09516", task="tools", start="tool-sft",
        advantage="group_mean", aggregation="token_mean", call_price=0.05, steps=25, lr=2e-4,
        pitfall="from a model that never calls there is nothing to reinforce (--model base shows it)",
    ),
    replace(
        GRPO, name="distill", title="On-policy distillation", source="2306.13649",
        advantage="teacher", loss="jsd", kl=None, kl_place=None, prompts_per_step=128, group_size=1, steps=30,
        pitfall="which KL is meant: the default is the reverse one here, and half-way in TRL's GKD",
    ),
    Recipe(
        name="sft", title="Supervised fine-tuning on careful solutions", source="2203.02155", kind="sft",
        steps=300, lr=4e-4, pitfall="the mask: prompts, padding and tool output are not to be imitated",
    ),
    Recipe(
        name="tool-sft", title="Fine-tuning on trajectories with tool calls", source="2307.16789", kind="sft", task="tools",
        steps=300, lr=1e-3, pitfall="what the tool wrote is no target: with its words in the loss fewer problems are solved, and more results are made up",
    ),
    Recipe(
        name="reward-model", title="Bradley-Terry reward model", source="2203.02155", kind="reward",
        steps=150, lr=1e-3, group_size=4, pool=4096,
        pitfall="it learns what the pairs happen to differ in, such as length",
    ),
    DPO,
    replace(
        DPO, name="tool-dpo", title="DPO on pairs of trajectories that differ in their calls", task="tools", pairs="written", start="tool-sft",
        steps=30, lr=1e-5,
        pitfall="many trainers add the log-probs of the tool's words to the sums; from a model that calls no tool it teaches none",
    ),
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
    found = {column.name: options[column.name] for column in options_of(row.kind) if column.name in options}
    return replace(row, **{name: tuple(value) if isinstance(value, list) else value for name, value in found.items()})


def is_model(name: str) -> bool:
    """Whether a checkpoint of this recipe, or of pretrain, may stand as --model: a reward model writes nothing."""
    return name not in RECIPES or RECIPES[name].kind != "reward"


def from_checkpoint(name: str) -> str:
    """For advice to start a new run of a recipe: that it may go on from the old one's model, where it may."""
    return ", from its newest checkpoint with --model if you like" if is_model(name) else ""
