"""Policies that climb a reward model of people, with one steering term each; and what they write.

The reward model, the learning rate and the number of steps are those of ``climb-4096`` among the recorded runs, which has no
term. A run with the seed S climbs the reward model with the seed S. An ensemble has the three reward models of all seeds.
``climb-verifier`` climbs reward models that have learned from the verifier's word, and not from people. ``-mean``: without the
division by the group's standard deviation.
"""

from reference.runs.recorded_runs import CLIMB, PROXIES, SEEDS

UNSTEERED = {pool: f"climb-{pool}" for pool in PROXIES}  # comparisons of people -> name of its runs
BASIS = UNSTEERED[4096]  # what a steered run is compared with
PEAK = "peak-4096"  # the same run, ended near the peak of gold
PEAK_STEPS = 12

TERMS = {  # a term -> coefficient -> name of its run
    "KL in the loss": {0.1: "kl-loss-0.1", 0.5: "kl-loss-0.5"},
    "KL in the reward": {0.02: "kl-reward-0.02", 0.1: "kl-reward-0.1"},
    "SFT mix": {0.1: "sft-0.1", 0.3: "sft-0.3"},
    "length in the reward": {1.0: "length-1", 2.0: "length-2"},
    "entropy": {0.01: "entropy-0.01"},
}
OPTIONS = {  # a term -> its options of train, {} for the coefficient
    "KL in the loss": "--kl k3 --kl-place loss --kl-coef {}",
    "KL in the reward": "--kl k1 --kl-place reward --kl-coef {}",
    "SFT mix": "--kl-place measure --sft-coef {}",
    "length in the reward": "--kl-place measure --length-coef {}",
    "entropy": "--kl-place measure --entropy-coef {}",
}
TOGETHER, ENSEMBLE, SOFT = "three terms together", "three reward models", "soft length penalty"
ONE_PROXY = (*TERMS, SOFT, TOGETHER)  # groups whose runs have the same reward model as those without a term
STEER = {  # name -> words for a person, options of train
    **{
        name: (f"{term} {coef:g}", OPTIONS[term].format(f"{coef:g}"))
        for term, names in TERMS.items()
        for coef, name in names.items()
    },
    "overlong": (SOFT, "--kl-place measure --overlong penalty"),
    "combined": (TOGETHER, "--kl k1 --kl-place reward --kl-coef 0.1 --sft-coef 0.3 --length-coef 1"),
    "ensemble-mean": ("mean of three reward models", "--ensemble mean --kl-place measure"),
    "ensemble-worst": ("worst of three reward models", "--ensemble worst --kl-place measure"),
}
ONE_SEED = ("kl-loss-0.1", "kl-reward-0.02", "sft-0.1")  # recorded with seed 0 alone
GROUPS = {  # what a picture shows together -> words for each of its kinds -> name
    **{term: {f"{coef:g}": name for coef, name in names.items()} for term, names in TERMS.items()},
    ENSEMBLE: {"mean": "ensemble-mean", "worst": "ensemble-worst"},  # their proxy is their own
    SOFT: {"": "overlong"},
    TOGETHER: {"": "combined"},
}
ON = "grpo --reward {} {} --lr 1e-4 --steps 60 --prompts-per-step 16 --eval-problems 200 --seed {}"
VERIFIER = f"{CLIMB.replace('proxy-{}', 'reward-model')} --seed {{}}"


def rewards_of(name: str, seed: int) -> str:
    """The reward models of a steered run."""
    seeds = SEEDS if name in GROUPS[ENSEMBLE].values() else (seed,)
    return " ".join(f"{{proxy-4096-seed-{each}}}" for each in seeds)


def run_of(name: str) -> str:
    """The name of a steered run in figures/runs, without the seed."""
    return f"steer-{name}"


EXPERIMENTS = {
    **{
        f"{PEAK}-seed-{seed}": f"{CLIMB.format(4096, seed)} --seed {seed}".replace(
            "--steps 60", f"--steps {PEAK_STEPS}"
        )
        for seed in SEEDS
    },
    **{
        f"{run_of(name)}-seed-{seed}": ON.format(rewards_of(name, seed), options, seed)
        for name, (_, options) in STEER.items()
        for seed in SEEDS[: 1 if name in ONE_SEED else None]
    },
    **{f"climb-verifier-seed-{seed}": VERIFIER.format(seed, seed) for seed in SEEDS},
    **{
        f"climb-{teacher}-mean-seed-{seed}": ON.format(
            model.format(seed), "--advantage group_mean --kl-place measure", seed
        )
        for teacher, model in (("verifier", "{{reward-model-seed-{}}}"), ("4096", "{{proxy-4096-seed-{}}}"))
        for seed in SEEDS
    },
}
HACKED = (
    "base",
    "{peak-4096-seed-0}",
    "{climb-4096-seed-0}",
    "{steer-sft-0.3-seed-0}",
    "{steer-combined-seed-0}",
    "{climb-verifier-seed-0}",
)
COMPLETIONS = {f"hacked-{model.strip('{}')}": f"{model} --samples 8 --against base --problems 200" for model in HACKED}
BEST_OF_N = {  # name in figures/best_of_n -> options of best-of-n
    **{
        f"best-of-n-{pool}-seed-{seed}": f"{{proxy-{pool}-seed-{seed}}} --problems 100"
        for pool in PROXIES
        for seed in SEEDS
    },
    **{f"best-of-n-verifier-seed-{seed}": f"{{reward-model-seed-{seed}}} --problems 100" for seed in SEEDS},
}
