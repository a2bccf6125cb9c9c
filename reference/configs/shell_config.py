"""The command of a shell script that starts a training, and its options."""

import re
from pathlib import Path

from reference.configs.config_text import read_text
from reference.configs.flags import OVERRIDE, read_words, short
from reference.configs.option import Draft
from reference.configs.parents import find
from reference.configs.shell_blocks import Command, Script
from reference.configs.shell_lines import read_script
from reference.configs.shell_variables import Text
from reference.configs.which_framework import NOT_TRAINING, framework_of_keys, names_package, program_of
from reference.configs.yaml_config import read_yaml
from reference.objectives.shapes import InputError

SFT = re.compile(r"(^|[^a-z])(sft|pt|rm|reward)([^a-z]|$)")


def read_shell(text: str, path: Path, *, framework: str | None) -> Draft:
    """The command that starts a training, of several the first that is no supervised one; the others are noted."""
    script = read_script(text)
    found = starts(script.commands, path, framework)
    if not found:
        found = starts(commands_in_strings(script), path, framework)
    draft = Draft(notes=script.shell.notes)
    if not found:
        return draft
    chosen = min(found, key=lambda start: (bool(SFT.search(start[2])), start[0].conditional, start[3]))
    command, draft.framework, draft.entry, place = chosen
    if draft.entry == "verl.trainer.main":
        raise InputError(
            f"{path.name} starts verl.trainer.main, the program of EasyR1: this fork of verl has options of its own "
            "(worker.actor...), which are not known here"
        )
    for other in found:
        if other is not chosen:
            draft.notes.append(f"line {other[0].line}: `{short(other[2])}` is started too; its options were not read")
    if command.conditional:
        draft.notes.append(f"line {command.line}: the command stands inside of a condition, and was read as if it held")
    words = read_words(command.words[place:], framework=draft.framework, where=path.name)
    draft.pairs, draft.files, draft.notes = words.pairs, words.files, [*draft.notes, *words.notes]
    if draft.entry.endswith(".sh"):
        draft.notes.append(f"line {command.line}: {draft.entry} is another script, whose own options were not read")
    note_variables(draft, script, command.words[place:])
    return draft


def starts(commands: list[Command], path: Path, framework: str | None) -> list[tuple[Command, str, str, int]]:
    """Every command that starts a training: with its framework, its program, and where its options begin."""
    found = []
    for command in commands:
        words = [word.text for word in command.words]
        program = program_of(words)
        if program is None:
            program = program_by_options(command.words, path, framework)
        if program is not None:
            refuse_other(command, program, framework)
            found.append((command, framework or program[0], program[1], program[2]))
    return found


def refuse_other(command: Command, program: tuple[str, str, int], framework: str | None) -> None:
    """A program whose name says whose it is, against another name on the command line."""
    if framework not in (None, program[0]) and names_package(program[1], program[0]):
        raise InputError(
            f"line {command.line} starts {program[1]}, a program of {program[0]}, and --framework {framework} was given: "
            "leave --framework out"
        )


def program_by_options(words: list[Text], path: Path, framework: str | None) -> tuple[str, str, int] | None:
    """A program of the user's own, whose options say what reads them."""
    texts = [word.text for word in words]
    place = next(
        (
            place
            for place, text in enumerate(texts)
            if re.fullmatch(r"(?![-+\[])\S+\.(py|sh)", text) and "=" not in text
        ),
        None,
    )
    module = next((place + 1 for place, text in enumerate(texts[:-1]) if text in ("-m", "--module")), None)
    place = module if place is None or (module is not None and module < place) else place
    if place is None or NOT_TRAINING.fullmatch(texts[place].rsplit("/")[-1]):
        return None
    behind = words[place + 1 :]
    keys = {match[2] for word in behind if (match := OVERRIDE.fullmatch(word.text)) and word.text[0] != "-"}
    keys |= {word.text.lstrip("-").partition("=")[0].replace("-", "_") for word in behind if word.text.startswith("--")}
    found = framework or framework_of_keys(keys) or framework_of_file(behind, path)
    return (found, texts[place], place + 1) if found else None


def framework_of_file(words: list[Text], path: Path) -> str | None:
    """The framework that the file behind ``--config`` belongs to, if it is there."""
    places = [
        place for place, word in enumerate(words[:-1]) if word.text in ("--config", "--config_file", "--config-name")
    ]
    file = find(words[places[0] + 1].text, path, "") if places else None
    try:
        return (
            framework_of_keys([pair.key for pair in read_yaml(read_text(file), where=file.name).pairs])
            if file
            else None
        )
    except InputError:
        return None


def commands_in_strings(script: Script) -> list[Command]:
    """Commands that stand in a variable, as scripts do that hand them to a scheduler: ``COMMAND="uv run ..."``."""
    found = []
    for text in [*script.shell.scalars.values(), *script.shell.handed]:
        if " " in text.text:
            inner = read_script(text.text, first_line=text.line)
            found += inner.commands
    return found


def note_variables(draft: Draft, script: Script, words: list[Text]) -> None:
    """What the values hang on: variables of the environment, loops, conditions."""
    outside = sorted(script.shell.decided.union(*(word.outside for word in words)))
    if outside:
        draft.notes.append(
            f"variables that can be set outside were read with the script's own defaults: {', '.join(outside)}"
        )
    conditional = [pair.key for pair in draft.pairs if pair.conditional]
    if conditional:
        draft.notes.append(f"these options are there only under a condition of the script: {', '.join(conditional)}")
    draft.notes += [
        note for name, note in script.shell.loops.items() if any(f"${name}" in pair.text for pair in draft.pairs)
    ]
