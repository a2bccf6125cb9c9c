"""KL in the reward before a group's std: GRPO with a small charge, divided by the std or not, and without a penalty.

Two ways charge the same small KL in the reward and differ in whether a group's std divides it afterwards. The third, to
compare with, is GRPO without a penalty (a coefficient of 1e-9 keeps the reference, so that the KL is
measured; runs of today have ``--kl-place measure`` for it).
"""

from reference.runs.recorded_runs import SEEDS

KL_WAYS = {
    "group-std": "--advantage group --kl k1 --kl-place reward --kl-coef 0.001",
    "no-std": "--advantage group_mean --kl k1 --kl-place reward --kl-coef 0.001",
    "no-kl": "--advantage group --kl k1 --kl-place loss --kl-coef 1e-9",
}

KL_REWARD = {name: f"kl-reward-{name}" for name in KL_WAYS}

EXPERIMENTS = {
    f"{KL_REWARD[name]}-seed-{seed}": f"grpo {options} --seed {seed}"
    for name, options in KL_WAYS.items()
    for seed in SEEDS
}
