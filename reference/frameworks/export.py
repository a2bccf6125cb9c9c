"""A recipe as a config of another framework: every option that decides the algorithm, or the slot that has none.

What is written is explained before it is handed out: what ``explain`` would say of the config is compared with the recipe,
column by column, and what is not the same is refused.
"""

import math
from typing import Any

from reference.algorithms.columns import Recipe
from reference.algorithms.unread_options import unread
from reference.configs.option import Option
from reference.frameworks.defaults import Framework, framework_named, spelled
from reference.frameworks.explain import alike, columns_of
from reference.frameworks.exporters.inverse import by_option, inverse
from reference.frameworks.exporters.nemo_rl import NEMO_RL
from reference.frameworks.exporters.openrlhf import OPENRLHF
from reference.frameworks.exporters.parts import WITHOUT_AN_OPTION, Exported, Exporter, hinted, wanted
from reference.frameworks.exporters.sound import require_sound
from reference.frameworks.exporters.trl import TRL
from reference.frameworks.exporters.verl import VERL
from reference.frameworks.rules.values import CRITIC, NO_LIMIT
from reference.frameworks.settings import plain_name, settings_of
from reference.objectives.shapes import InputError

EXPORTERS: dict[str, Exporter] = {"trl": TRL, "verl": VERL, "openrlhf": OPENRLHF, "nemo_rl": NEMO_RL}
NAMES = {"nemo": "nemo_rl"}  # as one types it -> as the table has it
KINDS = {"rl": "reinforcement learning", "preference": "learning from pairs", "sft": "fine-tuning on demonstrations",
         "reward": "reward models"}  # fmt: skip


def export(recipe: Recipe, to: str, *, version: str | None = None) -> Exported:
    """Raises ``InputError`` that names each slot and value for which the framework has no option, and who has."""
    require_sound(recipe)
    exporter, framework = exporter_of(to), framework_named(NAMES.get(to, to), version)
    entry = exporter.entry(recipe)
    if entry is None:
        raise InputError(
            f"no trainer for {KINDS[recipe.kind]}, which {recipe.name} is, is recorded of {framework.title} "
            f"{framework.version}: {elsewhere(recipe, {})}"
        )
    options = options_for(exporter, framework, entry, recipe)
    if wrong := differences(framework, entry, options, recipe):
        raise InputError(refusal(framework, recipe, wrong))
    extras = {name: extra for name, extra in exporter.extras(recipe).items() if name not in options}
    return Exported(recipe, framework, entry, options, extras, exporter.placeholders(recipe), exporter.said(recipe),
                    notes_of(framework, entry, options, recipe))  # fmt: skip


def exporter_of(to: str) -> Exporter:
    try:
        return EXPORTERS[NAMES.get(to, to)]
    except KeyError:
        raise InputError(f"--to {to}: export writes configs for {', '.join(EXPORTERS)}") from None


def options_for(exporter: Exporter, framework: Framework, entry: str, recipe: Recipe) -> dict[str, Any]:
    """What an exporter adds counts where the table has a cell for it too."""
    cells = by_option(framework, entry)
    own = {name: value for name, (_, value) in exporter.extras(recipe).items() if name in cells} | exporter.own(recipe)
    return inverse(framework, entry, wanted(recipe) | hinted(recipe), set(unread(recipe)), own)


def amounts_to(framework: Framework, entry: str, options: dict[str, Any]) -> dict[str, Any]:
    """What explain makes of the options, before they are written."""
    read = {plain_name(name): Option(value, spelled(value), 0, "") for name, value in options.items()}
    return columns_of(framework, entry, settings_of(framework, entry, read))


def differences(framework: Framework, entry: str, options: dict[str, Any], recipe: Recipe) -> dict[str, Any]:
    """Columns in which the config is not the recipe, with what the recipe has."""
    found = WITHOUT_AN_OPTION | amounts_to(framework, entry, options)
    wrong = {"task": recipe.task} if recipe.task == "tools" else {}
    for column, value in wanted(recipe).items():
        if column == "max_rounds" and value > 1 and found[column] == NO_LIMIT:
            continue
        if column not in found and (recipe.kind in ("sft", "reward") or column == "average_logprobs"):
            continue  # no option says it, and there is one way only
        if column not in found or not alike(found[column], value):
            wrong[column] = value
    if "loss" in wrong:  # how log-probs are added goes with it, and a critic that nobody asked for
        wrong.pop("average_logprobs", None)
        if recipe.critic is None:
            wrong.pop("critic", None)
    return wrong


def refusal(framework: Framework, recipe: Recipe, wrong: dict[str, Any]) -> str:
    """One sentence: which slots, with which values, and which frameworks have them."""
    told = {column: value for column, value in wrong.items() if not ("critic" in wrong and column in CRITIC[1:])}
    slots = joined([f"{column} = {spelled(value)}" for column, value in told.items()], "and")
    return f"{framework.title} {framework.version} has no recorded option for {slots} of {recipe.name}: {elsewhere(recipe, wrong)}"


def elsewhere(recipe: Recipe, wrong: dict[str, Any]) -> str:
    """Which frameworks can express the recipe, else which have what this one lacks."""
    lacks = {
        name: differences_in(name, recipe).keys()
        for name, exporter in EXPORTERS.items()
        if exporter.entry(recipe) is not None
    }
    if able := [name for name, missing in lacks.items() if not missing]:
        return f"{titles(able, 'and')} can express it"
    if having := [name for name, missing in lacks.items() if not missing & wrong.keys()]:
        return f"{titles(having, 'and')} {'has' if len(having) == 1 else 'have'} that, but not the rest of it"
    return f"nor is one recorded of any other of {titles(list(EXPORTERS), 'and')}; a trainer that is not recorded may have it"


def differences_in(name: str, recipe: Recipe) -> dict[str, Any]:
    exporter, framework = EXPORTERS[name], framework_named(name)
    entry = exporter.entry(recipe)
    assert entry is not None
    return differences(framework, entry, options_for(exporter, framework, entry, recipe), recipe)


def titles(names: list[str], word: str) -> str:
    return joined([framework_named(name).title for name in names], word)


def joined(words: list[str], word: str) -> str:
    return ", ".join(words[:-1]) + f" {word} {words[-1]}" if len(words) > 1 else words[0]


def notes_of(framework: Framework, entry: str, options: dict[str, Any], recipe: Recipe) -> list[str]:
    """What is close and not the same."""
    notes = []
    if amounts_to(framework, entry, options).get("max_rounds") == NO_LIMIT and recipe.max_rounds > 1:
        notes.append(
            f"{framework.title} samples until the batch is full, without the limit of {recipe.max_rounds} rounds"
        )
    if recipe.kind == "rl" and recipe.length_coef:
        notes.append(
            f"length_coef is {recipe.length_coef}: take that much off the reward of a completion of the whole budget"
        )
    notes.append(f"a learning rate of {recipe.lr} is that of the small model of this course: yours needs its own")
    return notes


def text_of(exported: Exported, ending: str | None = None, *, model: str | None = None) -> str:
    """The file. ``ending``: of its name, where a framework has several; none: its usual one."""
    exporter = EXPORTERS[exported.framework.name]
    if ending is not None and ending not in exporter.endings:
        raise InputError(
            f"a config of {exported.framework.title} is a file that ends in {joined(list(exporter.endings), 'or')}, not in {ending!r}"
        )
    return exporter.text(exported, ending or exporter.endings[0], model)


def as_json(exported: Exported) -> dict[str, Any]:
    """The same for programs; an infinite bound is the text "inf", as JSON has none."""
    extras = {name: value for name, (_, value) in exported.extras.items()}
    options = {
        name: "inf" if isinstance(value, float) and math.isinf(value) else value
        for name, value in exported.options.items()
    }
    return {
        "recipe": exported.recipe.name, "framework": exported.framework.name, "version": exported.framework.version,
        "entry": exported.entry, "options": options, "how_much": extras,
        "fill_in": [{"variable": one.variable, "what": one.what, "options": list(one.options)} for one in exported.placeholders],
        "notes": exported.notes,
    }  # fmt: skip
