"""The words behind a program on its command line to pairs of option and value: flags, and the overrides of Hydra."""

import itertools
import re
from dataclasses import replace

from reference.configs.option import UNEVALUATED, Draft, Pair
from reference.configs.shell_variables import OR, Text
from reference.configs.values import known_or_not, number, value_of

OVERRIDE = re.compile(r"([+~]{0,2})([\w./@-]+)=(.*)", re.DOTALL)
HYDRA = ("verl", "nemo-rl", "skyrl", "areal")
TRANSFORMERS = ("trl", "ms-swift", "llama-factory", "axolotl")  # their flags follow HfArgumentParser: --no_x is x=False
NO_OPPOSITE = ("no_cuda", "no_load_optim", "no_load_rng", "no_save_optim", "no_save_rng")  # are options themselves
FILES = ("config", "config_file", "--config", "--config-file", "--config-name")  # options that name a config


def read_words(words: list[Text], *, framework: str, where: str) -> Draft:
    """All pairs of a command line, in their order; words that are no option are noted."""
    overrides = framework in HYDRA or (framework == "llama-factory" and not any(is_flag(word) for word in words))
    draft = Draft()
    for blank in [word for word in words if word.text.isspace()]:
        draft.notes.append(
            f"line {blank.line}: a space stands behind the backslash, so the command ends there; "
            "the lines that were meant to belong to it were not read"
        )
    words = [word for word in words if not word.text.isspace()]
    place = 0
    while place < len(words):
        first, place = words[place], place + 1
        override = OVERRIDE.fullmatch(first.text) if overrides and not is_flag(first) else None
        if override:
            add_override(draft, override, first, where=where)
        elif is_flag(first):
            count = values_behind(words, place, overrides=overrides) if "=" not in first.text else 0
            draft.pairs.append(flag_pair(first, words[place : place + count], framework=framework, where=where))
            place += count
        elif first.text.endswith((".yaml", ".yml", ".json")):
            draft.files.append(Pair("", first.text, first.text, first.line, where))
        elif not first.known:
            draft.notes.append(f"line {first.line}: `{short(first.text)}` may hold more options, which are not known")
        elif first.text:
            draft.notes.append(f"line {first.line}: `{short(first.text)}` is no option, and was not read")
    draft.pairs = [replace(pair, text=pair.text.replace(OR, " or ")) for pair in draft.pairs]
    draft.files += [pair for pair in draft.pairs if pair.key in FILES]
    return draft


def is_flag(word: Text) -> bool:
    return word.text.startswith("-") and len(word.text) > 1 and number(word.text) is None and word.text[1] not in " ["


def values_behind(words: list[Text], place: int, *, overrides: bool) -> int:
    """How many words belong to a flag. One where overrides may follow; else all up to the next flag."""
    count = 0
    for word in itertools.islice(words, place, None):
        if is_flag(word) or (count and not word.known and word.text.startswith("$")):
            break
        if overrides and (count or OVERRIDE.fullmatch(word.text)):
            break
        count += 1
    return count


def flag_pair(flag: Text, values: list[Text], *, framework: str, where: str) -> Pair:
    key, equals, text = flag.text.partition("=")
    known = flag.known and all(word.known for word in values)
    if equals:
        value = known_or_not(text, flag.known)
    elif len(values) == 1:
        text, value = values[0].text, known_or_not(values[0].text, known)
    elif values:
        text = " ".join(word.text for word in values)
        value = [value_of(word.text) for word in values] if known else UNEVALUATED
    else:
        text, value = key, True
    conditional = flag.conditional or any(word.conditional for word in values)
    key, is_no = flag_key(key, bare=not equals and not values, framework=framework)
    return Pair(key, False if is_no else value, text, flag.line, where, conditional)


def flag_key(key: str, *, bare: bool, framework: str) -> tuple[str, bool]:
    """The name of an option without its dashes, and whether the flag switches it off."""
    if framework in HYDRA:
        return (key if key.startswith("--config") else key.lstrip("-")), False
    key = key.lstrip("-")
    if framework not in TRANSFORMERS:
        return key, False
    key = key.replace("-", "_")
    return (key[3:], True) if bare and key.startswith("no_") and key not in NO_OPPOSITE else (key, False)


def add_override(draft: Draft, override: re.Match[str], word: Text, *, where: str) -> None:
    """``a.b=c``; ``+`` and ``++`` add an option that the config of the framework does not have, ``~`` takes one away."""
    signs, key, text = override.groups()
    if signs.startswith("~"):
        draft.notes.append(f"line {word.line}: ~{key} takes this option out of the config")
        return
    draft.pairs.append(Pair(key, known_or_not(text, word.known), text, word.line, where, word.conditional))


def short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
