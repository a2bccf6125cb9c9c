"""The names of all faults, and which recipes can have each, for --help and refusals: no torch is needed to read them."""

from collections.abc import Callable

from reference.algorithms.recipes import Recipe

FITS = {  # name -> of what it is a fault
    "lr_too_high": "rl",
    "kl_coef_too_small": "rl",
    "reference_replaced": "rl",
    "k1_in_loss": "rl",
    "group_of_two": "groups",
    "std_of_dead_groups": "groups",
    "advantages_not_centred": "rl",
    "advantage_sign": "rl",
    "micro_batch_count": "rl",
    "entropy_sign": "rl",
    "stale_logprobs": "rl",
    "temperature_forgotten": "rl",
    "dropout_in_scoring": "rl",
    "mask_off_by_one": "rl",
    "verifier_broken": "rl",
    "weights_frozen": "rl",
    "length_gamed": "rl",
    "value_at_action": "critic",
    "tool_output_trained": "tools",
    "tool_result_missing": "tools",
    "prompt_not_masked": "sft",
    "eos_not_trained": "sft",
    "other_reference": "preference",
}
HAS: dict[str, tuple[str, Callable[[Recipe], bool]]] = {  # in words, and whether a recipe has it
    "rl": ("reinforcement learning", lambda recipe: recipe.kind == "rl"),
    "groups": ("groups of several completions", lambda recipe: recipe.kind == "rl" and recipe.group_size > 1),
    "critic": ("a critic", lambda recipe: recipe.critic is not None),
    "tools": ("reinforcement learning with tools", lambda recipe: recipe.kind == "rl" and recipe.task == "tools"),
    "sft": ("supervised fine-tuning", lambda recipe: recipe.kind == "sft"),
    "preference": (
        "preferences with a reference",
        lambda recipe: recipe.kind == "preference" and recipe.loss not in ("simpo", "orpo"),
    ),
}


def faults_for(recipe: Recipe) -> list[str]:
    """The names of the faults that a recipe can have."""
    return [name for name, what in FITS.items() if HAS[what][1](recipe)]
