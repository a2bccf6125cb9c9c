"""Solutions written in other ways than the reference, right ones and wrong ones that are on no list."""

from reference.configs.read_config import read_config
from reference.frameworks.explain import explain
from reference.lessons.codebases.recipes_of import COLUMNS, config_path, recipe_of_config


def by_the_command(name):
    columns = explain(read_config(config_path(name))).columns
    return {column: columns[column] for column in COLUMNS}


def in_another_order(name):
    return dict(reversed(recipe_of_config(name).items()))


def one_by_one(given, defaults):
    found = dict(defaults)
    for name, value in given:
        if name not in found:
            raise KeyError(name)
        found[name] = value
    return found


def from_the_end(given, defaults):
    unknown = {name for name, _ in given} - set(defaults)
    if unknown:
        raise ValueError(unknown)
    return {name: next((v for n, v in reversed(given) if n == name), defaults[name]) for name in defaults}


def by_weights(lengths, *, mode, micro, row, width, budget):
    """The inverse of what a token of that completion weighs in the loss of the step."""
    every = [length for part in lengths for length in part]
    weight = {
        "dapo": 1 / sum(every),
        "bnpo": 1 / sum(lengths[micro]) / len(lengths),
        "grpo": 1 / lengths[micro][row] / len(every),
        "dr_grpo": 1 / budget / len(every),
        "seq-mean-token-sum-norm": 1 / width / len(every),
    }[mode]
    return round(1 / weight)


SOLUTIONS = {
    "recipe_of_config": [by_the_command, in_another_order],
    "settle_options": [one_by_one, from_the_end],
    "divisor": [by_weights],
}


def all_as_trl(name):
    return recipe_of_config("trl")


def two_configs_only(name):
    return recipe_of_config(name) if name in ("verl", "trl") else {}


def pairs(given, defaults):
    return list({**defaults, **dict(given)}.items())


def sorted_values(given, defaults):
    return {**defaults, **dict(sorted(given, key=lambda pair: str(pair[1])))}


def all_tokens_always(lengths, *, mode, micro, row, width, budget):
    return sum(map(sum, lengths))


def one_too_many(lengths, *, mode, micro, row, width, budget):
    return by_weights(lengths, mode=mode, micro=micro, row=row, width=width, budget=budget) + 1


WRONG = {
    "recipe_of_config": [all_as_trl, two_configs_only],
    "settle_options": [pairs, sorted_values],
    "divisor": [all_tokens_always, one_too_many],
}
