"""What goes wrong when it is decided which value of an option counts."""

from collections.abc import Mapping, Sequence
from typing import Any

from reference.objectives.shapes import InputError
from reference.teaching.bug import bug

Given = Sequence[tuple[str, Any]]
Options = Mapping[str, Any]


def known(given: Given, defaults: Options) -> None:
    if unknown := [name for name, _ in given if name not in defaults]:
        raise InputError(f"no option is called {unknown[0]}")


@bug(
    "the default before the config",
    mistake="the default counts even where the config gives a value",
    symptom="whatever is changed in the config, the run stays the same",
)
def settle_options__default_first(given: Given, defaults: Options) -> dict[str, Any]:
    known(given, defaults)
    return {**dict(given), **defaults}


def first_found(given: Given, defaults: Options) -> dict[str, Any]:
    known(given, defaults)
    return {name: next((value for key, value in given if key == name), defaults[name]) for name in defaults}


@bug(
    "the first of two",
    mistake="of two values for one name the earlier one counts",
    symptom="an override at the end of a command does nothing",
    likewise=(first_found,),
)
def settle_options__first(given: Given, defaults: Options) -> dict[str, Any]:
    known(given, defaults)
    found: dict[str, Any] = {}
    for name, value in given:
        found.setdefault(name, value)
    return {**defaults, **found}


@bug(
    "a given 0 or False is no value",
    mistake="a given value that counts as false in Python, such as 0 or False, is replaced by the default",
    symptom="a KL that was switched off with a coefficient of 0 is charged",
)
def settle_options__falsy(given: Given, defaults: Options) -> dict[str, Any]:
    known(given, defaults)
    return {name: dict(given).get(name) or default for name, default in defaults.items()}


@bug(
    "a given None is no value",
    mistake="a given None is replaced by the default, although the config says None",
    symptom="a bound that was taken away is still there",
)
def settle_options__none(given: Given, defaults: Options) -> dict[str, Any]:
    known(given, defaults)
    return {**defaults, **{name: value for name, value in given if value is not None}}


@bug(
    "defaults left out",
    mistake="only what the config gives is returned: options that it leaves silent are not there",
    symptom="a report about the run says nothing of half of its choices",
)
def settle_options__given_only(given: Given, defaults: Options) -> dict[str, Any]:
    known(given, defaults)
    return dict(given)


@bug(
    "a wrong name is added",
    mistake="a name that the framework does not have is added to the options",
    symptom="a misspelled option seems to be set, and nothing reads it",
    wild="every config that is a plain dict or takes further keyword arguments",
)
def settle_options__added(given: Given, defaults: Options) -> dict[str, Any]:
    return {**defaults, **dict(given)}


@bug(
    "a wrong name is dropped",
    mistake="a name that the framework does not have is dropped without a word",
    symptom="a misspelled option does nothing, and nobody is told",
)
def settle_options__dropped(given: Given, defaults: Options) -> dict[str, Any]:
    return {**defaults, **{name: value for name, value in given if name in defaults}}


@bug(
    "the table is changed",
    mistake="the table of defaults is changed in place, so that the next config begins with the values of this one",
    symptom="the second of two configs is read differently when it is read alone",
)
def settle_options__in_place(given: Given, defaults: dict[str, Any]) -> dict[str, Any]:
    known(given, defaults)
    defaults.update(dict(given))
    return defaults
