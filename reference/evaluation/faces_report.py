"""What ``faces`` prints: a row for each number, a column for each file; and the same as JSON."""

from collections.abc import Callable, Sequence
from math import isnan
from typing import Any

from reference.evaluation.distinct import expected_distinct
from reference.evaluation.faces import Mean
from reference.evaluation.faces_files import NGRAMS, Faces, Key
from reference.evaluation.printable import counted, file_name, percent, printable, table
from reference.evaluation.score_report import trouble_lines
from reference.objectives.shapes import InputError

POSITIONS = (1, 2, 4, 8, 16)  # whose KL is printed; JSON has them all
Row = tuple[str, Callable[[Faces], str]]


def faces_table(files: Sequence[Faces]) -> str:
    """Several files side by side. What depends on how much there is, is compared for as much as every file has.

    Distinct n-grams are those of so many as the file with the fewest has. Lengths are also given for the problems that
    every file has right. Raises ``InputError`` for no file, and for files that were measured with different k.
    """
    if not files or len({found.k for found in files}) > 1:
        raise InputError(f"k is {[found.k for found in files]}, expected at least one file, and one k for all of them")
    heads = [f"{place}  {file_name(found.reading.path)}{made(found)}" for place, found in enumerate(files, start=1)]
    rows = [("", *(str(place) for place in range(1, len(files) + 1)))]
    for title, section in sections(files):
        rows += [(title, *("" for _ in files))] + [(f"  {name}", *map(of, files)) for name, of in section]
    trouble = [f"In file {i}. {words}" for i, found in enumerate(files, 1) if (words := trouble_lines(found.reading))]
    lines = [line.rstrip() for line in table(rows)]
    return "\n\n".join(["\n".join(heads), "\n".join(lines), *trouble, *notes(files)])


def made(found: Faces) -> str:
    """Whose completions they are, and with what they are compared, where the file says it."""
    protocol = found.reading.protocol or {}
    words = [f"{name} {protocol[name]}" for name in ("model", "against") if name in protocol]
    return f"  ({printable(', '.join(words), 120)})" if words else ""


def sections(files: Sequence[Faces]) -> list[tuple[str, list[Row]]]:
    return [
        ("all", [("problems", lambda f: str(f.problems)), ("completions", lambda f: str(f.completions))]),
        ("verbosity", verbosity(files)),
        ("style", [*style(files), *distinct(files)]),
        ("format", form()),
        ("diversity", diversity(files[0].k)),
    ]


def verbosity(files: Sequence[Faces]) -> list[Row]:
    everywhere = common_problems(files)
    rows: list[Row] = [
        ("length of right ones", lambda f: in_unit(f.lengths.right, f)),
        ("length of wrong ones", lambda f: in_unit(f.lengths.wrong, f)),
    ]
    if len(files) > 1 and everywhere:
        name = f"length of right ones, {counted(len(everywhere), 'problem')} that all have right"
        rows.append((name, lambda f: in_unit(common_length(f, everywhere), f)))
    return rows


def common_problems(files: Sequence[Faces]) -> set[Key]:
    """The problems to which every file has a right completion."""
    return set.intersection(*(set(found.right_lengths) for found in files))


def common_length(found: Faces, problems: set[Key]) -> float:
    """Mean over these problems of the mean length of their right completions."""
    return sum(found.right_lengths[key] for key in problems) / len(problems)


def in_unit(length: float | None, found: Faces) -> str:
    return "-" if length is None else f"{length:.1f} {found.unit}"


def style(files: Sequence[Faces]) -> list[Row]:
    longest = max(found.beginning for found in files)
    rows: list[Row] = [(f"KL at token {t}, nats", kl_at(t)) for t in POSITIONS if t <= longest]
    if longest:
        rows.append((f"KL of the first {longest} tokens, nats", lambda f: with_error(f.kl_beginnings)))
    return rows


def kl_at(position: int) -> Callable[[Faces], str]:
    return lambda f: with_error(f.kl[position - 1] if f.kl and position <= len(f.kl) else None)


def with_error(found: Mean | None) -> str:
    if found is None:
        return "-"
    return f"{found.mean:.4f}" + ("" if isnan(found.error) else f" ± {found.error:.4f}")


def distinct(files: Sequence[Faces]) -> list[Row]:
    rows: list[Row] = []
    for n in NGRAMS:
        count = fewest(files, n)
        if count:
            rows.append((f"distinct {n}-grams of {count:,}", share_of(n, count)))
    return rows


def fewest(files: Sequence[Faces], n: int) -> int:
    """The n-grams of the file that has the fewest."""
    return min(found.ngrams[n].total for found in files)


def share_of(n: int, count: int) -> Callable[[Faces], str]:
    return lambda f: f"{100 * expected_distinct(f.ngrams[n], count) / count:.2f} %"


def form() -> list[Row]:
    rows: list[Row] = []
    for kind in ("opening", "check", "restart", "remark"):
        rows += [
            (f"with a line of {kind}", of_kind(kind, "share")),
            (f"  {kind}s per completion", of_kind(kind, "mean")),
        ]
    return [
        *rows,
        ("checks whose sum is false", lambda f: "-" if not f.false_checks[1] else percent(f.false_checks[0] / f.false_checks[1])),
        ("lines that repeat an earlier one", lambda f: percent(f.repeated_lines)),
        ("states an answer", lambda f: percent(f.answered)),
        ("truncated", lambda f: percent(f.truncated)),
    ]  # fmt: skip


def of_kind(kind: str, what: str) -> Callable[[Faces], str]:
    if what == "share":
        return lambda f: percent(f.lines[kind].share)
    return lambda f: f"{f.lines[kind].mean:.2f}"


def diversity(k: int) -> list[Row]:
    return [
        ("pass@1", lambda f: percent(f.pass_1)),
        *([] if k == 1 else [(f"pass@{k}", lambda f: "-" if f.pass_k is None else percent(f.pass_k))]),
        (f"different completions among {k}", lambda f: decimal(f.distinct_texts)),
        (f"different answers among {k}", lambda f: decimal(f.distinct_answers)),
    ]


def decimal(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def notes(files: Sequence[Faces]) -> list[str]:
    """What is left out, and of which file."""
    return [
        f"File {place}: {counted(found.too_few, 'problem')} with fewer than {found.k} completions, left out of pass@{found.k} "
        f"and of what differs among {found.k}"
        for place, found in enumerate(files, start=1) if found.too_few
    ]  # fmt: skip


def faces_json(files: Sequence[Faces]) -> dict[str, Any]:
    """Everything about each file. ``distinct_ngrams``: shares of all n-grams of the file, and for as many as every file has."""
    return {
        "problems_all_have_right": len(common_problems(files)),
        "files": [one_file(found, files) for found in files],
    }


def one_file(found: Faces, files: Sequence[Faces]) -> dict[str, Any]:
    everywhere = common_problems(files)
    left = found._asdict() | {"lengths": found.lengths._asdict(), "false_checks": list(found.false_checks)}
    for name in ("reading", "ngrams", "right_lengths"):
        left.pop(name)
    return {"file": found.reading.path, "protocol": found.reading.protocol} | left | {
        "kl": None if found.kl is None else [mean_json(mean) for mean in found.kl],
        "kl_beginnings": None if found.kl_beginnings is None else mean_json(found.kl_beginnings),
        "lines": {kind: use._asdict() for kind, use in found.lines.items()},
        "right_length_where_all_are_right": common_length(found, everywhere) if everywhere else None,
        "distinct_ngrams": {str(n): shares(found, n, fewest(files, n)) for n in NGRAMS},
    }  # fmt: skip


def mean_json(found: Mean) -> dict[str, Any]:
    """JSON has no NaN."""
    return found._asdict() | {"error": None if isnan(found.error) else found.error}


def shares(found: Faces, n: int, count: int) -> dict[str, Any]:
    times = found.ngrams[n]
    return {
        "ngrams": times.total, "share": times.distinct / times.total if times.total else None,
        "compared": count, "share_of_compared": expected_distinct(times, count) / count if count else None,
    }  # fmt: skip
