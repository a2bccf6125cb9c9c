"""A run of every fault, and healthy runs of every recipe beside them, each short and from five seeds.

``doctor`` was made on the seeds 0, 1 and 2. The others are held out: what it finds there is in ``tests/doctor``.
"""

from reference.algorithms.distill import asks_teacher
from reference.algorithms.recipes import RECIPES, ROWS
from reference.faults import FAULTS

SEEDS = range(5)
STEPS = {"rl": 16, "sft": 60, "preference": 24, "reward": 40}
POOLS = {"preference": 512, "reward": 1024}
EVALUATION = "--eval-problems 50 --eval-samples 2"


def options_of(name: str) -> str:
    """What makes a run of this recipe short: fewer steps, fewer pairs to draw, and few problems to measure on."""
    recipe = RECIPES[name]
    drawn = recipe.kind in POOLS and not recipe.online and recipe.pairs == "sampled"
    return f"--steps {STEPS[recipe.kind]}{f' --pool {POOLS[recipe.kind]}' if drawn else ''} {EVALUATION}"


EXPERIMENTS = {
    **{
        f"bug-{fault.name}-seed-{seed}": f"{fault.recipe} --bug {fault.name} {options_of(fault.recipe)} --seed {seed}"
        for seed in SEEDS
        for fault in FAULTS.values()
    },
    **{
        f"healthy-{recipe.name}-seed-{seed}": f"{recipe.name} {options_of(recipe.name)} --seed {seed}"
        for seed in SEEDS
        for recipe in ROWS
        if not asks_teacher(recipe)  # its teacher has to be trained first; distill has recorded runs of its own
    },
}
