"""What the policies write: completions of one problem before, at and after the peak, side by side."""

import html
import re
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from IPython.display import display

from reference.lessons.evaluation.recorded import lines_of, votes_of_line
from reference.objectives.shapes import InputError

from .experiments import BASIS, PEAK

FILES = {  # when -> its file in figures/completions
    "before": "hacked-base",
    "at the peak": f"hacked-{PEAK}-seed-0",
    "after": f"hacked-{BASIS}-seed-0",
}
SUM = re.compile(r"(-?\d+)([+-])(\d+)=(-?\d+)")
FALSE = "  <- false"


class Sample(NamedTuple):
    """One completion of a problem."""

    when: str
    question: str
    text: str
    right: bool
    truncated: bool
    tokens: int

    @property
    def verdict(self) -> str:
        """Right or wrong, whether the budget cut it off, and its length."""
        words = ["right" if self.right else "wrong", *(["cut off"] if self.truncated else []), f"{self.tokens} tokens"]
        return ", ".join(words)


def samples_of(problem: int, *, sample: int = 0, files: Mapping[str, str] = FILES) -> list[Sample]:
    """The completion with the number ``sample`` of each file for the same problem.

    ``problem``: its number in the first file; in the others it is found by its question. Not chosen by what it says: the
    first sample of a problem is the first that was drawn. Raises ``InputError`` for a problem or a sample that is not there.
    """
    lines = lines_of(next(iter(files.values())))
    if not 0 <= problem < len(lines):
        raise InputError(f"problem is {problem}, expected 0 to {len(lines) - 1}")
    question = lines[problem]["question"]
    return [sample_of(when, lines_of(name), question, sample) for when, name in files.items()]


def sample_of(when: str, lines: Sequence[Mapping[str, Any]], question: str, sample: int) -> Sample:
    line = next((line for line in lines if line["question"] == question), None)
    if line is None:
        raise InputError(
            f"{question!r} is not among the {len(lines)} problems of {when!r}: choose one that all files have"
        )
    count = len(line["completions"])
    if not 0 <= sample < count:
        raise InputError(f"sample is {sample}, expected 0 to {count - 1}: {when!r} has {count} samples of a problem")
    one = {"answer": line["answer"]} | {name: [line[name][sample]] for name in ("completions", "truncated")}
    right = votes_of_line(one, "stated", False).right == 1
    return Sample(when, question, line["completions"][sample], right, line["truncated"][sample], line["tokens"][sample])


def false_sums(text: str) -> list[str]:
    """The sums of a text that are not true, such as 18+2=26, in their order."""
    found = ((match[0], int(match[1]) + int(match[2] + match[3]), int(match[4])) for match in SUM.finditer(text))
    return [written for written, true, said in found if true != said]


def marked(text: str) -> list[str]:
    """The lines of a text, with a mark behind those that have a false sum."""
    return [line + (FALSE if false_sums(line) else "") for line in text.splitlines()]


def as_text(samples: Sequence[Sample], *, width: int = 34) -> str:
    """Columns of ``width`` characters, a completion in each; longer lines go on below."""
    columns = [[s.when, s.verdict, "", *wrapped(marked(s.text), width)] for s in samples]
    rows = zip_longest(*columns, fillvalue="")
    lines = ["  ".join(cell.ljust(width) for cell in row).rstrip() for row in rows]
    return "\n".join([samples[0].question, "", *lines])


def wrapped(lines: Sequence[str], width: int) -> list[str]:
    return [line[i : i + width] for line in lines for i in range(0, max(1, len(line)), width)]


def as_html(samples: Sequence[Sample]) -> str:
    """A column for each completion. No colour of its own, so that it reads in light and dark pages; false sums are
    underlined and say so."""
    cell = "vertical-align:top;text-align:left;padding:0.3em 0.8em;border-left:1px solid currentColor"
    heads = "".join(
        f'<th scope="col" style="{cell}">{html.escape(s.when)}<br><span style="font-weight:normal">{html.escape(s.verdict)}</span>'
        "</th>"
        for s in samples
    )
    bodies = "".join(
        f'<td style="{cell}"><pre style="white-space:pre-wrap;margin:0;background:none;color:inherit">'
        f"{'<br>'.join(map(html_line, s.text.splitlines()))}</pre></td>"
        for s in samples
    )
    caption = f'<caption style="caption-side:top;text-align:left">{html.escape(samples[0].question)}</caption>'
    return f'<table style="background:none;color:inherit">{caption}<tr>{heads}</tr><tr style="background:none">{bodies}</tr></table>'


def html_line(line: str) -> str:
    if not false_sums(line):
        return html.escape(line)
    return f"<u>{html.escape(line)}</u>{html.escape(FALSE)}"


def show_samples(problem: int, *, sample: int = 0, files: Mapping[str, str] = FILES) -> None:
    """Display ``samples_of`` side by side."""
    samples = samples_of(problem, sample=sample, files=files)
    display({"text/html": as_html(samples), "text/plain": as_text(samples)}, raw=True)
