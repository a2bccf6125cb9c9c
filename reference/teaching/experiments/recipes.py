"""Every recipe of the README's table from three seeds, and GRPO on TRL."""

from reference.training.recipes import ROWS

SEEDS = (0, 1, 2)

EXPERIMENTS = {
    **{f"{recipe.name}-seed-{seed}": f"{recipe.name} --seed {seed}" for recipe in ROWS for seed in SEEDS},
    **{f"grpo-trl-seed-{seed}": f"grpo --engine trl --seed {seed}" for seed in SEEDS},
}
