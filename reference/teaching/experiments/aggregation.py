"""Notebook 06: how long right and wrong answers get under each aggregation, and KL in the reward before a group's std.

All are GRPO with one slot changed. The first nine differ in the aggregation alone; the last six charge the same small
KL in the reward and differ in whether a group's std divides it afterwards.
"""

from .recipes import SEEDS

STRATEGIES = ("sequence_mean", "token_mean", "fixed_length")
SCALES = {"group-std": "group", "no-std": "group_mean"}

LENGTHS = {strategy: f"lengths-{strategy}" for strategy in STRATEGIES}
KL_REWARD = {name: f"kl-reward-{name}" for name in SCALES}

EXPERIMENTS = {
    **{
        f"{LENGTHS[strategy]}-seed-{seed}": f"grpo --aggregation {strategy} --steps 80 --seed {seed}"
        for strategy in STRATEGIES
        for seed in SEEDS
    },
    **{
        f"{KL_REWARD[name]}-seed-{seed}": f"grpo --advantage {advantage} --kl k1 --kl-place reward --kl-coef 0.001 --seed {seed}"
        for name, advantage in SCALES.items()
        for seed in SEEDS
    },
}
