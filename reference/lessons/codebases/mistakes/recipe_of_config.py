"""What goes wrong when a config is read: options that are taken at their word, and defaults that are forgotten."""

from collections.abc import Callable
from typing import Any

from reference.lessons.codebases.recipes_of import recipe_of_config
from reference.teaching.bug import bug

Columns = dict[str, Any]


def reading(wrong: dict[str, Columns]) -> Callable[[str], Columns]:
    """A reader who is right but for these columns of these configs."""
    return lambda name: recipe_of_config(name) | wrong.get(name, {})


SEQUENCE: Columns = {"aggregation": "sequence_mean"}
NO_STD: Columns = {"advantage": "group_mean"}


@bug(
    "an option that is never read",
    mistake="an option of the clip that this version does not read is taken at its word",
    symptom="clip_frac does not move when the option is changed",
    wild="verl 0.9.1: actor.clip_ratio beside clip_ratio_low and clip_ratio_high",
    likewise=(reading({"verl": {"clip_low": 0.1}}), reading({"verl": {"clip_high": 0.1}})),
)
def recipe_of_config__never_read(name: str) -> Columns:
    return reading({"verl": {"clip_low": 0.1, "clip_high": 0.1}})(name)


@bug(
    "a third bound unseen",
    mistake="a bound that holds where the advantage is negative, and that is on when nothing is said, is not seen",
    symptom="the loss is compared with another framework's, and differs on the tokens with the largest ratios",
    wild="verl 0.9.1: actor.clip_ratio_c is 3.0",
)
def recipe_of_config__third_bound(name: str) -> Columns:
    return reading({"verl": {"dual_clip": None}})(name)


@bug(
    "the aggregation of the paper",
    mistake="a config that says grpo is given the aggregation of the GRPO paper, and not the framework's default",
    symptom="the weight of a long completion's token is not the one that was computed",
    likewise=(
        reading({"verl": SEQUENCE}),
        reading({"openrlhf": SEQUENCE}),
        reading({"trl": SEQUENCE}),
        reading({"verl": SEQUENCE, "openrlhf": SEQUENCE, "trl": SEQUENCE}),
    ),
)
def recipe_of_config__paper(name: str) -> Columns:
    return reading({"verl": SEQUENCE, "openrlhf": SEQUENCE})(name)


@bug(
    "the coefficient of the other place",
    mistake="the coefficient of the other place is read: the reward and the loss have each their own",
    symptom="the KL is five times as strong in the report as in the run",
)
def recipe_of_config__other_coefficient(name: str) -> Columns:
    return reading({"verl": {"kl_coef": 0.05}})(name)


@bug(
    "the KL in the other place",
    mistake="a coefficient of the reward is taken for a sign that the KL is charged there, and nothing switches that on",
    symptom="rewards in the log are those of the verifier, without a charge",
    likewise=(
        reading({"verl": {"kl_place": "reward"}}),
        reading({"verl": {"kl_place": "reward", "kl": "k1"}}),
        reading({"verl": {"kl_place": "reward", "kl_coef": 0.05}}),
    ),
)
def recipe_of_config__other_place(name: str) -> Columns:
    return reading({"verl": {"kl": "k1", "kl_place": "reward", "kl_coef": 0.05}})(name)


@bug(
    "the cap as a range",
    mistake="a cap of the weight itself is written down as what is above 1, as a clip range is",
    symptom="the same number in two frameworks caps at two different weights",
    wild="TRL 1.16.0: epsilon_high is the cap with cispo, and 1 + epsilon_high elsewhere",
)
def recipe_of_config__cap(name: str) -> Columns:
    return reading({"trl": {"clip_high": 5.0}})(name)


@bug(
    "a lower bound that this loss does not have",
    mistake="a lower bound is written down, which the loss of this config does not read",
    symptom="weights of 0.05 appear in a run whose config seems to say that none is below 0.9",
    likewise=(
        reading({"trl": {"clip_low": 0.1, "clip_high": 5.0}}),
        reading({"trl": {"clip_low": 0.2}}),
        reading({"trl": {"clip_low": 0.2, "clip_high": 5.0}}),
    ),
)
def recipe_of_config__lower_bound(name: str) -> Columns:
    return reading({"trl": {"clip_low": 0.1}})(name)


@bug(
    "a correction that is on",
    mistake="the estimator is read from the formula in the code, and a default that multiplies it is not seen",
    symptom="the gradient of the KL is that of the other direction in the report, and not in the run",
    wild="TRL 1.16.0: use_bias_correction_kl is true",
)
def recipe_of_config__correction(name: str) -> Columns:
    return reading({"trl": {"kl": "k3"}})(name)
