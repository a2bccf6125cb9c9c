"""Many passes over each rollout, with PPO's clip and without, at three learning rates.

Eight passes of two minibatches are sixteen optimizer steps on the same samples. "No clip" are the bounds 0.999 and 1e6: they
leave every ratio above 0.001 alone, and fewer than 1 % of the tokens of a step were below it. Runs of today can be without
any bound: ``--clip-low none --clip-high none``.
"""

from reference.runs.recorded_runs import SEEDS

NO_CLIP = "--clip-low 0.999 --clip-high 1e6"
WAYS = {
    "one-pass": "--inner-epochs 1 --lr 3e-4",
    "clip": "--inner-epochs 8 --lr 3e-4",
    "no-clip": f"--inner-epochs 8 --lr 3e-4 {NO_CLIP}",
    "gentle-clip": "--inner-epochs 8 --lr 1e-4",
    "gentle-no-clip": f"--inner-epochs 8 --lr 1e-4 {NO_CLIP}",
    "slow-clip": "--inner-epochs 8 --lr 3e-5",
    "slow-no-clip": f"--inner-epochs 8 --lr 3e-5 {NO_CLIP}",
}

RUNS = {way: f"passes-{way}" for way in WAYS}

EXPERIMENTS = {
    f"{RUNS[way]}-seed-{seed}": f"grpo {options} --prompts-per-step 16 --steps 20 --seed {seed}"
    for way, options in WAYS.items()
    for seed in SEEDS
}
