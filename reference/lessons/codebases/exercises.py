"""The exercises recipe_of_config, settle_options, divisor."""

from reference.lessons.codebases.cases import (
    divisor_cases,
    recipe_of_config_cases,
    settle_options_cases,
    which_are_wrong,
)
from reference.lessons.codebases.divisors import divisor
from reference.lessons.codebases.recipes_of import recipe_of_config
from reference.lessons.codebases.settled import settle_options
from reference.teaching.exercise import Exercise

EXERCISES = {
    "settle_options": Exercise(
        settle_options,
        settle_options_cases,
        (
            "Begin with an empty config. What is the result? Then a config names one option. What changes?",
            "Two rules: what is given counts before the default, and of two values for one name the later one counts. Is a "
            "given 0, False or None a value?",
            "dict(given) keeps the last value of each name, and {**a, **b} takes b where both have a name. Before that, "
            "raise a ValueError for a name that is not in defaults.",
        ),
        """
def settle_options(given, defaults):
    for name, _ in given:
        if name not in defaults:
            raise ValueError(f"no option is called {name}")
    return {**defaults, **dict(given)}
""",
    ),
    "recipe_of_config": Exercise(
        recipe_of_config,
        recipe_of_config_cases,
        (
            "Take one config, and one column. Is there an option that sets it? Does the framework read this option here?",
            "Where no option sets a column, the framework's default counts. docs/FRAMEWORKS.md has the defaults of each "
            "version, slot by slot, and at its end the options that do nothing.",
            "Three clips are no plain pair. TRL's cap of CISPO is the ratio itself, and our clip_high is what is above 1. "
            "verl has a third bound. OpenRLHF has an option for two bounds and one for both.",
        ),
        """
def recipe_of_config(name):
    return {
        "verl": {"advantage": "group", "kl": "k3", "kl_place": "loss", "kl_coef": 0.01, "aggregation": "token_mean",
                 "clip_low": 0.2, "clip_high": 0.2, "dual_clip": 3.0},
        "trl": {"advantage": "group", "kl": "k3_unbiased", "kl_place": "loss", "kl_coef": 0.02, "aggregation": "token_mean",
                "clip_low": None, "clip_high": 4.0, "dual_clip": None},
        "openrlhf": {"advantage": "group", "kl": "k1", "kl_place": "loss", "kl_coef": 0.001, "aggregation": "token_mean",
                     "clip_low": 0.2, "clip_high": 0.28, "dual_clip": None},
        "skyrl": {"advantage": "leave_one_out", "kl": "k3", "kl_place": "reward", "kl_coef": 0.001,
                  "aggregation": "sequence_mean", "clip_low": 0.2, "clip_high": 0.28, "dual_clip": None},
    }[name]
""",
        in_words=which_are_wrong,
    ),
    "divisor": Exercise(
        divisor,
        divisor_cases,
        (
            "Write the loss of one micro-batch as a sum of token losses over something. What happens to it afterwards, when "
            "the micro-batches of a step are averaged?",
            "A mean over N micro-batches divides by N once more. Where a count is one of the whole step, losses are added "
            "up, and nothing is divided again.",
            "Of the five results two have tokens in them, one the tokens of a single completion, and two have no length in "
            "them. Three are multiplied by the number of completions, sum(map(len, lengths)).",
        ),
        """
def divisor(lengths, *, mode, micro, row, width, budget):
    completions = sum(len(part) for part in lengths)
    return {
        "dapo": sum(sum(part) for part in lengths),
        "bnpo": len(lengths) * sum(lengths[micro]),
        "grpo": completions * lengths[micro][row],
        "dr_grpo": completions * budget,
        "seq-mean-token-sum-norm": completions * width,
    }[mode]
""",
    ),
}
