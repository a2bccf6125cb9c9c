"""Completions with their gold answers, from the files that evaluation tools and trainers write.

One line is one completion, or one problem with a list of them. Which field holds what is guessed from the usual names
(lm-eval, lighteval, GSM8K, verl's rollout dumps, TRL, OpenAI's messages), once per file, and said in the report
(``completion_reading``).
"""

import os
from collections.abc import Iterator
from typing import Any

from reference.evaluation import completion_fields as kinds
from reference.evaluation.answers import read_number
from reference.evaluation.completion_reading import Golds, Reading, Record, completions_in, found, rows_of
from reference.evaluation.completion_texts import (
    flags_of,
    golds_of,
    lengths_of,
    log_ratios_of,
    plain,
    protocol_of,
    question_of,
    same_words,
)
from reference.evaluation.file_lines import NOT_JSON
from reference.evaluation.judging import compared
from reference.evaluation.printable import file_name, printable
from reference.objectives.shapes import InputError


def reading_of(
    path: str | os.PathLike[str],
    fields: dict[str, str] | None = None,
    gold: str | os.PathLike[str] | None = None,
    *,
    progress: bool = True,
) -> Reading:
    """How a file is to be read: with names of fields that are given, and with the gold answers of another file.

    Raises ``InputError`` for a kind of field that there is not, and where the other file has no gold answers.
    """
    if (fields or {}).keys() - kinds.NAMES.keys():
        raise InputError(f"fields={fields}, expected fields of {', '.join(kinds.NAMES)}")
    golds = None if gold is None else read_golds(os.fspath(gold), fields or {}, progress=progress)
    return Reading(os.fspath(path), dict(fields or {}), golds=golds)


def read_completions(reading: Reading, *, progress: bool = True) -> Iterator[Record]:
    """The lines that can be scored, one after another. ``reading`` is filled on the way, also with what cannot.

    With ``reading.golds`` the gold answers of the lines themselves are not looked at. Raises ``InputError`` at the end
    if no line could be scored: it names the reason, and the option that helps.
    """
    good = 0
    for line, row in rows_of(reading.path, reading.trouble, progress=progress):
        reading.sample_fields = reading.sample_fields or [str(name) for name in row]
        record = record_of(row, line, reading)
        if record and accepted(record, row, reading):
            protocol = protocol_of(row)
            if not good:
                reading.protocol = protocol
            elif protocol != reading.protocol:
                reading.trouble.note(kinds.OTHER_PROTOCOL, line)
            good += 1
            yield record
    if not good:
        raise InputError(nothing_read(reading))


def record_of(row: dict[str, Any], line: int, reading: Reading) -> Record | None:
    """A line as a record; None, and a note, where something is missing."""
    golds = (
        () if reading.golds else found(row, "answer", reading, golds_of)
    )  # first, since no field is gold and completion
    leaves = completions_in(row, reading)
    if not leaves:
        reading.trouble.note(kinds.NO_COMPLETION, line)
        return None
    identity, question = found(row, "id", reading, plain), found(row, "question", reading, question_of) or ""
    if reading.golds:
        golds = reading.golds.of(identity, question)
    if not golds:
        reading.trouble.note(kinds.NO_GOLD, line)
        return None
    texts, flags = [text or "" for text, _ in leaves], flags_of(row, len(leaves))
    ratios = log_ratios_of(row, len(leaves))
    for kind, strange in (
        (kinds.NO_TEXT, any(text is None for text, _ in leaves)), (kinds.FLAGS_UNUSED, flags is None),
        (kinds.RATIOS_UNUSED, ratios is None and row.get("log_ratios") is not None),
        (kinds.LONG_TEXT, max(map(len, texts)) > kinds.MOST_CHARACTERS),
        (kinds.TEXT_GOLD, all(read_number(gold) is None for gold in golds)),
    ):  # fmt: skip
        if strange:
            reading.trouble.note(kind, line)
    cut = [cut or flag for (_, cut), flag in zip(leaves, flags or [False] * len(leaves), strict=True)]
    return Record(
        line=line, key=identity or same_words(question) or f"line {line}", question=question, golds=golds,
        completions=texts, truncated=cut, tokens=lengths_of(row, len(leaves)), log_ratios=ratios,
    )  # fmt: skip


def accepted(record: Record, row: dict[str, Any], reading: Reading) -> bool:
    """Whether a line fits to the earlier ones of its problem; what is strange about it is noted."""
    note, question = reading.trouble.note, hash(same_words(record.question))
    rule = plain(row.get("filter")) if "resps" in row else None
    golds, first_question, first_rule = reading.problems.setdefault(record.key, (record.golds, question, rule))
    fingerprint = hash((record.key, record.question, *record.completions))
    new = golds is record.golds
    if rule != first_rule:
        note(kinds.OTHER_FILTER, record.line)
        return False
    if golds != record.golds and set(map(compared, golds)) != set(map(compared, record.golds)):
        note(kinds.OTHER_GOLD, record.line)
        return False
    if fingerprint in reading.lines_seen and len(record.completions) > 1:
        note(kinds.REPEATED_LIST, record.line)  # one completion may well be drawn twice, a list of them is a copy
        return False
    if fingerprint in reading.lines_seen:
        note(kinds.REPEATED, record.line)
    elif not new and len(record.completions) > 1:
        note(kinds.SECOND_LIST, record.line)
    if record.question and reading.questions.setdefault(question, record.key) != record.key:
        note(kinds.OTHER_ID, record.line)
    if question != first_question:
        note(kinds.OTHER_QUESTION, record.line)
    reading.lines_seen.add(fingerprint)
    return True


def read_golds(path: str, fields: dict[str, str], *, progress: bool = True) -> Golds:
    """The gold answers of another file. ``fields``: names of fields that are given, not guessed."""
    reading = Reading(path, {role: name for role, name in fields.items() if role != "completion"})
    golds = Golds({}, reading)
    for line, row in rows_of(path, reading.trouble, progress=progress):
        reading.sample_fields = reading.sample_fields or [str(name) for name in row]
        identity, question = found(row, "id", reading, plain), found(row, "question", reading, question_of)
        own = found(row, "answer", reading, golds_of)
        if not own or not (identity or question):
            reading.trouble.note(kinds.NO_GOLD, line)
            continue
        for kind, key in (("id", identity), ("question", same_words(question or ""))):
            first = golds.answers.setdefault((kind, key), own) if key else own
            if first != own and set(map(compared, first)) != set(map(compared, own)):
                reading.trouble.note(kinds.OTHER_GOLD, line)
    if not golds.answers:
        raise InputError(nothing_read(reading))
    return golds


def nothing_read(reading: Reading) -> str:
    """Why no line could be scored, in one sentence with what helps."""
    has = "the first line has " + ", ".join(printable(name, 40) for name in reading.sample_fields[:12])
    if not reading.trouble.counts:
        return f"{file_name(reading.path)} is empty: expected JSON objects, one in each line, as in {kinds.EXAMPLE}"
    kind, count = reading.trouble.counts.most_common(1)[0]
    start = f"nothing in {file_name(reading.path)} could be scored ({kind}: {count})"
    if kind == kinds.NO_COMPLETION:
        return f"{start}: name the field of the completions with --completion; {has}"
    if kind == kinds.NO_GOLD and reading.golds:
        return f"{start}: no id and no question of this file is in the file of the gold answers; {has}"
    if kind == kinds.NO_GOLD:
        return f"{start}: name the field with --answer, or the file of the answers with --gold; {has}"
    begins = f"; the first such line begins with {printable(reading.trouble.no_json, 60)}" if kind == NOT_JSON else ""
    return f"{start}: expected JSON objects, one in each line, as in {kinds.EXAMPLE}{begins}"
