"""The comments of an exported config: what it is, what each option is in our words, what is close and not the same."""

import textwrap
from collections.abc import Callable
from typing import Any

from reference.frameworks.exporters.inverse import by_option
from reference.frameworks.exporters.parts import Exported
from reference.frameworks.slots import SLOTS

WIDTH = 110


def title(exported: Exported) -> str:
    framework = exported.framework
    return f"{exported.recipe.title} ({exported.recipe.source}) for {framework.title} {framework.version}."


def header(exported: Exported) -> list[str]:
    """Lines that stand at the top of the file."""
    command = f"python -m reference export {exported.recipe.name} --to {exported.framework.name}"
    lines = [f"Written by {command}: every option that decides the algorithm is here, also where it has its default.",
             "What you have to fill in is marked."]  # fmt: skip
    return [
        part for line in [*lines, *(f"Note: {note}." for note in exported.notes)] for part in textwrap.wrap(line, WIDTH)
    ]


def commented(exported: Exported, spell: Callable[[str, Any], list[str]], *, indent: int) -> list[str]:
    """The options by slot, each under what it is in our words. ``spell``: its lines, from its name and its value."""
    cells, margin, lines = by_option(exported.framework, exported.entry), " " * indent, []
    said = words_of(exported)
    ordered: list[tuple[str, str]] = [
        (slot, option)
        for slot in SLOTS
        for option in cells
        if option in exported.options and cells[option][0].slot == slot
    ]
    ordered += [("", option) for option in exported.options if option not in cells]
    slot_before = None
    for slot, option in ordered:
        value = exported.options[option]
        if slot != slot_before:
            lines += [f"{margin}# --- {slot or 'also'} ---"]
            slot_before = slot
        lines += comment(said[option], margin)
        lines += [margin + line for line in spell(option, value)]
    lines += [f"{margin}# --- how much of it ---"] if exported.extras else []
    for option, (words, value) in exported.extras.items():
        lines += [*comment(words, margin), *(margin + line for line in spell(option, value))]
    return lines


def words_of(exported: Exported) -> dict[str, str]:
    """What each option is: in the words of its exporter where it has some, else in those of the table."""
    cells = by_option(exported.framework, exported.entry)
    found = {
        option: "; ".join(dict.fromkeys(filter(None, (cell.words(value) for cell in cells.get(option, ())))))
        for option, value in exported.options.items()
    }
    return (
        found
        | {option: said for option, (said, _) in exported.extras.items()}
        | {option: said for option, said in exported.said.items() if option in exported.options}
    )


def comment(text: str, margin: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=f"{margin}# ", subsequent_indent=f"{margin}# ") if text else []
