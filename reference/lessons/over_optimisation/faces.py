"""The four faces of hacking, of recorded files of completions side by side: the numbers that the lesson talks about."""

from collections.abc import Mapping

from reference.evaluation.answers import extract_answer
from reference.evaluation.distinct import expected_distinct
from reference.evaluation.faces_files import Faces, Key, faces
from reference.evaluation.faces_report import common_length, common_problems
from reference.lessons.evaluation.recorded import lines_of, path_of
from reference.teaching.table import table

WIDTH, LONGEST = 16, 80  # tokens: the buckets of a length, and where the last one begins


def right_by_length(name: str) -> dict[str, tuple[float, int]]:
    """Tokens -> share of right completions, and how many completions there are, of a recorded file."""
    found: dict[int, list[bool]] = {}
    for line in lines_of(name):
        for text, cut, tokens in zip(line["completions"], line["truncated"], line["tokens"], strict=True):
            right = extract_answer(text) == int(line["answer"]) and not cut
            found.setdefault(min(tokens // WIDTH * WIDTH, LONGEST), []).append(right)
    return {
        f"{least} to {least + WIDTH - 1} tokens" if least < LONGEST else f"{least} or more": (sum(v) / len(v), len(v))
        for least, v in sorted(found.items())
    }


def faces_of(names: Mapping[str, str]) -> dict[str, Faces]:
    """When -> what is measured of its file in figures/completions."""
    return {when: faces(path_of(name)) for when, name in names.items()}


def show_faces(found: Mapping[str, Faces]) -> None:
    """Print a row for each number, and a column for each file: lengths in tokens, KL in nats, the rest as shares or counts.

    ``equal problems``: right completions of those problems that every file has right at least once. Distinct 3-grams are
    of so many as the file with the fewest has.
    """
    equal = common_problems(list(found.values()))
    count = min(each.ngrams[3].total for each in found.values())
    columns = [cells_of(each, equal, count) for each in found.values()]
    table({name: [cells[name] for cells in columns] for name in columns[0]}, *found)


def cells_of(each: Faces, equal: set[Key], count: int) -> dict[str, str]:
    """Name of a number -> its text."""
    false, checks = each.false_checks
    return {
        "verbosity: tokens of right ones": number(each.lengths.right, 0),
        "  of equal problems": number(common_length(each, equal) if equal else None, 0),
        "style: KL of the first token": number(each.kl[0].mean if each.kl else None, 2),
        "  KL of the first 16 tokens": number(each.kl_beginnings.mean if each.kl_beginnings else None, 2),
        "  distinct 3-grams": number(expected_distinct(each.ngrams[3], count) / count, 3),
        "format: checks per completion": number(each.lines["check"].mean, 2),
        "  checks that are false": number(false / checks if checks else None, 2),
        "  remarks per completion": number(each.lines["remark"].mean, 2),
        "  cut off": number(each.truncated, 2),
        "diversity: pass@1": number(each.pass_1, 2),
        "  pass@8": number(each.pass_k, 2),
        "  different texts among 8": number(each.distinct_texts, 2),
        "  different answers among 8": number(each.distinct_answers, 2),
    }


def number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
