"""What goes wrong when the answer is taken out of a completion: where it is looked for."""

import re
from fractions import Fraction

from reference.evaluation.answers import read_number
from reference.teaching.bug import bug

MARK = "Answer:"
NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:/\d+)?")


def numbers_in(text: str) -> list[Fraction]:
    """Everything in the text that can be read as a number, in order."""
    found = (read_number(number.rstrip(",")) for number in NUMBER.findall(text))
    return [number for number in found if number is not None]


def last_line(text: str) -> str:
    """What stands behind the last mark, up to the end of its line. "" without a mark."""
    return text.rpartition(MARK)[2].partition("\n")[0] if MARK in text else ""


@bug(
    "the first number",
    mistake="the first number of the text is taken, whether it is declared or not",
    symptom="completions that show their steps score next to nothing, and those that only answer score well",
    likewise=(
        lambda text: Fraction(found[0]) if (found := re.findall(r"-?\d+", text)) else None,
        lambda text: Fraction(found[0]) if (found := re.findall(r"\d+", text)) else None,
    ),
)
def extract_answer__first_number(text: str) -> Fraction | None:
    return next(iter(numbers_in(text)), None)


@bug(
    "the last number",
    mistake="the last number of the text is taken, whether it is declared or not",
    symptom="a completion that was cut off, or that names many numbers, is right by chance; a remark behind the answer spoils it",
    wild="lm-eval 0.4.13, by choice: flexible-extract of gsm8k",
    likewise=(
        lambda text: Fraction(found[-1]) if (found := re.findall(r"-?\d+", text)) else None,
        lambda text: Fraction(found[-1]) if (found := re.findall(r"\d+", text)) else None,
        lambda text: Fraction(found[-1]) if (found := re.findall(r"-?\d+(?:\.\d+)?", text)) else None,
        lambda text: Fraction(found[-1].replace(",", "")) if (found := re.findall(r"-?\d[\d,]*\.?\d*", text)) else None,
    ),
)
def extract_answer__last_number(text: str) -> Fraction | None:
    return next(reversed(numbers_in(text)), None)


@bug(
    "the last number, if there is a mark",
    mistake="it is looked whether an answer is declared, and then the last number of the whole text is taken all the same",
    symptom="a remark behind the answer that has a number in it spoils the answer",
)
def extract_answer__last_if_marked(text: str) -> Fraction | None:
    return next(reversed(numbers_in(text)), None) if MARK in text else None


@bug(
    "the first declaration",
    mistake="the first declared answer counts, although the completion corrects itself later",
    symptom="models that check their work score lower than models that do not",
    wild="simple-evals #115, frontier-evals #125, tinker-cookbook #895",
    likewise=(
        lambda text: read_number(m[1]) if (m := re.search(r"Answer:[*\s]*(.+)", text)) else None,
        lambda text: read_number(m[1]) if (m := re.search(r"Answer:(.*)", text)) else None,
    ),
)
def extract_answer__first_declared(text: str) -> Fraction | None:
    return read_number(text.partition(MARK)[2].partition("\n")[0])


@bug(
    "the first number behind a mark",
    mistake="the pattern takes the first number behind the first mark, so an answer that is corrected later counts, and of "
    "two candidates the first one",
    symptom='models that check their work score lower, and "71 or 72" is right if 71 is',
    likewise=tuple(
        lambda text, pattern=pattern: read_number(found[1]) if (found := re.search(pattern, text)) else None
        for pattern in (
            r"Answer:\s*(-?\d+)",
            r"Answer:\s*(-?\d[\d,.]*)",
            r"Answer:[*\s]*(-?[\d,.]+)",
            r"Answer:\s*(-?[\d,.]+(?:/\d+)?)",
            r"Answer:[*\s]*(-?[\d,.]+(?:/\d+)?)",
        )
    ),
)
def extract_answer__first_match(text: str) -> Fraction | None:
    found = re.search(r"Answer:\s*(-?[\d,.]+)", text)
    return read_number(found[1]) if found else None


@bug(
    "the last readable declaration",
    mistake="a last declaration that names two numbers is passed over, and an earlier one is taken in its place",
    symptom="a completion that ends in doubt is scored by an answer that it has given up",
)
def extract_answer__last_readable(text: str) -> Fraction | None:
    found = [read_number(line) for line in re.findall(r"Answer:(.*)", text)]
    return next((number for number in reversed(found) if number is not None), None)


@bug(
    "the first of two candidates",
    mistake="where several numbers are declared at once, the first of them is taken",
    symptom='a model learns to write "71 or 72": whoever names two numbers is right too often',
    likewise=tuple(
        lambda text, pattern=pattern: (
            read_number(found[-1].rstrip(",")) if (found := re.findall(pattern, text)) else None
        )
        for pattern in (
            r"Answer:\s*(-?\d+)",
            r"Answer:\s*(-?[\d,.]+)",
            r"Answer:[*\s]*(-?[\d,.]+)",
            r"Answer: (-?[\d,.]+(?:/\d+)?)",
            r"Answer:[*\s]*(-?[\d,.]+(?:/\d+)?)",
        )
    ),
)
def extract_answer__first_candidate(text: str) -> Fraction | None:
    return next(iter(numbers_in(last_line(text))), None)


@bug(
    "the last of two candidates",
    mistake="where several numbers are declared at once, the last of them is taken",
    symptom='a model learns to write "71 or 72": whoever names two numbers is right too often',
)
def extract_answer__last_candidate(text: str) -> Fraction | None:
    return next(reversed(numbers_in(last_line(text))), None)


@bug(
    "the space is a part of the mark",
    mistake="the mark is looked for with a space behind it, so a mark in bold letters is not seen",
    symptom="models that write markdown have no answer where others have one",
    likewise=(
        lambda text: read_number(text.rpartition("Answer: ")[2].partition("\n")[0]) if "Answer: " in text else None,
    ),
)
def extract_answer__space(text: str) -> Fraction | None:
    found = re.findall(r"Answer: (.*)", text)
    return read_number(found[-1]) if found else None


@bug(
    "everything behind the mark",
    mistake="all that stands behind the last mark is read as one number, not its line alone",
    symptom="a completion that goes on behind its answer has none",
)
def extract_answer__no_line(text: str) -> Fraction | None:
    return read_number(text.rpartition(MARK)[2]) if MARK in text else None


@bug(
    "no mark needed",
    mistake="a text without a mark is read as if it were the answer: splitting it at the mark gives the whole text",
    symptom="completions that declare nothing get a score, and the format is never learned",
    likewise=(lambda text: read_number(text.split(MARK)[-1].split("\n")[0]),),
)
def extract_answer__no_mark(text: str) -> Fraction | None:
    return read_number(text.rpartition(MARK)[2].partition("\n")[0])


@bug(
    "nothing is 0",
    mistake="a completion without an answer gets the answer 0",
    symptom="problems whose answer is 0 are solved by saying nothing, and 0 votes like any other answer",
)
def extract_answer__zero(text: str) -> Fraction:
    return read_number(last_line(text)) or Fraction(0)
