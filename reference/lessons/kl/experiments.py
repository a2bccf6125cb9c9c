"""The same KL penalty as different code, on samples of the policy itself, with an unbiased baseline.

RLOO takes one step per rollout, so every sample is the policy's own; its leave-one-out baseline and its fixed length
leave each gradient unbiased. What differs is the estimator and its place. Without a penalty a coefficient of 1e-9 keeps
the reference, so that the KL is measured; runs of today have ``--kl-place measure`` for it.
"""

from reference.runs.recorded_runs import SEEDS

WAYS = {
    "none": "--kl k1 --kl-place loss --kl-coef 1e-9",
    "k1-in-loss": "--kl k1 --kl-place loss --kl-coef 0.3",
    "k2-in-loss": "--kl k2 --kl-place loss --kl-coef 0.3",
    "k3-in-loss": "--kl k3 --kl-place loss --kl-coef 0.3",
    "k1-in-reward": "--kl k1 --kl-place reward --kl-coef 0.3",
}

RUNS = {way: f"kl-{way}" for way in WAYS}

EXPERIMENTS = {
    f"{RUNS[way]}-seed-{seed}": f"rloo {options} --steps 60 --seed {seed}"
    for way, options in WAYS.items()
    for seed in SEEDS
}
