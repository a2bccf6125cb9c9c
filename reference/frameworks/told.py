"""An explanation in words: the answers, what was left silent, what surprises, what was not understood."""

import textwrap
from typing import Any

from reference.configs.option import UNEVALUATED
from reference.frameworks.defaults import same, spelled
from reference.frameworks.explain import Explanation
from reference.frameworks.settings import Setting
from reference.frameworks.slots import SLOTS
from reference.frameworks.waiting import waits

WIDTH = 104


def told(one: Explanation, *, all_options: bool = False) -> str:
    """The whole of it, for a terminal."""
    parts = [
        heading(one),
        questions(one),
        answers(one),
        *silent(one, all_options=all_options),
        *listed("surprises", [f"{s.text} ({s.lesson})" for s in one.surprises]),
    ]
    parts += not_understood(one)
    if one.unrelated:
        names = ", ".join(one.unrelated) if all_options else f"{len(one.unrelated)} options (--all names them)"
        parts += listed("says nothing about these questions", [names])
    return "\n\n".join([*parts, *listed("notes", one.notes)])


def not_understood(one: Explanation) -> list[str]:
    """Options that this version does not have, and values that nobody has explained."""
    version = f"{one.framework.title} {one.framework.version}"
    lines = [
        f"{name}: no option of {version}" + (f"; did you mean {near}?" if near else "")
        for name, near in one.strange.items()
    ]
    if lines:
        lines.insert(
            0,
            f"options that {version} does not have are of another version or a fork: what they do is not in the answers",
        )
    return listed("not understood", lines + [f"{s.cell.option}: {s.strange}" for s in one.settings if s.strange])


def heading(one: Explanation) -> str:
    lines = [f"{one.name}: {one.framework.title} {one.framework.version}" + (f", {one.entry}" if one.entry else "")]
    if one.nearest is None:
        later = " and ".join(column for column in ("advantage", "loss") if one.columns.get(column) is UNEVALUATED)
        return "\n".join([*lines, f"the nearest recipe depends on what is known only when it runs: {later}"])
    lines.append(f"nearest recipe: {one.nearest}" + ("" if one.differs else ", and nothing that differs from it"))
    lines += [
        f"  {column}: {spelled(theirs)}, where {one.nearest} has {spelled(ours)}"
        for column, (ours, theirs) in one.differs.items()
    ]
    return "\n".join(lines)


def questions(one: Explanation) -> str:
    """The five questions, and the advantage."""
    width = max(map(len, one.answers)) + 2
    return "\n".join(["in short", *(wrapped(f"{name:{width}}{answer}", 2) for name, answer in one.answers.items())])


def answers(one: Explanation) -> str:
    """Slot by slot, what the config itself says."""
    lines = ["what it says"]
    for slot in SLOTS:
        said = [setting for setting in one.settings if setting.cell.slot == slot and setting.option]
        lines += [f"  {slot}", *(wrapped(given(setting), 4) for setting in said)] if said else []
    return "\n".join(lines if len(lines) > 1 else ["it says nothing about these questions: every answer is a default"])


def given(setting: Setting) -> str:
    idle = "" if setting.cell.acts else "does nothing: "
    line = setting.option.line if setting.option else "?"
    return f"- {idle}{setting.words} [{setting.cell.option} = {spelled_value(setting)}, line {line}]"


def in_the_code(one: Explanation) -> list[str]:
    """What no option changes."""
    fixed = [setting for setting in one.settings if not setting.cell.option]
    lines = [f"{s.cell.slot}: {s.words} [{s.cell.where}]" for s in fixed]
    return listed(f"what no option of {one.framework.title} {one.framework.version} changes", lines)


def spelled_value(setting: Setting) -> str:
    return spelled(setting.value) if setting.known else (setting.option.text if setting.option else "?")


def silent(one: Explanation, *, all_options: bool = False) -> list[str]:
    """Every default that was left unsaid; those that wait for another option by their names alone, if not asked for."""
    found = [s for s in one.settings if s.option is None and s.cell.option and s.cell.acts]
    waiting = [] if all_options else [s for s in found if waits(s, one.settings)]
    lines = [
        f"{s.cell.slot}: {s.words} [{s.cell.option} = {spelled(s.value)}, {s.cell.where}]"
        for s in found
        if s not in waiting
    ]
    if waiting:
        names = ", ".join(dict.fromkeys(str(s.cell.option) for s in waiting))
        lines.append(f"without effect until another option is set (--all says what they are): {names}")
    return listed(f"left silent, so the defaults of {one.framework.title} {one.framework.version}", lines)


def listed(title: str, lines: list[str]) -> list[str]:
    return ["\n".join([title, *(wrapped(f"- {line}", 2) for line in lines)])] if lines else []


def wrapped(text: str, indent: int) -> str:
    first, rest = " " * indent, " " * (indent + 2)
    return textwrap.fill(
        text, WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )


def as_json(one: Explanation) -> dict[str, Any]:
    """The same for programs."""
    return {
        "name": one.name, "framework": one.framework.name, "version": one.framework.version, "entry": one.entry,
        "nearest": one.nearest, "differs": {column: {"recipe": ours, "config": theirs} for column, (ours, theirs) in one.differs.items()},
        "answers": one.answers, "columns": one.columns,
        "settings": [
            {"slot": s.cell.slot, "option": s.cell.option, "value": s.value if s.known else None, "known": s.known,
             "given": s.option is not None, "line": s.option.line if s.option else None, "default": s.cell.default,
             "where": s.cell.where, "acts": s.cell.acts, "says": s.words}
            for s in one.settings
        ],
        "surprises": [{"text": s.text, "lesson": s.lesson} for s in one.surprises],
        "not_understood": one.strange, "unrelated": one.unrelated, "notes": one.notes,
    }  # fmt: skip


def side_by_side(one: Explanation, other: Explanation) -> str:
    """Two configs, column by column: first where they differ, then where they agree."""
    names = [*dict.fromkeys([*one.columns, *other.columns])]
    agree = [name for name in names if equal(one, other, name)]
    different = [(name, text_of(one, name), text_of(other, name)) for name in names if name not in agree]
    head = ("", f"{one.name} ({one.framework.title})", f"{other.name} ({other.framework.title})")
    widths = [max(len(row[i]) for row in [head, *different]) for i in range(3)]
    table = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [head, *different]
    ]
    parts = [
        "\n".join(table) if different else "no difference in any column",
        *listed("the same in both", [", ".join(agree)] if agree else []),
    ]
    for each in (one, other):
        parts += listed(f"not understood in {each.name}", list(each.strange))
    return "\n\n".join(parts)


def equal(one: Explanation, other: Explanation, column: str) -> bool:
    """1 is 1.0, and true is not 1."""
    if column not in one.columns or column not in other.columns:
        return False
    return same(one.columns[column], other.columns[column])


def text_of(one: Explanation, column: str) -> str:
    return spelled(one.columns[column]) if column in one.columns else "not said"
