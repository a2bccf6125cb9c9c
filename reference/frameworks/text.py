"""The table of defaults in words: for the command ``frameworks``, and as the page docs/FRAMEWORKS.md."""

import textwrap
from dataclasses import asdict
from typing import Any

from reference.frameworks.defaults import Cell, Framework, newest, spelled
from reference.frameworks.explain import columns_of
from reference.frameworks.settings import settings_of
from reference.frameworks.slots import SLOTS

WIDTH = 100
PAGE_HEADER = """# What each framework does when nothing is said

Made by `python -m reference frameworks --write` from the files in [reference/frameworks/versions](../reference/frameworks/versions). Every line was read from the source of the version that is named, with file and line, by [tests/oracles/record_defaults.py](../tests/oracles/record_defaults.py); `make oracles` reads it again and says what changed. A line without an option is what the code does whatever is set.

In the terminal: `python -m reference frameworks skyrl --slot aggregation`. That the formulas are what they seem is another table: the [oracles](../tests/oracles/README.md).
"""
AT_A_GLANCE = {
    "advantage": "advantage", "ddof": "ddof", "eps": "eps", "kl": "KL", "kl_place": "place", "kl_coef": "coefficient",
    "clip_low": "clip low", "clip_high": "clip high", "dual_clip": "dual clip", "ratio": "ratio", "aggregation": "aggregation",
    "entropy_coef": "entropy", "temperature": "temperature", "lr": "lr",
}  # fmt: skip


def default_columns(framework: Framework, entry: str) -> dict[str, Any]:
    """What the defaults of one trainer amount to, in a recipe's columns."""
    return columns_of(framework, entry, settings_of(framework, entry, {}))


def sentence(cell: Cell) -> str:
    """What the default means; the bare value where nobody has said it."""
    words = cell.words(cell.default)
    return words if words is not None else f"{spelled(cell.default)} (no words for it yet)"


def setting(cell: Cell) -> str:
    return f"{cell.option} = {spelled(cell.default)}" if cell.option else "in the code"


# --- the terminal ---


def overview() -> str:
    """Which frameworks and which slots there are."""
    frameworks = [f"  {name:16}{one.title} {one.version}" for name, one in sorted(newest().items())]
    slots = [f"  {slot:16}{question}" for slot, question in SLOTS.items()]
    return "\n".join(
        [
            "frameworks:",
            *frameworks,
            "",
            "slots:",
            *slots,
            "",
            "python -m reference frameworks skyrl --slot aggregation",
        ]
    )


def report(frameworks: list[Framework], slots: list[str]) -> str:
    """The defaults of these frameworks about these slots, a paragraph per framework and slot."""
    lines: list[str] = []
    for slot in slots:
        told = [framework for framework in frameworks if framework.about(slot)]
        lines += [f"{slot}: {SLOTS[slot]}", ""]
        for framework in told:
            lines += [f"  {framework.title} {framework.version}", *cell_lines(framework.about(slot)), ""]
        silent = [framework.title for framework in frameworks if framework not in told]
        lines += [f"  not recorded of {', '.join(silent)}", ""] if silent else []
    return "\n".join(lines).rstrip()


def cell_lines(cells: list[Cell]) -> list[str]:
    lines = []
    for cell in cells:
        entry = f"{cell.entry}: " if cell.entry else ""
        idle = "" if cell.acts else "does nothing: "
        text = f"{entry}{idle}{sentence(cell)} [{setting(cell)}; {cell.where}]"
        lines += textwrap.wrap(text, WIDTH, initial_indent="    - ", subsequent_indent="      ", break_long_words=False)
    return lines


def as_json(frameworks: list[Framework], slots: list[str]) -> dict[str, Any]:
    """The same for programs: by framework, its version and its cells."""
    return {
        one.name: {"version": one.version, "cells": [asdict(cell) for slot in slots for cell in one.about(slot)]}
        for one in frameworks
    }


# --- the page ---


def page() -> str:
    """docs/FRAMEWORKS.md: at a glance, slot by slot, and what does nothing."""
    frameworks = list(newest().values())
    frameworks.sort(key=lambda one: one.title.lower())
    parts = [PAGE_HEADER, *glance(frameworks)]
    for slot, question in SLOTS.items():
        parts += ["", f"## {slot.capitalize()}", "", question, "", "| | when nothing is said |", "|---|---|"]
        parts += [
            f"| {one.title} {one.version} | {page_cells(one.about(slot))} |" for one in frameworks if one.about(slot)
        ]
    parts += ["", "## Options that are accepted and do nothing", "", "| | option | |", "|---|---|---|"]
    idle = [(one, cell) for one in frameworks for cell in one.cells if not cell.acts]
    parts += [
        f"| {one.title} {one.version} | `{cell.option}` | {plain(sentence(cell))} ({place(cell)}) |"
        for one, cell in idle
    ]
    return "\n".join(parts) + "\n"


def glance(frameworks: list[Framework]) -> list[str]:
    """The default of reinforcement learning in each framework, in the words of our recipes."""
    lines = [
        "",
        "## At a glance",
        "",
        "The first trainer of each, in the words of `python -m reference recipes`. A dash: not one of them, see below.",
        "",
    ]
    lines += [f"| | {' | '.join(AT_A_GLANCE.values())} |", "|---" * (1 + len(AT_A_GLANCE)) + "|"]
    for one in frameworks:
        columns = default_columns(one, one.entries[0])
        cells = [spelled(columns[name]) if name in columns else "—" for name in AT_A_GLANCE]
        lines.append(f"| {one.title} {one.version} | {' | '.join(cells)} |")
    return lines


def page_cells(cells: list[Cell]) -> str:
    return "<br>".join(
        f"{entry_of(cell)}{plain(sentence(cell))} ({option_of(cell)}{place(cell)})" for cell in cells if cell.acts
    )


def entry_of(cell: Cell) -> str:
    return f"{cell.entry}: " if cell.entry else ""


def option_of(cell: Cell) -> str:
    return f"`{cell.option}` = {spelled(cell.default)}; " if cell.option else ""


def place(cell: Cell) -> str:
    return f"`{cell.where}`"


def plain(text: str) -> str:
    """A sentence as a cell of a table takes it."""
    return text.replace("|", "\\|").replace("\n", " ")
