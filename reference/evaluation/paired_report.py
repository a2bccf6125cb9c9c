"""What ``score`` prints of two files: the difference on the same problems, and what can be claimed."""

from collections.abc import Sequence

from reference.evaluation.paired import Paired
from reference.evaluation.printable import file_name, percent, table
from reference.evaluation.scores import Scores


def paired_report(first: Scores, second: Scores, rows: Sequence[Paired]) -> str:
    """The comparison of two files, a line for each extractor, and what can be claimed."""
    one = rows[0]
    cells = [("extractor", "first", "second", "difference", "95 % interval", "first better", "second better", "p")]
    for row in rows:
        low, high = (f"{100 * value:+.1f}" for value in row.interval)
        cells.append((row.extractor, percent(row.first), percent(row.second), f"{100 * row.difference:+.1f}",
                      f"[{low}, {high}]", str(row.first_better), str(row.second_better), f"{row.p_value:.2g}"))  # fmt: skip
    several = max(*first.samples, *second.samples) > 1
    test = (
        "p: exact sign test on the problems of which one file has the larger share of right completions"
        if several else "p: exact McNemar test on the problems that only one file solves"
    )  # fmt: skip
    left_out = (
        f"Left out: {one.only_in_first} problems only in the first file, {one.only_in_second} only in the second, "
        f"{one.other_gold} with another gold answer in the other file"
    )
    title = (
        f"{file_name(second.reading.path)} (second) against {file_name(first.reading.path)} (first), on "
        f"{one.problems} problems of the same id. Difference: second minus first, in points"
    )
    return "\n".join([title, *table(cells), test + "; interval: bootstrap over problems", left_out, *claims(rows)])


def claims(rows: Sequence[Paired]) -> list[str]:
    """What can be said of two files: under which extractors one is better, and under which neither."""
    better = [
        f"{row.extractor}: the {'second' if row.difference > 0 else 'first'} file is better by "
        f"{100 * abs(row.difference):.1f} points"
        for row in rows if row.claim
    ]  # fmt: skip
    neither = ", ".join(row.extractor for row in rows if not row.claim)
    return better + [f"{neither}: neither file can be called better"] * bool(neither)
