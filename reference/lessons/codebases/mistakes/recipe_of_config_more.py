"""More of it: OpenRLHF, SkyRL, and readers who trust one rule for all four."""

from reference.lessons.codebases.mistakes.recipe_of_config import NO_STD, Columns, reading
from reference.lessons.codebases.recipes_of import recipe_of_config
from reference.teaching.bug import bug

K3 = {"kl": "k3"}
SILENT = {
    "verl": ("kl", "aggregation", "clip_low", "clip_high", "dual_clip"),
    "trl": ("advantage", "kl", "aggregation"),
    "openrlhf": ("kl", "aggregation"),
    "skyrl": ("kl", "kl_coef", "clip_low"),
}


@bug(
    "a switch that this estimator does not read",
    mistake="a switch of the advantage is believed, which the chosen estimator does not read",
    symptom="a lone success among eight has an advantage above 2 in the log, where a mean alone leaves it below 1",
    wild="OpenRLHF 0.11.2: no_std_norm with group_norm",
)
def recipe_of_config__switch(name: str) -> Columns:
    return reading({"openrlhf": NO_STD})(name)


@bug(
    "k3 because it is in the loss",
    mistake="the estimator is guessed from its place: a KL in the loss is taken for k3, which is not the default here",
    symptom="the KL rises although its coefficient is not 0, because the term has no gradient in expectation",
    wild="OpenRLHF 0.11.2: algo.kl.estimator is k1 in either place",
    likewise=(reading({"openrlhf": {"kl": "k2"}}),),
)
def recipe_of_config__guessed_k3(name: str) -> Columns:
    return reading({"openrlhf": K3})(name)


@bug(
    "a flag without a value",
    mistake="a flag that stands alone is not seen, so the KL is left in the framework's default place",
    symptom="rewards are expected to fall with the KL, and do not",
    likewise=(
        reading({"openrlhf": {"kl_place": "reward", "kl": "k3"}}),
        reading({"openrlhf": {"kl_place": None, "kl": None, "kl_coef": None}}),
    ),
)
def recipe_of_config__flag(name: str) -> Columns:
    return reading({"openrlhf": {"kl_place": "reward"}})(name)


@bug(
    "one bound for two",
    mistake="the option for both bounds is read, although another option sets the two apart and counts before it",
    symptom="clip_frac is smaller than the report says",
)
def recipe_of_config__one_bound(name: str) -> Columns:
    return reading({"openrlhf": {"clip_low": 0.1, "clip_high": 0.1}})(name)


@bug(
    "a dual clip of another loss",
    mistake="a third bound is written down that only another policy loss of this framework reads",
    symptom="changing it changes no number of the run",
    wild="SkyRL 0.3.0: clip_ratio_c without policy_loss_type dual_clip",
    likewise=(reading({"skyrl": {"dual_clip": 3.0}}),),
)
def recipe_of_config__dual_clip(name: str) -> Columns:
    return reading({"skyrl": {"dual_clip": 10.0}})(name)


@bug(
    "k1 because it is in the reward",
    mistake="the estimator is guessed from its place: a KL in the reward is taken for k1, which is not the default here",
    symptom="the KL in the reward is never negative in the log, where k1 would be on many tokens",
    wild="SkyRL 0.3.0: kl_estimator_type is k3 in either place",
)
def recipe_of_config__guessed_k1(name: str) -> Columns:
    return reading({"skyrl": {"kl": "k1"}})(name)


@bug(
    "the default place",
    mistake="the KL is left where this framework has it by default, although two lines of the config move it",
    symptom="the loss in the log has no KL in it, and the rewards do",
    likewise=(reading({"skyrl": {"kl_place": "loss", "kl_coef": 0.001, "kl": "k1"}}),),
)
def recipe_of_config__default_place(name: str) -> Columns:
    return reading({"skyrl": {"kl_place": "loss"}})(name)


@bug(
    "a switch of another estimator",
    mistake="a switch about the std is believed, which only another estimator of this framework reads",
    symptom="advantages in the log are as large as rewards, and no std is in them",
    likewise=(reading({"skyrl": {"advantage": "group_mean"}}),),
)
def recipe_of_config__other_switch(name: str) -> Columns:
    return reading({"skyrl": {"advantage": "group"}})(name)


@bug(
    "what is not said is not there",
    mistake="a column that no line of the config sets is taken for one that is switched off",
    symptom="the report says that there is no clip and no KL, and both are in the run",
)
def recipe_of_config__nothing_silent(name: str) -> Columns:
    return recipe_of_config(name) | dict.fromkeys(SILENT[name])


@bug(
    "defaults of one framework for all",
    mistake="the silent defaults of one framework are used for all four",
    symptom="two runs that should be equal differ, and each config looks complete",
    likewise=(reading({"openrlhf": K3, "trl": K3}), reading({"openrlhf": K3, "verl": {"dual_clip": None}})),
)
def recipe_of_config__one_for_all(name: str) -> Columns:
    return reading({"openrlhf": K3, "trl": K3, "verl": {"dual_clip": None}})(name)
