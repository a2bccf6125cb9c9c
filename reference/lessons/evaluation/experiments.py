"""The same questions to the same models under many protocols; and models that have seen the test.

``MODELS`` are what is evaluated, each after training with seed 0. A protocol changes one thing of the first one.
"""

from reference.runs.recorded_runs import SEEDS

MODELS = {"base": "base", "sft": "{sft-seed-0}", "grpo": "{grpo-seed-0}", "dpo": "{dpo-seed-0}"}
PROTOCOLS = {  # what is changed -> options of complete
    "plain": "--samples 16",
    "greedy": "--greedy",
    "temperature-0.5": "--temperature 0.5 --samples 16",
    "temperature-1.5": "--temperature 1.5 --samples 16",
    "top-p-0.9": "--top-p 0.9",
    "budget-24": "--max-new-tokens 24",
    "budget-32": "--max-new-tokens 32",
    "budget-40": "--max-new-tokens 40",
    "budget-56": "--max-new-tokens 56",
    "space": "--prompt space",
    "headless": "--prompt headless",
}
ONE_MODEL = {  # of the model after GRPO alone
    "bare": "--prompt bare",
    "few-shot": "--prompt few-shot",
    "number": "--prompt number",
    "boxed": "--prompt boxed",
}
MANY = "--problems 2000 --samples 4"  # to see what a number of problems can tell apart
CALLS = (1, 2, 3)

LEAKS = ("control", "exact", "paraphrased", "steps")
LEAK_STEPS = 400
LEAK = f"sft --leak {{}} --steps {LEAK_STEPS} --lr 1e-3 --seed {{}}"

EXPERIMENTS = {f"leak-{leak}-seed-{seed}": LEAK.format(leak, seed) for leak in LEAKS for seed in SEEDS}
COMPLETIONS = {
    **{f"{model}-{name}": f"{run} {options}" for model, run in MODELS.items() for name, options in PROTOCOLS.items()},
    **{f"grpo-{name}": f"{MODELS['grpo']} {options}" for name, options in ONE_MODEL.items()},
    **{
        f"{model}-many{words}": f"{MODELS[model]} {MANY}{options}"
        for model in ("sft", "grpo")
        for words, options in (("", ""), ("-budget-56", " --max-new-tokens 56"))
    },
    **{f"tool-rl-calls-{calls}": f"{{tool-rl-seed-0}} --task tools --max-calls {calls}" for calls in CALLS},
    **{
        f"leak-{leak}-{way}-{seed}": f"{{leak-{leak}-seed-{seed}}} {options}".strip()
        for leak in LEAKS
        for way, options in (("sampled", ""), ("greedy", "--greedy"))
        for seed in SEEDS
    },
}
