"""Runs of every fault from five seeds, and healthy runs of every recipe beside them, all of them short.

``doctor`` was made on the seeds 0, 1 and 2, and on the longer recorded runs of the other lessons. The seeds 3 and 4 are held
out: what it finds there is in ``tests/doctor``. Of healthy runs there are the held-out seeds, and where a fault has the recipe
also seed 0, to be shown beside it.
"""

from reference.algorithms.distill import asks_teacher
from reference.algorithms.recipes import RECIPES, ROWS, Recipe
from reference.faults import FAULTS

SEEDS = range(5)
HELD_OUT = (3, 4)
STEPS = {"rl": 16, "sft": 60, "preference": 24, "reward": 40}
POOLS = {"preference": 512, "reward": 1024}
EVALUATION = "--eval-problems 50 --eval-samples 2"  # a reward model has no samples: it is measured on pairs


def options_of(name: str) -> str:
    """What makes a run of this recipe short: fewer steps, fewer pairs to draw, and few problems to measure on."""
    recipe = RECIPES[name]
    drawn = recipe.kind in POOLS and not recipe.online and recipe.pairs == "sampled"
    evaluation = EVALUATION.split(" --eval-samples")[0] if recipe.kind == "reward" else EVALUATION
    return f"--steps {STEPS[recipe.kind]}{f' --pool {POOLS[recipe.kind]}' if drawn else ''} {evaluation}"


def healthy_seeds(recipe: Recipe) -> tuple[int, ...]:
    """None for distill, whose teacher has to be trained first: it has recorded runs of its own."""
    if asks_teacher(recipe):
        return ()
    return (0, *HELD_OUT) if any(fault.recipe == recipe.name for fault in FAULTS.values()) else HELD_OUT


EXPERIMENTS = {
    **{
        f"bug-{fault.name}-seed-{seed}": f"{fault.recipe} --bug {fault.name} {options_of(fault.recipe)} --seed {seed}"
        for seed in SEEDS
        for fault in FAULTS.values()
    },
    **{
        f"healthy-{recipe.name}-seed-{seed}": f"{recipe.name} {options_of(recipe.name)} --seed {seed}"
        for recipe in ROWS
        for seed in healthy_seeds(recipe)
    },
}
