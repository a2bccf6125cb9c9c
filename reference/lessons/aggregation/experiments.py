"""How long right and wrong answers get under each aggregation: GRPO with nothing else changed."""

from reference.runs.recorded_runs import SEEDS

STRATEGIES = ("sequence_mean", "token_mean", "fixed_length")
LENGTHS = {strategy: f"lengths-{strategy}" for strategy in STRATEGIES}

EXPERIMENTS = {
    f"{LENGTHS[strategy]}-seed-{seed}": f"grpo --aggregation {strategy} --steps 80 --seed {seed}"
    for strategy in STRATEGIES
    for seed in SEEDS
}
