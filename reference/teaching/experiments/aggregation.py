"""Notebook 06: how long right and wrong answers get under each aggregation, and KL in the reward before a group's std.

All are GRPO. Three ways differ in the aggregation alone. Two charge the same small KL in the reward and differ in whether
a group's std divides it afterwards; the third, to compare with, is GRPO without a penalty (a coefficient of 1e-9 keeps the
reference, so that the KL is measured).
"""

from reference.runs.recorded import SEEDS

STRATEGIES = ("sequence_mean", "token_mean", "fixed_length")
KL_WAYS = {
    "group-std": "--advantage group --kl k1 --kl-place reward --kl-coef 0.001",
    "no-std": "--advantage group_mean --kl k1 --kl-place reward --kl-coef 0.001",
    "no-kl": "--advantage group --kl k1 --kl-place loss --kl-coef 1e-9",
}

LENGTHS = {strategy: f"lengths-{strategy}" for strategy in STRATEGIES}
KL_REWARD = {name: f"kl-reward-{name}" for name in KL_WAYS}

EXPERIMENTS = {
    **{
        f"{LENGTHS[strategy]}-seed-{seed}": f"grpo --aggregation {strategy} --steps 80 --seed {seed}"
        for strategy in STRATEGIES
        for seed in SEEDS
    },
    **{
        f"{KL_REWARD[name]}-seed-{seed}": f"grpo {options} --seed {seed}"
        for name, options in KL_WAYS.items()
        for seed in SEEDS
    },
}
