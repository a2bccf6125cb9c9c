"""What goes wrong when the answer is taken out of a completion: how the number is read."""

import re
from fractions import Fraction

from reference.evaluation.answers import read_number
from reference.teaching.bug import bug

from .extract_answer import last_line


def matched(pattern: str, text: str) -> Fraction | None:
    """The first group of the pattern in the last declaration, as a number."""
    found = re.match(rf"[*\s]*{pattern}", last_line(text))
    return read_number(found[1]) if found else None


def alone(pattern: str, text: str) -> Fraction | None:
    """The same, if nothing but punctuation stands around it."""
    found = re.fullmatch(rf"[*\s]*{pattern}[.*\s]*", last_line(text))
    return read_number(found[1]) if found else None


@bug(
    "digits only",
    mistake="the digits alone are read: sign, comma and decimal point end the number or are dropped",
    symptom="-7 counts as 7 and 1,234 as 1; problems with small positive answers score well, and others never",
)
def extract_answer__digits(text: str) -> Fraction | None:
    found = re.search(r"\d+", last_line(text))
    return Fraction(found[0]) if found else None


@bug(
    "the sign is lost",
    mistake="the number is read without the sign in front of it",
    symptom="-7 counts as 7: right negative answers are wrong, and some wrong ones are right",
    wild="open-instruct PR #1530, proeval PR #19",
    likewise=(
        lambda text: matched(r"-?(\d[\d,]*(?:\.\d+)?(?:/\d+)?)", text),
        lambda text: None if (number := read_number(last_line(text))) is None else abs(number),
    ),
)
def extract_answer__sign(text: str) -> Fraction | None:
    return alone(r"-?(\d[\d,]*(?:\.\d+)?(?:/\d+)?)", text)


@bug(
    "cut at the comma",
    mistake="a comma ends the number, so of 1,234 only a part is read",
    symptom="answers above 999 are wrong where the model writes them with a comma, which larger models do more often",
    wild="opencompass #2647",
    likewise=(
        lambda text: matched(r"(-?\d+(?:\.\d+)?(?:/\d+)?)", text),
        lambda text: read_number(last_line(text).split(",")[-1]),
    ),
)
def extract_answer__comma(text: str) -> Fraction | None:
    return read_number(last_line(text).split(",")[0])


@bug(
    "the comma is a decimal point",
    mistake="a comma is read as a decimal point, so 1,234 is a little more than 1",
    symptom="answers above 999 are wrong where the model writes them with a comma",
)
def extract_answer__decimal_comma(text: str) -> Fraction | None:
    return read_number(last_line(text).replace(",", "."))


@bug(
    "the last digit is lost",
    mistake="the pattern ends in a point that stands for any character: without a full stop it takes the last digit",
    symptom="answers at the very end of a completion lose a digit; those that end in a full stop are right",
    wild="lm-eval 0.4.13: strict-match of gsm8k_cot, whose examples all end in a full stop",
    likewise=(
        lambda text: matched(r"(-?[\d.,/]+).", text),
        lambda text: read_number(f[-1]) if (f := re.findall(r"Answer:[*\s]*(-?[\d.,]+).", text)) else None,
        lambda text: read_number(f[-1]) if (f := re.findall(r"Answer: (-?[\d.,]+).", text)) else None,
    ),
)
def extract_answer__any_character(text: str) -> Fraction | None:
    return matched(r"(-?[\d.,]+).", text)


@bug(
    "whole numbers only",
    mistake="the number ends at its decimal point or its fraction bar",
    symptom="3.5 counts as 3 and 1/2 as 1: wrong answers that begin alike are right",
    likewise=(lambda text: None if (n := read_number(last_line(text))) is None else int(n),),
)
def extract_answer__whole(text: str) -> Fraction | None:
    return matched(r"(-?\d[\d,]*)(?! or|, )", text)


@bug(
    "the top of a fraction",
    mistake="a fraction is read up to its bar: 1/2 is 1",
    symptom="fractions are never right, and a wrong one with a right numerator is",
)
def extract_answer__top(text: str) -> Fraction | None:
    return alone(r"(-?\d[\d,]*(?:\.\d+)?)(?:/\d+)?", text)


@bug(
    "text in place of a number",
    mistake="the text of the answer is returned, so it is compared letter by letter with the right one",
    symptom="50.0, 50. and **50** are wrong where 50 is right: what is measured is how an answer is written",
    wild="lm-eval 0.4.13, by choice: exact_match compares texts, some signs left out",
    likewise=(
        lambda text: last_line(text).strip() or None,
        lambda text: last_line(text).strip(" *."),
        lambda text: last_line(text).strip(" *.") or None,
    ),
)
def extract_answer__text(text: str) -> str:
    return last_line(text).strip()


@bug(
    "a float",
    mistake="the number is made a float, and most decimal fractions have no float that is equal to them",
    symptom="0.1 + 0.2 is not 0.3: some right decimal answers are counted as wrong, unless a tolerance makes up for it",
)
def extract_answer__float(text: str) -> float | None:
    number = read_number(last_line(text))
    return None if number is None else float(number)
